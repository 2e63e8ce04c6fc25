"""What a run was, read from the ledger: who asked for it, what Ansible did, what it
changed, and what became of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from playrail.errors import UnknownRun
from playrail.ledger.ledger import Kind, Ledger
from playrail.tools.effects import Effect

RUNNING = "running"  # the outcome of a call whose end is not recorded
BEGINNINGS: tuple[Kind, ...] = ("started", "refused")
ENDINGS: tuple[Kind, ...] = ("ended", "interrupted")

Record = Mapping[str, Any]


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
class Task:
    """One task on one host. `result` is None where only reads were done; `diff` is
    Ansible's own list.

    `cut`: whether something of them was left out.
    """

    host: str
    task: str
    action: str
    status: str
    duration_s: float | None
    result: Mapping[str, Any] | None
    diff: Sequence[Mapping[str, Any]]
    cut: bool = False


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
    tasks: tuple[Task, ...]
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
    kinds = BEGINNINGS if everything else ("started",)
    found = (
        record
        for record in ledger.read(kinds=kinds, caller=caller, newest_first=True)
        if (everything or _is_run(record["body"]))
        and (host is None or host in record["body"].get("hosts", ()))
    )
    return [
        _summary(record, _ending(ledger, record)) for record in islice(found, skip, skip + limit)
    ]


def read_run(ledger: Ledger, run_id: str, *, caller: str | None = None) -> Run:
    """The run, or the call, of this id; with `caller` only one of theirs. Raises
    UnknownRun, LedgerUnavailable.
    """
    by_run = ledger.read(kinds=("started",), run=run_id, caller=caller, limit=1)
    by_call = ledger.read(kinds=BEGINNINGS, call=run_id, caller=caller, limit=1)
    began = next(by_run, None) or next(by_call, None)
    if began is None:
        raise UnknownRun(f"There is no run {run_id[:64]!r}.")
    summary = _summary(began, ended := _ending(ledger, began))
    body, end = began["body"], ended["body"] if ended else {}
    of_call = {
        record["kind"]: record["body"]
        for record in ledger.read(kinds=("events", "capture"), call=summary.call)
    }
    events, capture = of_call.get("events", {}), of_call.get("capture", {})
    plan = body.get("plan")
    return Run(
        summary=summary,
        arguments=body.get("arguments", {}),
        command=body.get("command"),
        playbook=body.get("playbook"),
        failed=end.get("failed", {}),
        error=end.get("error") or end.get("note") or body.get("reason"),
        duration_ms=end.get("duration_ms"),
        plan=plan,
        parent=body.get("parent"),
        approvals=tuple(map(_approval, ledger.read(kinds=("approval",), plan=plan)))
        if plan
        else (),
        tasks=tuple(Task(**task) for task in events.get("tasks", ())),
        text=events.get("text") or "",
        cut=bool(events.get("cut")),
        effects={
            host: tuple(Effect(**one) for one in found)
            for host, found in capture.get("effects", {}).items()
        },
        undone_by=_undone_by(ledger, summary),
    )


def _is_run(body: Mapping[str, Any]) -> bool:
    return bool(body.get("run")) and not (body.get("preview") and body.get("parent"))


def _summary(began: Record, ended: Record | None) -> RunSummary:
    body, end = began["body"], ended["body"] if ended else {}
    return RunSummary(
        run=body.get("run"),
        call=began["call"],
        at=began["at"],
        caller=began["caller"],
        tool=began["tool"],
        hosts=tuple(body.get("hosts", ())),
        outcome=end.get("outcome") or body.get("outcome") or RUNNING,
        changed=tuple(end.get("changed", ())),
        risk=body.get("risk"),
        preview=bool(body.get("preview")),
    )


def _ending(ledger: Ledger, began: Record) -> Record | None:
    return (
        None
        if began["kind"] == "refused"
        else next(ledger.read(kinds=ENDINGS, call=began["call"], limit=1), None)
    )


def _approval(record: Record) -> Approval:
    body = record["body"]
    told = {name: body.get(name) for name in ("expires_at", "proves")}
    return Approval(at=record["at"], how=body["how"], answer=body["answer"], by=body["by"], **told)


def taken_back(ledger: Ledger, run: str | None = None) -> dict[str, str]:
    """The runs that were taken back, or this one if it was, each with the plan that did so
    without a step that failed.

    Raises LedgerUnavailable.
    """
    plans = [record["body"] for record in ledger.read(kinds=("plan",), undoes=run or True)]
    return {plan["undoes"]: plan["plan"] for plan in plans if _was_carried_out(ledger, plan)}


def _was_carried_out(ledger: Ledger, plan: Record) -> bool:
    about = list(ledger.read(kinds=("started", "closed"), plan=plan["plan"]))
    ends = [_ending(ledger, record) for record in about if record["kind"] == "started"]
    done = [end for end in ends if end is not None and end["body"].get("outcome") == "ok"]
    return len(done) >= len(plan["steps"]) and any(
        record["body"].get("outcome") == "used" for record in about
    )


def _undone_by(ledger: Ledger, run: RunSummary) -> str | None:
    return taken_back(ledger, run.run).get(run.run) if run.run is not None and run.changed else None
