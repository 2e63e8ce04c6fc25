"""Which hosts' keys are not checked, because an inventory, ansible.cfg or ssh's own files
say so.

ssh is asked itself (`ssh -G`, which connects to nothing), since it alone knows all of them.
"""

from __future__ import annotations

import asyncio
import logging
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from playrail.ansible.environment import base_directory, users_ssh_options
from playrail.ansible.judgements import setting_of
from playrail.ansible.project import working_directory
from playrail.ansible.reads.variables import text_of
from playrail.settings.servers import shown
from playrail.settings.settings import Settings
from playrail.settings.target import Target

log = logging.getLogger(__name__)

AT_ONCE = 4  # questions to ssh; each takes some 10 ms
DEADLINE_S = 5.0
NAMED = 20  # hosts, in warnings one by one
SSH = frozenset({"ssh", "smart", "ansible.builtin.ssh", "ansible.legacy.ssh"})
PARAMIKO = frozenset({"paramiko", "paramiko_ssh"})
NO = frozenset({"no", "false", "off", "0", "n", "f"})
TAKEN = "accept-new"
NOWHERE = frozenset({"/dev/null", "none"})
JUMP_UNCHECKED = re.compile(
    r"stricthostkeychecking\s*[= ]\s*\"?(no|off|false|accept-new)", re.IGNORECASE
)
NAME = re.compile(r"\{\{\s*(\w+)\s*\}\}")

NOT_CHECKED = "its host key is not checked: whoever is on the way can pose as this host"
FIRST_TAKEN = (
    "its host key is not checked the first time: whoever is on the way then can pose as this host"
)
FORGOTTEN = "its host key is not kept: UserKnownHostsFile is /dev/null"
JUMP = "the key of a host on the way to it is not checked: whoever is there can pose as that host"
MEND = (
    "Take the option away (StrictHostKeyChecking, host_key_checking) in the inventory, "
    "ansible.cfg or ssh's "
    "configuration, and put the host's own key into known_hosts."
)


class Inventory(Protocol):
    """As much of the inventory as is asked for."""

    def variables(self, host: str) -> Mapping[str, Any]:
        """What the sources said of the host when they were last read, templates as they
        are.
        """


class HostKeys:
    """Asks ssh about each host once, until other words lead to it.

    `options` are what the user says of ssh for all hosts, by their names in Ansible's
    plugin; `directory` is where Ansible is started.
    """

    def __init__(
        self,
        inventory: Inventory,
        servers: Mapping[str, Target],
        *,
        environ: Mapping[str, str],
        options: Mapping[str, str],
        directory: Path,
    ) -> None:
        self._inventory = inventory
        self._servers = servers
        self._environ = environ
        self._options = options
        self._directory = directory
        self._judged: dict[tuple[str, ...], str | None] = {}
        self._warned: dict[str, str] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def warn(self, hosts: Iterable[str]) -> None:
        """Log of these hosts what is found of them for the first time."""
        found = await self.unchecked(hosts)
        new = {host: reason for host, reason in found.items() if self._warned.get(host) != reason}
        self._warned |= new
        for host, reason in list(new.items())[:NAMED]:
            log.warning("%s: %s", shown(host), reason)
        if len(new) > NAMED:
            log.warning(
                "the host keys of %d more hosts are not checked; `playrail doctor` names them",
                len(new) - NAMED,
            )

    async def unchecked(self, hosts: Iterable[str]) -> dict[str, str]:
        """Return the hosts whose keys are not checked, with what is not. Those of the
        settings tell it there.
        """
        asked = [
            host
            for host in hosts
            if (server := self._servers.get(host)) is None
            or server.ssh is None
            or server.ssh.verify_host_key
        ]
        found = await asyncio.gather(*map(self._reason, asked))
        return {
            host: reason for host, reason in zip(asked, found, strict=True) if reason is not None
        }

    async def _reason(self, host: str) -> str | None:
        variables = {
            name: text_of(value) for name, value in self._inventory.variables(host).items()
        }
        plain: dict[str, str | None] = {
            "inventory_hostname": host,
            "ansible_host": host,
            **variables,
        }

        def option(name: str, plugin: str = "ssh") -> str:
            names = setting_of(f"connection/{plugin}.{name}").variables
            given = [text for each in names if (text := variables.get(each)) is not None]
            return _rendered(given[-1] if given else self._options.get(name, ""), plain)

        connection = variables.get("ansible_connection") or self._options.get("transport") or "ssh"
        if connection in PARAMIKO:
            return (
                NOT_CHECKED if option("host_key_checking", "paramiko_ssh").lower() in NO else None
            )
        if connection not in SSH:
            return None
        unchecked = option("host_key_checking").lower() in NO
        words = _words(option("ssh_args"))
        words += ["-o", "StrictHostKeyChecking=no"] if unchecked else []
        words += [
            word
            for name, flag in (("port", "-p"), ("remote_user", "-l"))
            for word in _flag(flag, option(name))
        ]
        words += _words(option("ssh_common_args")) + _words(option("ssh_extra_args"))
        address = plain.get("ansible_ssh_host") or _rendered(plain["ansible_host"] or host, plain)
        if any("{{" in word or "{%" in word for word in (*words, address)):
            # What templates make of it is not known; what stands beside them is.
            return NOT_CHECKED if unchecked or JUMP_UNCHECKED.search(" ".join(words)) else None
        return await self._judge((*words, address))

    async def _judge(self, words: tuple[str, ...]) -> str | None:
        if words not in self._judged:
            self._judged[words] = judge(await self._configuration(words))
        return self._judged[words]

    async def _configuration(self, words: Sequence[str]) -> dict[str, str]:
        """Return what ssh would do with these words; nothing when it refuses them, which
        calls tell.
        """
        async with self._turns:
            try:
                process = await asyncio.create_subprocess_exec(
                    "ssh",
                    "-G",
                    *words,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    env=dict(self._environ),
                    cwd=self._directory,
                )
            except OSError:
                return {}
            try:
                async with asyncio.timeout(DEADLINE_S):
                    output, _ = await process.communicate()
            except TimeoutError:
                return {}
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        lines = (line.partition(" ") for line in output.decode(errors="replace").splitlines())
        return {name: value for name, _, value in lines}


def host_keys(
    inventory: Inventory,
    settings: Settings,
    *,
    environ: Mapping[str, str],
    child: Mapping[str, str],
) -> HostKeys:
    """Return what looks at the hosts of this inventory as Ansible's processes, whose
    environment is `child`, do.
    """
    return HostKeys(
        inventory,
        settings.servers,
        environ=child,
        options=users_ssh_options(settings, environ),
        directory=working_directory(child, base_directory(settings)),
    )


def judge(configuration: Mapping[str, str]) -> str | None:
    """Return what is not checked with this configuration of ssh, None when all is."""
    strict = configuration.get("stricthostkeychecking", "").lower()
    if strict in NO:
        return NOT_CHECKED
    if strict == TAKEN:
        return FIRST_TAKEN
    if NOWHERE.issuperset(configuration.get("userknownhostsfile", "?").split()):
        return FORGOTTEN
    return JUMP if JUMP_UNCHECKED.search(configuration.get("proxycommand", "")) else None


def _rendered(text: str, variables: Mapping[str, str | None]) -> str:
    """Return the text with the plain variables that it names; what else a template does
    stays.
    """
    for _ in range(3):
        text = NAME.sub(lambda found: variables.get(found[1]) or found[0], text)
    return text


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []


def _flag(flag: str, value: str) -> list[str]:
    return [flag, value] if value else []
