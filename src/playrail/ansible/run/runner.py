"""Runs plays to their end, and says what came out: warm in the run that stays, or cold in a
process of their own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from pydantic import SecretStr

from playrail.ansible.outcome.failures import classify
from playrail.ansible.outcome.outcome import HostOutcome, Outcome
from playrail.ansible.outcome.refusals import refused_by_ansible
from playrail.ansible.outcome.ways import Way, play_way
from playrail.ansible.run.cold import start_cold
from playrail.ansible.run.play import STOP_GRACE_S, Play, StartedPlay, WarmWay
from playrail.errors import AnsibleFailed, CollectionMissing
from playrail.safe_text.secrets import SecretTexts
from playrail.tasks import Progress, TaskResult

log = logging.getLogger(__name__)

PULSE_S = 10.0  # between two words of progress about one long task


class Ended(Enum):
    """How a run ended."""

    BY_ITSELF = "by_itself"
    AT_DEADLINE = "at_deadline"
    WHEN_STOPPED = "when_stopped"
    BROKEN_OFF = "broken_off"
    """Ansible died or could not be understood any more, after it had begun."""


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """Per host what came out, and how the run ended. `text` is what Ansible said outside of
    any task.

    `tasks` are those that came to an end, in that order. `unpreviewed` says per host what
    check mode could not tell.
    """

    hosts: Mapping[str, HostOutcome]
    ended: Ended
    text: str
    tasks: Sequence[TaskResult] = ()
    ways: Mapping[str, Way] = field(default_factory=dict)
    unpreviewed: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Runner:
    """Runs plays. `runs_dir` holds the private directories of the runs that are going on,
    and nothing else.
    """

    def __init__(
        self, *, runs_dir: Path, environment: Mapping[str, str], warm: WarmWay | None = None
    ) -> None:
        self._runs_dir = runs_dir
        self._environment = environment
        self._warm = warm

    async def run(
        self, play: Play, *, deadline_s: float, stop: asyncio.Event, progress: Progress | None
    ) -> RunResult:
        """Runs the play to its end, its deadline, or until `stop` is set.

        Raises AnsibleFailed when Ansible ended before it began with a task, Cancelled when
        nothing was begun at all.
        """
        outcome = Outcome(secrets=_texts(play.secrets))
        try:
            started = await self._start(play, stop, outcome)
        except OSError as error:
            raise AnsibleFailed(f"Ansible could not be started: {error.strerror}") from error
        ended, stderr = await _follow(
            started, outcome, deadline_s=deadline_s, stop=stop, progress=progress
        )
        text = "\n".join(outcome.text).strip() or outcome.secrets.hide(stderr)
        if outcome.statistics is None and ended is Ended.BY_ITSELF and outcome.tasks_started:
            log.error("run %s broke off: %s", play.run_id, text)
            ended = Ended.BROKEN_OFF
        if outcome.statistics is None and ended is Ended.BY_ITSELF:
            missing = classify({"msg": text}, unreachable=False).code == CollectionMissing.code
            failure = CollectionMissing if missing else AnsibleFailed
            what = "Ansible did not run the play"
            raise refused_by_ansible(
                text[-1500:] or "it said nothing", what=what, otherwise=failure
            )
        if text:
            log.info("run %s said: %s", play.run_id, text)
        return RunResult(
            hosts=outcome.of(play.hosts),
            ended=ended,
            text=text,
            tasks=outcome.tasks,
            ways={host: outcome.ways.of(host) for host in play.hosts},
            unpreviewed=outcome.unpreviewed if play.check else {},
        )

    async def _start(self, play: Play, stop: asyncio.Event, outcome: Outcome) -> StartedPlay:
        """Starts the play warm if that can be had, else cold. Nothing of it has been run
        when it is not warm.
        """
        if self._warm is not None and (started := await self._warm.start(play, stop)) is not None:
            return started
        why = "no run stays" if self._warm is None else self._warm.trouble
        outcome.feed(play_way("cold", why))
        return await start_cold(play, self._runs_dir / play.run_id, self._environment)


def _texts(secrets_of: Mapping[str, Mapping[str, SecretStr]]) -> SecretTexts:
    """The secrets that messages must not hold."""
    return SecretTexts(
        secret.get_secret_value() for held in secrets_of.values() for secret in held.values()
    )


async def _follow(
    started: StartedPlay,
    outcome: Outcome,
    *,
    deadline_s: float,
    stop: asyncio.Event,
    progress: Progress | None,
) -> tuple[Ended, str]:
    reading = asyncio.create_task(_read(started, outcome, Pulse(progress) if progress else None))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait(
            {reading, stopping}, timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED
        )
        outcome.closed = not reading.done()
        cut = Ended.WHEN_STOPPED if stop.is_set() else Ended.AT_DEADLINE
        ended = Ended.BY_ITSELF if reading.done() else cut
    finally:
        stopping.cancel()
        stderr = await started.end()
        await asyncio.wait({reading}, timeout=STOP_GRACE_S)  # what is still in the pipe
        reading.cancel()
    if ended is Ended.BY_ITSELF and (error := reading.exception()) is not None:
        log.error("the events of a run could not be read: %s", error)
        ended = Ended.BROKEN_OFF
    return ended, stderr


async def _read(started: StartedPlay, outcome: Outcome, pulse: Pulse | None) -> None:
    beating = asyncio.create_task(pulse.beat()) if pulse else None
    try:
        async for event in started.records():
            if "end" in event:
                return
            outcome.feed(event)
            if pulse is not None and event["event"] == "playbook_on_task_start":
                await pulse.tell(outcome.tasks_started, event["task"])
    finally:
        if beating is not None:
            beating.cancel()


class Pulse:
    """Tells of each task that begins, and every PULSE_S that it still goes on: clients give
    up on what is silent.
    """

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
