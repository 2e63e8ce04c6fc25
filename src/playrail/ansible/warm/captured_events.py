"""The events of ansible-runner's callback plugin, in the process that makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playrail.ansible.internals import event_begun, take_events
from playrail.ansible.outcome.events import condense
from playrail.ansible.outcome.ways import module_in

Emit = Callable[[dict[str, Any]], None]
Learn = Callable[[dict[str, str | None]], None]
# Ansible's name for a host's Python, among the facts of the host
INTERPRETER = "discovered_interpreter_python"


class CapturedEvents:
    """In the place of standard output: an event begins, its text is written, it ends.

    `learn` is told which Python a host has, or that it may have another.
    """

    def __init__(self, emit: Emit, learn: Learn) -> None:
        self._context = take_events(self._begin, self._end)
        self._emit = emit
        self._tell_python = learn
        self._event: dict[str, Any] | None = None
        self._text: list[str] = []

    def write(self, text: str) -> int:
        if self._event is not None:
            self._text.append(text)
        elif text.strip():
            self.tell({"event": "verbose", "stdout": text})
        return len(text)

    def flush(self) -> None:
        """There is nothing between."""

    def getvalue(self) -> str:
        return ""

    def isatty(self) -> bool:
        return False

    def _begin(self, _: Any) -> None:
        self._event, self._text = event_begun(self._context), []
        data = self._event.get("event_data") or {}
        if isinstance(data.get("res"), dict):
            data["res"] = {**data["res"]}  # what makes its text takes things out of it

    def _end(self, _: Any) -> None:
        event, self._event = self._event, None
        if event is not None:
            self.tell({**event, "stdout": "".join(self._text)})

    def tell(self, event: dict[str, Any]) -> None:
        if (way := module_in(event.get("stdout") or "")) is not None:
            self._emit(way)
            return
        self._learn(event)
        if (record := condense(event)) is not None:
            self._emit(record)

    def _learn(self, event: dict[str, Any]) -> None:
        data = event.get("event_data") or {}
        host, result = data.get("host"), data.get("res")
        if not isinstance(host, str) or not isinstance(result, dict):
            return
        if event["event"] in {"runner_on_failed", "runner_on_unreachable"}:
            # Perhaps because it is not there any more
            self._tell_python({"host": host, "python": None})
        elif isinstance(found := (result.get("ansible_facts") or {}).get(INTERPRETER), str):
            self._tell_python({"host": host, "python": found})
