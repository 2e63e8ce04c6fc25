"""Plans: what would be done, seen before it is done. Data and rules only; planning.py makes
and carries them out.

A plan is bound to all that decides what it does: each of its `parts` is a hash, and a plan
is carried out only as long as all of them are the same. Nobody can change a plan: it lies
in the ledger.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

from playrail.canonical import digest
from playrail.ledger.entries import PlanMade, PlannedStep
from playrail.policy.rules import Decision
from playrail.safe_text.visible import all_visible
from playrail.tools.effects import Effect, diff_of, shown
from playrail.tools.planned import PlanShort, PlanView

LIFETIME = timedelta(hours=24)  # of a plan: an operator who has to approve it may be asleep
GRANT_LIFETIME = timedelta(hours=1)  # of an approval
MOST_DIFF_CHARACTERS = 100_000  # of all of a plan's diffs
MOST_ECHOED = 1024  # bytes of an argument that go back to who sent it

Approval = Literal["none", "client", "operator"]
PROVES = {
    "client": "the client says that its user approved; not that a person did",
    "operator": "somebody with the rights of the state directory approved on a terminal",
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One call of a tool that a plan makes. `arguments` are as the caller gave them, with
    HIDDEN for each secret.
    """

    tool: str
    arguments: Mapping[str, Any]
    hosts: tuple[str, ...]
    risk: str
    would_run: str
    """The `ansible-playbook` line, or the request to an API."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A step with its arguments as they are, secrets in them."""

    step: Step
    arguments: Mapping[str, Any]

    @property
    def has_secrets(self) -> bool:
        return dict(self.arguments) != dict(self.step.arguments)


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """What check mode said of a step: per host what would change, and what only a real run
    would tell.
    """

    effects: Mapping[str, Sequence[Effect]] = field(default_factory=dict)
    unforeseen: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, several: Sequence[Foreseen]) -> Self:
        """Those of all steps together."""
        effects: dict[str, list[Effect]] = {}
        unforeseen: dict[str, list[str]] = {}
        for one in several:
            for host, found in one.effects.items():
                effects.setdefault(host, []).extend(found)
            for host, sentences in one.unforeseen.items():
                unforeseen.setdefault(host, []).extend(sentences)
        return cls(effects=effects, unforeseen=unforeseen)

    def digest(self) -> str:
        """The same for the same changes."""
        told = {
            host: [shown(effect) for effect in effects]
            for host, effects in self.effects.items()
            if effects
        }
        return digest(
            [
                told,
                {host: list(sentences) for host, sentences in self.unforeseen.items() if sentences},
            ]
        )


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What steps stand on: each part that decides what they do, by its items, and what
    policy says of them together.
    """

    parts: Mapping[str, Mapping[str, str]]
    decision: Decision


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was proposed. `changes` are JSON data for people and models, per host; `parts`
    the hash of each part.
    """

    plan_id: str
    caller: str
    made_at: str
    expires_at: str
    steps: tuple[Step, ...]
    parts: Mapping[str, str]
    changes: Mapping[str, Sequence[Mapping[str, Any]]]
    not_previewed: Mapping[str, Sequence[str]]
    approval: Approval = "none"
    held: bool = False
    """Whether its arguments hold secrets, which only the process has that made it, and
    nothing else.
    """
    undoes: str | None = None
    not_undone: tuple[str, ...] = ()
    items: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of what the parts consist, each with its hash; a part's own is that of its items."""

    @property
    def hash(self) -> str:
        steps = [_step(step) for step in self.steps]
        return digest(
            [self.plan_id, self.caller, self.expires_at, steps, dict(self.parts), self.undoes]
        )

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(host for step in self.steps for host in step.hosts))

    def has_expired(self, now: datetime) -> bool:
        return now >= datetime.fromisoformat(self.expires_at)

    def entry(self) -> PlanMade:
        """The plan as the ledger has it."""
        return PlanMade(
            plan=self.plan_id,
            hash=self.hash,
            caller=self.caller,
            made_at=self.made_at,
            expires_at=self.expires_at,
            steps=tuple(PlannedStep(**vars(step)) for step in self.steps),
            parts=self.parts,
            items=self.items,
            changes=self.changes,
            not_previewed=self.not_previewed,
            approval=self.approval,
            held=self.held,
            undoes=self.undoes,
            not_undone=self.not_undone,
        )

    @classmethod
    def of_entry(cls, entry: PlanMade) -> Self:
        """The plan that was written down. An approval that this Playrail does not know is an
        operator's.
        """
        words: dict[str | None, Approval] = {None: "none", "none": "none", "client": "client"}
        return cls(
            plan_id=entry.plan,
            caller=entry.caller,
            made_at=entry.made_at,
            expires_at=entry.expires_at,
            steps=tuple(Step(**vars(step)) for step in entry.steps),
            parts=entry.parts,
            changes=entry.changes,
            not_previewed=entry.not_previewed,
            approval=words.get(entry.approval, "operator"),
            held=entry.held,
            undoes=entry.undoes,
            not_undone=entry.not_undone,
            items=entry.items,
        )

    def short(self) -> PlanShort:
        """The plan in a list."""
        return PlanShort(
            plan_id=self.plan_id,
            tools=[step.tool for step in self.steps],
            hosts=list(self.hosts),
            would_change=[host for host, changes in self.changes.items() if changes],
            needs_approval_by=None if self.approval == "none" else self.approval,
            made_at=self.made_at,
            expires_at=self.expires_at,
        )

    def view(self, **more: Any) -> PlanView:
        """The plan as a caller is told of it, with `more` about what became of it."""
        return PlanView.model_validate({**self.told(), **more})

    def told(self, *, whole: bool = False) -> dict[str, Any]:
        """The plan as data, without what only the ledger needs; what shows nothing is told
        as escapes.

        What would be run is told where no change is. For a caller, who has them, long
        arguments are told by their size and hash; `whole` tells all.
        """
        left_out = {"would_run"} if any(self.changes.values()) else set()
        steps = [
            {name: value for name, value in _step(step).items() if name not in left_out}
            for step in self.steps
        ]
        if not whole:
            for step in steps:
                step["arguments"] = {
                    name: echoed(value) for name, value in step["arguments"].items()
                }
                if "would_run" in step:
                    step["would_run"] = echoed(step["would_run"])
        told: dict[str, Any] = {
            "plan_id": self.plan_id,
            "hash": self.hash,
            "expires_at": self.expires_at,
            "needs_approval_by": None if self.approval == "none" else self.approval,
            "hosts": list(self.hosts),
            "steps": steps,
            "would_change": [host for host, found in self.changes.items() if found],
            "changes": {host: list(found) for host, found in self.changes.items() if found},
            "not_previewed": {
                host: list(found) for host, found in self.not_previewed.items() if found
            },
        }
        if self.undoes is not None:
            told |= {"undoes": self.undoes, "not_undone": list(self.not_undone)}
        shown: dict[str, Any] = all_visible(told)
        return shown


