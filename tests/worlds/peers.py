"""What the tests of other servers' mistakes call, and how: real plays on this machine, and the
simulator of the mikr.us API over real HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mikrus import simulator as sim
from mikrus.execute import on_this_machine
from playrail import catalog
from playrail.calls.answers import Answer
from worlds.callers import ANN
from worlds.local_plays import playrail

TOOLS = {tool.name: tool for tool in catalog.load().values()}
played = pytest.mark.slow  # real plays
# Calls tools of this machine, with writes on, where a home and a state of the test's own do not
# matter
Here = Callable[..., Answer]


def call(
    place: Path, tool: str, /, servers: dict[str, Any] | None = None, **arguments: Any
) -> Answer:
    """Calls a tool, with writes on, of this machine or of `servers`."""
    named = {"MCP_SERVERS": json.dumps(servers)} if servers else {}
    server = playrail(place, ENABLE_WRITE_OPERATIONS="1", **named)

    async def calling() -> Answer:
        async with server:
            return await server.call(tool, arguments, caller=ANN)

    return asyncio.run(calling())


def report(answer: Answer) -> dict[str, Any]:
    assert answer.problem is None, answer.problem
    assert answer.data is not None
    found: dict[str, Any] = next(iter(answer.data["hosts"].values()))
    return found


Api = tuple[sim.Simulator, dict[str, Any]]


@contextlib.contextmanager
def simulated_api() -> Iterator[Api]:
    """A simulator of the mikr.us API, and the servers to name for it."""
    simulator = sim.Simulator(execute=on_this_machine())
    with sim.running(simulator) as url:
        yield simulator, {"vps": {"type": "mikrus", "srv": sim.SRV, "key": sim.KEY, "api_url": url}}
