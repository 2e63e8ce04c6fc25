"""What the ledger tells of a run that is to be taken back, and whether its caller may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from playrail.calls.caller import Caller, Grant
from playrail.errors import NotUndoable, UnknownRun
from playrail.history.runs import effects_in, taken_back
from playrail.ledger.entries import Capture, CapturedEffect, Ended, Started
from playrail.plans.door import Door
from playrail.plans.recorded import plan_in
from playrail.tools.effects import Effect
from playrail.tools.tool import AnyTool


def captured(
    door: Door, caller: Caller, run_id: str
) -> tuple[AnyTool, dict[str, list[Effect]], list[str]]:
    """The tool and the effects per host of a run that can be undone, and in sentences what
    was not captured.
    """
    record = next(iter(door.ledger.read(kinds=(Started.KIND,), run=run_id)), None)
    if record is None or not (record["caller"] == caller.name or caller.may(Grant.OPERATE)):
        raise UnknownRun(f"There is no run {run_id[:64]!r} of this caller.")
    started = Started.of_body(record["body"])
    if started.preview:
        raise NotUndoable(f"{run_id} was a preview: it changed nothing.")
    plan_id = taken_back(door.ledger, run_id).get(run_id)
    # A host that was away may be back
    if plan_id is not None and not plan_in(door.ledger, plan_id).not_undone:
        raise NotUndoable(f"{run_id} was taken back already, by {plan_id}.")
    captures = door.ledger.read(kinds=(Capture.KIND,), run=run_id)
    capture = next((Capture.of_body(one["body"]) for one in captures), None)
    ends = door.ledger.read(kinds=(Ended.KIND,), call=record["call"])
    ended = next((Ended.of_body(one["body"]) for one in ends), None)
    tool = door.tools.get(record["tool"])
    if capture is None or tool is None:
        raise NotUndoable(f"{run_id} of {record['tool']} cannot be taken back: {_why(ended)}")
    not_known = _not_known(started, ended, capture.effects)
    return tool, _whole(capture), [*not_known, *_hidden(capture)]


def _whole(capture: Capture) -> dict[str, list[Effect]]:
    """The effects of which enough is written down to take them back."""
    return {
        host: [
            effect
            for effect, told in zip(effects, capture.effects[host], strict=True)
            if _secret_in(told) is None
        ]
        for host, effects in effects_in(capture).items()
    }


def _hidden(capture: Capture) -> list[str]:
    """The other effects, each in a sentence."""
    return [
        f"{effect.kind} {effect.name} on {host}: {why}"
        for host, effects in capture.effects.items()
        for effect in effects
        if (why := _secret_in(effect)) is not None
    ]


def _secret_in(effect: CapturedEffect) -> str | None:
    """Why an effect cannot be taken back for what the record hides. Of a content that is
    left out the tool says so.
    """
    if "name" in effect.hidden:
        return "Its name holds a secret, which is not kept."
    before = {name for name in effect.hidden if name.startswith("before.")}
    return "What it was holds a secret, which is not kept." if before - {"before.content"} else None


def _why(ended: Ended | None) -> str:
    if ended is None or ended.outcome == "outcome_unknown":
        return "what it changed is not known."
    if not ended.changed:
        return "it changed nothing."
    return "what a command, a restart, a signal or a message brought about stays."


def _not_known(
    started: Started, ended: Ended | None, effects: Mapping[str, Sequence[CapturedEffect]]
) -> list[str]:
    """The hosts on which the run changed, or may have changed, what nobody knows, each in a
    sentence.
    """
    if ended is None:
        hosts = [host for host in started.hosts if host not in effects]
    else:
        unknown = [host for host, code in ended.failed.items() if code == "outcome_unknown"]
        hosts = [
            *unknown,
            *(host for host in ended.changed if host not in effects and host not in unknown),
        ]
    return [f"What it changed on {host} is not known." for host in hosts]
