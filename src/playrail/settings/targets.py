"""The kinds of servers that the settings may name, each in a line."""

from __future__ import annotations

from playrail.settings.mikrus_server import MikrusServer
from playrail.settings.ssh_server import SshServer
from playrail.settings.target import Target

TARGETS: dict[str, type[Target]] = {
    SshServer.kind: SshServer,
    MikrusServer.kind: MikrusServer,
}
UNTYPED = MikrusServer.kind  # what an entry without a type is


def own_connections() -> dict[str, type[Target]]:
    """The kinds that a connection plugin of Playrail's own leads to, by its name."""
    return {kind.own_connection: kind for kind in TARGETS.values() if kind.own_connection}
