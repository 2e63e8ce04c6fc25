"""What is done to systemd units: what an action sets, and the one that takes a state back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Literal

from pydantic import Field

from playrail.tools.effects import Effect
from playrail.tools.fields import UnitName
from playrail.tools.lasting import Intent, Invocation, Kind, Thing
from playrail.tools.tool import Changing, OnHosts
from playrail.toolsets.files.effects import FILE
from playrail.toolsets.packages.effects import PACKAGE

UNIT_TYPES = (".service", ".socket", ".timer", ".path", ".target", ".mount")
BRINGS_BACK = {  # of a state before, the action that brings it back
    ("active", "active"): "start",
    ("active", "reloading"): "start",
    ("active", "refreshing"): "start",
    ("active", "inactive"): "stop",
    ("enabled", "enabled"): "enable",
    ("enabled", "disabled"): "disable",
}
ASPECTS = {  # of a unit, the one that an action sets
    "start": "active",
    "stop": "active",
    "restart": "active",
    "enable": "enabled",
    "disable": "enabled",
}

Action = Literal[
    "status", "start", "stop", "restart", "reload", "enable", "disable", "is-active", "is-enabled"
]


class Service(OnHosts):
    name: UnitName


class ServiceLook(Service):
    messages: bool = Field(default=False, description="Also its log.", examples=[True])


class ServiceAction(Changing, Service):
    action: Action = Field(
        description="reload starts nothing.",
        examples=["status"],
    )


def short_name(unit: str) -> str:
    """nginx.service is nginx too."""
    return unit.removesuffix(".service")


def _comes_with(name: str, other: Thing) -> bool | None:
    """A unit is made by its file, or by the package of its name; any package may be the one
    that has it.
    """
    unit = name if name.endswith(UNIT_TYPES) else f"{name}.service"
    stem, _, suffix = unit.rpartition(".")
    template, at, _ = stem.partition("@")
    if other.kind == PACKAGE:
        return other.name.partition(":")[0] == template or None
    if other.kind == FILE:
        return PurePath(other.name).name in (unit, f"{template}@.{suffix}" if at else unit)
    return None


def _wanted(arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A unit that is not there is neither started nor enabled."""
    action = arguments["action"]
    return None if action in ("stop", "disable") else {"action": action}


SERVICE = Kind(
    name="service",
    needs=("file", "package"),
    comes_with=_comes_with,
    carrier="unit",
    gone_code="service_not_found",
    wanted=_wanted,
    is_work=False,
)
# What is done to what runs, so that it is as what was set before says: a service that the
# installation of its package started does not know the files that were written after that.
RESTART = Kind(
    name="restart",
    needs=("file", "package"),
    comes_with=_comes_with,
    carrier="unit",
    drifts=False,
    is_work=False,
)
RELOAD = Kind(
    name="reload",
    needs=("file", "package", "service"),
    comes_with=_comes_with,
    carrier="unit",
    drifts=False,
    is_work=False,
)
ACTIONS = {"restart": RESTART, "reload": RELOAD}


def _call(name: str, action: str) -> Invocation:
    return Invocation(tool="manage_service", arguments={"name": name, "action": action})


def undo_service(effect: Effect) -> Invocation | str:
    """The action that gives a unit its former state. A unit can be started and stopped, but
    not made to fail, and one that has failed is not made inactive by stopping it.
    """
    before, after = effect.before or {}, effect.after or {}
    if effect.after is None:
        return f"{effect.name} is gone with its stop; only what made it can make it again."
    changes = [
        (key, before.get(key), after.get(key))
        for key in ("active", "enabled")
        if before.get(key) != after.get(key)
    ]
    actions = [
        BRINGS_BACK.get((key, was or ""))
        for key, was, now in changes
        if (was, now) != ("inactive", "failed")
    ]
    if len(actions) == len(changes) == 1 and actions[0] is not None:
        return _call(effect.name, actions[0])
    told = " and ".join(f"{was or 'in an unknown state'}, now {now}" for _, was, now in changes)
    return f"{effect.name} was {told}: no action of manage_service brings that back."


def what_is_set(given: ServiceAction) -> Sequence[Intent]:
    """What is to hold after an action; a restart is done again, too."""
    intents = []
    if given.action in ACTIONS:
        thing = Thing(ACTIONS[given.action], given.name)
        call = _call(given.name, given.action)
        intents.append(Intent(thing=thing, call=call, again=True))
    if given.action in ASPECTS:
        name = short_name(given.name)
        action = "start" if given.action == "restart" else given.action
        thing = Thing(SERVICE, name, ASPECTS[given.action])
        intents.append(Intent(thing=thing, call=_call(name, action)))
    return intents
