"""The module write_file while others look on and interfere: it is never half done, and
nobody leads it astray.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from worlds.host_modules import MODULES, module_answer
from worlds.meanwhile import answer_when

pytestmark = pytest.mark.slow

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away and mount")
FAILS = "import errno; raise OSError(errno.EBUSY, '')"


def write(path: Path, content: str = "new\n", **arguments: Any) -> dict[str, Any]:
    given = {"path": str(path), "content": content, **arguments}
    return module_answer([str(MODULES / "write_file.py")], given, timeout_s=30)


def write_when(path: Path, moments: dict[str, str], act: str, **arguments: Any) -> dict[str, Any]:
    return answer_when(
        "write_file", {"path": str(path), "content": "new\n", **arguments}, moments, act
    )


def look(folder: Path) -> dict[str, tuple[str, int, str]]:
    """Mode, owner and content of all that is there."""
    found = {}
    for path in folder.iterdir():
        status = path.stat()
        found[path.name] = (f"{stat.S_IMODE(status.st_mode):04o}", status.st_uid, path.read_text())
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """`folder` is a user's; `secret` is protected and holds a file of the same name."""
    for name in ("folder", "secret"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(f"{name}\n")
    return tmp_path


@pytest.mark.parametrize("name", ["file", "none"])
@pytest.mark.parametrize(
    ("moment", "of"),
    [("realpath", "/folder/"), ("open", "ansible_tmp"), ("fchmod", ""), ("rename", "ansible_tmp")],
)
def test_a_directory_swapped_in_leads_nowhere(place: Path, name: str, moment: str, of: str) -> None:
    """Whenever it happens: what was judged is what is written, or nothing is."""
    swap = f"os.path.islink('{place}/folder') or (os.rename('{place}/folder', '{place}/away'),"
    swap += f" os.symlink('{place}/secret', '{place}/folder'))"
    path = place / "folder" / name
    before = look(place / "secret")
    asked = {"protected": [str(place / "secret")], "mode": "0666", "backup": True}
    answer = write_when(path, {moment: of}, swap, **asked)
    assert look(place / "secret") == before
    left = [entry for entry in look(place / "away") if entry.startswith(".ansible_tmp")]
    assert left == []
    if moment == "realpath":
        assert answer["playrail_code"] == "changed_meanwhile"
        assert (place / "away" / "file").read_text() == "folder\n"


def test_a_link_swapped_in_is_not_followed(place: Path) -> None:
    path = place / "folder" / "file"
    swap = f"os.unlink('{path}'); os.symlink('{place}/secret/file', '{path}')"
    for moment, of in (("realpath", "/folder/file"), ("lstat", "^/proc/self/fd/.*/file")):
        before = look(place / "secret")
        answer = write_when(path, {moment: of}, swap, mode="0666")
        assert (answer["failed"], look(place / "secret")) == (True, before)
        path.unlink()
        path.write_text("folder\n")


NOTE = """
with open({log!r}, "a") as log:
    seen = {{}}
    for entry in os.listdir({folder!r}):
        status = os.stat(os.path.join({folder!r}, entry))
        seen[entry] = ["%04o" % stat.S_IMODE(status.st_mode), status.st_uid, status.st_size]
    log.write(json.dumps(seen) + "\\n")
"""


def watched(place: Path, **arguments: Any) -> Iterator[tuple[str, list[Any]]]:
    """Name, mode and owner of each file at each moment at which the module changes
    something.
    """
    log, folder = str(place / "log"), str(place / "folder")
    moments = dict.fromkeys(
        ("fdopen", "fchown", "setxattr", "fchmod", "fsync", "utime", "rename"), ""
    )
    answer = write_when(
        place / "folder" / "file", moments, NOTE.format(log=log, folder=folder), **arguments
    )
    assert answer["changed"], answer
    for line in (place / "log").read_text().splitlines():
        yield from json.loads(line).items()


@pytest.mark.parametrize(("old", "new"), [("0600", "0644"), ("0644", "0600"), ("0640", "0640")])
def test_nobody_else_reads_what_is_being_written(place: Path, old: str, new: str) -> None:
    """The old file keeps its mode to the end; what is made beside it has no wider mode than
    it will have.
    """
    path = place / "folder" / "file"
    path.chmod(int(old, 8))
    seen = list(watched(place, mode=new, backup=True))
    assert {mode for name, (mode, _, _) in seen if name == "file"} == {old}
    fresh = [(mode, size) for name, (mode, _, size) in seen if name.startswith(".ansible_tmp")]
    assert set(fresh) == {("0600", 0), ("0600", len("new\n")), (new, len("new\n"))}
    copies = [(mode, size) for name, (mode, _, size) in seen if name.endswith("~")]
    assert set(copies) == {("0600", 0), ("0600", len("folder\n")), (old, len("folder\n"))}
    assert look(place / "folder")["file"][::2] == (new, "new\n")


@as_root
def test_the_old_file_keeps_its_owner_to_the_end(place: Path) -> None:
    seen = list(watched(place, owner="games"))
    assert {owner for name, (_, owner, _) in seen if name == "file"} == {0}
    assert look(place / "folder")["file"][1] != 0


def test_a_failure_leaves_no_trace(place: Path) -> None:
    (place / "folder" / "file").chmod(0o600)
    os.link(place / "folder" / "file", place / "folder" / "again")
    before = look(place / "folder")
    more: dict[str, Any] = {"mode": "0666", "hard_links": "break"}
    answer = write_when(
        place / "folder" / "file", {"rename": "ansible_tmp"}, FAILS, backup=True, **more
    )
    assert (answer["playrail_code"], look(place / "folder")) == ("file_busy", before)
    assert write(place / "folder" / "file", **more)["changed"]
    assert look(place / "folder")["again"] == before["again"]  # another name of the old file


@as_root
def test_a_mounted_file_is_refused_and_left_as_it_is(place: Path) -> None:
    path = place / "folder" / "file"
    subprocess.run(["mount", "--bind", str(place / "secret" / "file"), str(path)], check=True)
    try:
        before = look(place / "folder")
        for check_mode in (False, True):
            answer = write(path, mode="0666", backup=True, _ansible_check_mode=check_mode)
            assert answer["playrail_code"] == "mounted_file"
            assert answer["msg"] == f"{path} is a mount point and cannot be replaced"
        assert look(place / "folder") == before
        # Its attributes alone can be set
        assert write(path, "secret\n", mode="0640")["mode"] == "0640"
    finally:
        subprocess.run(["umount", str(path)], check=True)


@as_root
def test_what_else_a_file_has_is_kept(place: Path) -> None:
    path = place / "folder" / "file"
    os.setxattr(path, "user.note", b"mine")
    os.chown(path, 5, 5)
    kept = write(path, mode="4755", backup=True)["backup_file"]
    assert os.getxattr(path, "user.note") == os.getxattr(kept, "user.note") == b"mine"
    assert (look(place / "folder")["file"][:2], Path(kept).stat().st_uid) == (("4755", 5), 5)
