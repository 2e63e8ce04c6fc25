"""Of all steps that were done, those that remain: of what several set, the latest counts.

An earlier step that sets the same thing stays all the same where a later one may need what
it set; it is marked then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from playrail.history.steps import LeftOut, Step
from playrail.ledger.entries import Capture
from playrail.tools.lasting import Kind, Thing

NEEDED_LATER = "set anew later, but what comes in between may need it"
NEEDS_WHAT_GOES = "may need what is there only until a later step removes it"
SOURCE_GOES = "no step brings its {} about, and a later one removes it"

Numbered = Sequence[tuple[int, Step]]  # of one host's steps, each with its place among all


@dataclass(frozen=True)
class Names:
    """What things are really called on hosts: a file without links, a unit by its id, as
    captures tell it.
    """

    captured: dict[tuple[str, str], list[Thing]] = field(default_factory=dict)
    """Per call and host what its effects were of."""
    own: dict[tuple[str, str, Thing | None], str] = field(default_factory=dict)
    """Per host, call and thing the name that the call's capture tells."""
    latest: dict[tuple[str, Kind, str], str] = field(default_factory=dict)
    """Per host, kind and given name the name that the latest capture tells."""

    def take(self, capture: Mapping[str, Any]) -> None:
        """Reads a record of that kind."""
        for host, effects in Capture.of_body(capture["body"]).effects.items():
            self.captured[capture["call"], host] = [
                Thing(Kind(name=effect.kind), effect.name) for effect in effects
            ]

    def learn(self, steps: Sequence[Step]) -> None:
        """What the steps were given, and what it was."""
        of_call = Counter((step.source.call, step.kind) for step in steps)
        for step in steps:
            for host in step.hosts:
                name = self._in_capture(host, step, alone=of_call[step.source.call, step.kind] == 1)
                if name is not None:
                    self.own[host, step.source.call, step.sets] = name
                    self.latest[host, step.kind, _likeliest(step)] = name

    def thing(self, host: str, step: Step) -> Thing | None:
        """What the step sets by the host's own name. One with a hidden secret is none that
        any other step has.
        """
        if step.sets is None:
            return None
        if step.hides_name:
            return replace(step.sets, aspect=f"{step.sets.aspect} {step.source.call}")
        given = _likeliest(step)
        latest = self.latest.get((host, step.kind, given), given)
        name = self.own.get((host, step.source.call, step.sets), latest)
        return replace(step.sets, name=name)

    def changed(self, host: str, step: Step) -> Sequence[Thing]:
        """What the step's call changed."""
        return self.captured.get((step.source.call, host), ())

    def _in_capture(self, host: str, step: Step, *, alone: bool) -> str | None:
        captured = [thing.name for thing in self.changed(host, step) if thing.kind == step.kind]
        if step.kind.has_aliases:
            return captured[0] if alone and len(captured) == 1 else None
        return next((name for name in step.kind.spellings(step.name) if name in captured), None)


def _likeliest(step: Step) -> str:
    """The spelling of its thing's name that the host most likely has."""
    return step.kind.spellings(step.name)[0]


def fold(steps: Sequence[Step], names: Names) -> tuple[list[Step], list[LeftOut]]:
    """The steps that remain, in their order, each for the hosts for which it is the same;
    and those that cannot.
    """
    names.learn(steps)
    hosts = dict.fromkeys(host for step in steps for host in step.hosts)
    remain, goes = {}, {}
    for host in hosts:
        here = [(at, step) for at, step in enumerate(steps) if host in step.hosts]
        own = [(at, replace(step, thing=names.thing(host, step))) for at, step in here]
        goes[host] = _whose_source_goes(own)
        remain[host] = _remaining(
            [(at, step) for at, step in own if at not in goes[host]], names, host
        )
    folded, left_out = [], []
    for at, step in enumerate(steps):
        alike: list[tuple[Step, list[str]]] = []
        for host in step.hosts:
            if (its := remain[host].get(at)) is not None:
                same = next((on for one, on in alike if one == its), None)
                if same is None:
                    alike.append((its, [host]))
                else:
                    same.append(host)
        folded += [replace(its, hosts=on) for its, on in alike]
        if without := [host for host in step.hosts if at in goes[host]]:
            why = SOURCE_GOES.format(step.kind.carrier)
            left_out.append(LeftOut(source=step.source, hosts=without, why=why))
    return folded, left_out


def _whose_source_goes(steps: Numbered) -> set[int]:
    """The places of steps that set what comes and goes with a thing that a later step
    removes, such as a unit with its file: on a fresh host, where it is not, they would fail.
    """
    removals = _removals(steps)
    return {
        at
        for place, (at, step) in enumerate(steps)
        if _source_goes(step, at, removals)
        and not any(_may_make(step, earlier) for _, earlier in steps[:place])
    }


def _removals(steps: Numbered) -> Numbered:
    return [(at, step) for at, step in steps if step.removes]


def _source_goes(step: Step, at: int, removals: Numbered) -> bool:
    return step.kind.comes_with is not None and any(
        place > at and step.comes_with(removal) for place, removal in removals
    )


def _may_make(step: Step, earlier: Step) -> bool:
    """Whether the earlier step may make what `step` comes with. A command, and a kind of
    which nothing is known, may make anything.
    """
    if earlier.kind.needs is None:
        return True
    return not earlier.removes and bool(step.comes_with(earlier))


def _remaining(steps: Numbered, names: Names, host: str) -> dict[int, Step]:
    """Of one host's steps the places of those that remain, each with the step as it has to
    be done.

    A step that leaves something as it was, which was set by one that does not remain, has
    to set it too.
    """
    marks = _marks(steps)
    remaining: dict[int, Step] = {}
    latest: dict[Thing, tuple[int, Step]] = {}
    for at, step in steps:
        for thing in names.changed(host, step):
            # Of a package: an upgrade, or an installation that needed another version
            if thing in latest:
                place, there = latest[thing]
                latest[thing] = place, there.yielding()
                if place in remaining and not remaining[place].mark:
                    remaining[place] = remaining[place].yielding()
        before = None if step.thing is None else latest.get(step.thing)
        its = step if before is None or before[0] in marks else step.keeping(before[1])
        if at in marks:
            remaining[at] = replace(its, mark=marks[at])
        if step.thing is not None:
            latest[step.thing] = at, its
    return remaining


def _marks(steps: Numbered) -> dict[int, str | None]:
    """The places of the steps that remain, each with its mark.

    The latest are looked at first: whether one may need what was set before only matters
    when it remains.
    """
    marks: dict[int, str | None] = {}
    later: dict[Thing, int] = {}
    # Per kind those that remain, the first at the end; it decides what is needed
    places: dict[Kind, list[int]] = {}
    given, removals = dict(steps), _removals(steps)
    for at, step in reversed(steps):
        mark = step.mark
        if step.thing is not None and step.thing in later:
            until = later[step.thing]
            needing = [
                its for its in places.values() if its[-1] < until and given[its[-1]].may_need(step)
            ]
            if not needing:
                continue
            mark = NEEDED_LATER
            for place in (place for its in needing if given[until].removes for place in its):
                if place < until and given[place].fails_without(given[until]):
                    marks[place] = marks[place] or NEEDS_WHAT_GOES
        elif _source_goes(step, at, removals):
            mark = mark or NEEDS_WHAT_GOES
        marks[at] = mark
        places.setdefault(step.kind, []).append(at)
        if step.thing is not None:
            later[step.thing] = at
    return marks
