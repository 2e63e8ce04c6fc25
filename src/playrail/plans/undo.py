"""Takes back what a run changed: as a plan of ordinary calls, from what the run captured
before it changed anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from playrail.calls.call import Call
from playrail.errors import (
    Cancelled,
    ChangedSince,
    Denied,
    LedgerUnavailable,
    LimitReached,
    NotUndoable,
    PlayrailError,
    Stopping,
)
from playrail.plans.captured import captured
from playrail.plans.door import Door
from playrail.plans.plan import Foreseen, Plan
from playrail.plans.planning import Planning
from playrail.safe_text.diffs import unified
from playrail.tools.effects import Effect, is_text, without_content
from playrail.tools.lasting import Invocation, Kind, Kinds, kind_named
from playrail.tools.tool import AnyTool

# Of any state: the same content may be told of one, and be left out of another
NOT_COMPARED = {"content", "encoding", "left_out"}
# What these say of one host holds for all
ABOUT_ALL = (Denied, LimitReached, LedgerUnavailable, Stopping, Cancelled)


@dataclass(frozen=True, kw_only=True)
class Back:
    """A call on one host that takes an effect back, or several of one kind."""

    host: str
    kind: Kind
    names: tuple[str, ...]
    """Of the things that it brings back, or removes."""
    call: Invocation

    @property
    def about(self) -> str:
        """The call, in words."""
        return f"{self.call.tool} {', '.join(self.names)} on {self.host}"

    def arguments(self, *, guarded: bool) -> dict[str, Any]:
        """Those of the call on its host. `guarded`: with what refuses it when the thing is
        not as the run left it.
        """
        given = {
            name: value
            for name, value in self.call.arguments.items()
            if guarded or name not in self.kind.guards
        }
        return {**given, "server": [self.host]}


@dataclass(frozen=True, kw_only=True)
class Look:
    """A call that takes something back, and what it would change now."""

    back: Back
    now: Foreseen

    @property
    def effects(self) -> Sequence[Effect]:
        return self.now.effects.get(self.back.host, ())

    @property
    def blind(self) -> bool:
        """Whether nobody knows what it would change."""
        return not self.effects and any(self.now.unforeseen.values())


async def undo(door: Door, planning: Planning, call: Call, run_id: str) -> Plan:
    """Makes a plan that takes back what the run changed. Raises UnknownRun, NotUndoable,
    ChangedSince.
    """
    tool, effects, not_undone = await asyncio.to_thread(captured, door, call.caller, run_id)
    backs = _backwards(tool, effects, door.kinds, not_undone)
    if not backs:
        raise NotUndoable(f"Nothing of {run_id} can be taken back. {' '.join(not_undone)}")
    looks = await _looked_at(door, call, backs, not_undone)
    _check_work(run_id, effects, Foreseen.of([look.now for look in looks]), door.kinds)
    looks = _useful(looks, effects, not_undone)
    if not looks:
        why = " ".join(not_undone) or f"everything is as it was before {run_id}."
        raise NotUndoable(f"There is nothing to take back: {why}")
    not_undone += dict.fromkeys(sentence for look in looks for sentence in look.back.call.leaves)
    steps = [await door.prepare(*_step(look)) for look in looks]
    basis = await door.basis(steps, call.caller, anew=False)
    now = Foreseen.of([look.now for look in looks])
    left = door.secrets.hidden(not_undone)
    return await planning.propose(call, steps, now, basis, undoes=run_id, not_undone=left)


def _backwards(
    tool: AnyTool, effects: Mapping[str, Sequence[Effect]], kinds: Kinds, not_undone: list[str]
) -> list[Back]:
    """The calls that take the effects back, the last effect first. Adds what none does to
    `not_undone`.
    """
    backs: list[Back] = []
    for host, found in effects.items():
        of_host: list[Back] = []
        for effect in reversed(found):
            back = (
                tool.undo(effect) if tool.undo is not None else "What it does cannot be taken back."
            )
            if isinstance(back, Invocation):
                leaves = tuple(
                    f"{effect.kind} {effect.name} on {host}: {sentence}" for sentence in back.leaves
                )
                kind, call = kind_named(effect.kind, kinds), replace(back, leaves=leaves)
                of_host.append(Back(host=host, kind=kind, names=(effect.name,), call=call))
            else:
                not_undone.append(f"{effect.kind} {effect.name} on {host}: {back}")
        backs += _together(of_host)
    return backs


def _together(backs: Sequence[Back]) -> list[Back]:
    """Things come back before others go: what comes back may no longer need those, while
    what is there does. What goes, goes in as few calls as possible.
    """
    restoring = [back for back in backs if not back.call.removes]
    if any(back.kind.restored_in_order for back in restoring):
        restoring.reverse()
    removing: dict[Kind, list[Back]] = {}
    for back in backs:
        if back.call.removes:
            removing.setdefault(back.kind, []).append(back)
    return [*restoring, *(one for of_kind in removing.values() for one in _at_once(of_kind))]


def _at_once(removing: Sequence[Back]) -> Iterator[Back]:
    """The removals of one kind on one host, in as few calls as it allows."""
    most, remove_several = removing[0].kind.most_removed, removing[0].kind.remove_several
    for start in range(0, len(removing), most):
        part = removing[start : start + most]
        if remove_several is None or len(part) == 1:
            yield from part
            continue
        names = tuple(name for back in part for name in back.names)
        leaves = tuple(sentence for back in part for sentence in back.call.leaves)
        call = replace(remove_several(names), leaves=leaves)
        yield replace(part[0], names=names, call=call)


async def _looked_at(
    door: Door, call: Call, backs: Sequence[Back], not_undone: list[str]
) -> list[Look]:
    """The calls that can be made now, with what they would change. Adds to `not_undone`
    what stands in the way of the others: one host that cannot be reached is not to keep all
    others as they are. Raises what stands in everyone's.
    """
    looks = []
    for back in backs:
        try:
            prepared = await door.prepare(back.call.tool, back.arguments(guarded=False))
            looks.append(Look(back=back, now=await door.foresee(prepared, call)))
        except ABOUT_ALL:
            raise
        except PlayrailError as error:
            if call.stop.is_set():
                raise
            why = f"{back.about}: {error.problem.code}: {error.problem.error}"
            alone = "" if back.call.removes else back.kind.restored_alone
            not_undone.append(f"{why} {alone}".rstrip())
    return looks


def _step(look: Look) -> tuple[str, dict[str, Any]]:
    """The tool and the arguments. What is gone is not as the run left it."""
    kind = look.back.kind.name
    gone = any(one.kind == kind and one.before is None for one in look.effects)
    return look.back.call.tool, look.back.arguments(guarded=not gone)


def _useful(
    looks: Sequence[Look], effects: Mapping[str, Sequence[Effect]], not_undone: list[str]
) -> list[Look]:
    """The calls that still change something, or may, once each; adds to `not_undone` those
    that would do harm.

    What nobody knows beforehand comes last, as a plan ends at the first step that fails;
    but what is gone is never removed before what has to come back.
    """
    looks = [look for look in looks if look.effects or look.blind]
    lost = {look.back.about: told for look in looks if (told := _lost(look, looks, effects))}
    not_undone += lost.values()
    safe = [look for look in looks if look.back.about not in lost]
    covered: set[tuple[str, ...]] = set()
    needed = []
    for look in sorted(safe, key=lambda look: -len(look.effects)):
        brings = {(look.back.host, one.kind, one.name, str(one.after)) for one in look.effects}
        if look.blind or not brings <= covered:
            needed.append(look)
        covered |= brings
    blind = {look.back.host for look in needed if look.blind}
    kept = [look for look in safe if look in needed]
    hosts = {host: index for index, host in enumerate(effects)}
    return sorted(
        kept,
        key=lambda look: (
            look.back.host in blind,
            hosts[look.back.host],
            look.back.call.removes,
            look.blind,
        ),
    )


def _lost(look: Look, looks: Sequence[Look], effects: Mapping[str, Sequence[Effect]]) -> str:
    """What would go with the things that go, though it was there before the run, and no
    call brings it back first.
    """
    host = look.back.host
    were = {one.name for one in effects[host] if one.before is not None}
    first = [other for other in looks if other.back.host == host and not other.back.call.removes]
    back = {one.name for other in first for one in other.effects if one.after is not None}
    lost = [one.name for one in look.effects if one.after is None and one.name in were - back]
    return (
        f"{look.back.about}: {', '.join(lost)} would go as well."
        if look.back.call.removes and lost
        else ""
    )


def _check_work(
    run_id: str, effects: Mapping[str, Sequence[Effect]], now: Foreseen, kinds: Kinds
) -> None:
    """Raises ChangedSince when what somebody did after the run would be lost."""
    changed = _changed_since(effects, now, kinds)
    others = _not_of_the_run(effects, now, kinds)
    told = []
    for words, found in (
        (f"Somebody changed it after {run_id}", changed),
        (f"To take {run_id} back would change what it did not", others),
    ):
        names = [
            f"{one['kind']} {one['name']} on {host}" for host, some in found.items() for one in some
        ]
        told += [f"{words}: {', '.join(names)}."] if names else []
    if told:
        hosts = dict.fromkeys((*changed, *others))
        data = {host: [*changed.get(host, ()), *others.get(host, ())] for host in hosts}
        raise ChangedSince(" ".join(told), data={"changed_since": data})


def _changed_since(
    effects: Mapping[str, Sequence[Effect]], now: Foreseen, kinds: Kinds
) -> dict[str, list[dict[str, Any]]]:
    """Per host what is neither as the run left it nor gone."""
    changed: dict[str, list[dict[str, Any]]] = {}
    for host, left, found in _pairs(effects, now):
        kind = kind_named(left.kind, kinds)
        if (
            found is not None
            and kind.is_work
            and _compared(found, kind) != _compared(left.after, kind)
        ):
            told = {
                "kind": left.kind,
                "name": left.name,
                "left": without_content(left.after),
                "now": without_content(found),
            }
            if left.after is not None and is_text(left.after) and is_text(found):
                told["diff"] = unified(left.after["content"], found["content"], name=left.name)[0]
            changed.setdefault(host, []).append(told)
    return changed


def _not_of_the_run(
    effects: Mapping[str, Sequence[Effect]], now: Foreseen, kinds: Kinds
) -> dict[str, list[dict[str, Any]]]:
    """Per host what is there, would be changed, and was not by the run: what others put on
    top of it goes with it.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for host, effects_now in now.effects.items():
        own = {(one.kind, one.name) for one in effects.get(host, ())}
        others = {
            (one.kind, one.name): one for one in effects_now if (one.kind, one.name) not in own
        }
        for one in others.values():
            if kind_named(one.kind, kinds).is_work and one.before is not None:
                told = {
                    "kind": one.kind,
                    "name": one.name,
                    "now": without_content(one.before),
                    "would_be": without_content(one.after),
                }
                found.setdefault(host, []).append(told)
    return found


def _compared(state: Mapping[str, Any] | None, kind: Kind) -> dict[str, Any] | None:
    """What tells states of this kind apart."""
    left_out = {*NOT_COMPARED, *kind.not_compared}
    return None if state is None else {key: state[key] for key in state if key not in left_out}


def _pairs(
    effects: Mapping[str, Sequence[Effect]], now: Foreseen
) -> Iterator[tuple[str, Effect, Mapping[str, Any] | None]]:
    """Each effect of the run with the state in which the thing is now, where that is known."""
    for host, found in effects.items():
        states = {(one.kind, one.name): one.before for one in now.effects.get(host, ())}
        for left in found:
            if (left.kind, left.name) in states:
                yield host, left, states[left.kind, left.name]
