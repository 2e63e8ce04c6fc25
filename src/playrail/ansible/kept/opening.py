"""How a channel is opened: ssh connects, sudo is answered, the interpreter starts."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import zlib
from pathlib import Path

from ansible.release import __version__ as ansible_core

from playrail.ansible.kept.channel import END_S, Channel, Opening, leave_master, pipes
from playrail.ansible.kept.interpreter import READY, SIZES
from playrail.ansible.ssh.lines import LATE_LOGIN
from playrail.ansible.ssh.marked_commands import BEGUN, SSH_FAILED

# The oldest Python whose modules this ansible-core brings, `_PY_MIN` in its module_utils/basic.py
OLDEST = (3, 9) if tuple(map(int, ansible_core.split(".")[:2])) >= (2, 20) else (3, 8)
# In the order in which they are needed; the last is the program
SOURCES = ("interpreter_files", "interpreter")
START_S = 10.0  # for sudo, the login and the interpreter, beyond the time to connect
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
        reader, writer = pipes(self._process)
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
            await leave_master(self._opening.argv)
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
        pipes(self._process)[1].close()
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
            pipes(self._process)[0].set_exception(ConnectionError("sudo gets no answer"))
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
                pipes(self._process)[1].write((self._opening.password or "").encode() + b"\n")
