"""Plays tools below the door: in check mode or for real, to see what their reports say of
it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

from playrail import catalog
from playrail.ansible.inventory.inventory import Inventory
from playrail.ansible.run.play import new_run_id
from playrail.ansible.run.runner import Runner
from playrail.ansible.warm.resident import Resident
from playrail.engines.plays import Plays
from playrail.settings.private_files import private_directory
from playrail.settings.protection import standing_variables
from playrail.settings.settings import Settings
from playrail.tasks import TaskResult
from playrail.tools.effects import Effect
from playrail.tools.lasting import Invocation
from playrail.tools.tool import PlaybookTool, Report
from worlds.local_plays import environ, made_for


@dataclass(frozen=True, kw_only=True)
class Played:
    """What came of a tool on a host."""

    report: Report
    changed: bool
    unpreviewed: Sequence[str]
    tasks: Sequence[TaskResult]

    @property
    def effects(self) -> Sequence[Effect]:
        return tuple(self.report.effects())


@dataclass(frozen=True, kw_only=True)
class Stage:
    host: str
    plays: Plays
    portal: BlockingPortal

    def preview(self, tool: str, /, **arguments: Any) -> Played:
        return self._play(tool, arguments, check=True)

    def do(self, tool: str, /, **arguments: Any) -> Played:
        return self._play(tool, arguments, check=False)

    def carry_out(self, call: Invocation) -> Played:
        return self._play(call.tool, call.arguments, check=False)

    def undo(self, tool: str, effects: Sequence[Effect]) -> None:
        """Takes the effects back, the last one first. Each has to have a call for it."""
        for effect in reversed(effects):
            undo = catalog.load()[tool].undo
            assert undo is not None
            call = undo(effect)
            assert isinstance(call, Invocation), call
            self.carry_out(call)

    def _play(self, name: str, arguments: Mapping[str, Any], *, check: bool) -> Played:
        tool = catalog.load()[name]
        assert isinstance(tool, PlaybookTool)
        given = tool.input.model_validate(dict(arguments))
        play = self.plays.play(tool, given, [self.host], run_id=new_run_id(), check=check)

        async def playing() -> Any:
            await self.plays.inventory.hosts()
            return await self.plays.runner.run(
                play, deadline_s=100, stop=asyncio.Event(), progress=None
            )

        ran = self.portal.call(playing)
        outcome = ran.hosts[self.host]
        assert (outcome.problem, outcome.report is None) == (None, False), outcome.problem
        report: Report = tool.report.model_validate(outcome.report, context={"given": given})
        assert report.problem() is None, report.problem()
        unpreviewed = ran.unpreviewed.get(self.host, ())
        return Played(
            report=report, changed=outcome.changed, unpreviewed=unpreviewed, tasks=ran.tasks
        )


@contextmanager
def stage(place: Path, host: str, *, warm: bool, **more: str) -> Iterator[Stage]:
    settings = Settings.load(environ(private_directory(place), **more), dotenv=None)
    runs_dir, child, inventory = made_for(place, **more)
    with start_blocking_portal() as portal:
        resident = _resident(runs_dir, child, inventory) if warm else None
        plays = Plays(
            standing=standing_variables(settings),
            inventory=inventory,
            runner=Runner(runs_dir=runs_dir, environment=child, warm=resident),
        )
        portal.call(inventory.hosts)
        yield Stage(host=host, plays=plays, portal=portal)
        if resident is not None:
            portal.call(resident.close)
        inventory.close()


def _resident(runs_dir: Path, child: Mapping[str, str], inventory: Inventory) -> Resident:
    return Resident(
        runs_dir=runs_dir, environment=child, inventory=inventory, idle_s=600, most_bytes=1 << 30
    )
