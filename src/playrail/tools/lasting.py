"""What lasts on hosts: the kinds of things that tools set, and the calls that set them.

A toolset declares its kinds beside its tools. Undo, drift, export and folding know a kind by
its declaration alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """A call of a tool: its name, and its arguments without `server`."""

    tool: str
    arguments: Mapping[str, Any]
    removes: bool = False
    """Whether the thing is gone after it."""
    leaves: tuple[str, ...] = ()
    """Of a call that takes an effect back: what it does not bring back, in sentences."""


def as_it_is(name: str) -> Sequence[str]:
    """The spellings of a name that has one alone."""
    return (name,)


def all_arguments(arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The state that a call sets, where its arguments tell it."""
    return arguments


@dataclass(frozen=True, kw_only=True, eq=False)
class Kind:
    """A kind of thing that lasts, such as a file. Two kinds of one name are the same.

    What a field leaves unsaid is what holds of a kind of which nothing is known.
    """

    name: str
    """As the ledger has it, and as people read it: `file`."""
    plural: str = ""
    """Where that is not the name with an s."""
    new: str | None = None
    """What people read of one that is new; None: its state."""

    needs: Collection[str] | None = None
    """Names of the kinds that must be set before it can be. None: not known; then it may need
    anything, and anything may need it.
    """
    keeps: Collection[str] = ()
    """Arguments that, left out, leave what an earlier call set."""
    yields: Collection[str] = ()
    """Arguments that hold no longer once another call has changed the thing."""
    spellings: Callable[[str], Sequence[str]] = as_it_is
    """How hosts may write a name that a caller gave, the likeliest first."""
    has_aliases: bool = True
    """Whether a host may know it by another name: a file behind a link, a unit by its id."""
    comes_with: Callable[[str, Thing], bool | None] | None = None
    """Whether the thing of this name comes and goes with another one, as a service does with
    its unit's file. None: it may.
    """
    carrier: str = "source"
    """The word for what it comes and goes with."""

    drifts: bool = True
    """Whether it is meant to stay as it was set."""
    gone_code: str | None = None
    """The code with which a call fails when the thing has gone with all around it."""
    wanted: Callable[[Mapping[str, Any]], Mapping[str, Any] | None] = all_arguments
    """The state that a call with these arguments sets. None: one that a thing which is not
    there has as well.
    """

    is_work: bool = True
    """Whether its state is somebody's work, which must not get lost; that a service was
    stopped is none.
    """
    not_compared: Collection[str] = ()
    """Keys of a state that tell what was changed beside the thing."""
    guards: Collection[str] = ()
    """Arguments that refuse a call when the thing is not as it was left."""
    restored_in_order: bool = False
    """Whether several things come back in the order in which they went, not the last first."""
    restored_alone: str = ""
    """A sentence for people when one cannot come back, because each comes back by itself."""
    remove_several: Callable[[Sequence[str]], Invocation] | None = None
    """The call that removes several of these names at once."""
    most_removed: int = 1
    """How many that call takes."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kind) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def counted(self, count: int) -> str:
        """So many of them, in words: `2 files`."""
        return f"{count} {self.name if count == 1 else self.plural or f'{self.name}s'}"


Kinds = Mapping[str, Kind]  # by their names


def kind_named(name: str, kinds: Kinds) -> Kind:
    """The kind of that name, also when its toolset is not there any more."""
    return kinds.get(name) or Kind(name=name)


@dataclass(frozen=True)
class Thing:
    """One thing on a host, or one aspect of it: that the service nginx is active."""

    kind: Kind
    name: str
    aspect: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.kind.name, self.name, self.aspect)))


@dataclass(frozen=True, kw_only=True)
class Intent:
    """What is to hold of a thing after a call: the call that sets just that."""

    thing: Thing
    call: Invocation
    again: bool = False
    """Whether it is an action, such as a restart, which is done again each time."""
    afresh: bool = False
    """Whether what it leaves out is not as an earlier call set it either."""
