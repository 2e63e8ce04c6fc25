"""What the ledger tells of calls that were made before, for the tools that ask."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from playrail.calls.caller import Caller, Grant
from playrail.errors import ServerMisconfigured, UnknownServer, UnknownTool
from playrail.history.runs import (
    RUNNING,
    Run,
    RunSummary,
    arguments_of,
    effects_of,
    find_changes,
    read_run,
    taken_back,
)
from playrail.hosts import Hosts
from playrail.plans.door import Door
from playrail.safe_text.visible import in_one_line
from playrail.settings.settings import Settings
from playrail.tools.effects import Effect, diff_of, in_short, without_content
from playrail.tools.fields import moment
from playrail.tools.lasting import Invocation
from playrail.tools.past import Approved, RunShort, RunsWanted, RunWhole
from playrail.tools.planned import Change
from playrail.tools.tool import Risk

NAMED_HOSTS = 5  # of a call in a list
TOLD_CHANGES = 3
LONGEST_LINE = 160  # characters
LONGEST_ARGUMENT = 500
ENVELOPE_BYTES = 400
NOT_KNOWN = "It is not known whether it changed anything: look before you repeat it."
# Arguments that say nothing, or the same as another
BESIDE = frozenset({"server", "preview", "argv", "max_bytes"})


class Past:
    """The calls that a caller may know of: its own, or all for an operator."""

    def __init__(self, door: Door, caller: Caller) -> None:
        self._door = door
        self._caller = caller
        self._whose = None if caller.may(Grant.OPERATE) else caller.name

    def runs(
        self, hosts: Hosts, settings: Settings, wanted: RunsWanted
    ) -> tuple[list[RunShort], int | None]:
        """Raises LedgerUnavailable, UnknownTool, UnknownServer."""
        offset, limit = wanted.offset, wanted.limit
        meant, unknown = self._meant(hosts, settings, wanted.server)
        found = find_changes(
            self._door.ledger,
            caller=self._whose,
            hosts=meant,
            tools=None if wanted.tool is None else self._names(wanted.tool),
            since=None if wanted.since is None else _as_recorded(moment(wanted.since)),
            reads=wanted.reads,
        )
        some = list(islice(found, offset, offset + limit + 1))
        if not some and unknown is not None:
            raise unknown
        undone = taken_back(self._door.ledger)
        told: list[RunShort] = []
        left = wanted.max_bytes - ENVELOPE_BYTES
        for summary in some[:limit]:
            one = self._short(summary, undone)
            left -= len(one.model_dump_json().encode()) + 1
            if left < 0 and told:
                break
            told.append(one)
        return told, offset + len(told) if len(told) < len(some) else None

    def run(self, run_id: str, *, max_bytes: int) -> RunWhole:
        """Raises LedgerUnavailable, UnknownRun."""
        found = read_run(self._door.ledger, run_id, caller=self._whose)
        summary = found.summary
        whole = RunWhole(
            run_id=summary.run or summary.call,
            at=_to_the_second(summary.at),
            tool=summary.tool,
            risk=summary.risk,
            preview=summary.preview,
            hosts=list(summary.hosts),
            caller=self._other(summary),
            outcome=summary.outcome,
            error=found.error,
            duration_ms=found.duration_ms,
            arguments=_cut(_saying(found.arguments)),
            changed=list(summary.changed),
            failed=dict(found.failed),
            plan=found.plan,
            approvals=[
                Approved(answer=one.answer, by=one.by, how=one.how)
                for one in found.approvals
                if one.answer != "asked"
            ],
            undo=self._undo(found),
            undone_by=found.undone_by,
        )
        room = max_bytes - ENVELOPE_BYTES - len(whole.model_dump_json().encode())
        changes, left_out, cut = _fitting(found.effects, room)
        return whole.model_copy(
            update={
                "changes": changes,
                "changes_left_out": left_out or None,
                "truncated": bool(left_out) or cut,
            }
        )

    def _meant(
        self, hosts: Hosts, settings: Settings, server: str | None
    ) -> tuple[set[str] | None, UnknownServer | None]:
        """The hosts that are asked for, and why there are none now: the ledger may still know
        one that was taken out of the inventory.
        """
        if server is None:
            return None, None
        try:
            return {server, *hosts.resolve(server, settings)}, None
        except UnknownServer as unknown:
            return {server}, unknown
        except ServerMisconfigured:
            return {server, *hosts.groups.get(server, ())}, None

    def _names(self, tool: str) -> set[str]:
        tools = self._door.tools
        if tool not in tools:
            raise UnknownTool.named(tool, tools)
        return {name for name, one in tools.items() if one.name == tools[tool].name}

    def _other(self, summary: RunSummary) -> str | None:
        return None if summary.caller == self._caller.name else summary.caller

    def _short(self, summary: RunSummary, undone: Mapping[str, str]) -> RunShort:
        changed = bool(summary.changed)
        effects = effects_of(self._door.ledger, summary) if changed else {}
        lines = list(dict.fromkeys(self._lines(summary, effects)))
        undone_by = undone.get(summary.run or "")
        return RunShort(
            run_id=summary.run or summary.call,
            at=_to_the_second(summary.at),
            tool=summary.tool,
            hosts=list(summary.hosts[:NAMED_HOSTS]),
            more_hosts=len(summary.hosts) - NAMED_HOSTS if summary.hosts[NAMED_HOSTS:] else None,
            caller=self._other(summary),
            outcome=summary.outcome,
            did=lines[:TOLD_CHANGES] or None,
            more_changes=len(lines) - TOLD_CHANGES if lines[TOLD_CHANGES:] else None,
            undoable=undone_by is None and not self._why_not(summary.tool, effects),
            undone_by=undone_by,
        )

    def _lines(self, summary: RunSummary, effects: Mapping[str, Sequence[Effect]]) -> list[str]:
        """What a call did, a line each; of one that tells no effects, what it was asked."""
        told = [
            in_short(_change(effect).model_dump(), self._door.kinds)
            for of_host in effects.values()
            for effect in of_host
        ]
        if not told and Risk.of(summary.risk).changes:
            asked = _saying(arguments_of(self._door.ledger, summary))
            told = [str(asked["cmd"]) if "cmd" in asked else json.dumps(asked, ensure_ascii=False)]
        return [_short_line(line) for line in told]

    def _why_not(self, tool: str, effects: Mapping[str, Sequence[Effect]]) -> str | None:
        """Why undo_run cannot take it back; None where it may."""
        undo = self._door.tools[tool].undo if tool in self._door.tools else None
        if undo is None:
            return "no tool takes back what it did"
        backs = [undo(effect) for of_host in effects.values() for effect in of_host]
        if not backs:
            return "nothing was captured of what it changed"
        if any(isinstance(back, Invocation) for back in backs):
            return None
        return next(str(back).rstrip(".") for back in backs)

    def _undo(self, found: Run) -> str:
        summary = found.summary
        if found.undone_by is not None:
            return "It was taken back already."
        if summary.preview or not Risk.of(summary.risk).changes:
            return "It changed nothing."
        if summary.outcome == RUNNING:
            return "It goes on, or its end was not recorded: look before you repeat it."
        if not summary.changed:
            known = summary.outcome == "ok" or summary.run is None
            return "It changed nothing." if known else NOT_KNOWN
        why = self._why_not(summary.tool, found.effects)
        return (
            f"undo_run with run_id {summary.run}, then apply_plan with its plan_id."
            if why is None
            else f"Not by undo_run: {why}."
        )


def _change(effect: Effect) -> Change:
    diff, cut = diff_of(effect) or (None, False)
    return Change(
        kind=effect.kind,
        name=in_one_line(effect.name),
        before=without_content(effect.before),
        after=without_content(effect.after),
        diff=diff or None,
        diff_cut=cut,
    )


def _fitting(
    effects: Mapping[str, Sequence[Effect]], room: int
) -> tuple[dict[str, list[Change]], int, bool]:
    """The changes that have room, how many have none, and whether a difference was cut. Each
    difference has its share.
    """
    every = [(host, _change(effect)) for host, some in effects.items() for effect in some]
    share = max(200, room // max(1, len(every)) - 300)
    told: dict[str, list[Change]] = {}
    left_out, is_cut = 0, False
    for host, change in every:
        if change.diff is not None and len(change.diff) > share:
            short = change.diff[:share].rpartition("\n")[0] + "\n"
            change = change.model_copy(update={"diff": short, "diff_cut": True})  # noqa: PLW2901
        room -= len(change.model_dump_json().encode()) + 1
        if room < 0:
            left_out += 1
            continue
        is_cut |= change.diff_cut
        told.setdefault(host, []).append(change)
    return told, left_out, is_cut


def _saying(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in arguments.items()
        if name not in BESIDE and value not in (None, False, [], "")
    }


def _cut(value: Any) -> Any:
    match value:
        case str() if len(value) > LONGEST_ARGUMENT:
            return f"{value[:LONGEST_ARGUMENT]}\u2026 ({len(value)} characters)"
        case Mapping():
            return {key: _cut(item) for key, item in value.items()}
        case [*items]:
            return [_cut(item) for item in items]
    return value


def _short_line(line: str) -> str:
    shown = in_one_line(line)
    return shown if len(shown) <= LONGEST_LINE else shown[: LONGEST_LINE - 1] + "\u2026"


def _as_recorded(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _to_the_second(at: str) -> str:
    return f"{at[:19]}Z"
