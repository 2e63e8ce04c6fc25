"""What is told of a task in check mode beside its event, in which it does not stand: what
became of a task there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MARK = "playrail:"
REASON_LIMIT = 500  # characters
WOULD_HAVE_RUN = "if not in check mode"  # how the module `command` says that it did nothing


def unpreviewed_line(result: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    """A line that says what check mode cannot tell of the task; empty when it is what check
    mode is for.

    `result` is the task's, `fields` its keywords, as they were on the host. Whether it was
    skipped is `skipped` there.
    """
    if fields.get("check_mode") is False:
        why = None if result.get("skipped") else "was run for real, for it has check_mode: false"
    else:
        items = [item for item in result.get("results") or () if isinstance(item, Mapping)]
        why = next((why for one in (*items, result) if (why := _not_done(one))), None)
    return "" if why is None else f"{MARK}{json.dumps(why[:REASON_LIMIT])}\n"


def unpreviewed_in(text: str) -> str | None:
    """What an event's text says of its task, as `unpreviewed_line` has written it at the
    beginning.
    """
    line, _, _ = text.partition("\n")
    if not line.startswith(MARK):
        return None
    try:
        why = json.loads(line.removeprefix(MARK))
    except ValueError:
        return None
    return why if isinstance(why, str) else None


def _not_done(result: Mapping[str, Any]) -> str | None:
    """Why it was not done, other than by a condition of the task or an empty loop."""
    message = str(result.get("msg") or "")
    if WOULD_HAVE_RUN in message:
        return "does not run in check mode"
    conditional = any(key in result for key in ("false_condition", "skip_reason", "skipped_reason"))
    if not result.get("skipped") or conditional or result.get("results"):
        return None
    return (
        f"was skipped: {message}"
        if message and "check mode" not in message
        else "does not run in check mode"
    )
