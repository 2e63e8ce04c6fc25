"""Runs tools that Playrail answers itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from playrail.calls.answers import Result
from playrail.calls.call import Call
from playrail.engines.engine import WithoutAnsible, Work
from playrail.tools.tool import DirectTool

T = TypeVar("T")


class Direct(WithoutAnsible):
    """The Engine of direct tools."""

    async def run(self, work: Work) -> Result:
        tool: DirectTool[Any, Any] = work.tool
        answering = tool.run(work.context, work.input)
        output = await in_time(answering, tool.timeout_s, work.call)
        return Result(
            data=output.model_dump(mode="json"),
            problem=output.problem(),
            truncated=output.cut,
            remote_text=tool.remote_text,
        )


async def in_time(work: Awaitable[T], deadline_s: float, call: Call) -> T:
    """What the work comes to. At its deadline the calls that it makes are stopped, which
    end in order and are recorded; what it says then counts all the same. Raises
    TimeoutError when it says nothing.
    """
    task = asyncio.ensure_future(work)
    await asyncio.wait({task}, timeout=deadline_s)
    if task.done():
        return task.result()
    call.stop.set()
    if call.trace.calls:
        await asyncio.wait({task})  # each of them has bounds of its own
    if not task.done() or task.exception() is not None:
        task.cancel()
        raise TimeoutError
    return task.result()
