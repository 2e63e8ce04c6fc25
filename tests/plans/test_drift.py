"""What is told of things that are not as Playrail set them, of what cannot be looked at,
and of what is not known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from playrail.calls.call import Call
from playrail.codes.every import named
from playrail.errors import PlayrailError, Problem
from playrail.plans.door import Door as PlansDoor
from playrail.plans.drift import drift as check_drift
from playrail.plans.plan import Foreseen
from playrail.safe_text.secrets import HIDDEN
from playrail.tools.effects import Effect
from worlds.callers import ANN
from worlds.local_plays import inventory
from worlds.plan_world import World, world
from worlds.replayed_calls import ALL, Did, captured, package, recorded, service, write

Seen = Sequence[Effect] | str | Problem


@dataclass
class Door:
    """Answers each look with what is there now: effects, a sentence about what is not seen,
    or a problem.
    """

    records: Sequence[dict[str, Any]]
    seen: Mapping[str, Seen]
    looks: list[dict[str, Any]] = field(default_factory=list)
    tools = ALL

    @property
    def ledger(self) -> Door:
        return self

    def read(self, *, kinds: Sequence[str], **_: Any) -> Iterator[dict[str, Any]]:
        return (record for record in self.records if record["kind"] in kinds)

    async def prepare(self, name: str, arguments: Mapping[str, Any]) -> str:
        self.looks.append({"tool": name, **arguments})
        return cast("str", arguments.get("path") or arguments["name"])

    async def foresee(self, about: str, _: Call) -> Foreseen:
        seen = self.seen.get(about, ())
        if isinstance(seen, Problem):
            raise PlayrailError.of(seen)
        if isinstance(seen, str):
            return Foreseen(effects={"h1": ()}, unforeseen={"h1": (seen,)})
        sentences = ("Which others are changed is not known.",) if seen else ()
        return Foreseen(effects={"h1": seen}, unforeseen={"h1": sentences})


def drift(door: Door) -> dict[str, Any]:
    told = asyncio.run(
        check_drift(cast("PlansDoor", door), Call(name="check_drift", caller=ANN), ["h1"])
    )
    return told["h1"].model_dump(mode="json")


def looked(*calls: Did, **seen: Seen) -> dict[str, Any]:
    return drift(
        Door(
            recorded(*calls),
            {f"/{name}" if name == "k" else name: what for name, what in seen.items()},
        )
    )


def test_the_present_state_and_the_wanted_one_are_told_once() -> None:
    effect = Effect(kind="package", name="jq", before=None, after={"version": "1.6"})

    (told,) = looked(package("jq"), jq=[effect])["drifted"]

    assert told == {
        "kind": "package",
        "name": "jq",
        "now": None,
        "wanted": {"version": "1.6"},
        "set_by": "run-1",
        "set_at": "2026-11-20T10:01:00",
    }


def test_a_preview_that_sees_nothing_is_no_look() -> None:
    why = "What would be done is known only in a real run."

    assert looked(package("jq"), jq=why) == {
        "set_by_playrail": 1,
        "drifted": [],
        "not_checked": {"package jq": why},
    }


def test_what_goes_with_all_around_it_has_drifted() -> None:
    gone = Problem(code=named("not_found"), error="There is no /", hint="")
    unit = Problem(code=named("service_not_found"), error="There is no unit app.", hint="")

    told = looked(write("/k", "x", mode="0600"), service("app", "start"), k=gone, app=unit)

    assert told["not_checked"] == {}
    assert [(one["kind"], one["name"], one["now"]) for one in told["drifted"]] == [
        ("file", "/k", None),
        ("service", "app", None),
    ]
    assert told["drifted"][0]["wanted"]["mode"] == "0600"
    assert told["drifted"][1]["because"] == "service_not_found: There is no unit app."
    assert looked(("remove_file", {"path": "/k"}), k=gone)["drifted"] == []
    assert looked(service("app", "stop"), app=unit)["drifted"] == []


def test_a_unit_that_playrail_removed_has_not_drifted() -> None:
    unit = Problem(code=named("service_not_found"), error="There is no unit app.", hint="")

    told = looked(package("web"), service("app", "start"), package("web", state="absent"), app=unit)

    assert (told["drifted"], list(told["not_checked"])) == ([], ["service app active"])


def test_what_a_later_call_left_unset_is_looked_at_too() -> None:
    door = Door(
        recorded(
            write("/k", "a", mode="0600"), ("execute_command", {"cmd": "true"}), write("/k", "b")
        ),
        {},
    )

    told = drift(door)

    assert told["set_by_playrail"] == 1
    assert [(look["content"], look["mode"]) for look in door.looks] == [("b", "0600")]


def test_a_version_that_an_upgrade_changed_is_not_wanted_any_more() -> None:
    door = Door(
        recorded(package("jq", version="1.6"), captured(("update_system", {}), "package", "jq")), {}
    )

    drift(door)

    assert [look.get("version") for look in door.looks] == [None]


def test_one_file_under_two_names_is_one() -> None:
    door = Door(
        recorded(
            captured(write("/link/x", "a"), "file", "/real/x"),
            ("execute_command", {"cmd": "true"}),
            captured(write("/real/./x", "b"), "file", "/real/x"),
        ),
        {},
    )

    assert drift(door)["set_by_playrail"] == 1
    assert [look["content"] for look in door.looks] == ["b"]


LATER: dict[str, tuple[dict[str, Any], str | None]] = {
    "not known": (
        {"outcome": "outcome_unknown"},
        "what came of it is not known, of a later call (run-2)",
    ),
    "failed, and changed something": (
        {"outcome": "disk_full"},
        "it failed, and had changed something before, of a later call (run-2)",
    ),
    "done": ({}, None),
}


@pytest.mark.parametrize(("more", "why"), LATER.values(), ids=LATER.keys())
def test_what_came_of_a_later_call(more: dict[str, Any], why: str | None) -> None:
    door = Door(recorded(write("/k", "a"), write("/k", "b", **more)), {})

    told = drift(door)

    assert told == {
        "set_by_playrail": 1,
        "drifted": [],
        "not_checked": {"file /k": why} if why else {},
    }
    assert len(door.looks) == (0 if why else 1)


def test_a_doubt_ends_when_it_is_set_anew() -> None:
    told = looked(write("/k", "a"), write("/k", "b", outcome="outcome_unknown"), write("/k", "c"))

    assert told["not_checked"] == {}


def test_what_holds_a_secret_of_the_settings_is_not_compared() -> None:
    told = looked(write("/k", f"password={HIDDEN}", hidden=["content"]))

    assert told["not_checked"] == {"file /k": "its content is a secret, which is not kept"}


def test_a_file_of_asterisks_is_compared() -> None:
    assert looked(write("/k", "password=********"))["not_checked"] == {}


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    place = tmp_path_factory.mktemp("free")
    given = {"MCP_DEFAULT_SERVER": "one", "PLAYRAIL_INVENTORY": str(inventory(place, "one"))}
    with world(place / "place", **given) as made:
        yield made


@pytest.mark.slow
def test_files_that_are_written_by_other_ways(free: World, tmp_path: Path) -> None:
    """One file, in the end with the mode that only the first call set; then it goes with
    its directory.
    """
    (folder := tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(folder)
    ways: tuple[tuple[Path | str, dict[str, Any]], ...] = (
        (tmp_path / "link" / "note", {"mode": "0600"}),
        (folder / "note", {}),
        (f"{folder}/./note", {}),
    )
    for path, more in ways:
        assert free.call("write_file", path=str(path), content=f"by {path}", **more).code == "ok"

    def found() -> Any:
        answer = free.call("check_drift")
        assert answer.data is not None
        return answer.data["hosts"]["one"]

    assert found() == {"set_by_playrail": 1, "drifted": [], "not_checked": {}}
    (folder / "note").chmod(0o644)
    (drifted,) = found()["drifted"]
    assert (drifted["now"]["mode"], drifted["wanted"]["mode"], "before" in drifted) == (
        "0644",
        "0600",
        False,
    )
    (folder / "note").unlink()
    folder.rmdir()
    (drifted,) = found()["drifted"]
    assert (drifted.get("now"), drifted["wanted"]["mode"]) == (None, "0600")
