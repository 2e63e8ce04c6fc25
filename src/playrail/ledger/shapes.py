"""What the bodies of records are made of: one that is made otherwise was not written by
Playrail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

EFFECT = frozenset({"kind", "name", "before", "after"})

Look = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_mappings(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_mapping, value))


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _is_state(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and isinstance(value.get("content", ""), str))


def _is_effect(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == EFFECT
        and _is_text(value["kind"])
        and _is_text(value["name"])
        and _is_state(value["before"])
        and _is_state(value["after"])
    )


def _are_effects(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(found, list) and all(map(_is_effect, found)) for found in value.values()
    )


_ASKED: Mapping[str, Look] = {"arguments": _is_mapping, "hosts": _are_texts}
SHAPES: Mapping[str, Mapping[str, Look]] = {
    "refused": {**_ASKED, "outcome": _is_text},
    "started": _ASKED,
    "events": {"run": _is_text, "tasks": _are_mappings},
    "capture": {"run": _is_text, "effects": _are_effects},
    "ended": {
        "outcome": _is_text,
        "changed": _are_texts,
        "failed": _is_mapping,
        "duration_ms": _is_number,
    },
    "interrupted": {"outcome": _is_text},
    "plan": {"plan": _is_text, "steps": _are_mappings},
    "approval": {"plan": _is_text, "answer": _is_text, "by": _is_text, "how": _is_text},
    "closed": {"plan": _is_text, "outcome": _is_text},
}


def misshapen(kind: str, body: Any) -> str | None:
    """What is wrong with a body of this kind, None where nothing is. What is not there is
    not missed.
    """
    if not isinstance(body, dict):
        return "its body is no object"
    for name, fits in SHAPES.get(kind, {}).items():
        if name in body and not fits(body[name]):
            return f"{name!r} in it has another form"
    return None
