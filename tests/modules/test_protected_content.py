"""What a file holds protects it: keys and credentials are not read, whatever part of the
file is asked for.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from worlds.host_modules import MODULES, module_answer

pytestmark = pytest.mark.slow

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root sets such flags")


def run(module: str, path: Path | str, **arguments: Any) -> dict[str, Any]:
    """What the module answers; those that change in check mode."""
    more: dict[str, Any] = {
        "write_file": {"content": "x", "_ansible_check_mode": True},
        "remove_file": {"_ansible_check_mode": True},
        "search_text": {"pattern": "x"},
    }
    given = {"path": str(path), **more.get(module, {}), **arguments}
    return module_answer([str(MODULES / f"{module}.py")], given, timeout_s=30)


def refused(module: str, path: Path | str, **arguments: Any) -> bool:
    return run(module, path, **arguments).get("playrail_code") == "protected_path"


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
def test_a_private_key_is_protected_wherever_it_lies(tmp_path: Path, kind: str) -> None:
    key = tmp_path / "site.pem"
    key.write_text(f"a certificate before\n-----BEGIN {kind}PRIVATE KEY-----\nx\n")
    assert refused("read_part", key)
    assert refused("read_part", key, last=1)
    assert refused("search_text", key)
    found = run("search_text", tmp_path)
    assert (found["matches"], found["left_out"]["protected"]) == ([], 1)
    listed = ["default", f"!{tmp_path}/*.pem"]
    assert not refused("read_part", key, protected=listed)
    assert len(run("search_text", tmp_path, protected=listed)["matches"]) == 1
    assert not refused("write_file", key)  # to put a new one in its place
    told = run("write_file", key, _ansible_diff=True)
    assert "before" not in told["diff"][0]


def test_what_only_speaks_of_a_private_key_is_not_protected(tmp_path: Path) -> None:
    for number, text in enumerate(
        [
            "the line -----BEGIN PRIVATE KEY----- starts it\n",
            "-----BEGIN CERTIFICATE-----\nx\n",
            "-----BEGIN PUBLIC KEY-----\nx\n",
        ]
    ):
        (tmp_path / str(number)).write_text(text)
        assert not refused("read_part", tmp_path / str(number))


KEY = "-----BEGIN PRIVATE KEY-----\n" + ("C" * 64 + "\n") * 20 + "-----END PRIVATE KEY-----\n"
CERTIFICATE = (
    "-----BEGIN CERTIFICATE-----\n" + ("B" * 64 + "\n") * 60 + "-----END CERTIFICATE-----\n"
)


def test_a_key_behind_certificates_is_found_whatever_part_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "site.pem"
    path.write_text(CERTIFICATE * 3 + KEY)
    for part in (
        {},
        {"limit": 1},
        {"offset": 190, "limit": 2},
        {"offset": 190, "skip_bytes": 9},
        {"last": 3},
    ):
        assert refused("read_part", path, **part), part
    found = run("search_text", tmp_path, pattern="C{9}", regex=True)
    assert (found["matches"], found["left_out"]["protected"]) == ([], 1)
    path.write_text(CERTIFICATE * 3)
    assert not refused("read_part", path)


def test_of_a_large_file_what_is_shown_counts(tmp_path: Path) -> None:
    """A log of gigabytes is not looked through for each of its lines."""
    path, line = tmp_path / "large", "a line of a log\n"
    path.write_text(line * 200_000 + KEY + line * 50)
    for part in (
        {"offset": 200_001, "limit": 1},
        {"offset": 200_010, "limit": 2},
        {"last": 60},
        {"last": 52},
    ):
        assert refused("read_part", path, **part), part
    for part in ({"offset": 1, "limit": 2}, {"offset": 200_030, "limit": 2}, {"last": 5}):
        assert not refused("read_part", path, **part), part
    # Else it would tell of the key whether a text is in it
    assert refused("search_text", path, pattern="log")


def test_the_diff_and_the_backup_of_a_key_do_not_show_it(tmp_path: Path) -> None:
    path = tmp_path / "site.pem"
    path.write_text(CERTIFICATE + KEY)
    told = run(
        "write_file",
        path,
        content="new\n",
        backup=True,
        _ansible_diff=True,
        _ansible_check_mode=False,
    )
    assert told["diff"][0]["dst_secret"]
    assert "CCCC" not in str(told)
    assert refused("read_part", told["backup_file"])


def test_what_cannot_be_read_has_a_code_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    long = tmp_path / ("n" * 245)
    long.write_text("x\n")
    assert run("read_part", tmp_path / "loop")["playrail_code"] == "link_loop"
    assert run("read_part", "/proc/self/mem")["playrail_code"] == "io_error"
    assert run("read_part", tmp_path / ("n" * 256))["playrail_code"] == "name_too_long"
    assert run("write_file", long, content="y\n", backup=True)["playrail_code"] == "name_too_long"
    assert "playrail_code" not in run("write_file", long, content="y\n")


@contextlib.contextmanager
def flagged(path: Path, flag: str) -> Iterator[None]:
    if subprocess.run(
        ["chattr", f"+{flag}", str(path)], capture_output=True, check=False
    ).returncode:
        pytest.skip("this file system has no flags")
    try:
        yield
    finally:
        subprocess.run(["chattr", f"-{flag}", str(path)], check=True)


@as_root
def test_an_immutable_file_or_directory_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("x\n")
    for flag, name in (("i", "folder"), ("i", "folder/file"), ("a", "folder/file")):
        with flagged(tmp_path / name, flag):
            for check_mode in (True, False):
                for module in ("write_file", "remove_file"):
                    answer = run(
                        module, tmp_path / "folder" / "file", _ansible_check_mode=check_mode
                    )
                    assert answer["playrail_code"] == "immutable_file", (module, answer)
                    assert f"lsattr shows {flag}" in answer["msg"]


@as_root
def test_only_the_directory_of_a_link_keeps_it_from_being_changed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "x").write_text("x\n")
    (folder / "link").symlink_to("x")
    with flagged(folder, "i"):
        assert run("remove_file", folder / "link")["playrail_code"] == "immutable_file"
    for path in (tmp_path, folder / "x"):
        with flagged(path, "i"):
            assert run("remove_file", folder / "link")["changed"]
