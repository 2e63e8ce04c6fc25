"""A ledger in which a test writes calls down, and what is exported from it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader

from playrail import catalog
from playrail.export.export import Exported, export
from playrail.history.replay import Selection
from playrail.ledger.ledger import Entry, Ledger
from playrail.settings.settings import Settings
from playrail.tools.tool import AnyTool

BIN = Path(sys.executable).parent


class World:
    """A directory with a ledger in which calls can be written down, and what is exported
    from it.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.ledger = Ledger(place / "state" / "ledger.sqlite")
        self.tools: Mapping[str, AnyTool] = catalog.load()
        self.exported = place / "exported"
        self._calls = 0

    def settings(self, **environ: str) -> Settings:
        given = {
            "HOME": str(self.place),
            "PLAYRAIL_STATE_DIR": str(self.place / "state"),
            **environ,
        }
        return Settings.load(given, dotenv=None)

    def did(
        self,
        tool: str,
        *hosts: str,
        outcome: str = "ok",
        hidden: Sequence[str] = (),
        **arguments: Any,
    ) -> str:
        """Writes a call down as the door does. Returns its run id."""
        self._calls += 1
        declared = self.tools[tool]
        given = declared.input.model_validate({"server": list(hosts), **arguments})
        risk, run = (
            declared.risk_of(given).name,
            f"20261120-1000{self._calls:02}-0000000{self._calls % 10}",
        )
        started = {
            "version": 2,
            "hidden": list(hidden),
            "arguments": given.recorded(),
            "hosts": hosts,
            "risk": risk,
            "run": run,
            "preview": False,
        }
        ended: dict[str, Any] = {
            "outcome": outcome,
            "changed": hosts,
            "failed": {},
            "duration_ms": 1,
        }
        about: dict[str, Any] = {
            "call": f"call-{self._calls}",
            "server": "s",
            "caller": "ann",
            "tool": tool,
        }
        self.ledger.append(
            Entry(kind="started", **about, body=started), Entry(kind="ended", **about, body=ended)
        )
        return run

    def export(self, selection: Selection | None = None, **environ: str) -> Exported:
        return export(
            self.ledger,
            selection or Selection(),
            self.exported,
            tools=self.tools,
            settings=self.settings(**environ),
        )

    def text(self, name: str) -> str:
        return (self.exported / name).read_text(encoding="utf-8")

    def loaded(self, name: str) -> Any:
        return DataLoader().load_from_file(str(self.exported / name))

    def played(self, *options: str, **environ: str) -> tuple[int, str]:
        """Exit status and output of plain ansible-playbook, which finds nothing of Playrail
        in its environment.
        """
        command = [str(BIN / "ansible-playbook"), "-i", "inventory.yml", *options, "site.yml"]
        env = {
            "HOME": str(self.place),
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            **environ,
        }
        done = subprocess.run(
            command,
            cwd=self.exported,
            env=env,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr
