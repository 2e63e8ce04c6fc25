"""A hint leads to a call that its reader may make: what it says of other tools is left out."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from playrail.calls.answers import Answer
from playrail.settings.settings import Settings
from playrail.tools.tool import AnyTool, ByField
from playrail.toolsets.commands.looks import looks_of

NOTHING_LEFT = "No tool that is offered can help; tell the operator what the error says."
_PARTS = re.compile(r"(?<=[.;]) +")
_COMMAND = re.compile(r"`([^`]+)`")
_WORD = re.compile(r"[a-z]+(?:_[a-z]+)+")


class Hints:
    """Fits hints to the tools that are offered; while writes are off, to those that only
    read.
    """

    def __init__(
        self,
        every: Collection[str],
        offered: Mapping[str, AnyTool],
        settings: Settings,
    ) -> None:
        writes, self._looks_file = settings.enable_write_operations, settings.looks_file
        self._barred = set(every) - {
            name for name, tool in offered.items() if writes or _may_read(tool)
        }
        self._looking = {
            name
            for name, tool in offered.items()
            if isinstance(tool.risk, ByField) and tool.risk.looking is not None
        }

    def fitted(self, hint: str) -> str:
        """The hint without the sentences, and parts of sentences, that name a tool which
        cannot be called.
        """
        if self._barred.isdisjoint(_WORD.findall(hint)):
            return hint
        kept = [part for part in _PARTS.split(hint) if self._leads_on(part)]
        text = " ".join(kept).rstrip(";")
        if text in ("", "Do not retry", "Do not retry."):
            return f"{text.rstrip('.')}. {NOTHING_LEFT}".lstrip(". ")
        begin = text[:1] if _WORD.match(text) else text[:1].upper()  # a tool's name stays as it is
        return begin + text[1:] + ("" if text.endswith(".") else ".")

    def _leads_on(self, part: str) -> bool:
        """Whether what this part of a hint says can be done."""
        barred = self._barred.intersection(_WORD.findall(part))
        return not barred or (barred <= self._looking and self._names_looks(part))

    def _names_looks(self, part: str) -> bool:
        """Whether there are command lines in it, and all of them only look."""
        lines = _COMMAND.findall(part)
        looks = looks_of(self._looks_file)
        return bool(lines) and all(looks.look(line.split()) for line in lines)

    def answer(self, answer: Answer) -> Answer:
        """The answer with hints that fit."""
        if answer.problem is None:
            return answer
        problem = replace(answer.problem, hint=self.fitted(answer.problem.hint))
        return replace(answer, problem=problem, data=self._data(answer.data))

    def _data(self, data: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """The same for what it tells of hosts that failed."""
        failed = data.get("failed") if data is not None else None
        if data is None or not isinstance(failed, Mapping):
            return data
        told = {
            host: {**one, "hint": self.fitted(one["hint"])}
            if isinstance(one, Mapping) and isinstance(one.get("hint"), str)
            else one
            for host, one in failed.items()
        }
        return {**data, "failed": told}


def _may_read(tool: AnyTool) -> bool:
    """Whether some call of it changes nothing."""
    return not (tool.risk.least if isinstance(tool.risk, ByField) else tool.risk).changes
