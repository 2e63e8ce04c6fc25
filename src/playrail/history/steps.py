"""One call done again: a playbook with its input on hosts, what it sets, and what it may
need that others set.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from playrail.tools.lasting import Kind, Thing
from playrail.tools.tool import PlaybookTool, ToolInput

ANYTHING = Kind(name="")  # what a command may set


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
    things: Collection[tuple[str, Thing]] = ()


@dataclass(frozen=True, kw_only=True)
class Step:
    """One playbook with its input on hosts.

    `sets` is the thing that it sets, as the caller named it, None of a command; `thing` is
    the same by the name that the host itself has for it, such as a file's path without links.
    `secrets` are the fields whose value the record does not have, `hides_name`: the name of
    the thing is not known whole for one of them; `mark` is why it is not idempotent;
    `afresh`: what it leaves out is not as an earlier step set it.
    """

    source: Source
    tool: PlaybookTool[Any, Any]
    given: ToolInput
    hosts: Sequence[str]
    sets: Thing | None
    removes: bool = False
    afresh: bool = False
    secrets: Collection[str] = ()
    hides_name: bool = False
    mark: str | None = None
    thing: Thing | None = None

    @property
    def kind(self) -> Kind:
        return ANYTHING if self.sets is None else self.sets.kind

    @property
    def name(self) -> str:
        """Of what it sets: a path, a package, a unit."""
        return "" if self.sets is None else self.sets.name

    @property
    def title(self) -> str:
        """What a person calls it."""
        if self.sets is None or self.kind.name == self.tool.name:
            return self.tool.name
        words = str(self.sets)
        return f"{words[0].upper()}{words[1:]}"

    def may_need(self, earlier: Step) -> bool:
        """Whether it may need what an earlier step set."""
        needs = self.kind.needs
        return needs is None or earlier.kind.needs is None or earlier.kind.name in needs

    def comes_with(self, other: Step) -> bool | None:
        """Whether what it sets comes and goes with what the other step sets; None: it may."""
        if self.kind.comes_with is None or other.sets is None:
            return False
        return self.kind.comes_with(self.name, other.sets)

    def fails_without(self, later: Step) -> bool:
        """Whether it cannot be done again after `later`, which may remove what it needs."""
        return later.removes and self.comes_with(later) is not False

    def keeping(self, earlier: Step | None) -> Step:
        """The step, with what it leaves as an earlier one, which set the same thing, has
        set it.
        """
        if (
            earlier is None
            or self.afresh
            or self.removes
            or earlier.removes
            or self.tool.name != earlier.tool.name
        ):
            return self
        kept = {
            name: value
            for name in self.kind.keeps
            if name in type(self.given).model_fields
            and getattr(self.given, name) is None
            and (value := getattr(earlier.given, name)) is not None
        }
        if not kept:
            return self
        secrets = {*self.secrets, *(name for name in earlier.secrets if name in kept)}
        return replace(self, given=self.given.model_copy(update=kept), secrets=secrets)

    def yielding(self) -> Step:
        """The step without the arguments that hold no longer, as another one has changed the
        thing since.
        """
        yields = [name for name in self.kind.yields if getattr(self.given, name, None) is not None]
        if not yields:
            return self
        return replace(self, given=self.given.model_copy(update=dict.fromkeys(yields)))
