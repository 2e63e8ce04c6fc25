"""By which way a play reached its hosts: cold, warm or quick, and whether its modules went to
an interpreter that is kept there. The answers are the same; the time is not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

MARK = "playrail-way:"
REASON_LIMIT = 500  # characters

Start = Literal["cold", "warm", "quick"]


@dataclass(frozen=True, kw_only=True)
class Way:
    """How one host's part of a play was started, and why not in a quicker way.

    cold: Ansible started for this play; warm: a fork of the run that stays; quick: such a
    fork, without Ansible's strategy, for a play of one task on one host. `kept` is None
    where no module was sent over SSH by a warm play.
    """

    start: Start = "cold"
    kept: bool | None = None
    why: str = ""
    """Why it was not started quick, the end of a sentence; empty for quick."""
    why_not_kept: str = ""

    def __str__(self) -> str:
        return f"{self.start}+kept" if self.kept else self.start


def module_line(host: str, why_not: str = "") -> str:
    """A line that tells that a module goes to the interpreter kept on the host, or why it
    does not. It is displayed inside of Ansible.
    """
    return MARK + json.dumps({"host": host, "why_not": why_not[:REASON_LIMIT]})


def module_in(text: str) -> dict[str, Any] | None:
    """The record that such a line stands for; None for another text."""
    if not text.startswith(MARK):
        return None
    try:
        told = json.loads(text.removeprefix(MARK))
    except ValueError:
        return None
    return {"event": "module_way", **told}


def play_way(start: Start, why: str = "") -> dict[str, Any]:
    """The record that tells how a play was started."""
    return {"event": "play_way", "start": start, "why": why[:REASON_LIMIT]}


class Ways:
    """The ways of one play's hosts, learned from its records."""

    def __init__(self) -> None:
        self._start: Start = "cold"
        self._why = ""
        self._modules: dict[str, str] = {}
        """Per host why the last module that did not go to a kept interpreter did not."""

    def take(self, record: Mapping[str, Any]) -> None:
        """Learn from a record, if it is about ways."""
        match record["event"]:
            case "play_way":
                self._start, self._why = record["start"], record["why"]
            case "module_way":
                host = record["host"]
                self._modules[host] = record["why_not"] or self._modules.get(host, "")

    def of(self, host: str) -> Way:
        why_not = self._modules.get(host)
        return Way(
            start=self._start,
            why=self._why,
            kept=None if why_not is None else not why_not,
            why_not_kept=why_not or "",
        )
