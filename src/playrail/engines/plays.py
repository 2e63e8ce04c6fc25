"""Runs a playbook tool on hosts: from validated input to a typed report per host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from playrail.ansible.inventory.host_keys import HostKeys
from playrail.ansible.inventory.inventory import Inventory
from playrail.ansible.outcome.outcome import NO_REPORT, HostOutcome
from playrail.ansible.run.play import Play, turns
from playrail.ansible.run.runner import Ended, Runner, RunResult
from playrail.calls.answers import Result
from playrail.codes import calls
from playrail.engines.engine import Work
from playrail.engines.results import HostResult, combined
from playrail.errors import (
    AnsibleFailed,
    Cancelled,
    DeadlineExceeded,
    OutcomeUnknown,
    PlayrailError,
    Problem,
    cut_short,
)
from playrail.settings.content import content_root
from playrail.tools.reading import Reading, share_bytes
from playrail.tools.tool import PlaybookTool, Report, ToolInput, variables

END_RUN_PLAYBOOK = "runs/end_run.yml"

CUTS: Mapping[Ended, tuple[str, type[PlayrailError]]] = {
    Ended.AT_DEADLINE: ("did not finish within {:g} s", DeadlineExceeded),
    Ended.WHEN_STOPPED: ("was cancelled", Cancelled),
    Ended.BROKEN_OFF: ("broke off, because Ansible died,", AnsibleFailed),
}

UNEXPECTED_REPORT = Problem.of(calls.UNEXPECTED_REPORT)


@dataclass(frozen=True, kw_only=True)
class Plays:
    """The Engine of playbook tools. Every play gets the variables `standing`, which are the
    operator's, beside the caller's.
    """

    standing: Mapping[str, Any]
    inventory: Inventory
    runner: Runner
    at_most: int | None = None
    """On how many hosts the user wants Ansible to work at once, where that is said."""
    host_keys: HostKeys | None = None
    end_run_s: float = 20.0
    """For a play that ends what an interrupted one left on its hosts."""

    def play(
        self,
        tool: PlaybookTool[Any, Any],
        given: ToolInput,
        hosts: Sequence[str],
        *,
        run_id: str,
        check: bool = False,
    ) -> Play:
        """With `check` nothing is changed. Every change tells its difference, which is what
        it can be taken back by.
        """
        asked = variables(given)
        if isinstance(given, Reading):
            asked["playrail_max_bytes"] = share_bytes(given, hosts=len(hosts))
        play = self._play(tool.path, asked, hosts, run_id=run_id)
        diff = tool.risk_of(given).changes
        return replace(play, interruptible=tool.interruptible or check, check=check, diff=diff)

    async def run(self, work: Work) -> Result:
        """Runs the play; an interrupted one is ended on the hosts as well. Raises
        AnsibleFailed.
        """
        tool, given, play, call = work.tool, work.input, work.play, work.call
        assert play is not None
        deadline_s = tool.deadline_s(given) * turns(len(play.hosts), at_most=self.at_most)
        deadline_s += self.inventory.connect_timeout_s(play.hosts)
        warned = asyncio.create_task(self.host_keys.warn(play.hosts)) if self.host_keys else None
        try:
            ran = await self.runner.run(
                play, deadline_s=deadline_s, stop=call.stop, progress=call.progress
            )
        finally:
            if warned is not None:
                await asyncio.wait({warned})  # whatever came of it, the play's own outcome counts
        result = _result(tool, given, ran, check=play.check)
        if ran.ended is Ended.BY_ITSELF or not (cut := _without_outcome(ran)):
            return result
        still = (
            await self._end_remote_work(play, cut)
            if tool.interruptible
            else "was left to finish there"
        )
        why, otherwise = CUTS[ran.ended]
        message = f"The call {why.format(deadline_s)} on {', '.join(cut)}; its work {still}."
        error = cut_short(message, changes=_changes(tool, given, play), otherwise=otherwise)
        return _with_cut(result, cut, error)

    async def _end_remote_work(self, play: Play, hosts: Sequence[str]) -> str:
        """Ends on the hosts what the run `play` started there. Returns what is known, as
        the end of a sentence.
        """
        ending = self._play(
            content_root() / "playbooks" / END_RUN_PLAYBOOK,
            {"playrail_ended_run": play.run_id},
            hosts,
            run_id=f"{play.run_id}-end",
        )
        try:
            deadline_s = self.end_run_s + self.inventory.turn_s(hosts)
            ran = await self.runner.run(
                ending, deadline_s=deadline_s, stop=asyncio.Event(), progress=None
            )
        except AnsibleFailed:
            return "may still be running there"
        unsure = [
            host
            for host, outcome in ran.hosts.items()
            if outcome.problem is not None or outcome.report is None or outcome.report.get("left")
        ]
        return f"may still be running on {', '.join(unsure)}" if unsure else "was ended there"

    def _play(
        self, playbook: Path, given: Mapping[str, Any], hosts: Sequence[str], *, run_id: str
    ) -> Play:
        return Play(
            run_id=run_id,
            playbook=playbook,
            hosts=hosts,
            inventory=self.inventory.sources(),
            variables=given,
            standing=self.standing,
            secrets=self.inventory.secrets(hosts),
            at_most=self.at_most,
        )


def _without_outcome(ran: RunResult) -> list[str]:
    return [host for host, outcome in ran.hosts.items() if outcome.problem is NO_REPORT]


def _with_cut(result: Result, cut: Sequence[str], error: PlayrailError) -> Result:
    data = dict(result.data or {})
    data["failed"] = {**data["failed"], **dict.fromkeys(cut, error.problem.told())}
    failed = {**result.failed, **dict.fromkeys(cut, error.problem.code)}
    return replace(result, data=data, problem=error.problem, failed=failed)


def _changes(tool: PlaybookTool[Any, Any], given: ToolInput, play: Play) -> bool:
    return tool.risk_of(given).changes and not play.check


def _result(
    tool: PlaybookTool[Any, Any], given: ToolInput, ran: RunResult, *, check: bool
) -> Result:
    changes = tool.risk_of(given).changes and not check
    results: dict[str, HostResult] = {}
    for host, outcome in ran.hosts.items():
        report = _report(tool, given, outcome)
        problem = _problem(report, outcome, changes=changes)
        unpreviewed = ran.unpreviewed.get(host, ())
        results[host] = HostResult(
            report=report,
            problem=problem,
            changed=outcome.changed and not check,
            unpreviewed=unpreviewed,
        )
    result = combined(
        results, again=tool.idempotent or not changes, together=_together(tool, given)
    )
    return replace(result, tasks=ran.tasks, text=ran.text, way=_way(ran))


def _together(
    tool: PlaybookTool[Any, Any], given: ToolInput
) -> Callable[[Mapping[str, Report]], Report | None] | None:
    joint = tool.together
    if joint is None:
        return None
    return lambda reports: joint.of(reports, given) if len(reports) == joint.of_hosts else None


def _way(ran: RunResult) -> str | Mapping[str, str] | None:
    ways = {host: str(way) for host, way in ran.ways.items()}
    return ways if len(set(ways.values())) > 1 else next(iter(ways.values()), None)


def _report(tool: PlaybookTool[Any, Any], given: ToolInput, outcome: HostOutcome) -> Report | None:
    if outcome.report is None:
        return None
    try:
        report: Report = tool.report.model_validate(outcome.report, context={"given": given})
    except ValidationError:
        return None
    return report


def _problem(report: Report | None, outcome: HostOutcome, *, changes: bool) -> Problem | None:
    """A report's own words are more precise than Ansible's, so they go first."""
    if outcome.lost and changes and outcome.problem is not None:
        return OutcomeUnknown(
            f"{outcome.problem.error.rstrip('.')}, and the work may be done, half done or not."
        ).problem
    told = report.problem() if report is not None else None
    if told is None and outcome.problem is None and report is None:
        return UNEXPECTED_REPORT
    return told or outcome.problem
