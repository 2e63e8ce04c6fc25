"""The inventory: the user's own sources, and after them one that is generated from the
servers in the settings.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import stat
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from playrail.ansible.environment import inventory_environment
from playrail.ansible.inventory.generated import generated_inventory
from playrail.ansible.inventory.listed_hosts import read_listing
from playrail.ansible.inventory.notes import notes_of, own_words
from playrail.ansible.inventory.withheld_environment import withheld
from playrail.ansible.outcome.refusals import refused_by_ansible
from playrail.ansible.project import COLLECTIONS, VARIABLES, read_beside, working_directory
from playrail.ansible.reads.files import NOT_READ
from playrail.errors import InventoryInvalid
from playrail.hosts import Host, Hosts
from playrail.settings.private_files import private_directory
from playrail.settings.settings import Settings

__all__ = ["Host", "Hosts", "Inventory"]

READ_DEADLINE_S = 60.0
LONGEST_TURN_S = 30.0  # that is waited for when work is to be ended; somebody waits for that
OTHERS_TIMEOUT_S = 30.0  # taken for hosts of the user's own inventories; Ansible's default is 10 s
# An inventory plugin asks the outside world, which changes without any file changing
KEPT_S = 300.0
_NOT_SOURCES = frozenset({*VARIABLES, "vars_plugins"})

_log = logging.getLogger(__name__)

Fingerprint = tuple[tuple[str, int, int, int, int], ...]


class Inventory:
    """Which hosts there are, and what to pass to Ansible so that it knows them too.

    `content` is the directory with the bundled playbooks, roles and example inventory.
    `environ` is what child processes are started from (see environment.py); without it,
    this process's own.
    """

    def __init__(
        self, settings: Settings, content: Path, *, environ: Mapping[str, str] | None = None
    ) -> None:
        self._settings = settings
        self._content = content
        self._environ = environ
        self._generated = (
            settings.runtime_dir / f"inventory-{os.getpid()}-{secrets.token_hex(4)}.yml"
        )
        self._kept: tuple[Hosts, Fingerprint, float] | None = None
        self._reading: asyncio.Task[Hosts] | None = None
        self._listing: Mapping[str, Any] | None = None
        self._listings = 0  # how many different ones were read

    async def hosts(self, *, anew: bool = False) -> Hosts:
        """Return the hosts as Ansible sees them; read again when a source changed, after
        KEPT_S, or `anew`.

        Callers that come while a reading is under way share it. Raises InventoryInvalid,
        SettingsInvalid.
        """
        if self._kept is not None and not anew:
            hosts, fingerprint, read_at = self._kept
            if time.monotonic() - read_at < KEPT_S and fingerprint == self._fingerprint():
                return hosts
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(_retrieve)
        return await asyncio.shield(self._reading)  # one caller's cancellation is not the others'

    def sources(self) -> list[str]:
        """Return the values for `-i`, the generated file last so that it wins; makes that
        file when it is missing.

        The bundled inventory (this machine) is a source only when nothing else is
        configured, not even a server that failed. Raises SettingsInvalid when there is no
        private place for the file.
        """
        settings = self._settings
        own = [str(path) for path in settings.inventory]
        if settings.servers or settings.failed_servers:
            if not self._generated.exists():
                _write_private(self._generated, generated_inventory(settings))
            return [*own, str(self._generated)]
        return own or [str(self._content / "inventory" / "hosts.yml")]

    def secrets(self, hosts: Iterable[str]) -> dict[str, dict[str, SecretStr]]:
        """Return what the variable `playrail_secrets` must hold in a run on `hosts`: the
        secrets that these have.
        """
        servers = self._settings.servers
        found = {name: dict(servers[name].play_secrets()) for name in hosts if name in servers}
        return {name: held for name, held in found.items() if held}

    def variables(self, host: str) -> Mapping[str, Any]:
        """Return what the sources said of the host when they were last read, templates as
        they are.
        """
        found: Mapping[str, Any] = self.listing.get("_meta", {}).get("hostvars", {}).get(host, {})
        return found

    @property
    def listing(self) -> Mapping[str, Any]:
        """What `ansible-inventory --list` said when the sources were last read."""
        return self._listing or {}

    def withheld(self) -> Mapping[str, str]:
        """Return which variables of the environment templates ask for in vain, though they
        are set; who asks first.
        """
        given = os.environ if self._environ is None else self._environ
        return withheld(
            self.listing, given=given, passed=inventory_environment(self._settings, given)
        )

    def state(self) -> object:
        """Return what differs when the sources have changed, or another listing was read
        from them.
        """
        return self._fingerprint(), self._listings

    def connect_timeout_s(self, hosts: Iterable[str]) -> float:
        """Return the seconds after which Ansible gives a connection up, the longest of
        these hosts.
        """
        return max(map(self._connect_timeout_s, hosts), default=0.0)

    def turn_s(self, hosts: Iterable[str]) -> float:
        """Return the seconds that one request to any of these hosts may have to wait until
        it may be made.
        """
        servers = [self._settings.servers[name] for name in hosts if name in self._settings.servers]
        turns = [server.turn_s(self._settings) for server in servers]
        return min(LONGEST_TURN_S, max(turns, default=0.0))

    def _connect_timeout_s(self, name: str) -> float:
        server = self._settings.servers.get(name)
        if server is not None:
            return server.connect_timeout_s
        known = self._kept[0].hosts.get(name) if self._kept else None
        return 0.0 if known is not None and known.connection == "local" else OTHERS_TIMEOUT_S

    def close(self) -> None:
        """Remove the generated file and end a reading that is under way."""
        if (
            self._reading is not None
            and not self._reading.done()
            and not self._reading.get_loop().is_closed()
        ):
            self._reading.cancel()
        self._generated.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove the generated files of processes that died without closing."""
        for path in self._generated.parent.glob("inventory-*-*.yml"):
            pid = path.name.split("-")[1]
            if pid.isdigit() and not Path("/proc", pid).exists():
                path.unlink(missing_ok=True)

    async def _read(self) -> Hosts:
        if not self._settings.allow_inventory_scripts:
            _refuse_executables(self._settings.inventory)
        # Before the reading: a change during it means another one
        fingerprint = self._fingerprint()
        listing = await self._list()
        hosts = read_listing(listing)
        if self._listing is not None and listing != self._listing:
            self._listings += 1
        self._listing = listing
        for name, reason in hosts.refused.items():
            _log.warning("inventory host %r cannot be used: %s", name, reason)
        if hosts.other_tags:
            named = ", ".join(hosts.other_tags[:5])
            _log.warning(
                "the variable tags is no list and so counts for nothing; use playrail_tags: %s",
                named,
            )
        for path, reason in hosts.unread.items():
            _log.warning("the inventory file %s is not read: %s", path, reason)
        for name, host in self.withheld().items():
            _log.warning(
                "the inventory asks for the variable %s, which Ansible is not given: %s", name, host
            )
        self._kept = (hosts, fingerprint, time.monotonic())
        return hosts

    async def _list(self) -> Mapping[str, Any]:
        """What Ansible says of the sources. Raises InventoryInvalid, also when nothing can
        be read of one of them.
        """
        child = inventory_environment(
            self._settings, os.environ if self._environ is None else self._environ
        )
        child["ANSIBLE_INVENTORY_UNPARSED_FAILED"] = "False"  # it would not say which; see below
        # Without a project not the working directory, which nobody chose: Ansible would
        # take it for its own.
        place = working_directory(child, private_directory(self._settings.runtime_dir))
        status, output, errors = await _listed(self.sources(), environ=child, place=place)
        if status != 0:
            raise refused_by_ansible(
                own_words(errors),
                otherwise=InventoryInvalid,
                what="Ansible cannot read the inventory",
            )
        try:
            listing: Mapping[str, Any] = json.loads(output)
        except ValueError:
            raise InventoryInvalid("ansible-inventory printed something that is not JSON") from None
        notes = notes_of(listing)
        if notes.empty and not notes.empty_is_fine:
            source, why = next(iter(notes.empty.items()))
            raise InventoryInvalid(
                "Ansible cannot read the inventory: Completely failed to parse inventory "
                f"source {source}. {why}"
            )
        return listing

    def _fingerprint(self) -> Fingerprint:
        paths = [Path(source) for source in self.sources()]
        places = {path.parent for path in paths if path.is_file()} | {self._settings.playbook_dir}
        beside = {place / name for place in places if place is not None for name in VARIABLES}
        beside |= {path for path in read_beside(self._settings) if path.name != COLLECTIONS}
        config = [self._settings.ansible_config] if self._settings.ansible_config else []
        return tuple(
            entry for path in (*paths, *sorted(beside), *config) for entry in _states(path)
        )


