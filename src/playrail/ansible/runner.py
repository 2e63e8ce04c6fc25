"""Runs plays through ansible-runner, each in a process and a private directory of its own.

This is the only module that starts Ansible. `Starter` is the seam for whoever starts it in another way.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import shlex
import shutil
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from playrail.ansible.child import end_descendants
from playrail.ansible.failures import classify
from playrail.ansible.outcome import HostOutcome, Outcome, hide
from playrail.ansible.values import to_extravars
from playrail.errors import AnsibleFailed, CollectionMissing

log = logging.getLogger(__name__)

EVENT_LIMIT = 64 * 1024 * 1024  # bytes in one event; asyncio's own limit is 64 KiB, too small for file contents
STDERR_LIMIT = 8000  # bytes kept of what Ansible's process wrote to standard error
STOP_GRACE_S = 8.0  # for the child to end Ansible; it needs up to 4 s in the worst case
MAX_FORKS = 50
PULSE_S = 10.0  # between two words of progress about one long task
SHORTEST_HIDDEN = 4  # characters; a shorter secret would make every message unreadable

Starter = Callable[[Path, Mapping[str, str]], Awaitable[Process]]
Progress = Callable[[float, str], Awaitable[None]]  # a number that grows, and what is going on


class Ended(Enum):
    """How a run ended."""

    BY_ITSELF = "by_itself"
    AT_DEADLINE = "at_deadline"
    WHEN_STOPPED = "when_stopped"
    BROKEN_OFF = "broken_off"
    """Ansible died or could not be understood any more, after it had begun."""


@dataclass(frozen=True, kw_only=True)
class Play:
    """What to run: an absolute playbook path, the resolved host names, and data for its variables."""

    run_id: str
    playbook: Path
    hosts: Sequence[str]
    inventory: Sequence[str]
    variables: Mapping[str, Any]
    secrets: Mapping[str, Mapping[str, SecretStr]]
    """Per host the secrets that its inventory variables refer to as `playrail_secrets`."""
    standing: Mapping[str, Any] = field(default_factory=dict)
    """More variables, which say how things are done here and not what is to be done."""
    interruptible: bool = True
    """Whether work that runs on this machine (the local connection) is ended when the run is cut short."""

    def command_line(self) -> str:
        """The `ansible-playbook` line that does the same by hand. Secrets are left out: Ansible would ask for them."""
        variables = json.dumps({"playrail_target": list(self.hosts), **self.variables}, ensure_ascii=False)
        words = ["ansible-playbook"]
        for source in self.inventory:
            words += ["-i", source]
        return shlex.join([*words, "-e", variables, str(self.playbook)])


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """Per host what came out, and how the run ended. `text` is what Ansible said outside of any task."""

    hosts: Mapping[str, HostOutcome]
    ended: Ended
    text: str


def new_run_id() -> str:
    """Sorts by time and is unique."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"


async def start_cold(run_dir: Path, environment: Mapping[str, str]) -> Process:
    """Starts a new Python process for the run."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "playrail.ansible.child",
        str(run_dir),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        cwd=run_dir,
        env=dict(environment),
        limit=EVENT_LIMIT,
        start_new_session=True,  # the terminal's Ctrl-C is for Playrail, which then ends the run in order
    )


class Runner:
    """Runs plays. `runs_dir` holds the private directories of the runs that are going on, and nothing else."""

    def __init__(self, *, runs_dir: Path, environment: Mapping[str, str], starter: Starter = start_cold) -> None:
        self._runs_dir = runs_dir
        self._environment = environment
        self._starter = starter

    async def run(self, play: Play, *, deadline_s: float, stop: asyncio.Event, progress: Progress | None) -> RunResult:
        """Runs the play to its end, its deadline, or until `stop` is set.

        Raises AnsibleFailed when Ansible ended before it began with a task.
        """
        run_dir = self._runs_dir / play.run_id
        try:
            _write_private_directory(run_dir, play)
            process = await self._starter(run_dir, self._environment)
            outcome = Outcome(secrets=_texts(play.secrets))
            ended, stderr = await _follow(process, outcome, deadline_s=deadline_s, stop=stop, progress=progress)
        except OSError as error:
            raise AnsibleFailed(f"Ansible could not be started: {error.strerror}") from error
        finally:
            shutil.rmtree(run_dir, ignore_errors=True)
        text = "\n".join(outcome.text).strip() or hide(stderr, outcome.secrets)
        if outcome.statistics is None and ended is Ended.BY_ITSELF and outcome.tasks_started:
            log.error("run %s broke off: %s", play.run_id, text)
            ended = Ended.BROKEN_OFF
        if outcome.statistics is None and ended is Ended.BY_ITSELF:
            missing = classify({"msg": text}, unreachable=False).code == CollectionMissing.code
            failure = CollectionMissing if missing else AnsibleFailed
            raise failure(f"Ansible did not run the play: {text[-1500:] or 'it said nothing'}")
        return RunResult(hosts=outcome.of(play.hosts), ended=ended, text=text)


def _texts(secrets_of: Mapping[str, Mapping[str, SecretStr]]) -> list[str]:
    """The secrets that messages must not hold, the longest first: one may be a part of another."""
    found = {secret.get_secret_value() for held in secrets_of.values() for secret in held.values()}
    return sorted((text for text in found if len(text) >= SHORTEST_HIDDEN), key=len, reverse=True)


def _write_private_directory(run_dir: Path, play: Play) -> None:
    """ansible-runner's private data directory (https://ansible.readthedocs.io/projects/runner/en/stable/intro/)."""
    for directory in (run_dir, run_dir / "env", run_dir / "project"):
        directory.mkdir(mode=0o700)
    extravars = {
        **play.variables,
        **play.standing,
        "playrail_target": list(play.hosts),
        "playrail_run": play.run_id,
        "playrail_secrets": play.secrets,
    }
    orders = {
        "run_id": play.run_id,
        "playbook": str(play.playbook),
        "inventory": list(play.inventory),
        "forks": max(1, min(len(play.hosts), MAX_FORKS)),
        "interruptible": play.interruptible,
    }
    _write_private(run_dir / "env" / "extravars", to_extravars(extravars))
    _write_private(run_dir / "orders.json", json.dumps(orders))


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


