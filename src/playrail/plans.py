"""Plans: what would be done, seen before it is done. Data and rules only; planning.py makes and carries them out.

A plan is bound to all that decides what it does: each of its `parts` is a hash, and a plan is carried out only as long
as all of them are the same. Nobody can change a plan: it lies in the ledger.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

from playrail.ansible.digests import digest
from playrail.diffs import in_one_line, unified
from playrail.tool import Effect

LIFETIME = timedelta(hours=24)  # of a plan: an operator who has to approve it may be asleep
GRANT_LIFETIME = timedelta(hours=1)  # of an approval
MOST_DIFF_CHARACTERS = 100_000  # of all of a plan's diffs

Approval = Literal["none", "client", "operator"]
PROVES = {
    "client": "the client says that its user approved; not that a person did",
    "operator": "somebody with the rights of the state directory approved on a terminal",
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One call of a tool that a plan makes. `arguments` are as the caller gave them, with SECRET for each secret."""

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
    """What check mode said of a step: per host what would change, and what only a real run would tell."""

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
        told = {host: [_shown(effect) for effect in effects] for host, effects in self.effects.items() if effects}
        return digest([told, {host: list(sentences) for host, sentences in self.unforeseen.items() if sentences}])


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was proposed. `changes` are JSON data for people and models, per host; `parts` the hash of each part."""

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
    """Whether its arguments hold secrets, which only the process has that made it, and nothing else."""
    undoes: str | None = None
    not_undone: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        steps = [_step(step) for step in self.steps]
        return digest([self.plan_id, self.caller, self.expires_at, steps, dict(self.parts), self.undoes])

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(host for step in self.steps for host in step.hosts))

    def has_expired(self, now: datetime) -> bool:
        return now >= datetime.fromisoformat(self.expires_at)

    def body(self) -> dict[str, Any]:
        """The plan as JSON data for the ledger."""
        told = {**vars(self), "steps": [_step(step) for step in self.steps], "hash": self.hash}
        return {"plan": told.pop("plan_id"), **told}

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        known = {key: value for key, value in body.items() if key not in {"plan", "hash", "steps", "not_undone"}}
        steps = tuple(Step(**{**step, "hosts": tuple(step["hosts"])}) for step in body["steps"])
        return cls(plan_id=body["plan"], steps=steps, not_undone=tuple(body["not_undone"]), **known)

    def told(self) -> dict[str, Any]:
        """The plan for a caller, without what only the ledger needs. What would be run is told where no change is."""
        left_out = {"would_run"} if any(self.changes.values()) else set()
        steps = [{name: value for name, value in _step(step).items() if name not in left_out} for step in self.steps]
        told: dict[str, Any] = {
            "plan_id": self.plan_id,
            "hash": self.hash,
            "expires_at": self.expires_at,
            "needs_approval_by": None if self.approval == "none" else self.approval,
            "hosts": list(self.hosts),
            "steps": steps,
            "would_change": [host for host, found in self.changes.items() if found],
            "changes": {host: list(found) for host, found in self.changes.items() if found},
            "not_previewed": {host: list(found) for host, found in self.not_previewed.items() if found},
        }
        if self.undoes is not None:
            told |= {"undoes": self.undoes, "not_undone": list(self.not_undone)}
        return told

    def in_words(self, *, most: int | None = None) -> str:
        """The plan for a person who is to approve it: hosts, risk, arguments, and in short what would change.

        With `most` at most so many characters; when that leaves something out, the first line says so.
        """
        lines = [f"Plan {self.plan_id} of {self.caller}:"]
        for step in self.steps:
            lines.append(f"  {step.tool} ({step.risk}) on {', '.join(step.hosts)}")
            lines += [f"    {name}: {json.dumps(value, ensure_ascii=False)}" for name, value in step.arguments.items()]
        for host, found in self.changes.items():
            lines += [f"  {host}: {in_short(change)}" for change in found]
        for host, sentences in self.not_previewed.items():
            lines += [f"  {host}: not previewed: {sentence}" for sentence in sentences]
        if not any(self.changes.values()) and not any(self.not_previewed.values()):
            lines.append("  Nothing would change.")
        text = "\n".join(map(in_one_line, lines))
        if most is None or len(text) <= most:
            return text
        missing = f"NOT ALL OF THIS PLAN CAN BE SHOWN HERE: `playrail plan {self.plan_id}` shows it."
        return f"{missing}\n{text[:most]}…"


def new_plan_id() -> str:
    return f"plan-{secrets.token_hex(8)}"


def expiry(now: datetime, lifetime: timedelta = LIFETIME) -> str:
    return (now.astimezone(UTC) + lifetime).isoformat(timespec="seconds")


def _step(step: Step) -> dict[str, Any]:
    return {**vars(step), "hosts": list(step.hosts)}


def differing(made: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The parts that are not the same."""
    return [name for name in made if made[name] != now.get(name)]


def changes_of(foreseen: Foreseen) -> dict[str, list[dict[str, Any]]]:
    """Per host what would change, with diffs in place of contents, as far as these fit into one answer."""
    left = MOST_DIFF_CHARACTERS
    changes: dict[str, list[dict[str, Any]]] = {}
    for host, effects in foreseen.effects.items():
        for effect in effects:
            told = _shown(effect)
            if (text := _diff(effect)) is not None:
                fits = len(text[0]) <= left
                left -= len(text[0]) if fits else 0
                told |= {"diff": text[0] if fits else None, "diff_cut": text[1] or not fits}
            changes.setdefault(host, []).append(told)
    return changes


def in_short(change: Mapping[str, Any]) -> str:
    """One line about a change: `file /etc/motd: +3 -1 lines, mode 0600 → 0644`."""
    before, after = change["before"], change["after"]
    if before is None:
        told = ["new" if change["kind"] == "file" else _state(after)]
    elif after is None:
        told = ["removed"]
    else:
        kept = {"sha256", "left_out"}
        differs = [key for key in after if before.get(key) != after[key] and key not in kept]
        told = [f"{key} {before.get(key)} → {after[key]}" for key in differs]
    if isinstance(diff := change.get("diff"), str):
        lines = diff.split("\n")
        added = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
        gone = sum(line.startswith("-") and not line.startswith("---") for line in lines)
        told.insert(0, f"+{added} -{gone} lines")
    return f"{change['kind']} {change['name']}: {', '.join(told) or 'other content'}"


def _state(state: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in state.items())


def _shown(effect: Effect) -> dict[str, Any]:
    return {
        "kind": effect.kind,
        "name": in_one_line(effect.name),
        "before": _without_content(effect.before),
        "after": _without_content(effect.after),
    }


def _without_content(state: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if state is None else {key: value for key, value in state.items() if key not in ("content", "encoding")}


def _diff(effect: Effect) -> tuple[str, bool] | None:
    """The unified diff of a file whose content is known on both sides, and whether it was cut."""
    if effect.kind != "file":
        return None
    sides = (effect.before, effect.after)
    before, after = (None if state is None else state.get("content") for state in sides)
    known = all(state is None or is_text(state) for state in sides)
    return unified(before, after, name=effect.name) if known else None


def is_text(state: Mapping[str, Any]) -> bool:
    """Whether the state of a file has its content, and that as text."""
    return "content" in state and "encoding" not in state
