"""What came of a call on several servers, made into one result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from playrail.calls.answers import Result
from playrail.codes.calls import SOME_HOSTS_FAILED
from playrail.codes.every import named
from playrail.engines.fitting import fitted, size
from playrail.errors import Problem
from playrail.safe_text.remote_text import cleaned
from playrail.tools.tool import Report

NAMED = 10  # servers that the one sentence names
LONGEST_SENTENCE = 1_000  # characters of an error or a hint
ENVELOPE_BYTES = 300  # of an answer without its data and its problem
NEEDS_ALL = (
    "Nothing is told of the others, since it takes all. See data.failed for each host's hint, then "
    "call again with the same hosts."
)
# Of a tool on hosts; to leave an empty one out says the same
LISTS = ("hosts", "changed", "failed")


@dataclass(frozen=True, kw_only=True)
class HostResult:
    """What came of it on one server: a report, a problem, or both."""

    report: Report | None = None
    problem: Problem | None = None
    changed: bool = False
    cached: bool = False
    unpreviewed: Sequence[str] = ()
    """Of a preview: what Ansible did not do in check mode."""

    def unforeseen(self) -> tuple[str, ...]:
        """Of a preview: what only a real run would tell."""
        of_report = () if self.report is None else self.report.unforeseen()
        return tuple(dict.fromkeys((*self.unpreviewed, *of_report)))


@dataclass(frozen=True, kw_only=True)
class _Clean:
    """What came of it on one server, without terminal control sequences."""

    report: Any
    """The report as JSON data; None: there is none."""
    problem: Problem | None
    removed: int
    """How many control sequences were taken out."""


def _clean(result: HostResult) -> _Clean:
    report, in_report = _cleaned(result.report)
    if result.problem is None:
        return _Clean(report=report, problem=None, removed=in_report)
    error, in_error = cleaned(result.problem.error)
    problem = replace(result.problem, error=error)
    return _Clean(report=report, problem=problem, removed=in_report + in_error)


def _cleaned(report: Report | None) -> tuple[Any, int]:
    return (None, 0) if report is None else cleaned(report.model_dump(mode="json"))


def combined(
    results: Mapping[str, HostResult],
    *,
    again: bool,
    together: Callable[[Mapping[str, Report]], Report | None] | None = None,
) -> Result:
    """One result of all. `again`: to call twice does no harm. `together` makes of the
    reports what is told in their place.

    Texts in it come from servers: terminal control sequences are taken out, and it is told
    how many were.
    """
    reports = {host: result.report for host, result in results.items() if result.report is not None}
    if together is not None:
        whole = {host: report for host, report in reports.items() if not results[host].problem}
        return _joint(combined(_without_reports(results), again=again), together(whole))
    clean = {host: _clean(result) for host, result in results.items()}
    problems = {host: one.problem for host, one in clean.items() if one.problem is not None}
    changed = tuple(host for host, result in results.items() if result.changed)
    removed = {host: one.removed for host, one in clean.items() if one.removed}
    data = {
        "hosts": {host: clean[host].report for host in reports},
        "changed": list(changed),
        "failed": {host: problem.told() for host, problem in problems.items()},
        **({"control_sequences_removed": removed} if removed else {}),
    }
    return Result(
        data=data,
        problem=_summary(problems, of=len(results), again=again),
        changed=changed,
        truncated=any(report.cut for report in reports.values()),
        cached=all(result.cached for result in results.values()),
        remote_text=bool(reports or problems),
        failed={host: problem.code for host, problem in problems.items()},
        effects={host: tuple(report.effects()) for host, report in reports.items()},
        unforeseen={host: result.unforeseen() for host, result in results.items()},
    )


def _without_reports(results: Mapping[str, HostResult]) -> dict[str, HostResult]:
    return {host: replace(result, report=None) for host, result in results.items()}


def _joint(result: Result, report: Report | None) -> Result:
    """The result with what is told of all hosts together."""
    told, removed = _cleaned(report)
    rest = {name: value for name, value in (result.data or {}).items() if name != "hosts"}
    data = {
        **({} if told is None else {"together": told}),
        **rest,
        **({"control_sequences_removed": {"together": removed}} if removed else {}),
    }
    problem = result.problem
    if problem is not None and problem.code == SOME_HOSTS_FAILED:
        problem = replace(problem, hint=NEEDS_ALL)
    return replace(
        result,
        data=data,
        problem=problem,
        truncated=report is not None and report.cut,
        remote_text=bool(told or result.remote_text),
    )


def shown(result: Result, *, hide: Callable[[Any], Any], most: int) -> Result:
    """The result as an answer has it: without what says nothing, without secrets, told
    once, and in so many bytes.
    """
    problem = None if result.problem is None else _sentences(result.problem, hide)
    if result.data is None:
        return replace(result, problem=problem)
    data, secret = _without_secrets(_without_nothing(result.data), hide)
    if problem is not None:
        data = _told_once(data, problem)
    around = ENVELOPE_BYTES + (0 if problem is None else size(problem.told()))
    data, cut = fitted(data, max(most - around, most // 2))
    return replace(
        result, data=data, problem=problem, truncated=result.truncated or cut, secrets_hidden=secret
    )


def _sentences(problem: Problem, hide: Callable[[Any], Any]) -> Problem:
    return replace(problem, error=_short(hide(problem.error)), hint=_short(hide(problem.hint)))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_SENTENCE else f"{text[:LONGEST_SENTENCE]}…"


def _without_nothing(data: Mapping[str, Any]) -> dict[str, Any]:
    """Without nulls, and without empty lists and objects but those that a report or a plan
    has itself: these say what was looked for and not found, or that nothing would change.
    """
    told = {
        name: value
        for name, value in data.items()
        if value is not None and (value or name not in LISTS)
    }
    if isinstance(told.get("hosts"), Mapping):
        hosts = {host: _slim_report(report) for host, report in told["hosts"].items()}
        failed = told.get("failed") or ()
        left = {host: report for host, report in hosts.items() if report or host not in failed}
        rest = {name: _slim(value) for name, value in told.items() if name != "hosts"}
        return {"hosts": left, **rest} if left or not hosts else rest
    plan = {name: _slim_report(value) for name, value in told.items() if isinstance(value, Mapping)}
    slim: dict[str, Any] = {**_slim_report(told), **plan}
    return slim


def _slim_report(report: Any) -> Any:
    if not isinstance(report, Mapping):
        return report
    return {
        name: _slim(value)
        for name, value in report.items()
        if value is not None and not (name == "truncated" and value is False)
    }


def _slim(value: Any) -> Any:
    match value:
        case Mapping():
            slim = {name: _slim(item) for name, item in value.items()}
            return {
                name: item
                for name, item in slim.items()
                if item is not None and item not in ([], {})
            }
        case list() | tuple():
            return [_slim(item) for item in value]
    return value


def _without_secrets(
    data: dict[str, Any], hide: Callable[[Any], Any]
) -> tuple[dict[str, Any], bool]:
    """Without secrets. A report that held one says so: what it shows is not what stands
    there.
    """
    hidden: dict[str, Any] = hide(data)
    if hidden == data:
        return data, False
    hosts = data.get("hosts")
    if isinstance(hosts, Mapping):
        hidden["hosts"] = {
            host: {**report, "secrets_hidden": True}
            if isinstance(report, dict) and report != hosts.get(host)
            else report
            for host, report in hidden["hosts"].items()
        }
    return hidden, True


def _told_once(value: Any, problem: Problem) -> Any:
    """Of the failures in the data that the answer itself tells, the code alone."""
    match value:
        case Mapping():
            told = {name: _told_once(item, problem) for name, item in value.items()}
            failed = told.get("failed")
            if isinstance(failed, Mapping):
                told["failed"] = {host: _code_of(one, problem) for host, one in failed.items()}
            return told
        case list():
            return [_told_once(item, problem) for item in value]
    return value


def _code_of(one: Any, problem: Problem) -> Any:
    if not isinstance(one, Mapping) or not isinstance(one.get("error"), str):
        return one
    error, hint = _short(one["error"]), _short(str(one.get("hint", "")))
    is_told = error.rstrip("…") in problem.error and hint == problem.hint
    return (
        {"code": one["code"]}
        if is_told and "code" in one
        else {**one, "error": error, "hint": hint}
    )


def _summary(problems: Mapping[str, Problem], *, of: int, again: bool) -> Problem | None:
    """One problem for the whole call: the hosts' own where they agree."""
    if not problems:
        return None
    first = next(iter(problems.values()))
    if len(problems) == of == 1:
        return replace(first, error=f"{next(iter(problems))}: {first.error}")
    told = ", ".join(f"{host} ({problem.code})" for host, problem in list(problems.items())[:NAMED])
    more = f" and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
    alike = len({problem.code for problem in problems.values()}) == 1
    return Problem.of(
        first.code if alike and len(problems) == of else SOME_HOSTS_FAILED,
        f"{len(problems)} of {of} hosts failed: {told}{more}",
        hint=SOME_HOSTS_FAILED.hint,
        retryable=all(problem.retryable for problem in problems.values())
        and (again or len(problems) == of),
        retry_after_s=max((problem.retry_after_s or 0 for problem in problems.values()), default=0)
        or None,
    )


