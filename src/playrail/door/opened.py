"""What calls run on: the claim to the state directory, the ledger, the inventory, and
Ansible, ready or not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playrail.ansible.environment import environment, forks_at_most
from playrail.ansible.inventory.host_keys import host_keys
from playrail.ansible.inventory.inventory import Inventory
from playrail.ansible.reads.reads import code_of
from playrail.ansible.run.play import Play
from playrail.ansible.run.runner import Runner
from playrail.ansible.warm.resident import Resident
from playrail.calls.bounds import Bounds
from playrail.canonical import digest
from playrail.door.recording import Records
from playrail.engines.apis import Apis
from playrail.engines.direct import Direct
from playrail.engines.engine import Engine, Listed, Resolver
from playrail.engines.plays import Plays
from playrail.errors import LedgerUnavailable, PlayrailError, SettingsInvalid, Stopping
from playrail.ledger.alive import Alive, Dead, claim, the_dead
from playrail.ledger.entries import Interrupted
from playrail.ledger.ledger import Entry, Ledger
from playrail.safe_text.secrets import Secrets
from playrail.settings.content import content_root
from playrail.settings.private_files import private_directory
from playrail.settings.settings import Settings
from playrail.settings.state import claims_directory, ledger_file, pace_directory
from playrail.tools.tool import AnyTool, ApiTool, DirectTool, PlaybookTool, ToolInput

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What calls run on, from the claim to the state directory on."""

    alive: Alive
    engines: Mapping[type[Any], Engine]
    """By the sort of tool that each runs."""
    records: Records
    resident: Resident | None
    """The run that stays, which `warm` asks for."""

    @property
    def server(self) -> str:
        """The name of this process in the ledger."""
        return self.alive.server

    def play(
        self, tool: AnyTool, given: ToolInput, hosts: Sequence[str], *, run_id: str, check: bool
    ) -> Play | None:
        """The play of such a call; None where Ansible has nothing to do with it."""
        if check and tool.unforeseeable:
            return None
        engine = self.engines[type(tool)]
        return engine.play(tool, given, hosts, run_id=run_id, check=check)

    async def renew(self) -> None:
        """Has the next play start anew when code was changed that the run that stays may
        have loaded.
        """
        if self.resident is not None:
            await self.resident.renew()


