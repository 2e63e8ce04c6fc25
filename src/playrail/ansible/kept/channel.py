"""One channel: an ssh client whose other end is a kept interpreter, see interpreter.py.
Belongs to broker.py.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from ansible.release import __version__ as ansible_core

from playrail.ansible.kept.interpreter import READY, SIZES, frame
from playrail.ansible.ssh.lines import LATE_LOGIN
from playrail.ansible.ssh.marked_commands import BEGUN, SSH_FAILED

# The oldest Python whose modules this ansible-core brings, `_PY_MIN` in its module_utils/basic.py
OLDEST = (3, 9) if tuple(map(int, ansible_core.split(".")[:2])) >= (2, 20) else (3, 8)
# In the order in which they are needed; the last is the program
SOURCES = ("interpreter_files", "interpreter")
START_S = 10.0  # for sudo, the login and the interpreter, beyond the time to connect
LOAD_S = 60.0  # for taking in an archive, on a slow host
SILENCE_S = 5.0  # after which a channel is asked whether it still is one
PONG_S = 2.0  # for the answer
END_S = 1.0  # for ending by itself
AT_ONCE = 16  # modules at work on one channel; others wait here
ARCHIVES = 32  # that a kept interpreter holds
TEXT_LIMIT = 4000  # bytes of what ssh and sudo say that are kept
SHOWN = 300  # characters of it in a reason
FRAME_LIMIT = 1 << 17  # bytes that wait to be read


class NotOpened(Exception):
    """There is no channel, and nothing was run. `text` is what ssh or sudo wrote last,
    `connected` whether ssh was.
    """

    def __init__(self, reason: str, *, text: str = "", connected: bool = True) -> None:
        super().__init__(reason)
        self.text = text
        self.connected = connected


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


def program() -> bytes:
    """The kept interpreter's source as one line, as its START wants it."""
    here = Path(__file__).parent
    sources = [
        (f"{__package__}.{name}", (here / f"{name}.py").read_text(encoding="utf-8"))
        for name in SOURCES
    ]
    text = (
        "import sys, types\n"
        f"for name, source in {sources!r}:\n    program = sys.modules[name] = "
        "types.ModuleType(name)\n"
        "    exec(compile(source, name, 'exec', dont_inherit=True), program.__dict__)\n"
        f"for name in {[name for name, _ in sources]!r}:\n    del "
        "sys.modules[name]\nprogram.main()\n"
    )
    return base64.b64encode(zlib.compress(text.encode())) + b"\n"


class Channel:
    """An open channel. `retired` is one that gets no more modules and ends with its last."""

    def __init__(
        self, process: asyncio.subprocess.Process, opening: Opening, errors: asyncio.Task[None]
    ) -> None:
        self._process = process
        self._opening = opening
        self._errors = errors
        self._in, self._out = _pipes(process)
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
        await _leave_master(self._opening.argv)
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


async def open_channel(opening: Opening, source: bytes) -> Channel:
    """Connects, becomes the user, starts the interpreter with its source, see program().
    Raises NotOpened.
    """
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            *opening.argv, opening.command, stdin=pipe, stdout=pipe, stderr=pipe, limit=FRAME_LIMIT
        )
    except OSError as error:
        raise NotOpened(f"ssh could not be started: {error}", connected=False) from None
    start = _Start(process, opening)
    try:
        async with asyncio.timeout(opening.connect_s + START_S):
            await start.until_ready(source)
    except (
        TimeoutError,
        asyncio.IncompleteReadError,
        asyncio.LimitOverrunError,
        ConnectionError,
        NotOpened,
    ) as error:
        raise await start.failure(error) from None
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        raise
    return Channel(process, opening, start.watcher)


async def _leave_master(argv: Sequence[str]) -> None:
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


def _pipes(
    process: asyncio.subprocess.Process,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if process.stdout is None or process.stdin is None:
        raise TypeError("the process has no pipes")
    return process.stdout, process.stdin


class _Start:
    """An ssh client on its way to be a channel."""

    def __init__(self, process: asyncio.subprocess.Process, opening: Opening) -> None:
        self._process = process
        self._opening = opening
        self._text = b""
        self._asked = 0
        self.watcher = asyncio.create_task(self._watch())
        self.watcher.add_done_callback(self._watched)

    async def until_ready(self, source: bytes) -> None:
        reader, writer = _pipes(self._process)
        await reader.readuntil(f"\n{READY}\n".encode())
        writer.write(source)
        header, _ = SIZES.unpack(await reader.readexactly(SIZES.size))
        python = json.loads(await reader.readexactly(header))["python"]
        if tuple(map(int, python.split(".")[:2])) < OLDEST:
            raise NotOpened(f"the host's Python {python} is too old")

    async def failure(self, error: Exception) -> NotOpened:
        """What is known of why it came to nothing, when ssh has ended."""
        if isinstance(error, (TimeoutError, NotOpened)):
            self._kill()
        if isinstance(error, TimeoutError):
            # Its connection may be dead without its knowing
            await _leave_master(self._opening.argv)
        await asyncio.wait({self.watcher}, timeout=END_S)
        try:  # before it is killed: that would take its exit status away
            await asyncio.wait_for(self._process.wait(), END_S)
        except TimeoutError:
            self._kill()
            # A master may hold its pipes for ever, and until they are closed some versions'
            # wait() does not return.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), END_S)
        status = self._process.returncode
        _pipes(self._process)[1].close()
        if isinstance(error, NotOpened):
            return error
        connected = BEGUN.encode() in self._text
        text = self._text.decode(errors="replace").replace(BEGUN, "").strip()
        if isinstance(error, TimeoutError):
            why = "the host took too long to begin" if connected else LATE_LOGIN
            return NotOpened(why, text=f"{text}\n{why}".strip(), connected=connected)
        why = (
            f"ssh ended with status {status}: {text[-SHOWN:]}"
            if text
            else f"ssh ended with status {status}"
        )
        return NotOpened(why, text=text, connected=status != SSH_FAILED)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def _watched(self, watcher: asyncio.Task[None]) -> None:
        """Tells who reads that sudo gets no answer, since a killed ssh may leave its pipes
        open.
        """
        if not watcher.cancelled() and watcher.exception() is not None:
            _pipes(self._process)[0].set_exception(ConnectionError("sudo gets no answer"))
            self._kill()

    async def _watch(self) -> None:
        """Keeps what is written to standard error, and answers sudo; a second question
        means that it was wrong.
        """
        prompt = (self._opening.prompt or "").encode()
        while self._process.stderr and (data := await self._process.stderr.read(TEXT_LIMIT)):
            self._text = (self._text + data)[-TEXT_LIMIT:]
            if prompt and (asked := self._text.count(prompt)) > self._asked:
                self._asked = asked
                if asked > 1:
                    raise ConnectionError("the password was not accepted")
                _pipes(self._process)[1].write((self._opening.password or "").encode() + b"\n")
