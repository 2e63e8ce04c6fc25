"""What is written down: a frozen record for each kind of entry. No other module knows the
keys of bodies.

A body is its record's fields as JSON, and the version of the record. A reader takes what it
knows: a key that it does not know was written by a newer Playrail, and one that is missing
by an older one. SCHEMA.md tells what each key means.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from playrail.ledger.json_records import OtherForm, as_json, read_fields
from playrail.tasks import TaskResult

Kind = Literal[
    "refused",
    "started",
    "events",
    "capture",
    "ended",
    "interrupted",
    "plan",
    "approval",
    "closed",
    "checkpoint",
]
State = Mapping[str, Any] | None
"""How a thing on a host is, or was; None where it is not there."""

VERSION = "version"  # the key; a body without it is of version 1
SECRET_CONTENT = "secret"  # noqa: S105  in a state: why its content is left out
NO_CONTENT = hashlib.sha256(b"").hexdigest()  # of an empty file, in which no secret is
# What stood in bodies of version 1, which do not name what they hide, for a secret within a
# value, and for a value that was one
OLD_MARK, OLD_SECRET = "********", "(secret)"


class Misshapen(ValueError):
    """A body that this Playrail cannot read. `newer`: a newer one wrote it."""

    def __init__(self, why: str, *, newer: bool = False) -> None:
        super().__init__(why)
        self.newer = newer


@dataclass(frozen=True, kw_only=True)
class Body:
    """What an entry of one kind holds."""

    KIND: ClassVar[Kind]
    NEWEST: ClassVar[int] = 1
    """The version that is written."""

    def to_body(self) -> dict[str, Any]:
        """The record as JSON data."""
        return {VERSION: self.NEWEST, **as_json(self)}

    @classmethod
    def of_body(cls, body: Any) -> Self:
        """The record that a body holds. Raises Misshapen."""
        if not isinstance(body, Mapping):
            raise Misshapen("its body is no object")
        try:
            return cls(**cls.known(body))
        except OtherForm as field:
            why = f"'{field}' in it has another form"
            raise Misshapen(why, newer=_version(body) > cls.NEWEST) from None

    @classmethod
    def known(cls, body: Mapping[str, Any]) -> dict[str, Any]:
        """The record's fields, as a body has them; what it does not have is empty."""
        return read_fields(cls, body)


@dataclass(frozen=True, kw_only=True)
class Refused(Body):
    """Nothing was run. `hidden` names the arguments whose value is not here."""

    KIND: ClassVar[Kind] = "refused"
    outcome: str
    reason: str | None
    parent: str | None
    arguments: Mapping[str, Any] | None
    hosts: tuple[str, ...] | None
    hidden: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Started(Body):
    """A call is about to run. `hidden` names the arguments whose value is not here, for it
    is, or holds, a secret.
    """

    KIND: ClassVar[Kind] = "started"
    NEWEST: ClassVar[int] = 2
    arguments: Mapping[str, Any]
    hidden: tuple[str, ...]
    hosts: tuple[str, ...]
    risk: str | None
    preview: bool
    run: str | None
    playbook: str | None
    command: str | None
    plan: str | None
    parent: str | None

    @classmethod
    def known(cls, body: Mapping[str, Any]) -> dict[str, Any]:
        """In version 1 a mark was all that told of a hidden argument."""
        read = super().known(body)
        if _version(body) == 1:
            read["hidden"] = tuple(
                name for name, value in read["arguments"].items() if _is_marked(value)
            )
        return read


@dataclass(frozen=True, kw_only=True)
class Events(Body):
    """What Ansible did. Of calls that only read no results are kept."""

    KIND: ClassVar[Kind] = "events"
    run: str
    preview: bool
    tasks: tuple[TaskResult, ...]
    text: str | None
    """What Ansible said outside of any task."""
    cut: bool


@dataclass(frozen=True, kw_only=True)
class CapturedEffect:
    """One thing on a host that was changed. `hidden` names what is not as it was, for it
    held a secret: `name`, or a key of a state such as `before.link`.
    """

    kind: str
    name: str
    before: State
    after: State
    hidden: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(isinstance(state.get("content", ""), str) for state in self._states()):
            raise TypeError("a content is no text")

    def _states(self) -> Iterator[Mapping[str, Any]]:
        return (state for state in (self.before, self.after) if state is not None)

    @property
    def withheld(self) -> set[str]:
        """The hashes of contents that are secret."""
        hashes = (
            state.get("sha256")
            for state in self._states()
            if state.get("left_out") == SECRET_CONTENT
        )
        return {found for found in hashes if isinstance(found, str)} - {NO_CONTENT}