def failed_preview(result: Result, problem: Problem) -> Result:
    """Says that it was a preview: what it tells of changes has not come about."""
    failed = (result.data or {}).get("failed", {})
    several = problem.code == SOME_HOSTS_FAILED
    hint = (
        "data.failed has each host's code and hint. Preview again on the others alone."
        if several
        else problem.hint
    )
    told = replace(
        problem, error=f"Nothing was changed, for the preview failed. {problem.error}", hint=hint
    )
    return replace(result, data={"preview": True, "failed": failed}, problem=told)


def with_unusable(result: Result, unusable: Mapping[str, Problem], *, of: int) -> Result:
    """The same with the servers that the call meant as well and that cannot be used; `of`
    others were at hand.

    A problem that the whole call has stays, and says so.
    """
    if not unusable:
        return result
    failed = {
        **(result.data or {}).get("failed", {}),
        **{host: one.told() for host, one in unusable.items()},
    }
    problem = result.problem
    if problem is None or problem.code == SOME_HOSTS_FAILED:
        problem = _summary(
            {
                host: Problem(**{**told, "code": named(told["code"])})
                for host, told in failed.items()
            },
            of=of + len(unusable),
            again=True,
        )
    else:
        names = ", ".join([*unusable][:NAMED])
        more = f" and {len(unusable) - NAMED} more" if len(unusable) > NAMED else ""
        problem = replace(
            problem,
            error=f"{problem.error} Nothing was tried on {names}{more}, which cannot be used.",
        )
    if problem is not None and "plan" in (result.data or {}) and result.problem is None:
        problem = replace(
            problem, hint="data.plan is for the others: apply_plan carries it out on them."
        )
    codes = {**result.failed, **{host: one.code for host, one in unusable.items()}}
    return replace(
        result, data={**(result.data or {}), "failed": failed}, problem=problem, failed=codes
    )
