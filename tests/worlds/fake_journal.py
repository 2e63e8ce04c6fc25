"""A journalctl and a systemctl that say what a test wants, for the host module of
playbooks/journal.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from worlds.host_modules import MODULES, module_answer

MODULE = MODULES / "read_journal.py"
NOW_US = 1_800_000_000_000_000
DEBUG = "<31>Journal filter: none"


def entry(time_us: int, **fields: Any) -> dict[str, Any]:
    place = {
        "__REALTIME_TIMESTAMP": str(time_us),
        "__CURSOR": f"s=1;i={time_us % 1000:x};t={time_us:x}",
    }
    return {
        "MESSAGE": "hello",
        "PRIORITY": "6",
        "_SYSTEMD_UNIT": "a.service",
        "_PID": "7",
        **place,
        **fields,
    }


class FakeJournal:
    """A journalctl; `asked` are the last arguments with which entries were asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script("systemctl", "echo LoadState=loaded")
        self.says([])

    def script(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def says(
        self, entries: list[dict[str, Any]], *, errors: str = DEBUG, status: int = 0, then: str = ""
    ) -> None:
        """It prints these entries and errors, does what the shell says `then`, and ends."""
        (self.folder / "entries").write_text("".join(json.dumps(one) + "\n" for one in entries))
        (self.folder / "errors").write_text(errors + "\n")
        lines = [
            (
                'case "$*" in *--reverse*) for word; do printf "%s\\n" "$word"; done '
                f">{self.folder}/asked;; esac"
            ),
            f"cat {self.folder}/errors >&2; cat {self.folder}/entries",
            f"{then}\nexit {status}",
        ]
        self.script("journalctl", "\n".join(lines))

    @property
    def asked(self) -> set[str]:
        return set((self.folder / "asked").read_text().splitlines())

    def run(self, **arguments: Any) -> dict[str, Any]:
        return module_answer([str(MODULE)], arguments, timeout_s=30, programs=self.folder)


def messages(answer: dict[str, Any]) -> list[str | None]:
    return [one.get("message") for one in answer["entries"]]
