"""The inventory of an export: how plain Ansible reaches the servers, with environment
variables for their secrets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from playrail.ansible.content.named_content import inventory_hosts
from playrail.ansible.content.unsafe_yaml import to_yaml
from playrail.ansible.inventory.generated import host_variables
from playrail.export.site import Provided, as_text
from playrail.settings.content import content_root
from playrail.settings.servers import GENERATED_GROUP
from playrail.settings.settings import Settings
from playrail.settings.target import Unsafe
from playrail.settings.variables import BUILT_IN_RULES


@dataclass(frozen=True, kw_only=True)
class ExportedInventory:
    """The text of inventory.yml, and what it cannot have."""

    text: str
    files: Sequence[str]
    """Keys, certificates and known hosts on this machine that it refers to."""
    needs_playrail: Mapping[str, str]
    """Servers that only a connection plugin of Playrail leads to, each with what it goes
    over: they stand there without an address.
    """
    elsewhere: Sequence[str]
    """Servers that are not Playrail's own, but of the user's inventories: they are not
    there.
    """


def exported_inventory(
    hosts: Sequence[str],
    settings: Settings,
    provided: Provided,
    standing: Mapping[str, Any],
) -> ExportedInventory:
    """How these hosts are reached; `standing` are variables of all of them. Adds their
    secrets to `provided`.
    """
    own = [name for name in hosts if name in settings.servers]
    plain = [name for name in own if not settings.servers[name].needs_playrail]
    bundled = (
        {}
        if settings.inventory or settings.servers
        else inventory_hosts(content_root() / "inventory/hosts.yml")
    )
    servers = {
        name: host_variables(name, settings.servers[name], settings) if name in plain else {}
        for name in own
    }
    inventory = {
        "all": {
            "vars": {
                **_rules(settings),
                **as_text(standing),
                **_secrets(plain, settings, provided),
            },
            "hosts": {name: bundled[name] for name in hosts if name in bundled},
            "children": {GENERATED_GROUP: {"hosts": servers}},
        }
    }
    present = {key: value for key, value in inventory["all"].items() if value}
    return ExportedInventory(
        text=f"---\n{to_yaml({'all': present})}",
        files=_files(plain, settings),
        needs_playrail={name: settings.servers[name].way for name in own if name not in plain},
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
            for kind in settings.servers[name].play_secrets()
        }
        for name in names
    }
    held = {name: its for name, its in found.items() if its}
    return {"playrail_secrets": held} if held else {}


def _files(names: Sequence[str], settings: Settings) -> list[str]:
    servers = [ssh for name in names if (ssh := settings.servers[name].ssh) is not None]
    files = [
        file
        for server in servers
        for file in (server.ssh_key, server.ssh_cert, server.known_hosts_file)
    ]
    return sorted({str(file) for file in files if file is not None})
