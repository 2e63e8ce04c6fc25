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
from playrail.tools.planned import Drifted, HostDrift
from playrail.tools.recorded_input import arguments_of

Looked = tuple[list[Drifted], str | None]
"""What drifted, and why that is not known."""


async def drift(door: Door, call: Call, hosts: Sequence[str]) -> dict[str, HostDrift]:
    """Per host what Playrail set that is not so any more, what it set in all, and what
    could not be looked at.
    """
    steps, doubts = await asyncio.to_thread(_latest, door, hosts)
    looks = {
        its: _look(door, call, its[0], step) for its, step in steps.items() if its not in doubts
    }
    found = dict(zip(looks, await asyncio.gather(*looks.values()), strict=True))
    looked = {its: found.get(its) or ([], doubts[its]) for its in steps}
    return {
        host: _told([(steps[its], told) for its, told in looked.items() if its[0] == host])
        for host in hosts
    }


def _told(looked: Sequence[tuple[Step, Looked]]) -> HostDrift:
    return HostDrift(
        set_by_playrail=len(looked),
        drifted=[one for _, (drifted, _) in looked for one in drifted],
        not_checked={str(step.sets): why for step, (_, why) in looked if why is not None},
    )


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


async def _look(door: Door, call: Call, host: str, step: Step) -> Looked:
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
    return [_drifted(step, change) for change in changes], None


def _drifted(step: Step, change: Mapping[str, Any]) -> Drifted:
    told = {key: value for key, value in change.items() if key not in ("before", "after")}
    states = {"now": change["before"], "wanted": change["after"]}
    source = step.source
    return Drifted.model_validate({**told, **states, "set_by": source.run, "set_at": source.at})


def _gone(step: Step, why: str) -> list[Drifted]:
    """The drift of what has gone with all that was around it; none of what was set to a
    state that it has now as well.
    """
    wanted = None if step.removes else step.kind.wanted(arguments_of(step.given))
    if wanted is None:
        return []
    about = {"kind": step.kind.name, "name": step.name, "because": why}
    return [_drifted(step, {**about, "before": None, "after": dict(wanted)})]
