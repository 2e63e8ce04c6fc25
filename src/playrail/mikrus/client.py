"""A client of api.mikr.us: its pace, its retries, and what may be answered from memory."""

from __future__ import annotations

import asyncio
import copy
import logging
import math
import random
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from types import TracebackType
from typing import Any, Self

from playrail.errors import Cancelled, InvalidArgument, OutcomeUnknown, PlayrailError, RateLimited
from playrail.mikrus.pace import Pace, Turn, too_fast
from playrail.mikrus.replies import Outcome, without_key
from playrail.mikrus.transport import Progress, Transport
from playrail.settings.mikrus_server import MikrusServer

log = logging.getLogger(__name__)

CACHED = frozenset({"/info", "/serwery", "/db", "/stats", "/porty"})
"""Which the API itself makes anew once a minute only."""
READS = CACHED | {"/logs", "/cloud"}
CHANGES = frozenset({"/restart", "/amfetamina", "/exec", "/domain"})
ONE_LOG = re.compile(r"/logs/[A-Za-z0-9_-]{1,128}")

RETRIES = 2
BACKOFF_S = 0.5  # before the first retry, twice as much before the next
ANSWER_S = 10.0
EXEC_ANSWER_S = 65.0  # the API ends a command after 60 s
LEAST_S = 2.0  # kept for the request itself when there is a wait before it


@dataclass(frozen=True)
class Reply:
    """What the API answered, and whether that came from memory."""

    body: Any
    cached: bool


ServerId = tuple[str, str, bytes]


@dataclass(frozen=True, kw_only=True)
class _Question:
    server: MikrusServer
    endpoint: str
    form: Mapping[str, str]

    @property
    def server_id(self) -> ServerId:
        key = sha256(self.server.key.get_secret_value().encode()).digest()
        return self.server.api_url, self.server.srv, key

    @property
    def id(self) -> tuple[ServerId, str, tuple[tuple[str, str], ...]]:
        return self.server_id, self.endpoint, tuple(sorted(self.form.items()))


@dataclass
class _Flight:
    """A read that is under way for all who ask the same. It goes on until the last of them
    has no more time.
    """

    question: _Question
    deadline: float
    waiting: int = 0
    progress: Progress = field(default_factory=Progress)
    idle: Outcome | None = None
    """While it waits for its turn: what to tell whoever has no more time."""
    task: asyncio.Task[Outcome] | None = None

    def left_s(self) -> float:
        return self.deadline - time.monotonic()


