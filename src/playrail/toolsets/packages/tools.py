"""Packages of the system's package manager."""

from __future__ import annotations

from collections.abc import Sequence

from playrail.tools.lasting import Intent, Invocation, Thing
from playrail.tools.tool import Changing, PlaybookTool, Risk, by_field
from playrail.toolsets.packages.changes import PackageChanges
from playrail.toolsets.packages.effects import (
    UPGRADE,
    installed,
    intent,
    removed,
    undo_package,
)
from playrail.toolsets.packages.input import Packages
from playrail.toolsets.packages.upgrade import SystemUpdate


def _upgraded(_: Changing) -> Sequence[Intent]:
    call = Invocation(tool="update_system", arguments={})
    return (Intent(thing=Thing(UPGRADE, ""), call=call),)


update_system = PlaybookTool(
    name="update_system",
    summary="Upgrade all packages of a Debian or Ubuntu server, keeping configuration files.",
    risk=Risk.WRITE,
    input=Changing,
    playbook="packages/update_system.yml",
    report=SystemUpdate,
    timeout_s=1800,
    idempotent=True,
    interruptible=False,
    undo=undo_package,
    intents=_upgraded,
)


def _what_is_set(given: Packages) -> Sequence[Intent]:
    if given.state == "absent":
        return [intent(name, removed(name)) for name in given.names]
    newest = given.state == "latest"
    return [intent(name, installed(name, given.version), newest=newest) for name in given.names]


install_package = PlaybookTool(
    name="install_package",
    summary="Install, upgrade or remove software: packages by name, with their versions.",
    risk=by_field(
        "state", {"present": Risk.WRITE, "latest": Risk.WRITE}, otherwise=Risk.DESTRUCTIVE
    ),
    input=Packages,
    playbook="packages/install_package.yml",
    report=PackageChanges,
    timeout_s=1800,
    idempotent=True,
    interruptible=False,
    undo=undo_package,
    intents=_what_is_set,
)
