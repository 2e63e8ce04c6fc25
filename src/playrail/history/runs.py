"""What a run was, read from the ledger: who asked for it, what Ansible did, what it
changed, and what became of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from playrail.errors import UnknownRun
from playrail.ledger import entries
from playrail.ledger.entries import (
    Body,
    Capture,
    Closed,
    Ended,
    Events,
    Interrupted,
    Kind,
    PlanMade,
    Refused,
    Started,
)
from playrail.ledger.ledger import Ledger
from playrail.tasks import TaskResult
from playrail.tools.effects import Effect
from playrail.tools.tool import Risk

RUNNING = "running"  # the outcome of a call whose end is not recorded
BEGINNINGS: tuple[Kind, ...] = (Started.KIND, Refused.KIND)
# What is known of a call that was refused, or has not ended
NOT_STARTED, NOT_ENDED = Started.of_body({}), Ended.of_body({})
ENDINGS: tuple[Kind, ...] = (Ended.KIND, Interrupted.KIND)

Record = Mapping[str, Any]
BodyT = TypeVar("BodyT", bound=Body)


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """One call in a line. `run` is None where nothing was run: the call was refused, or was
    none of a playbook.
    """

    run: str | None
    call: str
    at: str
    caller: str
    tool: str
    hosts: tuple[str, ...]
    outcome: str
    changed: tuple[str, ...]
    risk: str | None
    preview: bool


@dataclass(frozen=True, kw_only=True)
class Approval:
    """What somebody answered who was asked about the run's plan."""

    at: str
    how: str
    answer: str
    by: str
    expires_at: str | None
    proves: str | None


@dataclass(frozen=True, kw_only=True)
class Run:
    """A call with all that is recorded of it. Texts in it may come from servers, and are as
    they came.
    """

    summary: RunSummary
    arguments: Mapping[str, Any]
    command: str | None
    playbook: str | None
    failed: Mapping[str, str]
    error: str | None
    duration_ms: int | None
    plan: str | None
    parent: str | None
    approvals: tuple[Approval, ...]
    tasks: tuple[TaskResult, ...]
    text: str
    """What Ansible said outside of any task."""
    cut: bool
    """Whether the record of the tasks leaves something out."""
    effects: Mapping[str, tuple[Effect, ...]]
    undone_by: str | None
    """The plan that took it back, if one was carried out."""


def find_runs(
    ledger: Ledger,
    *,
    caller: str | None = None,
    host: str | None = None,
    everything: bool = False,
    skip: int = 0,
    limit: int = 50,
) -> list[RunSummary]:
    """The runs, newest first; with `everything` all calls: also those that ran no playbook,
    and the looks that calls took before they did something. Raises LedgerUnavailable.
    """
    kinds = BEGINNINGS if everything else (Started.KIND,)
    began = (
        (record, _beginning(record))
        for record in ledger.read(kinds=kinds, caller=caller, newest_first=True)
    )
    found = (
        (record, beginning)
        for record, beginning in began
        if (everything or _is_run(beginning)) and (host is None or host in (beginning.hosts or ()))
    )
    return [
        _summary(record, beginning, _ending(ledger, record))
        for record, beginning in islice(found, skip, skip + limit)
    ]


def find_changes(
    ledger: Ledger,
    *,
    caller: str | None = None,
    hosts: Collection[str] | None = None,
    tools: Collection[str] | None = None,
    since: str | None = None,
    reads: bool = False,
) -> Iterator[RunSummary]:
    """The calls that changed something on hosts, or may have, newest first, without previews;
    with `reads` also what only looked. `since` is as the ledger has it. Raises
    LedgerUnavailable.
    """
    records = ledger.read(kinds=(Started.KIND,), caller=caller, since=since, newest_first=True)
    for record in records:
        began = Started.of_body(record["body"])
        meant = (
            not began.preview
            and bool(began.hosts)
            and (reads or Risk.of(began.risk).changes)
            and (hosts is None or not set(hosts).isdisjoint(began.hosts))
            and (tools is None or record["tool"] in tools)
        )
        if meant:
            found = _summary(record, began, _ending(ledger, record))
            if reads or found.changed or found.outcome != "ok":
                yield found


def effects_of(ledger: Ledger, summary: RunSummary) -> dict[str, tuple[Effect, ...]]:
    """Per host what the call changed, as far as that was captured."""
    capture = _of_call(ledger, summary.call, Capture)
    return {} if capture is None else effects_in(capture)


def arguments_of(ledger: Ledger, summary: RunSummary) -> Mapping[str, Any]:
    """What the call was asked."""
    found = _of_call(ledger, summary.call, Started)
    return {} if found is None else found.arguments or {}


