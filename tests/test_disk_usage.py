"""The host module of playbooks/disk, run for real: as a process, on real files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from host_modules import module_answer

MODULE = Path(__file__).parent.parent / "playbooks" / "disk" / "library" / "disk_usage.py"


def usage(path: Path | str, **arguments: Any) -> dict[str, Any]:
    return module_answer([str(MODULE)], {"path": str(path), **arguments}, timeout_s=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sizes = {"small": 10_000, "with space": 300_000, "-a\n'b' $HOME": 200_000, "ż/below": 400_000}
    for name, size in sizes.items():
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    return tmp_path / "folder"


def test_largest_come_first_and_the_rest_is_counted(folder: Path) -> None:
    answer = usage(folder, limit=3)
    names = [entry["path"].removeprefix(f"{folder}/") for entry in answer["entries"]]
    assert names == ["ż", "with space", "-a\n'b' $HOME"]
    assert answer["entries"][0]["size_bytes"] >= 400_000
    assert answer["total_bytes"] >= 910_000
    assert (answer["entries_total"], answer["truncated"], answer["complete"], answer["unreadable"]) == (
        4,
        True,
        True,
        0,
    )


def test_all_fit(folder: Path) -> None:
    answer = usage(f"{folder}/", limit=4)
    assert (len(answer["entries"]), answer["truncated"]) == (4, False)


def test_link_is_followed_and_a_file_has_only_a_total(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert usage(tmp_path / "link")["entries_total"] == 4
    alone = usage(folder / "small")
    assert (alone["entries"], alone["total_bytes"] >= 10_000) == ([], True)


def test_file_system_says_what_statvfs_says(folder: Path) -> None:
    system, status = usage(folder)["file_system"], os.statvfs(folder)
    assert system["size_bytes"] == status.f_blocks * status.f_frsize
    assert system["available_bytes"] == pytest.approx(status.f_bavail * status.f_frsize, rel=0.2)
    assert str(folder).startswith(system["mount_point"])
    assert 0 <= system["used_percent"] <= 100
    assert {"device", "fs_type", "used_bytes", "inodes_total", "inodes_used", "inodes_free"} <= set(system)


def test_file_system_without_inodes_or_space_to_count() -> None:
    system = usage("/proc", max_seconds=1)["file_system"]
    assert (system["mount_point"], system["used_percent"], system["inodes_total"]) == ("/proc", None, None)


def test_time_over_gives_what_there_is() -> None:
    answer = usage("/", max_seconds=0)
    assert (answer["complete"], answer["truncated"], answer["total_bytes"]) == (False, True, None)
    assert answer["file_system"]["mount_point"] == "/"


def test_failures_have_a_code(folder: Path) -> None:
    assert usage(folder / "missing")["playrail_code"] == "not_found"
    assert usage(folder / "small" / "below")["playrail_code"] == "not_a_directory"
