"""Inventories in a directory of the test's own, and how Playrail reads them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playrail.ansible.inventory.inventory import Host, Hosts, Inventory
from playrail.settings.settings import Settings
from worlds.checkout import ROOT

CANARY = "CANARY"
INI = (
    "[web]\nw1 ansible_host=10.0.0.1 ansible_port=2222\nw2 ansible_user=bob\n[site:children]\nweb\n"
)
SERVERS: dict[str, Any] = {
    "vps": {
        "type": "ssh",
        "host": "10.9.9.9",
        "password": "p{{ 7*7 }}" + CANARY,
        "sudo_password": CANARY,
    },
    "api": {"type": "mikrus", "key": CANARY, "srv": "srv1"},
    "broken": {"type": "ssh", "host": "h", "password": CANARY, "oops": 1},
}


def load(
    cwd: Path, environ: Mapping[str, str] | None = None, *, servers: object = None
) -> Settings:
    given = {"HOME": str(cwd), "PLAYRAIL_RUNTIME_DIR": str(cwd / "run"), **(environ or {})}
    if servers is not None:
        given["MCP_SERVERS"] = json.dumps(servers)
    return Settings.load(given, dotenv=None)


def inventory_of(settings: Settings) -> Inventory:
    return Inventory(settings, ROOT, environ={"HOME": str(Path.cwd()), "PATH": os.environ["PATH"]})


def read(settings: Settings) -> Hosts:
    inventory = inventory_of(settings)
    try:
        return asyncio.run(inventory.hosts())
    finally:
        inventory.close()


def write(cwd: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (cwd / name).parent.mkdir(parents=True, exist_ok=True)
        (cwd / name).write_text(text)


W1 = Host(name="w1", groups=("site", "web"), address="10.0.0.1", port=2222)
W2 = Host(name="w2", groups=("site", "web"), address="w2", user="bob")
