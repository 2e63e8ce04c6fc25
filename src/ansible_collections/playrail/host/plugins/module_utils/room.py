"""How much of a list has room in an answer."""

import json


def length(value):
    """How many bytes it takes in the answer."""
    return (
        len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
        + 1
    )


def beside(report, max_bytes):
    """The bytes that are left beside a report, and beside what the answer has around it."""
    return max_bytes - min(500, max_bytes // 10) - length(report)


def fitting(items, room):
    """As many of the items, from the first, as have room, and the room that is left."""
    kept = []
    for item in items:
        if length(item) > room:
            break
        room -= length(item)
        kept.append(item)
    return kept, room
