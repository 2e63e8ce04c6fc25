"""The run that stays: an Ansible that is loaded already, of which every play gets a fork.
See serving.py for its side.

It is an ansible-runner run like others, of playbooks/resident/serve_plays.yml. When it
cannot be had, plays start cold.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import tempfile
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playrail.ansible.inventory.inventory import Inventory
from playrail.ansible.run.cold import ColdPlay, start_cold
from playrail.ansible.run.ending import end_descendants, is_alive
from playrail.ansible.run.play import CALLS, EVENT_LIMIT, SERVES_AT, STOP_GRACE_S, Play, new_run_id
from playrail.errors import Cancelled, PlayrailError
from playrail.settings.content import content_root

log = logging.getLogger(__name__)

PLAYBOOK = "resident/serve_plays.yml"
START_S = 30.0  # for it to be there
POLL_S = 0.01  # between two looks whether it is
# For a fork to be there; a fork takes milliseconds, on a machine that has nothing left
# longer
BEGIN_S = 5.0
PATIENCE_S = 8.0  # for plays to end their work when Playrail stops
LEAST_PAUSE_S = 30.0  # after a start that failed; twice as long after each further one
LONGEST_PAUSE_S = 600.0
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class ServedPlay:
    """A play in a fork of the run that stays."""

    def __init__(self, reader: StreamReader, writer: StreamWriter, pid: int) -> None:
        self._reader = reader
        self._writer = writer
        self._pid = pid
        self._ended = False

    def go(self) -> None:
        """Let it begin. Its fork waits for this word: one that was given up on does nothing,
        so that another start may.
        """
        self._writer.write(b"go\n")

    def give_up(self) -> None:
        """Have its fork end without having run anything."""
        self._writer.close()

    async def records(self) -> AsyncIterator[dict[str, Any]]:
        async for line in self._reader:
            record = json.loads(line)
            self._ended = "end" in record
            yield record

    async def end(self) -> str:
        """Ends it; one that ended by itself leaves nothing, and is not waited for."""
        self._writer.close()
        if not self._ended and not await _gone(self._pid, STOP_GRACE_S):
            log.warning("a play did not end within %g s and is killed", STOP_GRACE_S)
            await asyncio.to_thread(end_descendants, self._pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, 9)
        return ""


@dataclass(kw_only=True)
class _Stay:
    """One run that stays, from its start to its end."""

    key: object
    code: str
    """What the code was that it has loaded, or may load."""
    sources: list[str]
    play: ColdPlay
    place: Path
    lifeline: StreamWriter
    pid: int
    reading: asyncio.Task[None]
    used_at: float = field(default_factory=time.monotonic)

    def resident_bytes(self) -> int:
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE_BYTES
        except OSError:
            return 0

    async def end(self) -> None:
        """Let its plays end, and then it."""
        self.lifeline.close()
        try:
            await asyncio.wait({self.reading})
        finally:
            await _clear(self.play, self.place)


class Resident:
    """Has one run that stays, made when it is first wanted and made anew when it may not be
    what it should be.

    It ends after `idle_s` without a play, and is replaced when it takes more than
    `most_bytes` of memory.
    """

    def __init__(
        self,
        *,
        runs_dir: Path,
        environment: Mapping[str, str],
        inventory: Inventory,
        idle_s: float,
        most_bytes: int,
        code: Callable[[], str] = str,
    ) -> None:
        """`code` tells a hash of the code that plays run. It reads files."""
        self._code = code
        self._runs_dir = runs_dir
        self._environment = environment
        self._inventory = inventory
        self._idle_s = idle_s
        self._most_bytes = most_bytes
        self._stay: _Stay | None = None
        self._starting: asyncio.Task[_Stay | None] | None = None
        self._retired: set[asyncio.Task[None]] = set()
        self._watching: asyncio.Task[None] | None = None
        self._pause_s = LEAST_PAUSE_S
        self._not_before = 0.0
        self._closing = False
        self.trouble = ""
        """Why the last play that was not started here could not be, the end of a sentence."""

    async def start(self, play: Play, stop: asyncio.Event) -> ServedPlay | None:
        """Start the play in a fork; None when that cannot be, and then nothing of the play
        has been run.

        Raises Cancelled when `stop` is set before it has begun.
        """
        stay = await _unless(stop, self.ready())
        if stay is None:
            return None
        if list(play.inventory) != stay.sources:
            self.trouble = "the run that stays has read another inventory"
            return None
        try:
            served = await _hand_over(stay.place, play)
        except (OSError, ValueError, TimeoutError) as error:
            log.warning("a play could not be started warm and starts cold: %r", error)
            self.trouble = f"the run that stays did not take it: {error!r}"
            self._retire(stay)
            return None
        if stop.is_set():
            served.give_up()
            raise Cancelled("The call was cancelled before anything was run.")
        served.go()
        stay.used_at = time.monotonic()
        return served

    async def ready(self) -> _Stay | None:
        """The run that stays, when it is there and as it should be, or can be made so in
        the time of a cold start.
        """
        key = self._key()
        stay = self._stay
        if stay is not None and (
            stay.key != key or stay.reading.done() or stay.resident_bytes() > self._most_bytes
        ):
            self._retire(stay)
        if self._stay is not None or self._closing:
            return self._stay
        if self._starting is None or self._starting.done():
            if time.monotonic() < self._not_before:
                return None
            self._starting = asyncio.create_task(self._start(key))
        return await asyncio.shield(self._starting)

    async def renew(self) -> None:
        """End it when the code is another one than that it was started with."""
        code = await asyncio.to_thread(self._code)
        if self._stay is not None and self._stay.code != code:
            self._retire(self._stay)

    async def close(self) -> None:
        """End it, and what it runs."""
        self._closing = True
        if self._starting is not None:
            await asyncio.wait({self._starting})
        if self._watching is not None:
            self._watching.cancel()
        if self._stay is not None:
            self._retire(self._stay)
        if self._retired:
            _, late = await asyncio.wait(self._retired, timeout=PATIENCE_S)
            for ending in late:
                ending.cancel()  # of its patience; it is ended now
            await asyncio.gather(*late, return_exceptions=True)

    def _key(self) -> object:
        """What must be as it was when it started: it has read the inventory and Ansible's
        configuration.
        """
        return self._inventory.state()

    def _retire(self, stay: _Stay) -> None:
        if stay is self._stay:
            self._stay = None
        self._later(stay.end())

    def _later(self, ending: Coroutine[Any, Any, None]) -> None:
        """Has an end come about that no call should wait for; close() does."""
        task = asyncio.create_task(ending)
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    async def _start(self, key: object) -> _Stay | None:
        place = Path(tempfile.mkdtemp(prefix="playrail-"))
        play: ColdPlay | None = None
        try:
            run_id = new_run_id()
            # Before it starts: what changes meanwhile makes a difference
            code = await asyncio.to_thread(self._code)
            order = Play(
                run_id=run_id,
                playbook=content_root() / "playbooks" / PLAYBOOK,
                hosts=("localhost",),
                inventory=self._inventory.sources(),
                variables={SERVES_AT: str(place)},
                secrets={},
            )
            play = await start_cold(
                order,
                self._runs_dir / run_id,
                self._environment,
                serves_at=place,
                patience_s=PATIENCE_S,
            )
            said: list[str] = []
            reading = asyncio.create_task(_read(play, said))
            async with asyncio.timeout(START_S):
                self._stay = await _connected(
                    play, place, reading, said, key=key, code=code, sources=order.inventory
                )
        except (OSError, ValueError, TimeoutError, PlayrailError) as error:
            log.warning("plays start cold, for the run that stays could not be started: %s", error)
            self.trouble = f"the run that stays could not be started: {error or repr(error)}"
            self._not_before = time.monotonic() + self._pause_s
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
            self._later(_clear(play, place))
            return None
        self._pause_s = LEAST_PAUSE_S
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())
        return self._stay

    async def _watch(self) -> None:
        """End it when nobody has wanted it for `idle_s`."""
        while (stay := self._stay) is not None:
            left_s = stay.used_at + self._idle_s - time.monotonic()
            if left_s <= 0:
                self._retire(stay)
                return
            await asyncio.sleep(left_s)


async def _hand_over(place: Path, play: Play) -> ServedPlay:
    """Give the play's orders to a fork, which then waits for the word to go. Raises OSError and
    ValueError when two forks did not take them, TimeoutError when they take too long.
    """
    orders = json.dumps({**play.orders(), "extravars": play.extravars()}).encode() + b"\n"
    async with asyncio.timeout(BEGIN_S):
        try:
            return await _hand_over_once(place, orders)
        except (OSError, ValueError) as error:  # the fork that was ready has died
            log.info("a play is started warm once more: %r", error)
            return await _hand_over_once(place, orders)


async def _hand_over_once(place: Path, orders: bytes) -> ServedPlay:
    reader, writer = await asyncio.open_unix_connection(place / CALLS, limit=EVENT_LIMIT)
    try:
        writer.write(orders)
        begun = json.loads(await reader.readline())
    except BaseException:
        writer.close()
        raise
    return ServedPlay(reader, writer, begun["begun"])


async def _connected(
    play: ColdPlay,
    place: Path,
    reading: asyncio.Task[None],
    said: list[str],
    *,
    key: object,
    code: str,
    sources: Sequence[str],
) -> _Stay:
    while not (place / CALLS).exists():
        if reading.done():
            raise OSError(" ".join(said)[-500:] or "it ended without a word")
        await asyncio.sleep(POLL_S)
    while True:
        try:
            reader, lifeline = await asyncio.open_unix_connection(place / CALLS)
            break
        except ConnectionRefusedError:  # the socket is named before it is listened on
            if reading.done():
                raise
            await asyncio.sleep(POLL_S)
    pid = json.loads(await reader.readline())["pid"]
    return _Stay(
        key=key,
        code=code,
        sources=list(sources),
        play=play,
        place=place,
        lifeline=lifeline,
        pid=pid,
        reading=reading,
    )


async def _unless(stop: asyncio.Event, coming: Coroutine[Any, Any, _Stay | None]) -> _Stay | None:
    """What comes, unless `stop` is set before."""
    task, stopping = asyncio.create_task(coming), asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not task.done():
        task.cancel()
        raise Cancelled("The call was cancelled before anything was run.")
    return task.result()


async def _clear(play: ColdPlay | None, place: Path) -> None:
    if play is not None:
        await play.end()
    shutil.rmtree(place, ignore_errors=True)


async def _read(play: ColdPlay, said: list[str]) -> None:
    said.extend([record["text"] async for record in play.records() if "text" in record])


async def _gone(pid: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not is_alive(pid):
            return True
        await asyncio.sleep(0.02)
    return False
