"""What a playbook needs beside itself: the collections and roles that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

_MODULE = re.compile(r"([a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*)\.[a-z_][a-z0-9_]*")
_ROLE_TASKS = ("ansible.builtin.include_role", "ansible.builtin.import_role")
_ALWAYS_THERE = ("ansible.builtin", "ansible.legacy")


def named_collections(playbook: Path) -> set[str]:
    """The collections whose modules it uses, besides Ansible's own."""
    found = {match[1] for key, _ in _entries(_read(playbook)) if (match := _MODULE.fullmatch(key))}
    return found.difference(_ALWAYS_THERE)


def named_roles(playbook: Path) -> set[str]:
    """The roles that it plays."""
    found = set()
    for key, value in _entries(_read(playbook)):
        if key == "roles":
            found |= {
                role if isinstance(role, str) else role.get("role") or role["name"]
                for role in value
            }
        elif key in _ROLE_TASKS:
            found.add(value["name"])
    return found


def inventory_hosts(path: Path) -> dict[str, Any]:
    """The hosts with their variables that an inventory in YAML has in its group `all`."""
    hosts: dict[str, Any] = _read(path)["all"]["hosts"]
    return hosts


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _entries(content: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at any depth."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield str(key), value
            yield from _entries(value)
    elif isinstance(content, list):
        for item in content:
            yield from _entries(item)
