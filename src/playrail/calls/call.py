"""A call, and what becomes of it on its way through the door."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from playrail.calls.answers import Answer, Meta, Result
from playrail.calls.asking import Ask, Question
from playrail.calls.caller import Caller
from playrail.tasks import Progress
from playrail.tools.reading import ANSWER_BYTES

LONGEST_NAME = 200  # characters of a tool's name; no tool has so long a one


@dataclass(frozen=True, kw_only=True)
class Granted:
    """That a call may carry out a step of a plan, on these hosts, if `check_start` raises
    nothing at the moment when it starts.

    `closes`: with its start the plan is used up.
    """

    plan_id: str
    hosts: tuple[str, ...]
    closes: bool
    check_start: Callable[[], Awaitable[None]]


@dataclass(kw_only=True)
class Trace:
    """What becomes of a call while it is on its way."""

    since: float = field(default_factory=time.monotonic)
    calls: bool = False
    """Whether it has made calls of its own."""
    began: bool = False
    """Whether its start is recorded."""
    run_id: str | None = None
    runs: tuple[str, ...] = ()
    """The runs that may have changed something, of calls that this one made too."""
    retry_safe: bool = True
    question: Question | None = None
    most_bytes: int = ANSWER_BYTES
    """Of its answer."""
    more_with: Sequence[str] = ()
    """The arguments with which an answer that was cut tells more."""

    def elapsed_ms(self) -> int:
        return round((time.monotonic() - self.since) * 1000)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call. `granted`: it carries out a plan; `parent` is the call that makes it;
    `check`: it is to be a preview, whatever its arguments say.
    """

    name: str
    caller: Caller
    progress: Progress | None = None
    ask: Ask | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    granted: Granted | None = None
    parent: str | None = None
    check: bool = False
    resume: str | None = None
    """The plan that this call made before its client was asked."""
    request_id: str = field(default_factory=lambda: secrets.token_hex(8))
    trace: Trace = field(default_factory=Trace)

    def inner(self, name: str, *, granted: Granted | None = None, check: bool = False) -> Call:
        """A call that this one makes, which ends with it."""
        self.trace.calls = True
        return Call(
            name=name,
            caller=self.caller,
            progress=self.progress,
            stop=self.stop,
            granted=granted,
            parent=self.request_id,
            check=check,
        )

    def answer(self, result: Result) -> Answer:
        trace = self.trace
        meta = Meta(
            request_id=self.request_id,
            run_id=trace.run_id,
            duration_ms=trace.elapsed_ms(),
            cached=result.cached,
            retry_safe=trace.retry_safe,
            truncated=result.truncated,
            more_with=trace.more_with if result.truncated else (),
            remote_text=result.remote_text,
            secrets_hidden=result.secrets_hidden,
            way=result.way,
        )
        return Answer(
            meta=meta,
            data=result.data,
            problem=result.problem,
            runs=trace.runs,
            question=trace.question,
        )


def tool_name(word: str) -> str:
    """The name that a client sent, fit for records: short, and without half a surrogate
    pair.
    """
    return word[:LONGEST_NAME].encode(errors="backslashreplace").decode()