@dataclass(frozen=True, kw_only=True)
class Capture(Body):
    """What a run changed on each host, with what is needed to take it back."""

    KIND: ClassVar[Kind] = "capture"
    NEWEST: ClassVar[int] = 2
    run: str
    effects: Mapping[str, tuple[CapturedEffect, ...]]

    @classmethod
    def known(cls, body: Mapping[str, Any]) -> dict[str, Any]:
        """In version 1 a mark was all that told of a hidden part."""
        if _version(body) > 1 or not isinstance(body.get("effects"), Mapping):
            return super().known(body)
        read = super().known(body)
        return {
            **read,
            "effects": {
                host: tuple(map(_with_old_marks, effects))
                for host, effects in read["effects"].items()
            },
        }

    @property
    def withheld(self) -> set[str]:
        """The hashes of contents that are secret."""
        return {
            found for effects in self.effects.values() for one in effects for found in one.withheld
        }


@dataclass(frozen=True, kw_only=True)
class Ended(Body):
    """A call ended. `failed` has the code of each host that failed."""

    KIND: ClassVar[Kind] = "ended"
    outcome: str
    error: str | None
    changed: tuple[str, ...]
    failed: Mapping[str, str]
    duration_ms: int | None


@dataclass(frozen=True, kw_only=True)
class Interrupted(Body):
    """Its process died during the call."""

    KIND: ClassVar[Kind] = "interrupted"
    outcome: str
    hosts: tuple[str, ...]
    note: str | None


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """One call of a tool that a plan makes, with a mark for each secret among its
    arguments.
    """

    tool: str
    arguments: Mapping[str, Any]
    hosts: tuple[str, ...]
    risk: str
    would_run: str


@dataclass(frozen=True, kw_only=True)
class PlanMade(Body):
    """A plan was made."""

    KIND: ClassVar[Kind] = "plan"
    plan: str
    hash: str
    caller: str
    made_at: str
    expires_at: str
    steps: tuple[PlannedStep, ...]
    parts: Mapping[str, str]
    items: Mapping[str, Mapping[str, str]]
    changes: Mapping[str, Sequence[Mapping[str, Any]]]
    not_previewed: Mapping[str, Sequence[str]]
    approval: str | None
    held: bool
    undoes: str | None
    not_undone: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Approval(Body):
    """Somebody was asked about a plan, or answered."""

    KIND: ClassVar[Kind] = "approval"
    plan: str
    hash: str
    how: str
    answer: str
    by: str
    expires_at: str | None
    proves: str | None


@dataclass(frozen=True, kw_only=True)
class Closed(Body):
    """A plan's end."""

    KIND: ClassVar[Kind] = "closed"
    plan: str
    outcome: str
    by: str


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Body):
    """The records up to `upto` were pruned, or are about to be. `withheld` are the hashes of
    secret contents of which they told.
    """

    KIND: ClassVar[Kind] = "checkpoint"
    upto: int | None
    hash: str | None
    records: int | None
    because: Mapping[str, Any]
    withheld: tuple[str, ...]


BODIES: Mapping[str, type[Body]] = {
    body.KIND: body
    for body in (
        Refused,
        Started,
        Events,
        Capture,
        Ended,
        Interrupted,
        PlanMade,
        Approval,
        Closed,
        Checkpoint,
    )
}


def wrong_with(kind: str, body: Any) -> Misshapen | None:
    """Why a body of this kind cannot be read; None where it can. Of a kind that this
    Playrail does not know it cannot tell.
    """
    try:
        BODIES.get(kind, Body).of_body(body)
    except Misshapen as wrong:
        return wrong
    return None


def withheld_in(kind: str, body: Any) -> set[str]:
    """The hashes of secret contents of which a `capture` or a `checkpoint` tells."""
    if kind == Checkpoint.KIND:
        return set(Checkpoint.of_body(body).withheld)
    return Capture.of_body(body).withheld


def _version(body: Mapping[str, Any]) -> int:
    version = body.get(VERSION, 1)
    return version if isinstance(version, int) else 1


def _is_marked(value: Any) -> bool:
    return value == OLD_SECRET or OLD_MARK in json.dumps(value)


def _with_old_marks(effect: CapturedEffect) -> CapturedEffect:
    states = {"before": effect.before or {}, "after": effect.after or {}}
    inside = (
        f"{side}.{key}"
        for side, state in states.items()
        for key, value in state.items()
        if key != "content" and _is_marked(value)
    )
    hidden = (*(["name"] if _is_marked(effect.name) else []), *inside)
    return CapturedEffect(**{**vars(effect), "hidden": hidden})
