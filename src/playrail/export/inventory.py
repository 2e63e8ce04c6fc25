"""The inventory of an export: how plain Ansible reaches the servers, with environment
variables for their secrets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from playrail.ansible.content.named_content import inventory_hosts
from playrail.ansible.content.unsafe_yaml import Unsafe, to_yaml
from playrail.ansible.inventory.generated import host_variables
from playrail.export.site import Provided
from playrail.settings.content import content_root
from playrail.settings.servers import GENERATED_GROUP, secrets_of, ssh_of
from playrail.settings.settings import BUILT_IN_RULES, Settings


@dataclass(frozen=True, kw_only=True)
class ExportedInventory:
    """The text of inventory.yml, and what it cannot have."""

    text: str
    files: Sequence[str]
    """Keys, certificates and known hosts on this machine that it refers to."""
    api_only: Sequence[str]
    """Servers that only the mikr.us API leads to: they stand there without an address."""
    elsewhere: Sequence[str]
    """Servers that are not Playrail's own, but of the user's inventories: they are not
    there.
    """


def exported_inventory(
    hosts: Sequence[str], settings: Settings, provided: Provided
) -> ExportedInventory:
    """How these hosts are reached. Adds their secrets to `provided`."""
    own = [name for name in hosts if name in settings.servers]
    over_ssh = [name for name in own if ssh_of(settings.servers[name]) is not None]
    bundled = (
        {}
        if settings.inventory or settings.servers
        else inventory_hosts(content_root() / "inventory/hosts.yml")
    )
    servers = {
        name: host_variables(name, settings.servers[name], settings) if name in over_ssh else {}
        for name in own
    }
    inventory = {
        "all": {
            "vars": {**_rules(settings), **_secrets(over_ssh, settings, provided)},
            "hosts": {name: bundled[name] for name in hosts if name in bundled},
            "children": {GENERATED_GROUP: {"hosts": servers}},
        }
    }
    present = {key: value for key, value in inventory["all"].items() if value}
    return ExportedInventory(
        text=f"---\n{to_yaml({'all': present})}",
        files=_files(over_ssh, settings),
        api_only=[name for name in own if name not in over_ssh],
        elsewhere=[name for name in hosts if name not in own and name not in bundled],
    )


def _rules(settings: Settings) -> dict[str, Any]:
    """The operator's rules for paths, where they are others than those that the playbooks
    have.
    """
    rules = {
        "playrail_protect_read": settings.protect_read,
        "playrail_protect_write": settings.protect_write,
    }
    return {
        name: [Unsafe(rule) for rule in its]
        for name, its in rules.items()
        if its != (BUILT_IN_RULES,)
    }


def _secrets(names: Sequence[str], settings: Settings, provided: Provided) -> dict[str, Any]:
    """The variable `playrail_secrets`, to which the variables of the servers refer."""
    found = {
        name: {
            kind: provided.template(f"{name}_{kind}", holds=f"{kind} of the server {name}")
            for kind in secrets_of(settings.servers[name])
        }
        for name in names
    }
    held = {name: its for name, its in found.items() if its}
    return {"playrail_secrets": held} if held else {}


def _files(names: Sequence[str], settings: Settings) -> list[str]:
    servers = [server for name in names if (server := ssh_of(settings.servers[name])) is not None]
    files = [
        file
        for server in servers
        for file in (server.ssh_key, server.ssh_cert, server.known_hosts_file)
    ]
    return sorted({str(file) for file in files if file is not None})
