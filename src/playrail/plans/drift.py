"""Finds what no longer holds of what Playrail itself set on hosts: the latest calls, played
again in check mode.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from playrail.calls.call import Call
from playrail.errors import PlayrailError
from playrail.history.folding import NEEDS_WHAT_GOES
from playrail.history.replay import REPLAYED, Selection, replay
from playrail.history.runs import taken_back
from playrail.history.steps import Step
from playrail.plans.door import Door
from playrail.plans.plan import changes_of
from playrail.plans.recorded import plan_in
from playrail.tools.lasting import Thing
from playrail.tools.tool import arguments_of


async def drift(door: Door, call: Call, hosts: Sequence[str]) -> dict[str, Any]:
    """Per host what Playrail set that is not so any more, what it set in all, and what
    could not be looked at.
    """
    steps, doubts = await asyncio.to_thread(_latest, door, hosts)
    looks = {
        its: _look(door, call, its[0], step) for its, step in steps.items() if its not in doubts
    }
    found = dict(zip(looks, await asyncio.gather(*looks.values()), strict=True))
    told: dict[str, Any] = {
        host: {"set_by_playrail": 0, "drifted": [], "not_checked": {}} for host in hosts
    }
    for (host, thing), step in steps.items():
        changes, why = found.get((host, thing)) or ([], doubts[host, thing])
        told[host]["set_by_playrail"] += 1
        if why is not None:
            told[host]["not_checked"][str(step.sets)] = why
        source = step.source
        told[host]["drifted"] += [
            {**change, "set_by": source.run, "set_at": source.at} for change in changes
        ]
    return told


def _latest(
    door: Door, hosts: Sequence[str]
) -> tuple[dict[tuple[str, Thing], Step], dict[tuple[str, Thing], str]]:
    """The latest step per host and thing; and of those that something was done to after
    that, nobody knows what, why.

    What was taken back is left out.
    """
    undone = {
        run
        for run, plan in taken_back(door.ledger).items()
        if not plan_in(door.ledger, plan).not_undone
    }
    records = door.ledger.read(kinds=REPLAYED)
    replayed = replay(records, Selection(hosts=hosts), door.tools)
    latest: dict[tuple[str, Thing], Step] = {}
    for step in replayed.steps:
        if step.thing is not None and step.kind.drifts and step.source.run not in undone:
            for host in (host for host in step.hosts if host in hosts):
                latest[host, step.thing] = step.keeping(latest.get((host, step.thing)))
    doubts = {
        its: f"{one.why}, of a later call ({one.source.run})"
        for one in replayed.left_out
        for its in one.things
        if its in latest and one.source.at >= latest[its].source.at
    }
    return latest, doubts


async def _look(
    door: Door, call: Call, host: str, step: Step
) -> tuple[list[Mapping[str, Any]], str | None]:
    """What the step would change now, with the present state as `now` and the one that was
    set as `wanted`; and why that is not known.
    """
    if step.secrets:
        return [], f"its {' and '.join(sorted(step.secrets))} is a secret, which is not kept"
    try:
        prepared = await door.prepare(
            step.tool.name, {**arguments_of(step.given), "server": [host]}
        )
        foreseen = await door.foresee(prepared, call)
    except PlayrailError as error:
        why = f"{error.problem.code}: {error.problem.error}"
        if error.problem.code != step.kind.gone_code:
            return [], why
        if step.mark == NEEDS_WHAT_GOES:
            return [], f"{why} A later call of Playrail may have removed it."
        return _gone(step, why), None
    changes = changes_of(foreseen).get(host, [])
    if not changes and (unseen := foreseen.unforeseen.get(host)):
        return [], " ".join(unseen)
    return [_drifted(change) for change in changes], None


def _drifted(change: Mapping[str, Any]) -> dict[str, Any]:
    told = {key: value for key, value in change.items() if key not in ("before", "after")}
    return {**told, "now": change["before"], "wanted": change["after"]}


def _gone(step: Step, why: str) -> list[Mapping[str, Any]]:
    """The drift of what has gone with all that was around it; none of what was set to a
    state that it has now as well.
    """
    wanted = None if step.removes else step.kind.wanted(arguments_of(step.given))
    if wanted is None:
        return []
    about = {"kind": step.kind.name, "name": step.name, "now": None}
    return [{**about, "wanted": dict(wanted), "because": why}]
