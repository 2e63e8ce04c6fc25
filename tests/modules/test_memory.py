"""The host module of playbooks/system, run for real, and on files as hosts have them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from worlds.host_modules import MODULES, SHARED, loaded, module_answer

MODULE = MODULES / "memory_info.py"
GIB = 1 << 30


def info(**arguments: Any) -> dict[str, Any]:
    return module_answer([str(MODULE)], arguments, timeout_s=20)


def test_memory_is_what_the_kernel_says() -> None:
    found = info()
    total = next(
        line
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemTotal:")
    )
    assert found["memory"]["MemTotal"] == int(total.split()[1]) * 1024
    assert found["memory"].keys() == {
        "MemTotal",
        "MemFree",
        "MemAvailable",
        "Cached",
        "SwapTotal",
        "SwapFree",
    }
    assert info(details=True)["memory"].keys() - found["memory"].keys() == {"Buffers", "Shmem"}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module on files of the test's own."""
    found = loaded(SHARED / "memory.py")
    monkeypatch.setattr(found, "PROC", str(tmp_path / "proc"))
    monkeypatch.setattr(found, "GROUPS", str(tmp_path / "groups"))
    return found


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("group", "files", "told"),
    [
        ("0::/init.scope", {}, (None, None)),
        # A container that sees its own only
        ("0::/", {"memory.max": "1073741824", "memory.current": "5"}, (GIB, 5)),
        (
            "0::/docker/a/init.scope",
            {"docker/a/memory.max": str(GIB), "docker/a/memory.current": "7"},
            (GIB, 7),
        ),
        ("0::/docker/a/init.scope", {"docker/a/memory.max": "max"}, (None, None)),
        ("0::/lxc/a", {"lxc/a/memory.max": str(GIB), "lxc/memory.max": str(2 * GIB)}, (GIB, None)),
        (
            "9:memory:/docker/a",
            {
                "memory/docker/a/memory.limit_in_bytes": str(GIB),
                "memory/docker/a/memory.usage_in_bytes": "9",
            },
            (GIB, 9),
        ),
        ("9:memory:/", {"memory/memory.limit_in_bytes": "9223372036854771712"}, (None, None)),
        ("9:memory:/\n0::/init.scope", {"memory/memory.limit_in_bytes": str(GIB)}, (GIB, None)),
        ("", {}, (None, None)),
    ],
)
def test_the_limit_of_a_container(
    module: ModuleType,
    tmp_path: Path,
    group: str,
    files: dict[str, str],
    told: tuple[int | None, ...],
) -> None:
    write(tmp_path / "proc/1/cgroup", group)
    for name, text in files.items():
        write(tmp_path / "groups" / name, text)
    assert module.limit(4 * GIB) == told


@pytest.mark.parametrize(
    ("in_container", "group", "files", "told"),
    [
        (False, "0::/init.scope", {}, 7),
        (True, "0::/", {"memory.events": "low 0\noom 4\noom_kill 3\noom_group_kill 0"}, 3),
        (True, "0::/init.scope", {"memory.events": "oom_kill 3"}, 3),
        (
            True,
            "0::/docker/a/init.scope",
            {"docker/memory.events": "oom_kill 9", "docker/a/memory.events": "oom_kill 0"},
            0,
        ),
        # Version 1 counts those of a group without those below
        (True, "9:memory:/docker/a", {"memory/docker/a/memory.oom_control": "oom_kill 1"}, None),
        (True, "", {}, None),
    ],
)
def test_ends_for_lack_of_memory_are_the_hosts_own(
    module: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    in_container: bool,
    group: str,
    files: dict[str, str],
    told: int | None,
) -> None:
    monkeypatch.setattr(module, "is_container", lambda: in_container)
    write(tmp_path / "proc/1/cgroup", group)
    write(tmp_path / "proc/vmstat", "pgfault 1\noom_kill 7")
    for name, text in files.items():
        write(tmp_path / "groups" / name, text)
    assert module.oom_kills() == told
