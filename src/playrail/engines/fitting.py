"""Answers that fit: what goes out is bounded, and what is left out is told.

Tools bound their own reports, and say how to go on. This is the net below them, for all
tools alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

NAMED = 20  # hosts whose reports are left out that are named
NOTED = 10  # places where something was cut that are told
FEW = 20  # members of an object that is not cut: it is a thing, and no list of things
LEAST_TEXT = 200  # characters that are left of a text
FOR_MARK = 8  # characters that say that a text was cut
MOST_CUTS = 60
FOR_NOTES = 600  # bytes that the notes themselves may need


def size(value: Any) -> int:
    """Bytes of the value as JSON in UTF-8."""
    return len(
        json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    )


def fitted(data: Mapping[str, Any], most: int) -> tuple[dict[str, Any], bool]:
    """The data in at most so many bytes, and whether something was left out, which it then
    tells.

    Whole hosts are left out first, while one fits; then lists and texts are cut, the
    largest first.
    """
    told = dict(data)
    if size(told) <= most:
        return told, False
    room = max(most - FOR_NOTES, most // 2)
    told = _fewer_hosts(told, room)
    notes: dict[str, str] = {}
    for _ in range(MOST_CUTS):
        excess = size(told) - room
        if excess <= 0 or not _cut_largest(told, excess, notes):
            break
    if size(told) > room:  # of thousands of small things
        told, notes = {}, {"data": "too much of it; ask for less at once"}
    if notes:
        told["cut"] = dict(list(notes.items())[:NOTED]) | (
            {"more": len(notes) - NOTED} if len(notes) > NOTED else {}
        )
    return told, True


def _fewer_hosts(data: dict[str, Any], room: int) -> dict[str, Any]:
    hosts = data.get("hosts")
    if not isinstance(hosts, Mapping) or len(hosts) < 2:  # noqa: PLR2004
        return data
    left = room - size({**data, "hosts": {}})
    kept = {}
    for host, report in hosts.items():
        needed = size({host: report})
        if needed <= left:
            kept[host] = report
            left -= needed
    if not kept:  # none fits: the first is cut below
        host = next(iter(hosts))
        kept = {host: hosts[host]}
    without = [host for host in hosts if host not in kept]
    more = {"left_out_count": len(without)} if len(without) > NAMED else {}
    return {**data, "hosts": kept, **({"left_out": without[:NAMED], **more} if without else {})}


def _cut_largest(data: dict[str, Any], excess: int, notes: dict[str, str]) -> bool:
    """Cuts the largest list, text or object of many members, in place of what is there;
    False when there is none.
    """
    path, value = _largest(data)
    if not path:
        return False
    excess = min(excess, size(value) * 3 // 4)  # not all at once: another may be the largest then
    match value:
        case str():
            kept = max(LEAST_TEXT, len(value) - excess * len(value) // size(value) - FOR_MARK)
            made: Any = f"{value[:kept]}… [cut]"
            told = f"{kept} of {len(value)} characters"
        case list():
            made = _shorter(value, excess)
            told = f"{len(made)} of {len(value)} items"
        case _:
            made = dict(_shorter(list(value.items()), excess))
            told = f"{len(made)} of {len(value)} members"
    parent = data
    for key in path[:-1]:
        copied = dict(parent[key]) if isinstance(parent[key], Mapping) else list(parent[key])
        parent[key] = copied
        parent = copied  # type: ignore[assignment]  # what it is called by is a name or a number
    parent[path[-1]] = made
    name = ".".join(map(str, path))
    before = notes.get(name)
    notes[name] = (
        told if before is None else f"{told.partition(' of ')[0]} of {before.partition(' of ')[2]}"
    )
    return True


def _shorter(items: list[Any], excess: int) -> list[Any]:
    """Without so many items from the end that they make up for the excess; the first stays."""
    kept = len(items)
    while kept > 1 and excess > 0:
        kept -= 1
        excess -= size(items[kept]) + 1
    return items[:kept]


def _largest(data: dict[str, Any]) -> tuple[tuple[Any, ...], Any]:
    """The place to cut: on the way to what is largest, the first that can be cut and holds
    no single thing that is most of it; otherwise the innermost that can be cut.
    """
    path: tuple[Any, ...] = ()
    best: tuple[tuple[Any, ...], Any] = ((), None)
    node: Any = data
    while True:
        pairs = list(node.items()) if isinstance(node, Mapping) else list(enumerate(node))
        sizes = [size(inner) for _, inner in pairs]
        if path and _can_be_cut(node):
            best = (path, node)
            if max(sizes) * 2 < sum(sizes):
                return best
        key, node = pairs[sizes.index(max(sizes))]
        path = (*path, key)
        if not isinstance(node, Mapping | list) or not node:
            return (path, node) if _can_be_cut(node) else best


def _can_be_cut(node: Any) -> bool:
    match node:
        case str():
            return len(node) > LEAST_TEXT + FOR_MARK
        case list():
            return len(node) > 1
        case Mapping():
            return len(node) > FEW
    return False
