"""The host module file_systems, on this machine and on made-up ones."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from worlds.host_modules import MODULES, loaded, module_answer

MODULE = MODULES / "file_systems.py"


@pytest.fixture
def host() -> ModuleType:
    return loaded(MODULE)


def test_this_machine_as_the_kernel_tells_it() -> None:
    answer = module_answer([str(MODULE)], {"limit": 500}, timeout_s=60)
    told = {one["mount_point"]: one for one in answer["file_systems"]}
    assert answer["total"] == len(told)
    status = os.statvfs("/")
    assert told["/"]["size_bytes"] == status.f_blocks * status.f_frsize
    full = [max(one.get("used_percent", 0), one.get("inodes_percent", 0)) for one in told.values()]
    assert full == sorted(full, reverse=True)
    assert not [place for place in told if place.startswith(("/proc", "/sys"))]


def test_a_deleted_file_that_is_open_anywhere(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.write(b"x" * 50_000_000)
        file.flush()
        os.fsync(file.fileno())
        (tmp_path / "big").unlink()
        answer = module_answer([str(MODULE)], {}, timeout_s=60)
    assert str(tmp_path / "big") in {one["path"] for one in answer["deleted_open"]}
    assert answer["deleted_open_bytes"] >= 50_000_000


@pytest.mark.parametrize("given", [{"limit": 1}, {"max_bytes": 600}])
def test_what_is_left_out_is_told(given: dict[str, int]) -> None:
    answer = module_answer([str(MODULE)], given, timeout_s=60)
    assert len(answer["file_systems"]) < answer["total"]
    assert answer["truncated"] is True


def test_the_journal_takes_what_its_files_take(
    host: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "JOURNALS", (str(tmp_path / "none"), str(tmp_path / "log")))
    assert host.journal_bytes() == (None, None)
    (tmp_path / "log" / "machine").mkdir(parents=True)
    (tmp_path / "log" / "machine" / "system.journal").write_bytes(b"x" * 100_000)
    size, why = host.journal_bytes()
    assert (100_000 <= size < 150_000, why) == (True, None)
    # Nor by a file beside the folders, or one that is gone when it is looked at
    (tmp_path / "log" / "a-stray").touch()
    names = os.listdir
    monkeypatch.setattr(host.os, "listdir", lambda path: ["gone", *names(path)])
    assert host.journal_bytes() == (size, None)

    def refuse(_path: str) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(host.os, "listdir", refuse)
    assert host.journal_bytes() == (None, "permission denied")


class Engine:
    """Stands for Docker's: what it answers by path."""

    def __init__(self, folder: Path) -> None:
        self.answers: dict[tuple[str, ...], Any] = {
            ("info",): {"DockerRootDir": str(folder)},
            ("containers", "json"): [{"Id": "a" * 64, "Names": ["/web"]}, {"Id": "b" * 64}],
            ("system", "df"): {
                "LayersSize": 7,
                "Containers": [{"SizeRw": 5}, {"Id": "b"}],
                "Volumes": [{"UsageData": {"Size": 11}}, {"UsageData": {"Size": -1}}],
                "BuildCache": None,
            },
        }

    def ask_json(self, *path: str, **_query: Any) -> Any:
        return self.answers[path]


def test_what_docker_takes(
    host: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, size in (("a", 1_000_000), ("b", 10_000)):
        place = tmp_path / "containers" / (number * 64)
        place.mkdir(parents=True)
        for name in (f"{place.name}-json.log", f"{place.name}-json.log.1"):
            (place / name).write_bytes(b"x" * size)
        (place / "config.v2.json").write_bytes(b"x" * size)
    monkeypatch.setattr(host, "Engine", lambda _sockets, **_: Engine(tmp_path))
    monkeypatch.setattr(host, "engine_runs", lambda: True)
    found, why = host.docker([])
    assert why is None
    assert 2_020_000 <= found.pop("logs_bytes") < 2_100_000
    largest = found.pop("largest_log")
    assert (largest["container"], largest["size_bytes"] >= 2_000_000) == ("web", True)
    assert str(tmp_path).startswith(found.pop("mount_point"))
    assert found == {
        "path": str(tmp_path),
        "images_bytes": 7,
        "containers_bytes": 5,
        "volumes_bytes": 11,
        "build_cache_bytes": 0,
    }
    assert json.dumps(found)


def test_an_engine_that_is_slow_to_measure_tells_the_rest(
    host: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Engine):
        def ask_json(self, *path: str, **query: Any) -> Any:
            if path == ("system", "df"):
                raise host.DockerFailed("docker_unavailable", "no answer in time")
            return super().ask_json(*path, **query)

    monkeypatch.setattr(host, "Engine", lambda _sockets, **_: Slow(tmp_path))
    monkeypatch.setattr(host, "engine_runs", lambda: True)
    found, why = host.docker([])
    assert (found["path"], why) == (str(tmp_path), "no answer in time")


def test_sums_in_another_form_are_not_nothing(
    host: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Engine:
        def __init__(self, *_: Any, **_more: Any) -> None:
            pass

        def ask_json(self, *path: str, **_query: Any) -> Any:
            told = {"info": {"DockerRootDir": "/"}, "system": {"ImageUsage": {"TotalSize": 5}}}
            return told.get(path[0], [])

    monkeypatch.setattr(host, "Engine", Engine)
    monkeypatch.setattr(host, "engine_runs", lambda: True)
    found, why = host.docker([])
    assert "images_bytes" not in found
    assert why == "this engine tells in another form what its data take"


def test_an_engine_that_does_not_run_is_not_started(
    host: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def knock(_sockets: list[str], **_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(host, "Engine", knock)
    monkeypatch.setattr(host, "engine_runs", lambda: False)
    assert host.docker([]) == (None, None)
    monkeypatch.setattr(host, "all_visible", lambda: False)
    assert host.docker([]) == (None, "this user may only see its own processes")


def test_an_engine_that_may_not_be_asked_is_told_so(
    host: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_sockets: list[str], **_: Any) -> None:
        raise host.DockerFailed("permission_denied", "/run/docker.sock: Permission denied")

    monkeypatch.setattr(host, "Engine", refuse)
    monkeypatch.setattr(host, "engine_runs", lambda: True)
    assert host.docker([]) == (None, "/run/docker.sock: Permission denied")
