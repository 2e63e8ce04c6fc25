"""Plans on this machine: what is applied is what was seen, once, by whom it was made for,
or nothing is.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from playrail.calls.answers import Answer
from playrail.calls.asking import Ask, Question, Said
from playrail.calls.caller import Caller
from playrail.plans.plan import LIFETIME
from playrail.plans.recorded import is_granted, plan_in
from worlds.callers import ANN, BOB
from worlds.local_plays import inventory
from worlds.plan_world import World, grant, said, world

pytestmark = pytest.mark.slow

OPERATOR = """
rules:
  - {name: reads, risk: [READ, SENSITIVE], then: allow}
  - {name: files, tools: "toolset:files", then: operator_approval}
  - {name: commands, tools: [execute_command], then: client_approval}
  - {name: look first, tools: [manage_process], then: preview_first}
"""


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("free") / "place") as made:
        yield made


@pytest.fixture(scope="module")
def unplayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, dict[str, Any]]]:
    """A plan that nobody could look ahead of, and that is never applied: nothing is played."""
    place = tmp_path_factory.mktemp("unplayed")
    with world(place / "place") as made:
        yield made, made.plan("execute_command", cmd=f"touch {made.place}/ran")


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    place = tmp_path_factory.mktemp("ruled")
    (place / "policy.yml").write_text(OPERATOR, encoding="utf-8")
    with world(place / "place", PLAYRAIL_POLICY=str(place / "policy.yml")) as made:
        yield made


def test_a_plan_is_applied_once_and_says_what_it_did(free: World, tmp_path: Path) -> None:
    file = tmp_path / "note"
    file.write_text("old\n")
    plan = free.plan("write_file", path=str(file), content="new\n", mode="0600")

    assert file.read_text() == "old\n"
    assert plan["would_change"] == ["localhost"]
    (change,) = plan["changes"]["localhost"]
    assert tuple(line for line in change["diff"].splitlines() if line[1:] in {"old", "new"}) == (
        "-old",
        "+new",
    )
    assert change["after"]["mode"] == "0600"
    assert "content" not in {**change["before"], **change["after"]}

    applied = free.apply(plan)
    assert applied.code == "ok"
    assert applied.data is not None
    (step,) = applied.data["steps"]
    assert (step["tool"], step["code"], step["data"]["changed"]) == (
        "write_file",
        "ok",
        ["localhost"],
    )
    assert applied.runs == (step["run_id"],)
    assert applied.meta.run_id == step["run_id"]
    assert file.read_text() == "new\n"
    again = free.apply(plan)
    assert (again.code, file.read_text()) == ("plan_unusable", "new\n")


def test_two_at_once_apply_it_once(free: World, tmp_path: Path) -> None:
    counted = tmp_path / "counted"
    plan = free.plan("execute_command", cmd=f"echo once >> {counted}", shell=True)

    async def both() -> list[Answer]:
        calls = [
            free.server.call("apply_plan", {"plan_id": plan["plan_id"]}, caller=ANN)
            for _ in range(4)
        ]
        return await asyncio.gather(*calls)

    codes = sorted(answer.code for answer in free.portal.call(both))
    assert codes == ["ok", *["plan_unusable"] * 3]
    assert counted.read_text() == "once\n"


def test_another_callers_plan_is_none(free: World, tmp_path: Path) -> None:
    plan = free.plan("execute_command", cmd=f"touch {tmp_path}/a")

    for tool in ("apply_plan", "get_plan", "cancel_plan"):
        assert free.call(tool, plan_id=plan["plan_id"], caller=BOB).code == "unknown_plan"
    listed = free.call("list_plans", caller=BOB).data
    assert listed == {"plans": []}
    assert free.call("get_plan", plan_id="plan-0000000000000000").code == "unknown_plan"
    assert not (tmp_path / "a").exists()


def test_a_cancelled_plan_is_closed(free: World, tmp_path: Path) -> None:
    plan = free.plan("execute_command", cmd=f"touch {tmp_path}/a")

    assert free.call("cancel_plan", plan_id=plan["plan_id"]).code == "ok"
    assert free.apply(plan).code == "plan_unusable"
    assert free.call("cancel_plan", plan_id=plan["plan_id"]).code == "plan_unusable"
    told = free.call("get_plan", plan_id=plan["plan_id"]).data
    assert told is not None
    assert told["plan"]["state"] == "cancelled"


def test_an_expired_plan_is_not_applied(free: World, tmp_path: Path) -> None:
    plan = free.plan("execute_command", cmd=f"touch {tmp_path}/a")

    with free.clock.later(LIFETIME + timedelta(seconds=1)):
        assert free.apply(plan).code == "plan_unusable"
        listed = free.call("list_plans").data
    assert listed is not None
    assert plan["plan_id"] not in [one["plan_id"] for one in listed["plans"]]


def test_what_would_change_now_must_be_what_was_seen(free: World, tmp_path: Path) -> None:
    file = tmp_path / "note"
    file.write_text("old\n")
    plan = free.plan("write_file", path=str(file), content="new\n")
    file.write_text("edited meanwhile\n")

    answer = free.apply(plan)
    assert (answer.code, file.read_text()) == ("plan_outdated", "edited meanwhile\n")
    assert answer.data is not None
    assert "-edited meanwhile" in answer.data["changes_now"]["localhost"][0]["diff"]
    assert answer.problem is not None
    assert "what would change on the hosts" in answer.problem.error
    file.write_text("old\n")
    assert free.apply(plan).code == "ok", "a refused plan can be applied when it is so again"


Change = Callable[[pytest.MonkeyPatch], object]
PARTS: dict[str, Change] = {
    "the playbook or a role (/books)": lambda patch: patch.setattr(
        "playrail.ansible.reads.reads.playbooks_and_roles", lambda _: {"/books": "another"}
    ),
    "a plugin, a module or a role of yours (/plugins)": lambda patch: patch.setattr(
        "playrail.ansible.reads.reads.plugins", lambda *_: {"/plugins": "another"}
    ),
    "Ansible, Playrail or a collection (the package ansible)": lambda patch: patch.setattr(
        "playrail.ansible.reads.reads.libraries", lambda _: {"the package ansible": "another"}
    ),
    "the policy or the settings": lambda patch: patch.setattr(
        "playrail.catalog.standing_variables", lambda *_: {"other": 1}
    ),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_differs_is_named(
    part: str, unplayed: tuple[World, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, plan = unplayed
    PARTS[part](monkeypatch)

    answer = made.apply(plan)
    assert answer.code == "plan_outdated"
    assert answer.problem is not None
    whole, _, item = part.partition(" (")
    assert answer.problem.error.startswith(
        f"{plan['plan_id']} was made for something else: {whole}"
    )
    assert item.removesuffix(")") in answer.problem.error
    assert not (made.place / "ran").exists()


def test_inventory_and_hosts_are_read_anew(tmp_path: Path) -> None:
    sources = inventory(tmp_path, "one", variables={"colour": "blue"})
    cmd = f"touch {tmp_path}/a"
    with world(tmp_path / "place", PLAYRAIL_INVENTORY=str(sources)) as made:
        first = made.plan("execute_command", cmd=cmd)
        inventory(tmp_path, "one", variables={"colour": "red"})
        answer = made.apply(first)
        second = made.plan("execute_command", cmd=cmd, server="all")
        inventory(tmp_path, "one", "two", variables={"colour": "red"})
        more = made.apply(second)

    assert answer.problem is not None
    assert answer.problem.error.endswith(f"something else: the inventory ({sources}) differs now.")
    assert more.problem is not None
    assert "something else: the hosts, the inventory differs now" in more.problem.error
    assert not (tmp_path / "a").exists()


def test_what_cannot_be_previewed_is_a_plan_all_the_same(free: World, tmp_path: Path) -> None:
    plan = free.plan("execute_command", cmd=f"touch {tmp_path}/ran")

    (step,) = plan["steps"]
    assert (step["risk"], step["arguments"]["cmd"]) == ("DANGEROUS", f"touch {tmp_path}/ran")
    assert "touch" in step["would_run"]
    assert plan["changes"] == {}
    assert plan["not_previewed"]["localhost"]
    assert not (tmp_path / "ran").exists()
    assert free.apply(plan).code == "ok"
    assert (tmp_path / "ran").exists()


def test_a_preview_needs_no_switch_and_its_plan_does(free: World, tmp_path: Path) -> None:
    file = tmp_path / "a"
    object.__setattr__(free.server.settings, "enable_write_operations", False)
    try:
        plan = free.plan("write_file", path=str(file), content="x")
        answer = free.apply(plan)
    finally:
        object.__setattr__(free.server.settings, "enable_write_operations", True)

    assert (answer.code, file.exists()) == ("writes_disabled", False)


def test_a_secret_is_in_no_record_and_only_its_process_applies_the_plan(
    free: World, tmp_path: Path
) -> None:
    canary = "CANARY-of-content"
    file = tmp_path / "a"
    file.write_text(f"old {canary}")
    plan = free.plan("write_file", path=str(file), content=f"new {canary}", secret=True)
    other = free.plan("write_file", path=str(file), content=f"other {canary}", secret=True)

    assert canary not in json.dumps(plan)
    assert free.apply(plan).code == "ok"
    assert file.read_text() == f"new {canary}"
    free.server.previews.planning._held.clear()
    assert free.apply(other).code == "plan_unusable"
    told = json.dumps(list(free.server.ledger.read()))
    assert canary not in told


def test_the_operator_approves_exactly_one_plan(ruled: World, tmp_path: Path) -> None:
    file = tmp_path / "a"
    refused = ruled.call("write_file", path=str(file), content="x")
    assert refused.code == "approval_required"
    assert refused.data is not None
    plan = refused.data["plan"]
    another = ruled.plan("write_file", path=str(file), content="y")
    assert (plan["needs_approval_by"], another["needs_approval_by"]) == ("operator", "operator")

    ledger = ruled.server.ledger

    def is_approved() -> bool:
        made = plan_in(ledger, plan["plan_id"])
        return is_granted(ledger, made, "operator", now=ruled.clock.now())

    grant(ruled, another["plan_id"])
    assert not is_approved(), "a grant is for one plan"
    grant(ruled, plan["plan_id"], hash="0" * 64)
    assert not is_approved(), "a grant is for one hash"
    ended = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    grant(ruled, plan["plan_id"], expires_at=ended)
    assert not is_approved(), "a grant ends"
    grant(ruled, plan["plan_id"], answer="declined")
    assert not is_approved(), "a no is no grant"
    grant(ruled, plan["plan_id"], how="client")
    assert not is_approved(), "the client's word is not the operator's"
    assert (ruled.apply(plan).code, file.exists()) == ("approval_required", False)
    grant(ruled, plan["plan_id"])
    assert ruled.apply(plan).code == "ok"
    assert file.read_text() == "x"


@pytest.mark.parametrize(
    ("what", "code", "runs"),
    [
        (Said.APPROVED, "ok", True),
        (Said.DECLINED, "approval_refused", False),
        (Said.CANNOT, "client_cannot_be_asked", False),
        (None, "client_cannot_be_asked", False),
        (Said.LATER, "approval_required", False),
    ],
    ids=str,
)
def test_the_client_is_asked(
    what: Said | None, code: str, runs: bool, ruled: World, tmp_path: Path
) -> None:
    asked: list[Question] = []
    ask = said(what, asked) if what is not None else None
    answer = ruled.call("execute_command", cmd=f"touch {tmp_path}/ran", ask=ask)

    assert (answer.code, (tmp_path / "ran").exists()) == (code, runs)
    if what in (Said.APPROVED, Said.DECLINED):
        (question,) = asked
        assert all(
            word in question.text
            for word in ("execute_command", "DANGEROUS", "localhost", f"touch {tmp_path}")
        )
        (approval,) = [body for body in ruled.kinds("approval") if body["plan"] == question.plan_id]
        assert (approval["how"], approval["by"], "not that a person" in approval["proves"]) == (
            "client",
            "ann",
            True,
        )
    assert (answer.question is not None) is (what is Said.LATER)
    if what is Said.APPROVED:
        assert answer.data is not None
        assert answer.data["hosts"]["localhost"]["exit_code"] == 0


def test_the_client_comes_back_with_its_answer(ruled: World, tmp_path: Path) -> None:
    given: dict[str, Any] = {"cmd": f"touch {tmp_path}/ran"}
    first = ruled.call("execute_command", ask=said(Said.LATER, []), **given)
    assert first.question is not None

    def back(tool: str, caller: Caller = ANN, **arguments: Any) -> Answer:
        assert first.question is not None
        ask = said(Said.APPROVED, [])
        resume = first.question.plan_id
        return ruled.portal.call(
            partial(ruled.server.call, tool, arguments, caller=caller, ask=ask, resume=resume)
        )

    assert back("execute_command", cmd=f"touch {tmp_path}/else").code == "unknown_plan"
    assert back("execute_command", caller=BOB, **given).code == "unknown_plan"
    assert list(tmp_path.iterdir()) == []
    answer = back("execute_command", **given)
    assert answer.code == "ok"
    assert answer.data is not None
    assert (answer.data["hosts"]["localhost"]["exit_code"], (tmp_path / "ran").exists()) == (
        0,
        True,
    )


def test_an_answer_counts_once_and_only_after_its_question(ruled: World, tmp_path: Path) -> None:
    plan = ruled.plan("execute_command", cmd=f"touch {tmp_path}/ran")

    def brings(what: Said) -> Ask:
        """A client that has its answer ready: as server/approval.py does, it gives it to a
        question that was sent.
        """

        async def ask(question: Question) -> Said:
            return what if question.asked else Said.LATER

        return ask

    codes = [
        ruled.apply(plan, ask=brings(what)).code
        for what in (Said.APPROVED, Said.DECLINED, Said.APPROVED)
    ]
    assert codes == ["approval_required", "approval_refused", "approval_required"]
    assert not (tmp_path / "ran").exists()
    assert ruled.apply(plan, ask=brings(Said.APPROVED)).code == "ok"
    answers = [
        body["answer"] for body in ruled.kinds("approval") if body["plan"] == plan["plan_id"]
    ]
    assert answers == ["asked", "declined", "asked", "approved"]


def test_look_first(ruled: World) -> None:
    sleeper = subprocess.Popen(["sleep", "971.5"])
    try:
        answer = ruled.call("manage_process", action="kill", target=str(sleeper.pid), wait_s=0)
        assert answer.code == "plan_required"
        assert sleeper.poll() is None
        assert answer.data is not None
        assert ruled.apply(answer.data["plan"]).code == "ok"
        assert sleeper.wait(10) == -signal.SIGTERM
    finally:
        sleeper.kill()
    assert ruled.call("manage_process", action="list").code == "ok", "a read needs no plan"
    assert ruled.call("manage_service", name="x", action="stop").code == "denied"