async def _follow(
    process: Process, outcome: Outcome, *, deadline_s: float, stop: asyncio.Event, progress: Progress | None
) -> tuple[Ended, str]:
    stderr = asyncio.create_task(_tail(process))
    reading = asyncio.create_task(_read(process, outcome, Pulse(progress) if progress else None))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({reading, stopping}, timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
        outcome.closed = not reading.done()
        cut = Ended.WHEN_STOPPED if stop.is_set() else Ended.AT_DEADLINE
        ended = Ended.BY_ITSELF if reading.done() else cut
    finally:
        stopping.cancel()
        await _end(process, reading)
    if ended is Ended.BY_ITSELF and (error := reading.exception()) is not None:
        log.error("the events of a run could not be read: %s", error)
        ended = Ended.BROKEN_OFF
    return ended, await stderr


async def _read(process: Process, outcome: Outcome, pulse: Pulse | None) -> None:
    beating = asyncio.create_task(pulse.beat()) if pulse else None
    try:
        async for event in _events(process):
            if "end" in event:
                return
            outcome.feed(event)
            if pulse is not None and event["event"] == "playbook_on_task_start":
                await pulse.tell(outcome.tasks_started, event["task"])
    finally:
        if beating is not None:
            beating.cancel()


class Pulse:
    """Tells of each task that begins, and every PULSE_S that it still goes on: clients give up on what is silent."""

    def __init__(self, progress: Progress) -> None:
        self._progress: Progress | None = progress
        self._task = "Ansible starts"
        self._began = time.monotonic()
        self._number = 0.0

    async def tell(self, number: int, task: str) -> None:
        self._task, self._began, self._number = task, time.monotonic(), float(number)
        await self._say(task)

    async def beat(self) -> None:
        while True:
            await asyncio.sleep(PULSE_S)
            self._number += 0.001  # the protocol wants a number that grows
            await self._say(f"{self._task} ({time.monotonic() - self._began:.0f} s)")

    async def _say(self, text: str) -> None:
        if self._progress is None:
            return
        try:
            await self._progress(self._number, text)
        except Exception:
            log.exception("progress could not be told; the run goes on")
            self._progress = None


async def _events(process: Process) -> AsyncIterator[dict[str, Any]]:
    assert process.stdout is not None  # noqa: S101  it was started with a pipe
    async for line in process.stdout:
        yield json.loads(line)


async def _tail(process: Process) -> str:
    assert process.stderr is not None  # noqa: S101  it was started with a pipe
    kept = b""
    while chunk := await process.stderr.read(65536):
        kept = (kept + chunk)[-STDERR_LIMIT:]
    return kept.decode(errors="replace").strip()


async def _end(process: Process, reading: asyncio.Task[None]) -> None:
    """Closes the child's lifeline and waits until it, and all below it, are gone."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(STOP_GRACE_S):
            await asyncio.wait({reading})
            await process.wait()
    except TimeoutError:
        log.warning("the process of a run did not end within %g s and is killed", STOP_GRACE_S)
        await asyncio.to_thread(end_descendants, process.pid, None)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        reading.cancel()
