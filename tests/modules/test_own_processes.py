"""Which of a host's processes are its own: a container's have the same names."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from worlds.host_modules import MODULES, SHARED, loaded

OF_HOST = ("41", "/system.slice/demo.service")
IN_NAMESPACE = ("41\t1", "/system.slice/demo.service")
BY_GROUP = ("41", f"/system.slice/docker-{'a1' * 32}.scope")


def cron_runs() -> bool:
    found: dict[str, bool] = loaded(MODULES / "list_schedules.py").daemons([{"source": "/etc/x"}])
    return found["cron_runs"]


def at_runs() -> bool:
    found: dict[str, bool] = loaded(MODULES / "list_schedules.py").daemons([{"source": "at job 1"}])
    return found["at_runs"]


def is_kept() -> bool:
    processes = sys.modules[loaded(SHARED / "clock_state.py").own_processes.__module__].processes
    return loaded(SHARED / "clock_state.py").keeper(processes()) is not None


def engine_runs() -> bool:
    docker = loaded(SHARED / "docker.py")
    assert docker.engine_runs() is (docker.elsewhere() is not None)
    found: bool = docker.engine_runs()
    return found


def firewalld_runs() -> bool:
    found: bool = loaded(SHARED / "firewall_managers.py").firewalld_runs()
    return found


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        (["cron", "-f"], cron_runs),
        (["busybox", "crond"], cron_runs),
        (["atd"], at_runs),
        (["chronyd"], is_kept),
        (["dockerd", "-H", "fd://"], engine_runs),
        (["firewalld"], firewalld_runs),
        (["python3", "/usr/sbin/firewalld", "--nofork"], firewalld_runs),
    ],
)
@pytest.mark.parametrize(
    ("place", "is_own"), [(OF_HOST, True), (IN_NAMESPACE, False), (BY_GROUP, False)]
)
def test_a_containers_program_is_not_the_hosts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    words: list[str],
    runs: Callable[[], bool],
    place: tuple[str, str],
    is_own: bool,
) -> None:
    shared: Any = sys.modules[loaded(SHARED / "clock_state.py").own_processes.__module__]
    monkeypatch.setattr(shared, "PROC", str(tmp_path))
    made = ((1, ["init"], "1", "/init.scope"), (41, words, *place))
    for pid, command, numbers, group in made:
        folder = tmp_path / str(pid)
        folder.mkdir()
        fields = ["S", "0", *["0"] * 20]
        (folder / "stat").write_text(
            f"{pid} ({words[0] if pid > 1 else 'init'}) {' '.join(fields)}"
        )
        (folder / "status").write_text(f"Name:\tx\nNSpid:\t{numbers}\n")
        (folder / "cgroup").write_text(f"0::{group}\n")
        (folder / "cmdline").write_text("\0".join(command) + "\0")
    assert runs() is is_own
