"""The broker of channels: `python -P -m playrail.ansible.kept.broker SOCKET`.

It lives as long as the resident run and holds, per host and user, one ssh client to a kept
interpreter. Ansible's workers, which are forked for each call, come to its socket with a
module and wait there for its end; see plugins/connection/ssh.py. Standard input is its
lifeline: when that closes, it ends all channels, then itself.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import functools
import hashlib
import importlib.util
import io
import json
import os
import signal
import sys
import time
import zipfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from playrail.ansible.kept.channel import Channel, Done, Gone, Lost, Opening, Payload
from playrail.ansible.kept.interpreter import SIZES, frame
from playrail.ansible.kept.opening import NotOpened, open_channel, program
from playrail.ansible.kept.payload import ARCHIVE

CHANNELS = 64  # at once
IDLE_S = 600.0  # after which a channel ends
LOOK_S = 30.0  # between two looks for idle ones
REST_S = 300.0  # before a host that could not keep an interpreter is asked again
REMEMBERED = 256  # archives whose files were looked at, and reasons that were told


class Broker:
    """All channels, and what workers ask of them."""

    def __init__(self) -> None:
        self._channels: OrderedDict[str, asyncio.Task[Channel]] = OrderedDict()
        # Those that modules are still at work on, or that have not ended yet
        self._retired: list[Channel] = []
        self._places: dict[str, Sequence[str]] = {}  # by the same key: ssh's arguments
        self._resting: dict[str, tuple[float, str]] = {}
        self._told: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._own: OrderedDict[str, Sequence[str]] = OrderedDict()
        self._program = program()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One worker's request, until it is answered or the worker is gone."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            header, data = SIZES.unpack(await reader.readexactly(SIZES.size))
            order = json.loads(await reader.readexactly(header))
            payload = await reader.readexactly(data)
            work = asyncio.create_task(self._answer(order, payload, writer))
            gone = asyncio.create_task(reader.read(1))
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            for task in (work, gone):
                task.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)
        writer.close()

    async def _answer(
        self, order: Mapping[str, Any], data: bytes, writer: asyncio.StreamWriter
    ) -> None:
        async def tell(header: dict[str, object], more: bytes = b"") -> None:
            writer.write(frame(header, more))
            await writer.drain()

        if order["do"] == "reset":
            await self.reset(order["argv"])
            await tell({"is": "reset"})
            return
        try:
            done = await self._run(order, data, lambda: tell({"is": "sent"}))
        except NotOpened as error:
            # Of a host that cannot be reached, the stock way tells.
            first = error.connected and self._is_new(str(order["argv"][-1]), str(error))
            told = {
                "reason": str(error),
                "text": error.text,
                "connected": error.connected,
                "first": first,
            }
            await tell({"is": "refused", **told})
        except Lost as error:
            await tell({"is": "lost", "reason": str(error)})
        else:
            await tell(
                {"is": "done", "status": done.status, "stdout": len(done.stdout)},
                done.stdout + done.stderr,
            )

    async def _run(self, order: Mapping[str, Any], data: bytes, about_to_send: Any) -> Done:
        payload = self._cut(data)
        opening = Opening(**order["opening"], argv=order["argv"])
        identity = json.dumps([order["argv"], order["identity"], opening.password])
        key = hashlib.sha256(identity.encode()).hexdigest()
        for _ in range(2):
            channel = await self._channel(key, opening)
            try:
                return await channel.run(payload, order["env"], about_to_send)
            except Gone as gone:
                reason = str(gone)
                self._drop(key, channel)
        raise NotOpened(reason)

    async def _channel(self, key: str, opening: Opening) -> Channel:
        until, reason = self._resting.get(key, (0.0, ""))
        if time.monotonic() < until:
            raise NotOpened(reason)
        task = self._channels.get(key)
        if task is None or (
            task.done() and (task.cancelled() or task.exception() or task.result().retired)
        ):
            self._make_room()
            task = self._channels[key] = asyncio.create_task(open_channel(opening, self._program))
            task.add_done_callback(functools.partial(self._opened, key))
            self._places[key] = opening.argv
        self._channels.move_to_end(key)
        return await asyncio.shield(task)

    def _opened(self, key: str, task: asyncio.Task[Channel]) -> None:
        """Forgets an opening that failed, also when nobody waits for it any more."""
        error = None if task.cancelled() else task.exception()
        if (task.cancelled() or error) and self._channels.get(key) is task:
            del self._channels[key], self._places[key]
        if isinstance(error, NotOpened) and error.connected:
            now = time.monotonic()
            self._resting = {key: rest for key, rest in self._resting.items() if rest[0] > now}
            self._resting[key] = (now + REST_S, str(error))

    def _make_room(self) -> None:
        """Ends the channel that was not used for longest, of those that nobody works on.
        Raises NotOpened.
        """
        if len(self._channels) < CHANNELS:
            return
        for key, task in self._channels.items():
            if task.done() and not task.exception() and not task.result().busy:
                self._drop(key, task.result())
                return
        raise NotOpened(f"all {CHANNELS} channels are in use")

    def _drop(self, key: str, channel: Channel) -> None:
        channel.retire()
        self._retired = [retired for retired in {*self._retired, channel} if not retired.ended]
        task = self._channels.get(key)
        if task is not None and task.done() and not task.exception() and task.result() is channel:
            del self._channels[key], self._places[key]

    async def reset(self, argv: Sequence[str]) -> None:
        """Ends the channels of one place, as soon as nobody works on them."""
        for key, task in [
            (key, self._channels[key]) for key, place in self._places.items() if place == argv
        ]:
            with contextlib.suppress(NotOpened):
                self._drop(key, await asyncio.shield(task))

    async def watch(self) -> None:
        """Ends channels that have been idle, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            oldest = time.monotonic() - IDLE_S
            for key, task in list(self._channels.items()):
                if (
                    task.done()
                    and not task.exception()
                    and not task.result().busy
                    and task.result().used < oldest
                ):
                    self._drop(key, task.result())

    async def end(self) -> None:
        """Ends all channels at once."""
        tasks = list(self._channels.values())
        for task in tasks:
            task.cancel()
        channels = [*self._retired, *await asyncio.gather(*tasks, return_exceptions=True)]
        await asyncio.gather(
            *(channel.end() for channel in channels if isinstance(channel, Channel))
        )

    def _is_new(self, host: str, reason: str) -> bool:
        new = (host, reason) not in self._told
        self._told[host, reason] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return new

    def _cut(self, data: bytes) -> Payload:
        found = list(ARCHIVE.finditer(data))
        if len(found) != 1:
            raise NotOpened("this is no module with an archive")
        text = found[0][1]
        try:
            archive = base64.b64decode(text)
        except binascii.Error:
            archive = b""
        if base64.b64encode(archive) != text:
            raise NotOpened("the module's archive is not written as expected")
        digest = hashlib.sha256(archive).hexdigest()
        if digest not in self._own:
            self._own[digest] = _own_files(archive)
            if len(self._own) > REMEMBERED:
                self._own.popitem(last=False)
        head, tail = data[: found[0].start(1)], data[found[0].end(1) :]
        return Payload(head=head, archive=archive, tail=tail, digest=digest, own=self._own[digest])


def _own_files(archive: bytes) -> list[str]:
    """The files of an archive that are those of the installed ansible-core, byte for byte."""
    spec = importlib.util.find_spec("ansible")
    places = spec.submodule_search_locations if spec is not None else None
    own = []
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        for file in files.namelist():
            if places and file.startswith("ansible/module_utils/"):
                with contextlib.suppress(OSError):
                    if (Path(places[0]).parent / file).read_bytes() == files.read(file):
                        own.append(file)
    return own


async def run(socket: Path) -> None:
    """Serves at the socket until standard input ends or SIGTERM comes."""
    broker = Broker()
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    lifeline = asyncio.create_task(reader.read())
    lifeline.add_done_callback(lambda _: over.set())
    old = os.umask(0o177)
    server = await asyncio.start_unix_server(broker.serve, socket, limit=1 << 20)
    os.umask(old)
    watch = asyncio.create_task(broker.watch())
    await over.wait()
    server.close()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(socket)  # noqa: PTH108  nothing here waits for a disk
    watch.cancel()
    await broker.end()


def main() -> int:
    """The command."""
    with contextlib.suppress(PermissionError):  # it leads a session already
        os.setsid()
    asyncio.run(run(Path(sys.argv[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
