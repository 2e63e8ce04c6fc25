"""Calls through the door of a Playrail of the test's own, and what it wrote down of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from playrail.calls.answers import Answer
from playrail.calls.caller import Caller
from playrail.door.door import Playrail
from playrail.tools.tool import Context, DirectTool, Risk, ToolInput
from worlds.callers import ANN
from worlds.envelopes import assert_envelope
from worlds.local_plays import Whatever, playrail

Doing = Callable[[Playrail], Awaitable[Any]]


def within(server: Playrail, doing: Doing) -> Any:
    async def run() -> Any:
        async with server:
            return await doing(server)

    return asyncio.run(run())


def call(
    server: Playrail, name: str, arguments: Mapping[str, Any] | None = None, *, caller: Caller = ANN
) -> Answer:
    async def doing(open_server: Playrail) -> Answer:
        return await open_server.call(name, arguments or {}, caller=caller)

    answer: Answer = within(server, doing)
    assert_envelope(answer.envelope())
    return answer


def recorded(place: Path, *, without: str = "events") -> list[dict[str, Any]]:
    """The records, but those that tell what Ansible did."""
    server = playrail(place)
    try:
        assert server.ledger.verify().problem is None
        return [record for record in server.ledger.read() if record["kind"] != without]
    finally:
        server.ledger.close()


def direct(
    run: Callable[[Context, ToolInput], Awaitable[Whatever]], **more: Any
) -> DirectTool[Any, Any]:
    declared = {
        "risk": Risk.READ,
        "input": ToolInput,
        "toolset": "tests",
        "output": Whatever,
        **more,
    }
    return DirectTool(name="direct", summary="A test's tool.", run=run, **declared)