async def _listed(
    sources: list[str], *, environ: Mapping[str, str], place: Path
) -> tuple[int, bytes, str]:
    """Exit status, output and errors of the listing, see listing.py. Raises
    InventoryInvalid after READ_DEADLINE_S.
    """
    # -P: a module in the working directory must not be taken for Ansible's.
    command = [sys.executable, "-P", "-m", "playrail.ansible.inventory.listing", "--list"]
    process = await asyncio.create_subprocess_exec(
        *command,
        *(word for source in sources for word in ("-i", source)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(environ),
        cwd=place,
        start_new_session=True,  # so that what a plugin started can be ended with it
    )
    try:
        async with asyncio.timeout(READ_DEADLINE_S):
            output, errors = await process.communicate()
    except TimeoutError:
        raise InventoryInvalid(
            f"ansible-inventory did not finish within {READ_DEADLINE_S:g} s"
        ) from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return process.returncode or 0, output, errors.decode(errors="replace")


def _refuse_executables(sources: Iterable[Path]) -> None:
    """Ansible runs an executable inventory file. Raises InventoryInvalid at the first one
    that it would look at.
    """
    for source in sources:
        for path in _source_files(source):
            if os.access(path, os.X_OK):
                raise InventoryInvalid(
                    f"the inventory {str(path)!r} is executable, and scripts are not allowed",
                    hint=(
                        "The operator has to run chmod -x on it if it is no script, or else "
                        "start Playrail with "
                        "PLAYRAIL_ALLOW_INVENTORY_SCRIPTS=1."
                    ),
                )


def _source_files(source: Path) -> Iterator[Path]:
    """Yield the file, or the files in the directory and below that Ansible takes for
    inventories.
    """
    if source.is_file():
        yield source
        return
    for directory, below, files in os.walk(source, followlinks=True):
        below[:] = [name for name in below if name not in _NOT_SOURCES and not name.startswith(".")]
        yield from (Path(directory, name) for name in sorted(files) if not name.startswith("."))


def _states(path: Path) -> Iterator[tuple[str, int, int, int, int]]:
    """Yield what changes when a file changes, for `path` and everything below it; nothing
    for what does not exist.
    """
    with contextlib.suppress(OSError):
        status = path.stat()
        yield str(path), status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode
        if stat.S_ISDIR(status.st_mode):
            for child in sorted(path.iterdir()):
                if child.name not in NOT_READ:
                    yield from _states(child)


def _write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, whole or not at all."""
    unfinished = private_directory(path.parent) / f".{path.name}"
    unfinished.unlink(missing_ok=True)
    with os.fdopen(
        os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
    unfinished.replace(path)


def _retrieve(task: asyncio.Task[Hosts]) -> None:
    """Look at the outcome of a reading, so that one nobody waits for any more is not
    reported as forgotten.
    """
    if not task.cancelled():
        task.exception()
