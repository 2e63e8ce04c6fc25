"""One server process of the simulator for all tests of this folder; each test has a
simulator of its own behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mikrus.execute import on_this_machine
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