class Mikrus:
    """Asks the API. Close it, or use it as a context manager, in the event loop that it was
    first used in.
    """

    def __init__(self, pace: Pace, *, cache_s: float = 60.0, answer_s: float = ANSWER_S) -> None:
        self._pace = pace
        self._cache_s = cache_s
        self._answer_s = answer_s
        self._transport = Transport()
        self._kept: dict[Any, tuple[float, Any]] = {}
        self._flights: dict[Any, _Flight] = {}
        self._flying: set[asyncio.Task[Outcome]] = set()
        self._changes: dict[ServerId, int] = {}
        self._giving_back: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        for task in self._flying:
            task.cancel()
        await asyncio.gather(*self._flying, return_exceptions=True)
        await asyncio.gather(*self._giving_back, return_exceptions=True)
        await self._transport.close()

    async def ask(
        self,
        server: MikrusServer,
        endpoint: str,
        form: Mapping[str, str] | None = None,
        *,
        repeatable: bool,
        within_s: float,
        stop: asyncio.Event | None = None,
    ) -> Reply:
        """What the API answers, after at most `within_s` seconds. Raises PlayrailError,
        most often ApiError.

        `repeatable` is for what only looks: it may be sent again, shared with others who
        ask the same, and answered from memory. Anything else is sent once; OutcomeUnknown
        says that it may have been done and that nobody knows.

        Once `stop` is set it is given up: with Cancelled, but for a change that was sent by
        then.
        """
        if endpoint not in READS | CHANGES and not ONE_LOG.fullmatch(endpoint):
            raise InvalidArgument("The API has no such endpoint.")
        question = _Question(
            server=server, endpoint=endpoint, form={**(form or {}), "srv": server.srv}
        )
        deadline = time.monotonic() + within_s
        if stop is not None and stop.is_set():
            raise _cancelled()
        if not repeatable or endpoint in CHANGES:
            return Reply(await self._change(question, deadline, stop), cached=False)
        kept_at, kept = self._kept.get(question.id, (float("-inf"), None))
        if time.monotonic() - kept_at < self._cache_s:
            return Reply(copy.deepcopy(kept), cached=True)
        return Reply(copy.deepcopy(await self._read(question, deadline, stop)), cached=False)

    async def _change(
        self, question: _Question, deadline: float, stop: asyncio.Event | None
    ) -> Any:
        progress = Progress()
        try:
            async with (
                _within(deadline - time.monotonic(), stop),
                self._turn(question, deadline, progress) as turn,
            ):
                await asyncio.sleep(turn.wait_s)
                outcome = await self._send(question, progress)
        except TimeoutError:
            outcome = _stopped(stop, progress) or progress.too_late()
        finally:
            if progress.sent:
                self._forget(question.server_id)
        if outcome.maybe_done and outcome.error is not None:
            raise OutcomeUnknown(
                f"The request may have been carried out, but that is not known. {outcome.error}"
            )
        if outcome.error is not None:
            raise outcome.error
        return outcome.body

    async def _read(self, question: _Question, deadline: float, stop: asyncio.Event | None) -> Any:
        flight = self._flights.get(question.id)
        if flight is None:
            flight = _Flight(question, deadline)
            flight.task = asyncio.create_task(self._fly(flight))
            self._flights[question.id] = flight
            self._flying.add(flight.task)
            flight.task.add_done_callback(self._flying.discard)
        assert flight.task is not None  # set where it is made
        flight.deadline = max(flight.deadline, deadline)
        flight.waiting += 1
        try:
            async with _within(deadline - time.monotonic(), stop):
                outcome = await asyncio.shield(flight.task)
        except TimeoutError:
            outcome = _stopped(stop, flight.progress) or flight.idle or flight.progress.too_late()
        finally:
            flight.waiting -= 1
            if flight.waiting == 0:
                flight.task.cancel()
                self._land(flight)
        if outcome.error is not None:
            raise outcome.error
        return outcome.body

    def _land(self, flight: _Flight) -> None:
        if self._flights.get(flight.question.id) is flight:
            del self._flights[flight.question.id]

    async def _fly(self, flight: _Flight) -> Outcome:
        question = flight.question
        changes = self._changes.get(question.server_id, 0)
        try:
            outcome = await self._tried(flight)
        finally:
            self._land(flight)
        unchanged = changes == self._changes.get(question.server_id, 0)
        if outcome.error is None and unchanged and question.endpoint in CACHED:
            self._kept[question.id] = time.monotonic(), outcome.body
        return outcome

    async def _tried(self, flight: _Flight) -> Outcome:
        """What came of the read in the end, after it was tried again where that may help."""
        outcome: Outcome | None = None
        for attempt in range(1 + RETRIES):
            progress = Progress()
            try:
                async with self._turn(flight.question, flight.deadline, progress) as turn:
                    flight.idle = outcome or Outcome(error=too_fast(turn.wait_s))
                    await asyncio.sleep(turn.wait_s)
                    flight.idle, flight.progress = None, progress
                    outcome = await self._send(flight.question, progress)
                    flight.idle = outcome
            except PlayrailError as error:
                return outcome or Outcome(error=error)
            pause_s = random.uniform(0.5, 1.5) * BACKOFF_S * 2**attempt  # noqa: S311  no secret
            needed_s = max(pause_s, outcome.retry_after_s or 0.0) + LEAST_S
            if not outcome.again or attempt == RETRIES or needed_s > flight.left_s():
                break
            await asyncio.sleep(pause_s)
        assert outcome is not None  # there is at least one attempt
        return outcome

    @asynccontextmanager
    async def _turn(
        self, question: _Question, deadline: float, progress: Progress
    ) -> AsyncIterator[Turn]:
        """A place for a request. Whatever ends this, the place is given back when nothing
        was sent.

        The file may be locked by others, so all that has to do with it is done in a thread.
        """
        longest_s = max(0.0, deadline - time.monotonic() - LEAST_S)
        taking = asyncio.create_task(
            asyncio.to_thread(self._pace.reserve, question.server.key, longest_s)
        )
        try:
            # A thread takes a place even when nobody waits for that any more
            yield await asyncio.shield(taking)
        finally:
            if not progress.sent:
                giving_back = asyncio.create_task(self._give_back(question.server, taking))
                self._giving_back.add(giving_back)
                giving_back.add_done_callback(self._giving_back.discard)

    async def _give_back(self, server: MikrusServer, taking: asyncio.Task[Turn]) -> None:
        with suppress(PlayrailError):  # there is no place, or it will just not be used
            turn = await taking
            await asyncio.to_thread(self._pace.give_back, server.key, turn.at)

    async def _send(self, question: _Question, progress: Progress) -> Outcome:
        server = question.server
        outcome = await self._transport.send(
            f"{server.api_url}{question.endpoint}",
            question.form,
            key=server.key,
            answer_s=EXEC_ANSWER_S if question.endpoint == "/exec" else self._answer_s,
            progress=progress,
        )
        wait_s = outcome.retry_after_s
        if wait_s is None and isinstance(outcome.error, RateLimited):
            # It does not say when; its limit may be another one, or somebody else may use
            # the key.
            wait_s = self._pace.rate.window_s / self._pace.rate.requests
            outcome = replace(
                outcome, error=RateLimited(str(outcome.error), retry_after_s=math.ceil(wait_s))
            )
        if wait_s is not None:
            try:
                await asyncio.to_thread(self._pace.hold_off, server.key, wait_s)
            except PlayrailError as error:
                log.warning("The next request may come too early. %s", error)
        if question.endpoint != "/exec":
            outcome = replace(outcome, body=without_key(outcome.body, server.key))
        return outcome

    def _forget(self, server: ServerId) -> None:
        """Drops what is known of the server: it is older than a change of it."""
        self._changes[server] = self._changes.get(server, 0) + 1
        for known in (self._kept, self._flights):
            for question in [question for question in known if question[0] == server]:
                del known[question]


@asynccontextmanager
async def _within(seconds: float, stop: asyncio.Event | None) -> AsyncIterator[None]:
    """Ends what is in it with TimeoutError after so many seconds, or when `stop` is set."""

    async def end(limit: asyncio.Timeout, stop: asyncio.Event) -> None:
        await stop.wait()
        if not limit.expired():
            limit.reschedule(asyncio.get_running_loop().time())

    async with asyncio.timeout(seconds) as limit:
        ending = asyncio.create_task(end(limit, stop)) if stop is not None else None
        try:
            yield
        finally:
            if ending is not None:
                ending.cancel()


def _stopped(stop: asyncio.Event | None, progress: Progress) -> Outcome | None:
    """The outcome when it is `stop` that ended a request."""
    if stop is None or not stop.is_set():
        return None
    return Outcome(error=_cancelled(sent=progress.sent), maybe_done=progress.sent)


def _cancelled(*, sent: bool = False) -> Cancelled:
    return Cancelled(
        "The call was cancelled." if sent else "The call was cancelled before anything was sent."
    )