def new_plan_id() -> str:
    return f"plan-{secrets.token_hex(8)}"


def expiry(now: datetime, lifetime: timedelta = LIFETIME) -> str:
    return (now.astimezone(UTC) + lifetime).isoformat(timespec="seconds")


def echoed(value: Any) -> Any:
    """An argument as it goes back to a caller, who has it: of a long one its size and hash."""
    text = (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    )
    data = text.encode(errors="surrogatepass")
    if len(data) <= MOST_ECHOED:
        return value
    return {"left_out": True, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _step(step: Step) -> dict[str, Any]:
    return {**vars(step), "hosts": list(step.hosts)}


def changes_of(foreseen: Foreseen) -> dict[str, list[dict[str, Any]]]:
    """Per host what would change, with diffs in place of contents, as far as these fit into
    one answer.
    """
    left = MOST_DIFF_CHARACTERS
    changes: dict[str, list[dict[str, Any]]] = {}
    for host, effects in foreseen.effects.items():
        for effect in effects:
            told = shown(effect)
            if (text := diff_of(effect)) is not None:
                fits = len(text[0]) <= left
                left -= len(text[0]) if fits else 0
                told |= {"diff": text[0] if fits else None, "diff_cut": text[1] or not fits}
            changes.setdefault(host, []).append(told)
    return changes
