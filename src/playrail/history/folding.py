"""Of all steps that were done, those that remain: of what several set, the latest counts.

An earlier step that sets the same thing stays all the same where a later one may need what
it set; it is marked then.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from playrail.history.steps import NEEDS, LeftOut, Step
from playrail.ledger.entries import Capture

NEEDED_LATER = "set anew later, but what comes in between may need it"
NEEDS_WHAT_GOES = "may need what is there only until a later step removes it"
UNIT_GOES = "no step brings its unit about, and a later one removes it"

Numbered = Sequence[tuple[int, Step]]  # of one host's steps, each with its place among all


@dataclass(frozen=True)
class Names:
    """What things are really called on hosts: a file without links, a unit by its id, as
    captures tell it.
    """

    captured: dict[tuple[str, str], list[tuple[str, str]]] = field(default_factory=dict)
    """Per call and host the kind and name of each effect."""
    own: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """Per host, call and key the name that the call's capture tells."""
    latest: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """Per host, kind and given name the name that the latest capture tells."""

    def take(self, capture: Mapping[str, Any]) -> None:
        """Reads a record of that kind."""
        for host, effects in Capture.of_body(capture["body"]).effects.items():
            self.captured[capture["call"], host] = [
                (effect.kind, effect.name) for effect in effects
            ]

    def learn(self, steps: Sequence[Step]) -> None:
        """What the steps were given, and what it was."""
        of_call = Counter((step.source.call, step.kind) for step in steps)
        for step in steps:
            for host in step.hosts:
                name = self._in_capture(host, step, alone=of_call[step.source.call, step.kind] == 1)
                if name is not None:
                    self.own[host, step.source.call, step.key or ""] = name
                    self.latest[host, step.kind, _plain(step)] = name

    def thing(self, host: str, step: Step) -> str | None:
        """The step's key by the host's own name. One with a hidden secret is none that any
        other step has.
        """
        if step.key is None or step.hides_name:
            return step.key and f"{step.key} {step.source.call}"
        given = _plain(step)
        latest = self.latest.get((host, step.kind, given), given)
        name = self.own.get((host, step.source.call, step.key), latest)
        return " ".join([step.kind, name, *_aspect(step)])

    def packages(self, host: str, step: Step) -> list[str]:
        """Those that the step's call changed."""
        return [
            name
            for kind, name in self.captured.get((step.source.call, host), ())
            if kind == "package"
        ]

    def _in_capture(self, host: str, step: Step, *, alone: bool) -> str | None:
        found = [
            name
            for kind, name in self.captured.get((step.source.call, host), ())
            if kind == step.kind
        ]
        if step.kind == "package":  # beside those that were asked for there are others
            return next(
                (name for name in (step.name, step.name.partition(":")[0]) if name in found), None
            )
        return found[0] if alone and len(found) == 1 else None


def _plain(step: Step) -> str:
    return posixpath.normpath(step.name) if step.kind == "file" else step.name


def _aspect(step: Step) -> list[str]:
    """What of a unit is set: `active` of `service nginx active`."""
    return (step.key or "").split(" ")[2:] if step.is_of_a_unit else []


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
        goes[host] = _with_a_unit_that_goes(own)
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
            left_out.append(LeftOut(source=step.source, hosts=without, why=UNIT_GOES))
    return folded, left_out


def _with_a_unit_that_goes(steps: Numbered) -> set[int]:
    """The places of steps of a unit that a later step removes: on a fresh host, where it is
    not, they would fail.
    """
    removals = _removals(steps)
    return {
        at
        for place, (at, step) in enumerate(steps)
        if _unit_goes(step, at, removals)
        and not any(_may_make_the_unit_of(step, one) for _, one in steps[:place])
    }


def _removals(steps: Numbered) -> Numbered:
    return [(at, step) for at, step in steps if step.kind in ("file", "package") and step.removes]


def _unit_goes(step: Step, at: int, removals: Numbered) -> bool:
    return step.is_of_a_unit and any(
        place > at and step.is_of_the_unit_of(one) for place, one in removals
    )


def _may_make_the_unit_of(step: Step, earlier: Step) -> bool:
    """A command, and what only a plugin knows, may make any."""
    return earlier.kind not in NEEDS or (not earlier.removes and step.is_of_the_unit_of(earlier))


def _remaining(steps: Numbered, names: Names, host: str) -> dict[int, Step]:
    """Of one host's steps the places of those that remain, each with the step as it has to
    be done.

    A step that leaves something as it was, which was set by one that does not remain, has
    to set it too.
    """
    marks = _marks(steps)
    remaining: dict[int, Step] = {}
    latest: dict[str, tuple[int, Step]] = {}
    for at, step in steps:
        for thing in (f"package {name}" for name in names.packages(host, step)):
            # An upgrade has changed it since, or an installation that needed another
            # version
            if thing in latest:
                place, there = latest[thing]
                latest[thing] = place, there.of_any_version()
                if place in remaining and not remaining[place].mark:
                    remaining[place] = remaining[place].of_any_version()
        before = latest.get(step.thing or "")
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
    later: dict[str, int] = {}
    # Per kind those that remain, the first at the end; it decides what is needed
    places: dict[str, list[int]] = {}
    given, removals = dict(steps), _removals(steps)
    for at, step in reversed(steps):
        mark = step.mark
        if step.thing in later:
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
        elif _unit_goes(step, at, removals):
            mark = mark or NEEDS_WHAT_GOES
        marks[at] = mark
        places.setdefault(step.kind, []).append(at)
        if step.thing is not None:
            later[step.thing] = at
    return marks
