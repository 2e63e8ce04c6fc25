"""The module write_file, run for real: as a process, on real files."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from playrail.settings.content import collections_root
from worlds.host_modules import MODULES, module_answer

pytestmark = pytest.mark.slow

MODULE = MODULES / "write_file.py"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away and mount")
OTHER = pwd.getpwnam("games")


def write(path: Path | str, content: str = "x\n", **arguments: Any) -> dict[str, Any]:
    return module_answer(
        [str(MODULE)], {"path": str(path), "content": content, **arguments}, timeout_s=30
    )


def preview(path: Path | str, content: str = "x\n", **arguments: Any) -> dict[str, Any]:
    return write(path, content, _ansible_check_mode=True, _ansible_diff=True, **arguments)


def refusal(answer: dict[str, Any]) -> str:
    assert answer["failed"]
    return str(answer["playrail_code"])


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> str:
    return f"{stat.S_IMODE(path.stat().st_mode):04o}"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "a",
        "one\ntwo",
        "one\r\ntwo\r\n",
        "\n\n",
        " leading and trailing ",
        "{{ lookup('pipe', 'id') }}{% raw %}",
        '{"a": [1, true, null]}',
        "true",
        "1.0",
        "null",
        "$ANSIBLE_VAULT;1.1;AES256\n6162\n",
        "zażółć 🎭\ufeff",
        "a\0b",
        "'\"`$(id)$HOME\\",
    ],
)
def test_content_is_written_as_it_is(tmp_path: Path, content: str) -> None:
    answer = write(tmp_path / "new", content)
    assert (tmp_path / "new").read_bytes() == content.encode()
    assert (answer["changed"], answer["size_bytes"]) == (True, len(content.encode()))
    assert (answer["sha256"], answer["old_sha256"]) == (sha256(content), None)
    assert (answer["resolved_path"], answer["mode"]) == (str(tmp_path / "new"), "0644")
    again = write(tmp_path / "new", content)
    assert (again["changed"], again["old_sha256"]) == (False, sha256(content))
    assert names_in(tmp_path) == ["new"]


def test_ten_megabytes(tmp_path: Path) -> None:
    content = "zażółć\n" * 1_000_000
    assert write(tmp_path / "new", content)["sha256"] == sha256(content)
    assert (tmp_path / "new").read_text() == content


def test_the_content_is_neither_logged_nor_sent_back_nor_masked(tmp_path: Path) -> None:
    """`no_log` alone would mask every text of the answer that holds it."""
    (tmp_path / "aaa").write_text("old a\n")
    answer = write(tmp_path / "aaa", "a", _ansible_diff=True)
    assert answer["resolved_path"] == str(tmp_path / "aaa")
    assert (answer["diff"][0]["before"], answer["diff"][0]["after"]) == ("old a\n", "a")
    # ansible-core 2.21 sends no arguments back unless asked to
    assert "content" not in answer.get("invocation", {}).get("module_args", {})
    assert (
        write(tmp_path / "aaa" / "x", "a")["msg"]
        == f"cannot write {tmp_path}/aaa/x: Not a directory"
    )


def test_a_new_file_has_the_mode_of_the_umask_or_the_one_given(tmp_path: Path) -> None:
    assert write(tmp_path / "plain")["mode"] == mode(tmp_path / "plain") == "0644"
    assert write(tmp_path / "given", mode="640")["mode"] == mode(tmp_path / "given") == "0640"
    assert write(tmp_path / "open", mode="0666")["mode"] == mode(tmp_path / "open") == "0666"


def test_the_old_files_mode_stays_unless_another_is_given(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_text("old\n")
    path.chmod(0o600)
    assert (write(path)["mode"], mode(path)) == ("0600", "0600")
    answer = write(path, "new\n", mode="0640")
    assert (answer["changed"], answer["mode"], mode(path)) == (True, "0640", "0640")
    only_mode = write(path, "new\n", mode="0644")
    assert (only_mode["changed"], only_mode["sha256"], mode(path)) == (
        True,
        only_mode["old_sha256"],
        "0644",
    )


@as_root
def test_the_old_files_owner_stays_unless_another_is_given(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_text("old\n")
    os.chown(path, OTHER.pw_uid, OTHER.pw_gid)
    answer = write(path)
    assert (path.stat().st_uid, path.stat().st_gid, answer["owner"]) == (
        OTHER.pw_uid,
        OTHER.pw_gid,
        "games",
    )
    write(path, "new\n", owner="root", group=str(OTHER.pw_gid))
    assert (path.stat().st_uid, path.stat().st_gid) == (0, OTHER.pw_gid)


AS_ANOTHER = """
import os, runpy, sys
sys.path.insert(0, sys.argv[2])
module = runpy.run_path(sys.argv[1])
os.setgroups([])
os.setgid(int(sys.argv[3]))
os.setuid(int(sys.argv[3]))
try:
    module["Attributes"](None, None, None, os.stat(sys.argv[4]))
