"""What came of a call on several servers, made into one result."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from playrail.answers import Result
from playrail.errors import Problem
from playrail.remote_text import cleaned
from playrail.tool import Report

MAX_ANSWER_BYTES = 4 * 1024 * 1024  # of all reports together: a client takes an answer whole or not at all
NOTHING = (None, 0)
SOME_FAILED = "some_hosts_failed"
NAMED = 5  # servers whose failure the one sentence tells


@dataclass(frozen=True, kw_only=True)
class HostResult:
    """What came of it on one server: a report, a problem, or both."""

    report: Report | None = None
    problem: Problem | None = None
    changed: bool = False
    cached: bool = False
    unpreviewed: Sequence[str] = ()
    """Of a preview: what Ansible did not do in check mode."""


def combined(results: Mapping[str, HostResult], *, again: bool) -> Result:
    """One result of all. `again`: to call twice does no harm.

    Texts in it come from servers: terminal control sequences are taken out, and it is told how many were.
    """
    problems = {host: result.problem for host, result in results.items() if result.problem is not None}
    errors = {host: cleaned(problem.error) for host, problem in problems.items()}
    problems = {host: replace(problem, error=errors[host][0]) for host, problem in problems.items()}
    changed = tuple(host for host, result in results.items() if result.changed)
    reports = {host: result.report for host, result in results.items() if result.report is not None}
    clean = {host: cleaned(report.model_dump(mode="json")) for host, report in reports.items()}
    told, left_out = _bounded({host: report for host, (report, _) in clean.items()})
    removed = {host: count for host in results if (count := clean.get(host, NOTHING)[1] + errors.get(host, NOTHING)[1])}
    data = {
        "hosts": told,
        "changed": list(changed),
        "failed": {host: problem.told() for host, problem in problems.items()},
        **({"left_out": left_out} if left_out else {}),
        **({"control_sequences_removed": removed} if removed else {}),
    }
    return Result(
        data=data,
        problem=_summary(problems, of=len(results), again=again),
        changed=changed,
        truncated=bool(left_out) or any(report.cut for report in reports.values()),
        cached=all(result.cached for result in results.values()),
        remote_text=bool(told or problems),
        failed={host: problem.code for host, problem in problems.items()},
        effects={host: tuple(report.effects()) for host, report in reports.items()},
        unforeseen={host: _unforeseen(result) for host, result in results.items()},
    )


def _unforeseen(result: HostResult) -> tuple[str, ...]:
    told = result.report.unforeseen() if result.report is not None else ()
    return tuple(dict.fromkeys((*result.unpreviewed, *told)))


def _bounded(reports: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The reports that fit into one answer, and the hosts whose reports do not."""
    told: dict[str, Any] = {}
    left = MAX_ANSWER_BYTES
    for host, report in reports.items():
        if (size := len(json.dumps(report))) <= left:
            told[host] = report
            left -= size
    return told, [host for host in reports if host not in told]


def _summary(problems: Mapping[str, Problem], *, of: int, again: bool) -> Problem | None:
    """One problem for the whole call: the hosts' own where they agree."""
    if not problems:
        return None
    first = next(iter(problems.values()))
    if len(problems) == of == 1:
        return replace(first, error=f"{next(iter(problems))}: {first.error}")
    told = "; ".join(f"{host}: {problem.error.rstrip('.')}" for host, problem in list(problems.items())[:NAMED])
    more = f"; and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
    alike = len({problem.code for problem in problems.values()}) == 1
    return Problem(
        code=first.code if alike and len(problems) == of else SOME_FAILED,
        error=f"{len(problems)} of {of} hosts failed: {told}{more}",
        hint="See data.failed for each host's code and hint; data.hosts has what the others reported. "
        "Call again, if at all, with `server` set to those that failed.",
        retryable=all(problem.retryable for problem in problems.values()) and (again or len(problems) == of),
        retry_after_s=max((problem.retry_after_s or 0 for problem in problems.values()), default=0) or None,
    )


def failed_preview(result: Result, problem: Problem) -> Result:
    """Says that it was a preview: what it tells of changes has not come about."""
    failed = (result.data or {}).get("failed", {})
    several = problem.code == SOME_FAILED
    hint = "data.failed has each host's code and hint. Preview again on the others alone." if several else problem.hint
    told = replace(problem, error=f"Nothing was changed, for the preview failed. {problem.error}", hint=hint)
    return replace(result, data={"preview": True, "failed": failed}, problem=told)


def with_unusable(result: Result, unusable: Mapping[str, Problem], *, of: int) -> Result:
    """The same with the servers that the call meant as well and that cannot be used; `of` others were at hand.

    A problem that the whole call has stays, and says so.
    """
    if not unusable:
        return result
    failed = {**(result.data or {}).get("failed", {}), **{host: one.told() for host, one in unusable.items()}}
    problem = result.problem
    if problem is None or problem.code == SOME_FAILED:
        problem = _summary({host: Problem(**told) for host, told in failed.items()}, of=of + len(unusable), again=True)
    else:
        names = ", ".join([*unusable][:NAMED])
        more = f" and {len(unusable) - NAMED} more" if len(unusable) > NAMED else ""
        problem = replace(problem, error=f"{problem.error} Nothing was tried on {names}{more}, which cannot be used.")
    if problem is not None and "plan" in (result.data or {}) and result.problem is None:
        problem = replace(problem, hint="data.plan is for the others: apply_plan carries it out on them.")
    codes = {**result.failed, **{host: one.code for host, one in unusable.items()}}
    return replace(result, data={**(result.data or {}), "failed": failed}, problem=problem, failed=codes)