def read_run(ledger: Ledger, run_id: str, *, caller: str | None = None) -> Run:
    """The run, or the call, of this id; with `caller` only one of theirs. Raises
    UnknownRun, LedgerUnavailable.
    """
    by_run = ledger.read(kinds=(Started.KIND,), run=run_id, caller=caller, limit=1)
    by_call = ledger.read(kinds=BEGINNINGS, call=run_id, caller=caller, limit=1)
    record = next(by_run, None) or next(by_call, None)
    if record is None:
        raise UnknownRun(f"There is no run {run_id[:64]!r}.")
    began, end = _beginning(record), _ending(ledger, record)
    summary = _summary(record, began, end)
    started = began if isinstance(began, Started) else NOT_STARTED
    ended = end if isinstance(end, Ended) else NOT_ENDED
    events = _of_call(ledger, summary.call, Events)
    capture = _of_call(ledger, summary.call, Capture)
    return Run(
        summary=summary,
        arguments=began.arguments or {},
        command=started.command,
        playbook=started.playbook,
        failed=ended.failed,
        error=_error(began, end),
        duration_ms=ended.duration_ms,
        plan=started.plan,
        parent=began.parent,
        approvals=tuple(_approvals(ledger, started.plan)) if started.plan else (),
        tasks=() if events is None else events.tasks,
        text="" if events is None else events.text or "",
        cut=events is not None and events.cut,
        effects={} if capture is None else effects_in(capture),
        undone_by=_undone_by(ledger, summary),
    )


def effects_in(capture: Capture) -> dict[str, tuple[Effect, ...]]:
    """Per host what the run changed."""
    return {
        host: tuple(
            Effect(kind=one.kind, name=one.name, before=one.before, after=one.after)
            for one in captured
        )
        for host, captured in capture.effects.items()
    }


def _is_run(began: Started | Refused) -> bool:
    return (
        isinstance(began, Started)
        and bool(began.run)
        and not (began.preview and began.parent is not None)
    )


def _beginning(record: Record) -> Started | Refused:
    return (Started if record["kind"] == Started.KIND else Refused).of_body(record["body"])


def _ending(ledger: Ledger, began: Record) -> Ended | Interrupted | None:
    """The end of a call; None of one that was refused, or goes on."""
    if began["kind"] == Refused.KIND:
        return None
    for record in ledger.read(kinds=ENDINGS, call=began["call"], limit=1):
        return (Ended if record["kind"] == Ended.KIND else Interrupted).of_body(record["body"])
    return None


def _of_call(ledger: Ledger, call: str, body: type[BodyT]) -> BodyT | None:
    """What a call's record of this kind holds; None where there is no such record."""
    records = ledger.read(kinds=(body.KIND,), call=call, limit=1)
    return next((body.of_body(record["body"]) for record in records), None)


def _summary(
    record: Record, began: Started | Refused, end: Ended | Interrupted | None
) -> RunSummary:
    started = began if isinstance(began, Started) else NOT_STARTED
    outcome = RUNNING if end is None else end.outcome
    return RunSummary(
        run=started.run,
        call=record["call"],
        at=record["at"],
        caller=record["caller"],
        tool=record["tool"],
        hosts=began.hosts or (),
        outcome=began.outcome if isinstance(began, Refused) else outcome,
        changed=end.changed if isinstance(end, Ended) else (),
        risk=started.risk,
        preview=started.preview,
    )


def _error(began: Started | Refused, end: Ended | Interrupted | None) -> str | None:
    match end:
        case Ended():
            return end.error
        case Interrupted():
            return end.note
    return began.reason if isinstance(began, Refused) else None


def _approvals(ledger: Ledger, plan: str) -> Iterator[Approval]:
    for record in ledger.read(kinds=(entries.Approval.KIND,), plan=plan):
        answered = entries.Approval.of_body(record["body"])
        yield Approval(
            at=record["at"],
            how=answered.how,
            answer=answered.answer,
            by=answered.by,
            expires_at=answered.expires_at,
            proves=answered.proves,
        )


def taken_back(ledger: Ledger, run: str | None = None) -> dict[str, str]:
    """The runs that were taken back, or this one if it was, each with the plan that did so
    without a step that failed.

    Raises LedgerUnavailable.
    """
    records = ledger.read(kinds=(PlanMade.KIND,), undoes=run or True)
    plans = [PlanMade.of_body(record["body"]) for record in records]
    return {
        plan.undoes: plan.plan
        for plan in plans
        if plan.undoes is not None and _was_carried_out(ledger, plan)
    }


def _was_carried_out(ledger: Ledger, plan: PlanMade) -> bool:
    started = list(ledger.read(kinds=(Started.KIND,), plan=plan.plan))
    ends = [_ending(ledger, record) for record in started]
    done = [end for end in ends if end is not None and end.outcome == "ok"]
    closed = ledger.read(kinds=(Closed.KIND,), plan=plan.plan)
    return len(done) >= len(plan.steps) and any(
        Closed.of_body(record["body"]).outcome == "used" for record in closed
    )


def _undone_by(ledger: Ledger, run: RunSummary) -> str | None:
    return taken_back(ledger, run.run).get(run.run) if run.run is not None and run.changed else None
