"""Which calls undo makes of what is on the hosts now, where some hosts or packages are not
as the run left them.

The door is a stand-in that says what a look at a host told; tests/plans/test_undo.py takes real
changes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from playrail import catalog
from playrail.calls.call import Call
from playrail.codes.every import named
from playrail.errors import ChangedSince, Denied, LimitReached, NotUndoable, PlayrailError, Problem
from playrail.ledger.ledger import Entry, Ledger
from playrail.plans.door import Door as PlansDoor
from playrail.plans.plan import Basis, Foreseen, Plan, Prepared, Step
from playrail.plans.planning import Planning
from playrail.plans.undo import undo
from playrail.policy.rules import Decision
from playrail.safe_text.secrets import Secrets
from playrail.settings.settings import Settings
from playrail.tools.effects import Effect
from playrail.tools.lasting import Kind
from worlds.callers import ANN

RUN = "20260131-120000-0a1b2c3d"
OLD = {"sha256": "0" * 64, "mode": "0644", "owner": "root", "group": "root", "content": "old"}
NEW = {"sha256": "1" * 64, "mode": "0644", "owner": "root", "group": "root", "content": "new"}

Told = Foreseen | PlayrailError


def file(before: Any, after: Any, name: str = "/x") -> Effect:
    return Effect(kind="file", name=name, before=before, after=after)


def package(name: str, before: str | None, after: str | None) -> Effect:
    states = ({"version": version} if version else None for version in (before, after))
    return Effect(kind="package", name=name, **dict(zip(("before", "after"), states, strict=True)))


def seen(host: str, *effects: Effect) -> Foreseen:
    return Foreseen(effects={host: effects})


def failed(code: str = "unreachable") -> PlayrailError:
    return PlayrailError.of(Problem(code=named(code), error=f"It is {code}.", hint=""))


def no_secrets() -> Secrets:
    return Secrets(Settings(state_dir=Path("/nowhere"), runtime_dir=Path("/nowhere")), {})


@dataclass
class Door:
    """Tells of each call, known by its host and what it names, what was said of it."""

    ledger: Ledger
    said: Mapping[tuple[str, str], Told]
    tools: Mapping[str, Any] = field(default_factory=catalog.load)
    kinds: Mapping[str, Kind] = field(default_factory=catalog.kinds)
    proposed: dict[str, Any] = field(default_factory=dict)

    secrets: Secrets = field(default_factory=no_secrets)

    async def prepare(self, name: str, arguments: Mapping[str, Any]) -> Prepared:
        self.tools[name].input.model_validate(dict(arguments))
        step = Step(
            tool=name,
            arguments=arguments,
            hosts=tuple(arguments["server"]),
            risk="WRITE",
            would_run="",
        )
        return Prepared(step=step, arguments=arguments)

    async def foresee(self, prepared: Prepared, _call: Call) -> Foreseen:
        arguments = prepared.arguments
        names = arguments.get("path") or arguments["name"]
        told = self.said[
            prepared.step.hosts[0], names if isinstance(names, str) else " ".join(names)
        ]
        assert "expected_sha256" not in arguments
        if isinstance(told, PlayrailError):
            raise told
        return told

    async def basis(self, *_steps: object, **_how: object) -> Basis:
        return Basis(parts={}, decision=Decision.ALLOW)

    async def propose(
        self,
        _call: Call,
        steps: Sequence[Prepared],
        now: Foreseen,
        _basis: Basis,
        **more: Any,
    ) -> Plan:
        self.proposed = {
            "steps": [dict(prepared.step.arguments) for prepared in steps],
            "now": now,
            **more,
        }
        return cast("Plan", None)

    @property
    def steps(self) -> list[Any]:
        """Of each step the host and what it names."""
        return [
            (step["server"][0], step.get("path") or step["name"]) for step in self.proposed["steps"]
        ]


def undone(
    ledger: Ledger,
    tool: str,
    effects: Mapping[str, Sequence[Effect]],
    said: Mapping[tuple[str, str], Told],
    **ended: Any,
) -> Door:
    """Takes a run back that had these effects."""
    hosts = [*dict.fromkeys([*effects, *ended.get("failed", {}), *ended.get("changed", ())])]
    end = {
        "outcome": "ok",
        "error": None,
        "changed": list(effects),
        "failed": {},
        "duration_ms": 1,
        **ended,
    }
    bodies: dict[str, dict[str, Any]] = {
        "started": {
            "risk": "WRITE",
            "run": RUN,
            "preview": False,
            "plan": None,
            "parent": None,
            "hosts": hosts,
        },
        "capture": {
            "run": RUN,
            "effects": {host: [vars(one) for one in found] for host, found in effects.items()},
        },
        "ended": end,
    }
    about = {"call": "c", "server": "s", "caller": "ann", "tool": tool}
    ledger.append(
        *(Entry(kind=cast("Any", kind), body=body, **about) for kind, body in bodies.items())
    )
    door = Door(ledger=ledger, said=said)
    call = Call(name="undo_run", caller=ANN)
    asyncio.run(undo(cast("PlansDoor", door), cast("Planning", door), call, RUN))
    return door


def test_a_host_that_was_restored_by_hand_is_left_alone(ledger: Ledger) -> None:
    effects = {host: [file(OLD, NEW)] for host in ("a", "b")}

    door = undone(
        ledger,
        "write_file",
        effects,
        {("a", "/x"): seen("a"), ("b", "/x"): seen("b", file(NEW, OLD))},
    )

    assert door.steps == [("b", "/x")]
    assert (door.proposed["steps"][0]["expected_sha256"], door.proposed["not_undone"]) == (
        NEW["sha256"],
        [],
    )


def test_a_file_that_is_gone_is_not_expected_to_have_a_content(ledger: Ledger) -> None:
    door = undone(
        ledger, "write_file", {"a": [file(OLD, NEW)]}, {("a", "/x"): seen("a", file(None, OLD))}
    )

    assert "expected_sha256" not in door.proposed["steps"][0]
    assert door.proposed["steps"][0]["content"] == "old"


def test_where_nobody_knows_what_would_change_it_is_tried_last(ledger: Ledger) -> None:
    blind = Foreseen(effects={"a": []}, unforeseen={"a": ["Only a real run tells."]})
    effects = {"a": [package("jq", None, "1")], "b": [package("jq", None, "1")]}
    told = {("a", "jq"): blind, ("b", "jq"): seen("b", package("jq", "1", None))}

    door = undone(ledger, "install_package", effects, told)

    assert door.steps == [("b", "jq"), ("a", "jq")]
    assert door.proposed["now"].unforeseen["a"] == ["Only a real run tells."]


def test_what_fails_on_one_host_is_told_and_what_policy_forbids_is_refused(ledger: Ledger) -> None:
    effects = {host: [file(OLD, NEW)] for host in ("a", "b")}
    there = {("b", "/x"): seen("b", file(NEW, OLD))}

    door = undone(ledger, "write_file", effects, {("a", "/x"): failed(), **there})

    assert door.steps == [("b", "/x")]
    assert door.proposed["not_undone"] == ["write_file /x on a: unreachable: It is unreachable."]
    for error in (Denied("No."), LimitReached("Too many.")):
        with pytest.raises(type(error)):
            undone(ledger, "write_file", effects, {("a", "/x"): error, **there})
    with pytest.raises(NotUndoable, match="is unreachable"):
        undone(ledger, "write_file", effects, {("a", "/x"): failed(), ("b", "/x"): seen("b")})


def test_what_was_left_can_be_taken_back_later(ledger: Ledger) -> None:
    told = {("a", "/x"): seen("a", file(NEW, OLD))}
    for left, again in ((("write_file /x on b: unreachable: It is.",), True), ((), False)):
        plan = Plan(
            plan_id=f"plan-{again}",
            caller="ann",
            made_at="2026-11-21T16:00:00+00:00",
            expires_at="2026-11-22T16:00:00+00:00",
            steps=(),
            parts={},
            changes={},
            not_previewed={},
            undoes=RUN,
            not_undone=left,
        )
        about = {"call": "p", "server": "s", "caller": "ann", "tool": "undo_run"}
        used = {"plan": plan.plan_id, "outcome": "used", "by": "ann"}
        ledger.append(
            Entry(kind="plan", body=plan.entry().to_body(), **about),
            Entry(kind="closed", body=used, **about),
        )
        if again:
            assert undone(ledger, "write_file", {"a": [file(OLD, NEW)]}, told).steps == [
                ("a", "/x")
            ]
        else:
            with pytest.raises(NotUndoable, match="was taken back already, by plan-False"):
                undone(ledger, "write_file", {"a": [file(OLD, NEW)]}, told)


def test_hosts_of_which_nothing_was_captured_are_named(ledger: Ledger) -> None:
    told = {("a", "/x"): seen("a", file(NEW, OLD))}
    ended = {"outcome": "some_hosts_failed", "failed": {"b": "outcome_unknown", "c": "unreachable"}}

    door = undone(
        ledger, "write_file", {"a": [file(OLD, NEW)]}, told, **ended, changed=["a", "b", "d"]
    )

    assert door.proposed["not_undone"] == [
        f"What it changed on {host} is not known." for host in ("b", "d")
    ]


def test_what_others_put_on_top_is_not_removed(ledger: Ledger) -> None:
    now = seen("a", package("lib", "1", None), package("theirs", "3", None))

    with pytest.raises(
        ChangedSince, match="would change what it did not: package theirs on a"
    ) as refusal:
        undone(ledger, "install_package", {"a": [package("lib", None, "1")]}, {("a", "lib"): now})

    assert (refusal.value.data or {})["changed_since"]["a"][0].get("would_be") is None


def test_packages_go_in_one_call_after_others_came_back(ledger: Ledger) -> None:
    effects = {
        "a": [package("new", None, "2"), package("lib", None, "1"), package("old", "1", "2")]
    }
    gone = seen("a", package("lib", "1", None), package("new", "2", None))
    told = {("a", "old"): seen("a", package("old", "2", "1")), ("a", "lib new"): gone}

    door = undone(ledger, "install_package", effects, told)

    assert door.steps == [("a", "old"), ("a", ["lib", "new"])]
    assert [step.get("version") for step in door.proposed["steps"]] == ["1", None]


def test_what_comes_back_with_another_needs_no_call(ledger: Ledger) -> None:
    effects = {"a": [package("lib", "1", None), package("app", "1", None)]}
    both = (package("app", None, "1"), package("lib", None, "1"))
    told = {("a", "lib"): seen("a", both[1]), ("a", "app"): seen("a", *both)}

    assert undone(ledger, "install_package", effects, told).steps == [("a", "app")]


def test_what_is_needed_first_comes_first(ledger: Ledger) -> None:
    """`app` alone would bring a newer `lib` with it."""
    effects = {"a": [package("lib", "1", None), package("app", "1", None)]}
    app = seen("a", package("app", None, "1"), package("lib", None, "2"))
    told = {("a", "lib"): seen("a", package("lib", None, "1")), ("a", "app"): app}

    assert undone(ledger, "install_package", effects, told).steps == [("a", "lib"), ("a", "app")]


def test_nothing_goes_that_takes_with_it_what_cannot_come_back(ledger: Ledger) -> None:
    effects = {"a": [package("old", "1", "2"), package("lib", None, "1")]}
    gone = seen("a", package("lib", "1", None), package("old", "2", None))
    told: dict[tuple[str, str], Told] = {("a", "old"): failed("package_failed"), ("a", "lib"): gone}

    with pytest.raises(NotUndoable) as refusal:
        undone(ledger, "update_system", effects, told)

    for words in (
        "install_package old on a: package_failed: ",
        "one by one",
        "lib on a: old would go as well.",
    ):
        assert words in str(refusal.value)


def test_what_a_call_does_not_bring_back_is_told(ledger: Ledger) -> None:
    door = undone(
        ledger, "remove_file", {"a": [file(OLD, None)]}, {("a", "/x"): seen("a", file(None, OLD))}
    )

    (told,) = door.proposed["not_undone"]
    assert told.startswith("file /x on a: ")
    assert "ACL" in told
