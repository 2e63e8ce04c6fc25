"""What an event's text says of a task beside its event, in which it does not stand: what
became of the task in check mode, and whether its result is the host's report.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REPORT_VARIABLE = "playrail_report"  # what the task registers whose result is the report
MARK = "playrail:"
REASON_LIMIT = 500  # characters
WOULD_HAVE_RUN = "if not in check mode"  # how the module `command` says that it did nothing


@dataclass(frozen=True, kw_only=True)
class Remark:
    """What is said of a task's end on a host."""

    unpreviewed: str | None = None
    """What check mode cannot tell of it."""
    reports: bool = False
    """Whether it registers the report."""
    last: bool = False
    """Whether it is the play's last task."""


def remark_line(
    result: Mapping[str, Any], fields: Mapping[str, Any], *, checked: bool, last: bool
) -> str:
    """The line that stands before the event's text; empty when there is nothing to say.

    `result` is the task's, `fields` its keywords, as they were on the host. Whether it was
    skipped is `skipped` there. `checked` says that this is check mode, `last` that no task
    comes after it.
    """
    why = _unpreviewed(result, fields) if checked else None
    said = {
        **({"unpreviewed": why[:REASON_LIMIT]} if why is not None else {}),
        **({"reports": True} if fields.get("register") == REPORT_VARIABLE else {}),
        **({"last": True} if last else {}),
    }
    return f"{MARK}{json.dumps(said)}\n" if said else ""


def remark_in(text: str) -> Remark:
    """What an event's text says of its task, as `remark_line` has written it at the
    beginning.
    """
    line, _, _ = text.partition("\n")
    if not line.startswith(MARK):
        return Remark()
    try:
        said = json.loads(line.removeprefix(MARK))
    except ValueError:
        return Remark()
    if not isinstance(said, dict):
        return Remark()
    why = said.get("unpreviewed")
    return Remark(
        unpreviewed=why if isinstance(why, str) else None,
        reports=said.get("reports") is True,
        last=said.get("last") is True,
    )


def _unpreviewed(result: Mapping[str, Any], fields: Mapping[str, Any]) -> str | None:
    """What check mode cannot tell of the task; None when it is what check mode is for."""
    if fields.get("check_mode") is False:
        return None if result.get("skipped") else "was run for real, for it has check_mode: false"
    items = [item for item in result.get("results") or () if isinstance(item, Mapping)]
    return next((why for one in (*items, result) if (why := _not_done(one))), None)


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