except module["Refused"] as refusal:
    print(refusal.code, refusal)
"""


@as_root
def test_a_user_who_could_not_keep_the_owner_is_refused() -> None:
    """Else the file would change hands without a word."""
    number = str(OTHER.pw_uid)
    words = [str(MODULE), str(collections_root()), number, "/etc/hosts"]
    ended = subprocess.run(
        [sys.executable, "-c", AS_ANOTHER, *words], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "permission_denied only root may write a file that root owns\n"


def test_a_backup_is_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old\n")
    path.chmod(0o600)
    kept = Path(write(path, backup=True)["backup_file"])
    assert (kept.read_text(), mode(kept), kept.parent) == ("old\n", "0600", tmp_path)
    assert write(path, backup=True)["backup_file"] is None  # nothing changed
    assert write(tmp_path / "new", backup=True)["backup_file"] is None


def test_links_are_followed_to_their_file(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old\n")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "new_link").symlink_to("not_yet")
    assert write(tmp_path / "link")["resolved_path"] == str(tmp_path / "target")
    write(tmp_path / "new_link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == (tmp_path / "not_yet").read_text() == "x\n"


def test_expected_content_is_looked_at_first(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old\n")
    refused = write(path, "new\n", expected_sha256=sha256("other\n"), mode="0600")
    assert (refusal(refused), path.read_text(), mode(path)) == (
        "changed_meanwhile",
        "old\n",
        "0644",
    )
    assert refusal(preview(path, "new\n", expected_sha256=sha256("other\n"))) == "changed_meanwhile"
    gone = write(tmp_path / "gone", expected_sha256=sha256(""))
    assert (refusal(gone), (tmp_path / "gone").exists()) == ("changed_meanwhile", False)
    assert write(path, "new\n", expected_sha256=sha256("old\n").upper())["changed"]
    assert path.read_text() == "new\n"


def test_a_preview_changes_nothing_and_tells_what_would_be(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old\n")
    told = preview(path, "new\n", mode="600", backup=True)
    assert told["diff"] == [
        {
            "before_header": str(path),
            "after_header": str(path),
            "before": "old\n",
            "after": "new\n",
        },
        {
            "before_header": f"{path} (file attributes)",
            "after_header": f"{path} (file attributes)",
            "before": {"mode": "0644"},
            "after": {"mode": "0600"},
        },
    ]
    assert (told["changed"], told["old_sha256"], told["sha256"]) == (
        True,
        sha256("old\n"),
        sha256("new\n"),
    )
    assert (told["mode"], told["backup_file"]) == ("0600", None)
    new = preview(tmp_path / "new", "new\n")
    me = pwd.getpwuid(os.geteuid()).pw_name
    assert (new["changed"], new["diff"][0]["before"], new["mode"], new["owner"]) == (
        True,
        "",
        "0644",
        me,
    )
    assert preview(path, "old\n")["changed"] is False
    assert "diff" not in write(path, "old\n")
    assert (names_in(tmp_path), path.read_text(), mode(path)) == (["file"], "old\n", "0644")


def test_a_difference_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "large").write_text("x" * 200_000)
    (tmp_path / "binary").write_bytes(b"a\0b")
    assert preview(tmp_path / "large")["diff"][0].keys() == {
        "before_header",
        "after_header",
        "dst_larger",
        "after",
    }
    assert preview(tmp_path / "binary", replace_all=True)["diff"][0]["dst_binary"] == 1
    assert "src_larger" in preview(tmp_path / "new", "x" * 200_000)["diff"][0]


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    plain = tmp_path / "file"
    plain.write_text("x")
    for path, code in (
        (tmp_path, "is_a_directory"),
        (f"{tmp_path}/new/", "is_a_directory"),
        (tmp_path / "fifo", "not_a_file"),
        (tmp_path / "no" / "parent", "not_found"),
        (plain / "below", "not_a_directory"),
        (tmp_path / ("n" * 300), "name_too_long"),
        ("/dev/null", "protected_path"),
    ):
        assert refusal(write(path)) == code, path
        assert refusal(preview(path)) == code, path


@pytest.mark.parametrize(
    "name", ["$HOME", "~", "a 'b'", "$(id)", "{{ 7 * 7 }}", "-rf", "zażółć", "*"]
)
def test_names_are_taken_literally(tmp_path: Path, name: str) -> None:
    assert write(tmp_path / name, mode="0600", backup=True)["changed"]
    assert write(tmp_path / name, "other\n", backup=True, group=str(os.getegid()))["backup_file"]
    assert (tmp_path / name).read_text() == "other\n"


def test_owner_and_mode_are_checked_before_anything_is_written(tmp_path: Path) -> None:
    new = tmp_path / "new"
    assert refusal(write(new, owner="nosuchuser")) == "owner_not_found"
    assert refusal(write(new, group="nosuchgroup")) == "owner_not_found"
    for number in ("4294967295", "9999999999", "٣"):  # the first would mean: leave it as it is
        assert (
            refusal(write(new, owner=number))
            == refusal(write(new, group=number))
            == "owner_not_found"
        )
    assert refusal(write(new, mode="rw")) == "invalid_argument"
    assert not new.exists()
    assert write(new, owner=str(os.geteuid()), group=str(os.getegid()))["changed"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,noatime", "small", str(place)], check=True
    )
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@as_root
def test_a_full_disk_leaves_the_old_file(small_disk: Path) -> None:
    path = small_disk / "file"
    path.write_text("x" * 40_000)
    before = path.stat()
    assert refusal(write(path, "y" * 100_000, mode="0600")) == "disk_full"
    # The backup has no room
    assert refusal(write(path, "y", mode="0600", backup=True)) == "disk_full"
    assert (names_in(small_disk), path.stat()) == (["file"], before)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert refusal(write(path, "y")) == "read_only_file_system"
    assert refusal(preview(path, "y")) == "read_only_file_system"


@pytest.mark.parametrize("folder_mode", [0o755, 0o2775])
def test_a_preview_foretells_whose_a_new_file_will_be(tmp_path: Path, folder_mode: int) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, -1, OTHER.pw_gid)
    tmp_path.chmod(folder_mode)
    asked = {"owner": str(OTHER.pw_uid)} if os.geteuid() == 0 else {}

    foretold, told = (make(tmp_path / "new", **asked) for make in (preview, write))

    keys = ("mode", "owner", "group", "sha256", "old")
    assert {key: foretold[key] for key in keys} == {key: told[key] for key in keys}
    assert told["old"] is None


def test_a_secret_is_in_no_diff_and_neither_is_what_it_replaces(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("CANARY-old\n")

    for make in (preview, write):
        told = make(
            path,
            "CANARY-new\n",
            secret=True,
            **({} if make is preview else {"_ansible_diff": True}),
        )
        assert told["diff"][0].keys() >= {"dst_secret", "src_secret"}
        assert "CANARY" not in json.dumps(
            {key: value for key, value in told.items() if key != "invocation"}
        )

    assert path.read_text() == "CANARY-new\n"
