"""What calls left behind, read from their records, as the steps that lead to the same on a
fresh host.

A tool's `intents` tell which things a call set. Of several calls that set the same, the
latest counts (folding.py). What cannot be repeated without changing something again is
marked.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from playrail.history.folding import Names, fold
from playrail.history.steps import LeftOut, Source, Step
from playrail.ledger import entries
from playrail.ledger.entries import Capture, Ended, Interrupted, Started
from playrail.settings.targets import TARGETS
from playrail.tools.lasting import Intent, Kind, Thing
from playrail.tools.recorded_input import arguments_of, read_back
from playrail.tools.tool import (
    NO_VARIABLES,
    AnyTool,
    ApiTool,
    DirectTool,
    PlaybookTool,
    Risk,
    ToolInput,
    nothing_lasting,
)

# The records that tell what calls left behind
REPLAYED: tuple[entries.Kind, ...] = (Started.KIND, Ended.KIND, Interrupted.KIND, Capture.KIND)

NO_TOOL = "there is no such tool any more"
SETS_NOTHING = "it set nothing that lasts"
NOT_TOLD = "what it set is not known"
NOT_KEPT = "its arguments hold a secret, which is not kept"
NOT_KNOWN = "what came of it is not known"
FAILED = "it failed, and had changed something before"
IS_AN_ACTION = "an action, which is done again"
IS_COMMAND = "a command, which does again what it does"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which calls: started from `since` on and before `until`, on these hosts, by this
    caller, with these run ids.
    """

    since: datetime | None = None
    until: datetime | None = None
    hosts: Collection[str] = ()
    caller: str | None = None
    runs: Collection[str] = ()

    def has(self, record: Mapping[str, Any]) -> bool:
        at, started = datetime.fromisoformat(record["at"]), Started.of_body(record["body"])
        return (
            (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
            and (not self.hosts or not set(started.hosts).isdisjoint(self.hosts))
            and (self.caller is None or record["caller"] == self.caller)
            and (not self.runs or started.run in self.runs)
        )


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The steps in order, and what they leave out."""

    steps: Sequence[Step]
    left_out: Sequence[LeftOut]


@dataclass(frozen=True, kw_only=True)
class _Found:
    steps: list[Step] = field(default_factory=list)
    left_out: list[tuple[LeftOut, Sequence[Step]]] = field(default_factory=list)
    """Each with the steps that it would be."""
    names: Names = field(default_factory=Names)


def replay(
    records: Iterable[Mapping[str, Any]], selection: Selection, tools: Mapping[str, AnyTool]
) -> Replay:
    """The steps that the records of calls (started, ended, interrupted, each in order, and
    capture) come to.
    """
    found = _Found()
    for started, ended in _pairs(records, found.names):
        if not isinstance(tools.get(started["tool"]), DirectTool) and selection.has(started):
            _read(started, ended, selection, tools, found)
    steps, left_out = fold(found.steps, found.names)
    for one, meant in found.left_out:
        things = {
            (host, thing)
            for host in one.hosts
            for step in meant
            if (thing := found.names.thing(host, step))
        }
        left_out.append(replace(one, things=things))
    return Replay(steps=steps, left_out=sorted(left_out, key=lambda one: one.source.at))


def _pairs(
    records: Iterable[Mapping[str, Any]], names: Names
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
    """The start of each call that changes hosts, in their order, with its end; None where
    no end was recorded.
    """
    starts: dict[str, Mapping[str, Any]] = {}
    ends: dict[str, Mapping[str, Any]] = {}
    for record in records:
        if record["kind"] == Started.KIND:
            body = Started.of_body(record["body"])
            if Risk.of(body.risk).changes and not body.preview:
                starts[record["call"]] = record
        elif record["kind"] == Capture.KIND:
            names.take(record)
        elif record["call"] in starts:
            ends[record["call"]] = record
    for call, started in starts.items():
        yield started, ends.get(call)


def _read(
    started: Mapping[str, Any],
    ended: Mapping[str, Any] | None,
    selection: Selection,
    tools: Mapping[str, AnyTool],
    found: _Found,
) -> None:
    """Adds what the call set on the hosts where it succeeded, and what has to be told of
    the others.
    """
    body = Started.of_body(started["body"])
    named = ("at", "call", "caller", "tool")
    source = Source(run=body.run, **{name: started[name] for name in named})
    done, unknown, failed = _outcomes(body, ended, selection)
    meant: Sequence[Step] = ()
    told = {NOT_KNOWN: unknown, FAILED: failed}
    try:
        meant = list(_steps(source, body, done, tools))
    except ValidationError:
        gone = "the tool does not take these arguments any more"
        told[NOT_KEPT if body.hidden else gone] = done
    except _NotReplayable as reason:
        told[str(reason)] = done
    found.steps.extend(meant if done else ())
    found.left_out.extend(
        (LeftOut(source=source, hosts=hosts, why=why), meant)
        for why, hosts in told.items()
        if hosts
    )


def _outcomes(
    started: Started, ended: Mapping[str, Any] | None, selection: Selection
) -> tuple[list[str], list[str], list[str]]:
    """The hosts where it succeeded, where nobody knows, and where it failed after it had
    changed something.
    """
    hosts = [host for host in started.hosts if not selection.hosts or host in selection.hosts]
    if ended is None or ended["kind"] == Interrupted.KIND:
        return [], hosts, []
    end = Ended.of_body(ended["body"])
    codes = end.failed
    if end.outcome != "ok" and not codes:  # it came to no host's own outcome
        codes = dict.fromkeys(hosts, end.outcome)
    unknown = [host for host in hosts if codes.get(host) == "outcome_unknown"]
    failed = [
        host for host in hosts if host in codes and host not in unknown and host in end.changed
    ]
    return [host for host in hosts if host not in codes], unknown, failed


class _NotReplayable(Exception):
    """Why a call is no step."""


def _steps(
    source: Source, started: Started, hosts: Sequence[str], tools: Mapping[str, AnyTool]
) -> Iterator[Step]:
    """What the call set, and what it did besides. Raises ValidationError, _NotReplayable."""
    tool = tools.get(source.tool)
    if tool is None:
        raise _NotReplayable(NO_TOOL)
    if isinstance(tool, ApiTool):
        raise _NotReplayable(f"it is a request to {TARGETS[tool.provider].way}, which is no play")
    if not isinstance(tool, PlaybookTool):
        raise _NotReplayable(SETS_NOTHING)
    if tool.intents is nothing_lasting:
        raise _NotReplayable(SETS_NOTHING)
    command = Risk.of(started.risk) >= Risk.DANGEROUS
    if tool.intents is None and not tool.idempotent and not command:
        raise _NotReplayable(NOT_TOLD)
    given = read_back(tool, started.arguments)
    marks = _marks(started, given)
    secrets = {*given.secret_fields(), *marks}
    step = Step(source=source, tool=tool, given=given, hosts=hosts, sets=None, secrets=secrets)
    if tool.intents is not None:
        intents = tool.intents(given)
        if not intents:
            raise _NotReplayable(SETS_NOTHING)
        for intent in intents:
            yield _step(step, intent, tools, marks.values())
    elif tool.idempotent:
        kind = Kind(name=tool.name, drifts=False)
        yield replace(step, sets=Thing(kind, json.dumps(arguments_of(given), sort_keys=True)))
    else:
        yield replace(step, mark=IS_COMMAND)


def _step(step: Step, intent: Intent, tools: Mapping[str, AnyTool], marks: Collection[str]) -> Step:
    """The step of a whole call, narrowed to one of its intents. `marks` stand in the record
    for what is hidden.
    """
    tool, arguments = tools.get(intent.call.tool), intent.call.arguments
    if not isinstance(tool, PlaybookTool):
        raise _NotReplayable(NO_TOOL)
    given = read_back(tool, arguments)
    hidden = {name for name, value in arguments.items() if value in marks}
    return replace(
        step,
        tool=tool,
        given=given,
        sets=intent.thing,
        removes=intent.call.removes,
        afresh=intent.afresh,
        secrets={*given.secret_fields(), *hidden},
        hides_name=any(str(mark) in intent.thing.name for mark in marks),
        mark=IS_AN_ACTION if intent.again else None,
    )


def _marks(started: Started, given: ToolInput) -> dict[str, Any]:
    """The hidden arguments, each with what stands in the record.

    Raises _NotReplayable when that is no text, in whose place another one could be given.
    """
    hidden = [name for name in started.hidden if name not in NO_VARIABLES]
    recorded = given.recorded()
    if any(not isinstance(recorded.get(name), str) for name in hidden):
        raise _NotReplayable(NOT_KEPT)
    return {name: started.arguments[name] for name in hidden if name in started.arguments}
