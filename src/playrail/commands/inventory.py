"""`playrail inventory`: the servers that tools may be called on."""

from __future__ import annotations

from typing import Any

import typer

from playrail.ansible.inventory.inventory import Inventory
from playrail.commands.tables import print_table
from playrail.commands.terminal import AsJson, print_json, read_settings, until_done
from playrail.settings.content import content_root
from playrail.settings.settings import Settings

app = typer.Typer()


@app.command()
def inventory(*, as_json: AsJson = False) -> None:
    """List the servers that tools may be called on, and those that cannot be used with the
    reason.
    """
    settings = read_settings(quiet=True)
    hosts, unusable = until_done(_inventory(settings))
    if as_json:
        print_json({"hosts": hosts, "unusable": unusable, "default": settings.default_server})
        return
    columns = ("server", "address", "port", "user", "connection", "groups")
    print_table(columns, [tuple(_cell(host[column]) for column in columns) for host in hosts])
    if settings.default_server is not None:
        typer.echo(f"default: {settings.default_server}")
    if unusable:
        print_table(("cannot be used", "why"), list(unusable.items()))


async def _inventory(settings: Settings) -> tuple[list[dict[str, Any]], dict[str, str]]:
    source = Inventory(settings, content_root())
    try:
        known = await source.hosts()
    finally:
        source.close()
    shown = ("address", "port", "user", "connection", "tier", "tags")
    hosts = [
        {
            "server": host.name,
            "groups": list(host.groups),
            **{name: getattr(host, name) for name in shown},
        }
        for host in known.hosts.values()
        if host.name not in settings.failed_servers
    ]
    failed = {name: server.reason for name, server in settings.failed_servers.items()}
    return hosts, {**failed, **known.refused}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(value) if isinstance(value, list) else str(value)