class Opener:
    """Opens for the first call that needs it, and closes once.

    With `warm` it keeps an Ansible ready, which pays from the second play on. `standing` are
    variables of every play, `contents` the content folders of plugins.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        environ: Mapping[str, str],
        secrets: Secrets,
        bounds: Bounds,
        warm: bool,
        standing: Mapping[str, Any],
        contents: Sequence[Path],
    ) -> None:
        self.settings = settings
        self.inventory = Inventory(settings, content_root(), environ=environ)
        self.ledger = Ledger(ledger_file(settings.state_dir), busy_s=bounds.ledger_busy_s)
        self.environment = environment(settings, environ, contents)
        self._standing = standing
        self._contents = contents
        self._apis = Apis(settings, self.inventory.hosts)
        listed = Listed(settings, self.inventory.hosts)
        self.resolvers: Mapping[type[Any], Resolver] = {
            PlaybookTool: listed,
            ApiTool: self._apis,
            DirectTool: listed,
        }
        """By the sort of tool whose hosts each knows."""
        self._host_keys = host_keys(
            self.inventory, settings, environ=environ, child=self.environment
        )
        self._secrets = secrets
        self._bounds = bounds
        self._warm = warm
        self._opened: Opened | None = None
        self._opening = asyncio.Lock()
        self._stopping = False

    async def open(self) -> Opened:
        """Claims the state directory and settles what dead predecessors left. Raises
        LedgerUnavailable.

        Every call does so when it has not been done: a state directory that is mended later
        is then good.
        """
        async with self._opening:
            if self._stopping:
                raise Stopping("Playrail is being stopped.")
            if self._opened is None:
                self._opened = await asyncio.to_thread(self._open)
            return self._opened

    async def warm_up(self) -> None:
        """Makes ready what the first call would wait for. Raises LedgerUnavailable; of
        other failures calls tell.
        """
        resident = (await self.open()).resident
        with contextlib.suppress(PlayrailError):
            await asyncio.gather(
                self.inventory.hosts(), *([resident.ready()] if resident is not None else [])
            )
            await self._host_keys.warn((await self.inventory.hosts()).hosts)

    def stop(self) -> None:
        """Opens for no more calls."""
        self._stopping = True

    async def close(self, *, idle: bool) -> None:
        """Lets go of everything; of the claim only when `idle`, and when each call's end is
        recorded.

        A call that goes on, or whose end could not be recorded, is settled by the next
        start.
        """
        opened = self._opened
        await self._apis.close()
        if opened is not None and opened.resident is not None:
            await opened.resident.close()
        self.inventory.close()
        if (
            opened is not None
            and idle
            and not await asyncio.to_thread(self._has_open_calls, opened)
        ):
            shutil.rmtree(self.settings.runtime_dir / opened.server, ignore_errors=True)
            opened.alive.release()
            self._opened = None
        self.ledger.close()

    def _open(self) -> Opened:
        servers = claims_directory(self.settings.state_dir)
        try:
            private_directory(self.settings.state_dir)
            alive = claim(servers, self.settings.runtime_dir)
        except (OSError, SettingsInvalid) as error:
            raise LedgerUnavailable(
                f"The state directory cannot be used: {error}.", hint=_mend(error)
            ) from error
        try:
            with the_dead(servers) as dead:
                for process in dead:
                    self._settle(process)
            self.inventory.sweep()
            private_directory(pace_directory(self.settings.state_dir))
            runs_dir = private_directory(
                private_directory(self.settings.runtime_dir) / alive.server
            )
        except (OSError, PlayrailError) as error:
            alive.release()
            message = f"The state or runtime directory cannot be used: {error}."
            raise LedgerUnavailable(message, hint=_mend(error)) from error
        resident = self._resident(runs_dir) if self._warm else None
        return Opened(
            alive=alive,
            engines={
                PlaybookTool: self._plays(
                    Runner(runs_dir=runs_dir, environment=self.environment, warm=resident)
                ),
                ApiTool: self._apis,
                DirectTool: Direct(),
            },
            records=Records(
                self.ledger, server=alive.server, secrets=self._secrets, bounds=self._bounds
            ),
            resident=resident,
        )

    def _resident(self, runs_dir: Path) -> Resident:
        return Resident(
            runs_dir=runs_dir,
            environment=self.environment,
            inventory=self.inventory,
            code=self._code,
            idle_s=self.settings.warm_idle_s,
            most_bytes=self.settings.warm_memory_mb * 1024 * 1024,
        )

    def _plays(self, runner: Runner) -> Plays:
        return Plays(
            standing=self._standing,
            inventory=self.inventory,
            runner=runner,
            at_most=forks_at_most(self.environment),
            host_keys=self._host_keys,
            end_run_s=self._bounds.end_run_s,
        )

    def _code(self) -> str:
        return digest(
            {
                part: dict(items)
                for part, items in code_of(
                    self._contents, self.settings, self.environment, {}
                ).items()
            }
        )

    def _settle(self, dead: Dead) -> None:
        """Marks the calls that died with their process, and removes its private files."""
        for call in self.ledger.open_calls(dead.server):
            end = Interrupted(
                outcome="interrupted",
                hosts=call.hosts,
                note="may have been running on these hosts",
            )
            self.ledger.append(
                Entry.of(
                    end, call=call.call, server=dead.server, caller=call.caller, tool=call.tool
                )
            )
            log.warning("call %s of %s was interrupted when its server died", call.call, call.tool)
        dead.remove_private_files()

    def _has_open_calls(self, opened: Opened) -> bool:
        try:
            return bool(self.ledger.open_calls(opened.server))
        except LedgerUnavailable:
            return True


def _mend(error: Exception) -> str | None:
    """What mends a directory that is not private, where that is it."""
    hint = error.problem.hint if isinstance(error, SettingsInvalid) else None
    return None if hint == SettingsInvalid.code.hint else hint
