"""An effect: one thing on a host that a call changed or would change; and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playrail.safe_text.diffs import unified
from playrail.safe_text.visible import in_one_line
from playrail.tools.lasting import Kinds, kind_named


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One thing on a host that a call changed; of a preview, that it would change.

    `kind` is the name of a lasting kind (lasting.py). A state is JSON data, None where the
    thing was or will not be there. Its keys depend on the kind, but of what holds text each
    has a `sha256`, and the `content` (bytes in base64 with an `encoding`) or, in `left_out`,
    why that is not kept: binary, larger, secret.
    """

    kind: str
    name: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


def shown(effect: Effect) -> dict[str, Any]:
    """The effect as JSON data, without the contents of files."""
    return {
        "kind": effect.kind,
        "name": in_one_line(effect.name),
        "before": without_content(effect.before),
        "after": without_content(effect.after),
    }


def without_content(state: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The state without the content that the thing has."""
    return (
        None
        if state is None
        else {key: value for key, value in state.items() if key not in ("content", "encoding")}
    )


def diff_of(effect: Effect) -> tuple[str, bool] | None:
    """The unified diff of what holds text that is known before and after, and whether it
    was cut.
    """
    there = [state for state in (effect.before, effect.after) if state is not None]
    if not there or not all(map(is_text, there)):
        return None
    sides = (effect.before, effect.after)
    before, after = (None if state is None else state["content"] for state in sides)
    return unified(before, after, name=effect.name)


def is_text(state: Mapping[str, Any]) -> bool:
    """Whether the state has a content, and that as text."""
    return "content" in state and "encoding" not in state


def in_short(change: Mapping[str, Any], kinds: Kinds) -> str:
    """One line about a change: `file /etc/motd: +3 -1 lines, mode 0600 → 0644`."""
    before, after = change["before"], change["after"]
    if before is None:
        told = [kind_named(change["kind"], kinds).new or _state(after)]
    elif after is None:
        told = ["removed"]
    else:
        kept = {"sha256", "left_out"}
        differs = [key for key in after if before.get(key) != after[key] and key not in kept]
        told = [f"{key} {before.get(key)} → {after[key]}" for key in differs]
    if (lines := lines_changed(change)) is not None:
        least = "at least " if change.get("diff_cut") else ""
        told.insert(0, f"{least}+{lines[0]} -{lines[1]} lines")
    elif change.get("diff_cut"):
        told.insert(0, "other content, too much to compare")
    return f"{change['kind']} {change['name']}: {', '.join(told) or 'other content'}"


def _state(state: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in state.items())


def lines_changed(change: Mapping[str, Any]) -> tuple[int, int] | None:
    """How many lines come and go; None when no difference is shown."""
    if not isinstance(diff := change.get("diff"), str):
        return None
    lines = diff.split("\n")
    added = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
    gone = sum(line.startswith("-") and not line.startswith("---") for line in lines)
    return added, gone
