"""What calls run on: the claim to the state directory, the ledger, the inventory, and
Ansible, ready or not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Mapping

from playrail.ansible.environment import environment, forks_at_most
from playrail.ansible.inventory.host_keys import host_keys
from playrail.ansible.inventory.inventory import Inventory
from playrail.ansible.reads.reads import code_of
from playrail.ansible.run.runner import Runner
from playrail.ansible.warm.resident import Resident
from playrail.canonical import digest
from playrail.engines.plays import Plays
from playrail.errors import LedgerUnavailable, PlayrailError, SettingsInvalid, Stopping
from playrail.ledger.alive import Alive, Dead, claim, the_dead
from playrail.ledger.entries import Interrupted
from playrail.ledger.ledger import Entry, Ledger
from playrail.settings.content import content_root
from playrail.settings.private_files import private_directory
from playrail.settings.protection import standing_variables
from playrail.settings.settings import Settings
from playrail.settings.state import ledger_file, pace_directory

log = logging.getLogger(__name__)


class Engine:
    """Opened by the first call that needs it, closed once.

    With `warm` it keeps an Ansible ready, which pays from the second play on.
    """

    def __init__(self, settings: Settings, *, environ: Mapping[str, str], warm: bool) -> None:
        self.settings = settings
        self.inventory = Inventory(settings, content_root(), environ=environ)
        self.ledger = Ledger(ledger_file(settings.state_dir))
        self.environment = environment(settings, environ)
        self._host_keys = host_keys(
            self.inventory, settings, environ=environ, child=self.environment
        )
        self._alive: Alive | None = None
        self._plays: Plays | None = None
        self._resident: Resident | None = None
        self._warm = warm
        self._opening = asyncio.Lock()
        self._closing = False

    @property
    def plays(self) -> Plays:
        assert self._plays is not None  # every call opens first
        return self._plays

    @property
    def server(self) -> str:
        """The name of this process in the ledger."""
        assert self._alive is not None  # every call opens first
        return self._alive.server

    async def open(self) -> Alive:
        """Claims the state directory and settles what dead predecessors left. Raises
        LedgerUnavailable.

        Every call does so when it has not been done: a state directory that is mended later
        is then good.
        """
        async with self._opening:
            if self._closing:
                raise Stopping("Playrail is being stopped.")
            if self._alive is None:
                self._alive = await asyncio.to_thread(self._open)
            return self._alive

    async def warm_up(self) -> None:
        """Makes ready what the first call would wait for. Raises LedgerUnavailable; of
        other failures calls tell.
        """
        await self.open()
        with contextlib.suppress(PlayrailError):
            await asyncio.gather(
                self.inventory.hosts(), *([self._resident.ready()] if self._resident else [])
            )
            await self._host_keys.warn((await self.inventory.hosts()).hosts)

    async def renew(self) -> None:
        """Have the next play start anew when code was changed that the run that stays may
        have loaded.
        """
        if self._resident is not None:
            await self._resident.renew()

    def _code(self) -> str:
        return digest(
            {
                part: dict(items)
                for part, items in code_of(self.settings, self.environment, {}).items()
            }
        )

    def _open(self) -> Alive:
        servers = self.settings.state_dir / "servers"
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
        if self._warm:
            self._resident = Resident(
                runs_dir=runs_dir,
                environment=self.environment,
                inventory=self.inventory,
                code=self._code,
                idle_s=self.settings.warm_idle_s,
                most_bytes=self.settings.warm_memory_mb * 1024 * 1024,
            )
        runner = Runner(runs_dir=runs_dir, environment=self.environment, warm=self._resident)
        self._plays = Plays(
            content=content_root(),
            standing=standing_variables(self.settings),
            inventory=self.inventory,
            runner=runner,
            at_most=forks_at_most(self.environment),
            host_keys=self._host_keys,
        )
        return alive

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

    def _has_open_calls(self) -> bool:
        try:
            return bool(self.ledger.open_calls(self.server))
        except LedgerUnavailable:
            return True

    def stop(self) -> None:
        """Opens for no more calls."""
        self._closing = True

    async def close(self, *, idle: bool) -> None:
        """Lets go of everything; of the claim only when `idle`, and when each call's end is
        recorded.

        A call that goes on, or whose end could not be recorded, is settled by the next
        start.
        """
        if self._resident is not None:
            await self._resident.close()
        self.inventory.close()
        if self._alive is not None and idle and not await asyncio.to_thread(self._has_open_calls):
            shutil.rmtree(self.settings.runtime_dir / self._alive.server, ignore_errors=True)
            self._alive.release()
            self._alive = None
        self.ledger.close()


def _mend(error: Exception) -> str | None:
    """What mends a directory that is not private, where that is it."""
    hint = error.problem.hint if isinstance(error, SettingsInvalid) else None
    return None if hint == SettingsInvalid.code.hint else hint
