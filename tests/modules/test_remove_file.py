"""The module remove_file, run for real: as a process, on real files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from worlds.host_modules import MODULES, module_answer
from worlds.meanwhile import answer_when

pytestmark = pytest.mark.slow
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nCANARY\n"


def remove(path: Path | str, **arguments: Any) -> dict[str, Any]:
    return module_answer(
        [str(MODULES / "remove_file.py")], {"path": str(path), **arguments}, timeout_s=30
    )


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_file_is_removed_and_a_preview_leaves_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old\n")
    path.chmod(0o640)

    foretold = remove(path, _ansible_check_mode=True, _ansible_diff=True)
    assert path.read_text() == "old\n"
    told = remove(path, _ansible_diff=True, expected_sha256=sha256("old\n"))

    assert not path.exists()
    assert {**foretold, "invocation": 0} == {**told, "invocation": 0}
    assert (told["changed"], told["old_sha256"], told["old"]["mode"]) == (
        True,
        sha256("old\n"),
        "0640",
    )
    headers = {"before_header": str(path), "after_header": str(path)}
    assert told["diff"] == [{**headers, "before": "old\n", "after": ""}]
    again = remove(path, _ansible_diff=True)
    assert (again["changed"], again["old"], "diff" in again) == (False, None, False)


def test_what_is_in_no_directory_is_absent_unless_it_is_expected(tmp_path: Path) -> None:
    nowhere = tmp_path / "none" / "file"

    assert remove(nowhere)["changed"] is False
    assert remove(nowhere, expected_sha256=sha256(""))["playrail_code"] == "not_found"


def test_what_is_refused_stays(tmp_path: Path) -> None:
    path, link, other = tmp_path / "file", tmp_path / "link", tmp_path / "hard"
    path.write_text("x")
    link.symlink_to(path)
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    os.mkfifo(tmp_path / "fifo")
    os.link(path, other)
    before = sorted(tmp_path.iterdir())

    for check_mode in (True, False):
        asked: dict[str, Any] = {"_ansible_check_mode": check_mode}
        assert remove(tmp_path, **asked)["playrail_code"] == "is_a_directory"
        assert remove(f"{path}/", **asked)["failed"]
        assert remove(tmp_path / "fifo", **asked)["playrail_code"] == "not_a_file"
        assert (
            remove(path, expected_sha256=sha256("y"), **asked)["playrail_code"]
            == "changed_meanwhile"
        )
        assert remove(path, protected=[str(tmp_path)], **asked)["playrail_code"] == "protected_path"
        assert remove(other, protected=[str(path)], **asked)["playrail_code"] == "protected_path"
        assert remove("/etc/shadow", **asked)["playrail_code"] == "protected_path"

    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("content", "key"), [(KEY, "dst_secret"), ("x" * 200_000, "dst_larger"), ("\0", "dst_binary")]
)
def test_what_a_diff_does_not_show(tmp_path: Path, content: str, key: str) -> None:
    path = tmp_path / "file"
    path.write_text(content)

    told = remove(path, _ansible_diff=True)

    assert key in told["diff"][0]
    assert "before" not in told["diff"][0]
    assert "CANARY" not in str(told)


@pytest.mark.parametrize(
    ("moment", "of"), [("realpath", "/folder/"), ("open", "/folder"), ("lstat", "/fd/")]
)
def test_a_directory_swapped_in_leads_nowhere(tmp_path: Path, moment: str, of: str) -> None:
    for name in ("folder", "secret"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(f"{name}\n")
    swap = (
        f"os.path.islink('{tmp_path}/folder') or (os.rename('{tmp_path}/folder', "
        f"'{tmp_path}/away'),"
    )
    swap += f" os.symlink('{tmp_path}/secret', '{tmp_path}/folder'))"
    asked = {"path": str(tmp_path / "folder" / "file"), "protected": [str(tmp_path / "secret")]}

    answer_when("remove_file", asked, {moment: of}, swap)

    assert (tmp_path / "folder").is_symlink()
    assert (tmp_path / "secret" / "file").read_text() == "secret\n"


def test_another_file_put_in_its_place_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old\n")
    (tmp_path / "new").write_text("new\n")
    swap = f"os.path.exists('{tmp_path}/new') and os.rename('{tmp_path}/new', '{path}')"

    told = answer_when("remove_file", {"path": str(path)}, {"access": "/fd/"}, swap)

    assert told["playrail_code"] == "changed_meanwhile"
    assert path.read_text() == "new\n"
