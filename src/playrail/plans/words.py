"""A plan in words, for a person who is to approve it: first what, where and how much, then
the rest.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence

from playrail.plans.plan import Plan, Step
from playrail.safe_text.visible import in_one_line
from playrail.tools.effects import in_short, lines_changed
from playrail.tools.lasting import Kinds, kind_named

LONG = 300  # characters of an argument; a longer one comes after the others
LEAST_SHOWN = 400  # characters of a long text, half of them from its end
GAP = 100  # characters that say what is left out
DOING = ("action", "state")  # arguments that say what a tool does
SHORTENED = "LONG PARTS OF THIS PLAN ARE SHORTENED HERE: `playrail plan {}` shows all of it."


def in_words(plan: Plan, kinds: Kinds) -> str:
    """The whole plan: what on which hosts, how much would change, with which arguments, and
    each change.
    """
    arguments = [text for step in plan.steps for text in _step(plan, step)]
    changes = _changes(plan, kinds)
    return "\n".join([*_head(plan, kinds), *arguments, *_not_previewed(plan), *changes])


def question(plan: Plan, kinds: Kinds, *, most: int) -> str | None:
    """The same in at most so many characters, with long texts shortened in their middle.

    None when that would leave out something by which a person decides: what is done where,
    how much changes, and every argument of what cannot be previewed. Nobody can approve
    that unseen.
    """
    whole = in_words(plan, kinds)
    if len(whole) <= most:
        return whole
    head = [SHORTENED.format(plan.plan_id), *_head(plan, kinds)]
    arguments = [text for step in plan.steps for text in _step(plan, step)]
    blind = list(_not_previewed(plan))
    long = sum(isinstance(text, Long) for text in arguments)
    kept = long * LEAST_SHOWN
    essential = [*head, *blind, *(text for text in arguments if not isinstance(text, Long))]
    left = most - sum(len(line) + 1 for line in essential) - kept
    if left < LEAST_SHOWN:
        return None
    effects = _fitting(list(_changes(plan, kinds)), left)
    left += kept - sum(len(line) + 1 for line in effects)
    each = left // max(1, long) - GAP
    shown = [text.shortened(each) if isinstance(text, Long) else text for text in arguments]
    return "\n".join([*head, *shown, *blind, *effects])


class Long(str):
    """The line of an argument that is a long text, of which a part may be left out: its
    effects are told.
    """

    __slots__ = ()

    def shortened(self, most: int) -> str:
        """The line with its middle left out, how much that is, and the hash of the whole
        line.
        """
        half = most // 2
        left_out = len(self) - 2 * half
        if left_out <= GAP:
            return str(self)
        digest = hashlib.sha256(self.encode(errors="surrogatepass")).hexdigest()[:16]
        gap = f" …[{left_out} CHARACTERS ARE NOT SHOWN HERE, sha256 of the line {digest}]… "
        return f"{self[:half]}{gap}{self[-half:]}"


def _head(plan: Plan, kinds: Kinds) -> list[str]:
    """What is done on which hosts, and how much changes there."""
    what = [_what(step) for step in plan.steps] if len(plan.steps) == 1 else []
    return [
        in_one_line(line)
        for line in (f"Plan {plan.plan_id} of {plan.caller}:", *what, _how_much(plan, kinds))
    ]


def _what(step: Step) -> str:
    doing = [str(step.arguments[name]) for name in DOING if name in step.arguments]
    return f"  {' '.join([step.tool, *doing])} ({step.risk}) on {', '.join(step.hosts)}"


def _step(plan: Plan, step: Step) -> Iterator[str]:
    """The arguments, short ones first; of several steps each begins with what it does and
    where.
    """
    if len(plan.steps) > 1:
        yield in_one_line(_what(step))
    foreseen = all(
        plan.changes.get(host) and not plan.not_previewed.get(host) for host in step.hosts
    )
    lines = [
        (in_one_line(f"    {name}: {json.dumps(value, ensure_ascii=False)}"), value)
        for name, value in step.arguments.items()
    ]
    for line, value in sorted(lines, key=lambda one: len(one[0]) > LONG):
        yield Long(line) if foreseen and isinstance(value, str) and len(line) > LONG else line


def _how_much(plan: Plan, kinds: Kinds) -> str:
    changes = [change for found in plan.changes.values() for change in found]
    if not changes:
        blind = any(plan.not_previewed.values())
        return "  What would change is not known." if blind else "  Nothing would change."
    hosts = sum(bool(found) for found in plan.changes.values())
    counts = Counter(str(change["kind"]) for change in changes)
    told = [kind_named(name, kinds).counted(count) for name, count in counts.items()]
    lines = [found for change in changes if (found := lines_changed(change)) is not None]
    if lines:
        least = "at least " if any(change.get("diff_cut") for change in changes) else ""
        told.append(
            f"{least}+{sum(added for added, _ in lines)} -{sum(gone for _, gone in lines)} lines"
        )
    return f"  Would change on {hosts} of {len(plan.hosts)} hosts: {', '.join(told)}"


def _not_previewed(plan: Plan) -> Iterator[str]:
    hosts: dict[str, list[str]] = {}
    for host, sentences in plan.not_previewed.items():
        for sentence in sentences:
            hosts.setdefault(sentence, []).append(host)
    return (
        in_one_line(f"  {', '.join(of)}: not previewed: {sentence}")
        for sentence, of in hosts.items()
    )


def _changes(plan: Plan, kinds: Kinds) -> Iterator[str]:
    """A line for each change, with all hosts on which it is the same."""
    hosts: dict[str, list[str]] = {}
    for host, found in plan.changes.items():
        for change in found:
            hosts.setdefault(in_short(change, kinds), []).append(host)
    return (in_one_line(f"  {', '.join(of)}: {change}") for change, of in hosts.items())


def _fitting(lines: Sequence[str], most: int) -> list[str]:
    """The first lines that fit, and how many do not."""
    fits: list[str] = []
    for number, line in enumerate(lines):
        most -= len(line) + 1
        if most < (GAP if number < len(lines) - 1 else 0):
            return [*fits, f"  … and {len(lines) - number} more changes, which are NOT SHOWN HERE"]
        fits.append(line)
    return fits
