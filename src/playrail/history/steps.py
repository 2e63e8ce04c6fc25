"""One call done again: a playbook with its input on hosts, what it sets, and what it may
need that others set.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from playrail.tools.tool import PlaybookTool, ToolInput

# What a step may need that others have set before it. One that is not in here may need
# anything.
NEEDS: Mapping[str, Collection[str]] = {
    "file": ("package",),  # an owner, a directory
    "package": ("file",),  # a source of packages
    "service": ("file", "package"),
    "restart": ("file", "package"),
    "reload": ("file", "package", "service"),
    "update_system": ("file", "package"),
}
# What manage_service does to what runs, so that it is as what was set before says: a
# service that the installation of its package started does not know the files that were
# written after that.
ACTIONS = ("restart", "reload")
# Fields that, left unset, leave what an earlier call set
KEPT = ("mode", "owner", "group", "version")
UNIT_TYPES = (".service", ".socket", ".timer", ".path", ".target", ".mount")


@dataclass(frozen=True, kw_only=True)
class Source:
    """The call that something comes from, as its record tells it."""

    at: str
    run: str | None
    call: str
    caller: str
    tool: str


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """What a call did, or may have done, on hosts, and why no step does it again.

    `things` are what it was to set, by the names that hosts have for it, each behind its
    host.
    """

    source: Source
    hosts: Sequence[str]
    why: str
    things: Collection[tuple[str, str]] = ()


@dataclass(frozen=True, kw_only=True)
class Step:
    """One playbook with its input on hosts.

    `key` is what it sets, None of a command; `thing` is the same by the name that the host
    itself has for it, such as a file's path without links. `secrets` are the fields whose
    value the record does not have, `hides_name` is whether one is in the key; `mark` is why it
    is not idempotent; `newest`: it asked
    for the newest version, whatever was asked for before.
    """

    source: Source
    tool: PlaybookTool[Any, Any]
    given: ToolInput
    hosts: Sequence[str]
    key: str | None
    secrets: Collection[str] = ()
    hides_name: bool = False
    mark: str | None = None
    thing: str | None = None
    newest: bool = False

    @property
    def kind(self) -> str:
        return (self.key or "").partition(" ")[0]

    @property
    def name(self) -> str:
        """Of what it sets: a path, a package, a unit."""
        rest = (self.key or "").partition(" ")[2]
        return rest.partition(" ")[0] if self.is_of_a_unit else rest

    @property
    def title(self) -> str:
        """What a person calls it."""
        key = self.key or self.tool.name
        return self.tool.name if key.startswith(self.tool.name) else f"{key[0].upper()}{key[1:]}"

    @property
    def removes(self) -> bool:
        return self.tool.name == "remove_file" or getattr(self.given, "state", None) == "absent"

    @property
    def is_of_a_unit(self) -> bool:
        return self.kind in ("service", *ACTIONS)

    def may_need(self, earlier: Step) -> bool:
        return (
            self.kind not in NEEDS or earlier.kind not in NEEDS or earlier.kind in NEEDS[self.kind]
        )

    def fails_without(self, later: Step) -> bool:
        """Whether it cannot be done again after `later`: of a service whose unit may be
        gone then.
        """
        return (
            self.kind == "service"
            and later.removes
            and (later.kind != "file" or self.is_of_the_unit_of(later))
        )

    def is_of_the_unit_of(self, other: Step) -> bool:
        """Whether it is about a unit that `other` makes or removes: a unit's file, or the
        package of that name.
        """
        if not self.is_of_a_unit or other.kind not in ("file", "package"):
            return False
        unit = self.name if self.name.endswith(UNIT_TYPES) else f"{self.name}.service"
        name, _, kind = unit.rpartition(".")
        template = name.partition("@")[0]
        if other.kind == "package":
            return other.name.partition(":")[0] == template
        return PurePath(other.name).name in (unit, f"{template}@.{kind}" if "@" in name else unit)

    def keeping(self, earlier: Step | None) -> Step:
        """The step, with what it leaves as an earlier one, which set the same thing, has
        set it.
        """
        if (
            earlier is None
            or self.newest
            or self.removes
            or earlier.removes
            or self.tool.name != earlier.tool.name
        ):
            return self
        kept = {
            name: getattr(earlier.given, name, None)
            for name in KEPT
            if name in type(self.given).model_fields
        }
        kept = {
            name: value
            for name, value in kept.items()
            if value is not None and getattr(self.given, name) is None
        }
        if not kept:
            return self
        secrets = {*self.secrets, *(name for name in earlier.secrets if name in kept)}
        return replace(self, given=self.given.model_copy(update=kept), secrets=secrets)

    def of_any_version(self) -> Step:
        """The step without its version, which something else has changed since."""
        if getattr(self.given, "version", None) is None:
            return self
        return replace(self, given=self.given.model_copy(update={"version": None}))
