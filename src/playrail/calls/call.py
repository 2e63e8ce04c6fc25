"""A call on its way through the door."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from playrail.calls.answers import Answer, Meta, Result
from playrail.calls.asking import Ask, Question
from playrail.tasks import Progress
from playrail.tools.tool import ANSWER_BYTES, ToolInput, most_bytes

LONGEST_NAME = 200  # characters of a tool's name; no tool has so long a one


@dataclass(frozen=True, kw_only=True)
class Granted:
    """That a call may carry out a step of a plan, on these hosts, as long as `still` raises
    nothing.

    `closes`: with its start the plan is used up.
    """

    plan_id: str
    hosts: tuple[str, ...]
    closes: bool
    still: Callable[[], Awaitable[None]]


@dataclass(kw_only=True)
class Call:
    """One call. `granted`: it carries out a plan; `parent` is the call that makes it;
    `check`: it is a preview.
    """

    name: str
    caller: str
    progress: Progress | None = None
    ask: Ask | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    granted: Granted | None = None
    parent: str | None = None
    check: bool = False
    resume: str | None = None
    """The plan that this call made before its client was asked."""
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: float = field(default_factory=time.monotonic)
    calls: bool = False
    """Whether it has made calls of its own."""
    began: bool = False
    """Whether its start is recorded."""
    run_id: str | None = None
    runs: tuple[str, ...] = ()
    """The runs that may have changed something, of calls that this one made."""
    retry_safe: bool = True
    question: Question | None = None
    most_bytes: int = ANSWER_BYTES
    """Of its answer."""

    def __post_init__(self) -> None:
        # It comes from the client, and is written down: short, and without half a surrogate
        # pair.
        self.name = self.name[:LONGEST_NAME].encode(errors="backslashreplace").decode()

    def inner(self, name: str, *, granted: Granted | None = None, check: bool = False) -> Call:
        """A call that this one makes, which ends with it."""
        self.calls = True
        return Call(
            name=name,
            caller=self.caller,
            progress=self.progress,
            stop=self.stop,
            granted=granted,
            parent=self.request_id,
            check=check,
        )

    def bound(self, given: ToolInput) -> None:
        """Lets the answer have as many bytes as the call asks for."""
        self.most_bytes = most_bytes(given)

    def answer(self, result: Result) -> Answer:
        meta = Meta(
            request_id=self.request_id,
            run_id=self.run_id,
            duration_ms=self.elapsed_ms(),
            cached=result.cached,
            retry_safe=self.retry_safe,
            truncated=result.truncated,
            remote_text=result.remote_text,
            secrets_hidden=result.secrets_hidden,
            way=result.way,
        )
        return Answer(
            meta=meta,
            data=result.data,
            problem=result.problem,
            runs=self.runs,
            question=self.question,
        )

    def elapsed_ms(self) -> int:
        return round((time.monotonic() - self.started) * 1000)
