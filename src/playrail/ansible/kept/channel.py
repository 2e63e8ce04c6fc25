"""One channel: an ssh client whose other end is a kept interpreter, see interpreter.py.
Belongs to broker.py; opening.py opens it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from playrail.ansible.kept.interpreter import SIZES, frame

LOAD_S = 60.0  # for taking in an archive, on a slow host
SILENCE_S = 5.0  # after which a channel is asked whether it still is one
PONG_S = 2.0  # for the answer
END_S = 1.0  # for ending by itself
AT_ONCE = 16  # modules at work on one channel; others wait here
ARCHIVES = 32  # that a kept interpreter holds


class Gone(Exception):
    """This channel cannot be used any more, and the module was not run."""


class Lost(Exception):
    """The connection was lost when the module had been sent: it may have run."""


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How a channel is opened: ssh with its options and the host, what to run there, what
    sudo asks for.
    """

    argv: Sequence[str]
    command: str
    prompt: str | None
    password: str | None
    connect_s: float


@dataclass(frozen=True, kw_only=True)
class Payload:
    """A module as Ansible sends it, cut around its archive. `own` names the archive's files
    that ansible-core has.
    """

    head: bytes
    archive: bytes
    tail: bytes
    digest: str
    own: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a module ended: its exit status or, below zero, the signal; what it wrote."""

    status: int
    stdout: bytes
    stderr: bytes


class _Running:
    """A module that is at work."""

    def __init__(self) -> None:
        self.output = {1: bytearray(), 2: bytearray()}
        self.done: asyncio.Future[Done] = asyncio.get_running_loop().create_future()


class Channel:
    """An open channel. `retired` is one that gets no more modules and ends with its last."""

    def __init__(
        self, process: asyncio.subprocess.Process, opening: Opening, errors: asyncio.Task[None]
    ) -> None:
        self._process = process
        self._opening = opening
        self._errors = errors
        self._in, self._out = pipes(process)
        self._numbers = count()
        self._running: dict[int, _Running] = {}
        self._coming = 0  # modules that will be at work when their archive is there
        self._archives: OrderedDict[str, asyncio.Future[None]] = OrderedDict()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._pong: asyncio.Future[None] | None = None
        self.used = self._heard = time.monotonic()
        self.retired = False
        self._ending: asyncio.Task[None] | None = None
        self._giving_up: asyncio.Task[None] | None = None
        self._listener = asyncio.create_task(self._listen())

    @property
    def busy(self) -> bool:
        return bool(self._running or self._coming)

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    async def run(
        self,
        payload: Payload,
        variables: Mapping[str, str],
        about_to_send: Callable[[], Awaitable[None]],
    ) -> Done:
        """Runs a module. Raises Gone when that was not begun, Lost when it may have been."""
        async with self._turns:
            await self._assure()
            self._coming += 1
            try:
                await self._bring(payload)
                await about_to_send()
                running = self._begin(payload, variables)
            finally:
                self._coming -= 1
                if self.retired:
                    self.retire()
            return await running.done

    def _begin(self, payload: Payload, variables: Mapping[str, str]) -> _Running:
        if payload.digest not in self._archives:
            raise Gone("its archive was dropped meanwhile")
        number = next(self._numbers)
        order = {
            "do": "run",
            "id": number,
            "hash": payload.digest,
            "env": variables,
            "head": len(payload.head),
        }
        self._send(order, payload.head + payload.tail)
        running = self._running[number] = _Running()
        self.used = time.monotonic()
        return running

    def retire(self) -> None:
        """Ends it when nothing is at work on it, or as soon as nothing is."""
        self.retired = True
        if not self.busy and self._ending is None:
            self._ending = asyncio.create_task(self.end())

    async def end(self) -> None:
        """Ends it now. What is at work on the host ends there by itself."""
        self.retired = True
        self._out.close()
        try:
            await asyncio.wait_for(self._process.wait(), END_S)
        # A dead connection does not end when it is told to
        except (TimeoutError, asyncio.CancelledError):
            self._kill()

    async def _assure(self) -> None:
        """Asks for a sign of life if there was none for a while. Raises Gone."""
        if self.retired:
            raise Gone("it has ended")
        if time.monotonic() - self._heard < SILENCE_S:
            return
        if self._pong is None:
            self._pong = asyncio.get_running_loop().create_future()
            self._send({"do": "ping"})
        try:
            await asyncio.wait_for(asyncio.shield(self._pong), PONG_S)
        except TimeoutError:
            if self._giving_up is None:
                self._giving_up = asyncio.create_task(self._give_up())
            await asyncio.shield(self._giving_up)
            raise Gone("the host did not answer") from None

    async def _give_up(self) -> None:
        """Ends a silent channel, unless somebody waits for a module there; its master gets
        no more sessions.
        """
        # First: who finds this channel retired opens another
        await leave_master(self._opening.argv)
        self.retire()
        if not self._coming and all(running.done.done() for running in self._running.values()):
            self._kill()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _bring(self, payload: Payload) -> None:
        """Sees to it that the payload's archive is there. Raises Gone."""
        ready = self._archives.get(payload.digest)
        if ready is None:
            ready = self._archives[payload.digest] = asyncio.get_running_loop().create_future()
            dropped = (
                [self._archives.popitem(last=False)[0]] if len(self._archives) > ARCHIVES else []
            )
            self._send(
                {"do": "archive", "hash": payload.digest, "own": payload.own, "drop": dropped},
                payload.archive,
            )
        self._archives.move_to_end(payload.digest)
        try:
            await asyncio.wait_for(asyncio.shield(ready), LOAD_S)
        except TimeoutError:
            self.retire()
            raise Gone("the host took too long to load the module") from None

    def _send(self, order: Mapping[str, object], data: bytes = b"") -> None:
        if self._process.returncode is not None or self._out.is_closing():
            raise Gone("it has ended")
        self._out.write(frame(dict(order), data))

    async def _listen(self) -> None:
        try:
            # Whatever the host says that cannot be understood is an end, too
            with contextlib.suppress(Exception):
                while True:
                    header, data = SIZES.unpack(await self._in.readexactly(SIZES.size))
                    told = json.loads(await self._in.readexactly(header))
                    self._take(told, await self._in.readexactly(data))
        finally:
            self._cut_off()

    def _cut_off(self) -> None:
        """There is no connection any more: tells all who wait."""
        self.retired = True
        self._out.close()
        self._kill()
        for waiting in (*self._archives.values(), self._pong):
            if waiting is not None and not waiting.done():
                waiting.set_exception(Gone("the connection was lost"))
                waiting.exception()  # nobody may be waiting
        for running in self._running.values():
            if not running.done.done():
                running.done.set_exception(Lost("the connection was lost"))
                running.done.exception()
        self._running.clear()

    def _take(self, told: Mapping[str, Any], data: bytes) -> None:
        self._heard = time.monotonic()
        what = told["is"]
        if what == "pong" and self._pong is not None:
            self._pong.set_result(None)
            self._pong = None
        elif what == "ready" and told["hash"] in self._archives:
            self._archives[told["hash"]].set_result(None)
        elif what == "out":
            self._running[told["id"]].output[told["stream"]] += data
        elif what in {"end", "stale"}:
            self._end_of(self._running.pop(told["id"]), None if what == "stale" else told["status"])

    def _end_of(self, running: _Running, status: int | None) -> None:
        self.used = time.monotonic()
        if status is None:
            self.retired = True
        if self.retired:
            self.retire()
        if running.done.done():  # nobody waits any more
            return
        if status is None:
            running.done.set_exception(Gone("the host has changed since it was opened"))
        else:
            output = running.output
            running.done.set_result(
                Done(status=status, stdout=bytes(output[1]), stderr=bytes(output[2]))
            )


async def leave_master(argv: Sequence[str]) -> None:
    """Takes away the socket of the ssh master that a channel went through: who comes next
    connects anew.

    The sessions that it has go on, since others' work may go through them, and it ends with
    the last.
    """
    *options, host = argv
    quiet = asyncio.subprocess.DEVNULL
    command = (*options, "-O", "stop", host)
    try:
        client = await asyncio.create_subprocess_exec(
            *command, stdin=quiet, stdout=quiet, stderr=quiet
        )
    except OSError:  # no process can be made now, and what cannot be left may time out
        return
    try:
        await asyncio.wait_for(client.wait(), END_S)
    except (TimeoutError, asyncio.CancelledError):
        with contextlib.suppress(ProcessLookupError):
            client.kill()


def pipes(
    process: asyncio.subprocess.Process,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if process.stdout is None or process.stdin is None:
        raise TypeError("the process has no pipes")
    return process.stdout, process.stdin
