"""One server process of the simulator for all tests of this folder; each test has a
simulator of its own behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mikrus.execute import on_this_machine
from mikrus.simulator import Receive, Scope, Send, Simulator, running
from mikrus.world import World


class _Current:
    simulator = Simulator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.simulator(scope, receive, send)


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[_Current, str]]:
    current = _Current()
    with running(current) as url:
        yield current, url


@pytest.fixture
def world(served: tuple[_Current, str], tmp_path: Path) -> World:
    current, url = served
    current.simulator = Simulator(execute=on_this_machine(limit_s=5))
    return World(current.simulator, url, tmp_path)
