"""The host module of playbooks/disk, run for real: as a process, on real files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from worlds.host_modules import MODULES, SHARED, loaded, module_answer

MODULE = MODULES / "disk_usage.py"


MOUNTS = SHARED / "mounts.py"
LINE = "{number} 1 {device} {root} {point} {options} shared:1 - {type} {source} rw"


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
    assert (
        answer["entries_total"],
        answer["truncated"],
        answer["complete"],
        answer["unreadable"],
    ) == (
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
    assert {"device", "fs_type", "used_bytes"} <= set(system)
    assert ("inodes_percent" in system) is bool(status.f_files)


@pytest.mark.slow
def test_file_system_without_inodes_or_space_to_count() -> None:
    system = usage("/proc", max_seconds=1)["file_system"]
    assert system["mount_point"] == "/proc"
    assert not {"used_percent", "inodes_percent", "reserved_bytes"} & system.keys()


def test_time_over_gives_what_there_is() -> None:
    answer = usage("/", max_seconds=0)
    assert (answer["complete"], answer["truncated"], answer["total_bytes"]) == (False, True, None)
    assert answer["file_system"]["mount_point"] == "/"


def test_failures_have_a_code(folder: Path) -> None:
    assert usage(folder / "missing")["playrail_code"] == "not_found"
    assert usage(folder / "small" / "below")["playrail_code"] == "not_a_directory"


def test_what_could_not_be_read_is_named(folder: Path) -> None:
    module = loaded(MODULE)
    walk, path = module.Walk(60), os.fsencode(folder)
    assert list(walk.children(path + b"/small")) == []  # no folder, so that root cannot either
    assert list(walk.children(path + b"/gone")) == []
    assert (walk.unreadable, walk.paths, walk.complete) == (1, [f"{folder}/small"], True)


def test_folders_of_other_file_systems_are_not_measured(folder: Path) -> None:
    module = loaded(MODULE)
    walk = module.Walk(60)
    walk.device = folder.stat().st_dev + 1
    names = {name for name, _found in walk.children(os.fsencode(folder))}
    assert names == {os.fsencode(one) for one in folder.iterdir() if one.is_file()}


def test_a_folder_that_is_in_two_places_counts_once(folder: Path) -> None:
    """As a bind mount is: the two have one inode."""
    module = loaded(MODULE)
    walk = module.Walk(60, {folder.stat().st_ino})
    walk.device = folder.stat().st_dev
    below = [list(walk.children(os.fsencode(folder.parent))) for _ in range(2)]
    named = [{name for name, _found in one} for one in below]
    assert named[0] - named[1] == {os.fsencode(folder)}


def test_it_takes_what_du_counts() -> None:
    command = ["du", "--summarize", "--one-file-system", "--block-size=1", "--", str(MODULES)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert usage(MODULES)["total_bytes"] == int(said.split("\t")[0])


def test_a_sparse_file_and_hard_links_take_what_they_take(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    (tmp_path / "one").write_bytes(b"x" * 1_000_000)
    (tmp_path / "other").hardlink_to(tmp_path / "one")
    answer = usage(tmp_path)
    assert 1_000_000 <= answer["total_bytes"] < 2_000_000


def test_a_deleted_file_that_is_open(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.write(b"x" * 5_000_000)
        file.flush()
        os.fsync(file.fileno())
        (tmp_path / "big").unlink()
        answer = usage(tmp_path)
    (mine,) = [one for one in answer["deleted_open"] if one["path"] == str(tmp_path / "big")]
    assert (mine["pid"], mine["bytes"] >= 5_000_000) == (os.getpid(), True)
    assert answer["deleted_open_bytes"] >= mine["bytes"]
    assert answer["total_bytes"] < 1_000_000


@pytest.mark.parametrize("most", [1000, 24_000])
def test_the_answer_fits(tmp_path: Path, most: int) -> None:
    for number in range(120):
        (tmp_path / f"{number:03}{'ż' * 120}").write_bytes(b"x")
    answer = usage(tmp_path, limit=100, max_bytes=most)
    told = {
        key: value
        for key, value in answer.items()
        if key not in ("changed", "invocation") and value is not None
    }
    assert len(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()) <= most
    assert answer["truncated"]
    assert answer["file_system"]["used_bytes"]
    assert len(answer["entries"]) < 100


Told = tuple[list[dict[str, Any]], dict[str, int], set[int]]


@pytest.fixture
def below(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Told]:
    """What is told of these mounts below a path, each as device number, place, type and
    what statvfs would say.
    """
    module = loaded(MOUNTS)

    def told(
        path: str,
        *listed: tuple[str, str, str, tuple[int, ...] | type[Exception]],
        options: str = "rw",
    ) -> Told:
        mounts = [
            module.Mount(
                LINE.format(
                    number=7,
                    device=one[0],
                    root="/",
                    point=one[1],
                    options=options,
                    type=one[2],
                    source="x",
                )
            )
            for one in listed
        ]
        answers = {one[1].replace("\\040", " "): one[3] for one in listed}

        def numbers(point: str, _kind: str) -> tuple[int, ...]:
            answer = answers[point]
            if isinstance(answer, tuple):
                return answer
            raise answer(point)

        monkeypatch.setattr(module, "numbers", numbers)
        monkeypatch.setattr(module.os, "stat", lambda _path: os.stat_result((0,) * 10))
        found: Told = module.below(path, mounts, module.holding(path, mounts))
        return found

    told.silent = module.Silent  # type: ignore[attr-defined]
    return told


ROOT = ("8:1", "/", "ext4", (4096, 1000, 500, 400, 1000, 900))


def test_other_file_systems_below_are_told_the_fullest_first(below: Callable[..., Told]) -> None:
    found, left_out, _ = below(
        "/",
        ROOT,
        ("8:2", "/var/log", "xfs", (4096, 100, 43, 43, 0, 0)),
        ("8:3", "/srv/with\\040blank", "ext4", (4096, 100, 90, 90, 100, 0)),
        ("0:4", "/proc", "proc", (4096, 0, 0, 0, 0, 0)),
    )
    assert [
        (one["mount_point"], one.get("used_percent"), one.get("inodes_percent")) for one in found
    ] == [
        ("/srv/with blank", 10.0, 100.0),
        ("/var/log", 57.0, None),
    ]
    assert left_out == {}


def test_what_has_no_space_of_its_own_is_counted_only(below: Callable[..., Told]) -> None:
    overlays = [
        (f"0:{number}", f"/var/lib/docker/overlay2/{number}/merged", "overlay", ROOT[3])
        for number in range(9)
    ]
    found, left_out, _ = below(
        "/",
        ROOT,
        ("7:1", "/snap/core/1", "squashfs", (4096, 10, 0, 0, 10, 0)),
        ("8:1", "/mnt/bind", "ext4", ROOT[3]),
        *overlays,
    )
    assert (found, left_out) == ([], {"squashfs": 1, "overlay": 9})


def test_one_that_does_not_answer_is_told_so_and_goes_first(below: Callable[..., Told]) -> None:
    silent = below.silent  # type: ignore[attr-defined]
    found, _, _ = below(
        "/",
        ROOT,
        ("8:2", "/srv", "ext4", (4096, 100, 0, 0, 0, 0)),
        ("0:9", "/mnt/nas", "nfs4", silent),
    )
    assert found[0] == {"mount_point": "/mnt/nas", "fs_type": "nfs4", "why": "does not answer"}


def test_a_mount_elsewhere_is_not_below(below: Callable[..., Told]) -> None:
    found, _, _ = below(
        "/srv", ROOT, ("8:2", "/srvother", "ext4", ROOT[3]), ("8:3", "/srv/a", "ext4", ROOT[3])
    )
    assert [one["mount_point"] for one in found] == ["/srv/a"]


def test_a_server_that_is_gone_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "stat"
    script.write_text("#!/bin/sh\nexec sleep 600\n")
    script.chmod(0o755)
    module = loaded(MOUNTS)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(module, "ANSWER_S", 0.2)
    with pytest.raises(module.Silent):
        module.numbers("/mnt/nas", "nfs4")
    assert module.numbers("/", "ext4")[1] > 0


@pytest.mark.skipif(shutil.which("stat") is None, reason="needs the program stat")
def test_a_program_says_the_same_of_a_file_system() -> None:
    module = loaded(MOUNTS)
    asked, known = (module.numbers("/", kind) for kind in ("nfs4", "ext4"))
    assert (asked[0], asked[1], asked[4]) == (known[0], known[1], known[4])


def test_what_leads_to_a_silent_file_system_is_not_measured(tmp_path: Path) -> None:
    for name in ("a", "mnt/nas", "z"):
        (tmp_path / name).mkdir(parents=True)
    module = loaded(MODULE)
    root = os.fsencode(tmp_path)
    largest, _total, left_out = module.measure(root, [root + b"/mnt/nas"], 9, module.Walk(60))
    assert [name for _size, name in sorted(largest.kept)] == [root + b"/a", root + b"/z"]
    assert left_out == [root + b"/mnt"]
