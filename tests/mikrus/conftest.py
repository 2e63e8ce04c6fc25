"""One server process of the simulator for all tests of this folder, where each test has a
simulator of its own behind it; and servers that run jobs, for which this machine stands in.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mikrus.execute import on_this_machine
from mikrus.shells import Server
from mikrus.simulator import Current, Simulator, running
from mikrus.world import World


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[Current, str]]:
    current = Current(Simulator())
    with running(current) as url:
        yield current, url


@pytest.fixture
def world(served: tuple[Current, str], tmp_path: Path) -> World:
    current, url = served
    current.simulator = Simulator(execute=on_this_machine(limit_s=5))
    return World(current.simulator, url, tmp_path)


@pytest.fixture(params=["dash", "bash", "busybox", "cat | sh"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Server:
    """A server with each of the shells; the last is how mikr.us seems to do it."""
    root, shell = tmp_path / "root", request.param
    if shutil.which(shell.split()[0]) is None:
        pytest.skip(f"no {shell} on this machine")
    match shell:
        case "busybox":
            programs = tmp_path / "bin"
            programs.mkdir()
            subprocess.run(["busybox", "--install", "-s", str(programs)], check=True)
            return Server(root, [str(programs / "sh"), "-c"], str(programs))
        case "cat | sh":
            return Server(root, ["bash", "-c", 'printf %s "$1" | bash -c "cat | sh"', "bash"])
        case _:
            return Server(root, [shell, "-c"])


@pytest.fixture
def plain(tmp_path: Path) -> Server:
    """A server where the shell makes no difference."""
    return Server(tmp_path / "root")
