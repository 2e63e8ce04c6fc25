"""The one door: what is refused, what is recorded, and what the caller is told."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from playrail.calls.answers import Answer
from playrail.door.door import Playrail
from playrail.errors import AnsibleFailed
from playrail.settings.private_files import private_directory
from playrail.settings.settings import Settings
from playrail.tools.tool import Context, ToolInput
from worlds.callers import ANN, BOB
from worlds.door_calls import call, direct, recorded, within
from worlds.envelopes import assert_envelope
from worlds.local_plays import NAP, Whatever, environ, playrail, tool
from worlds.plan_world import World, world

CANARY = "CANARY"


@pytest.fixture(autouse=True)
def place(cwd: Path) -> Path:
    return cwd


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """For calls of which none is about the start of a Playrail, or of Ansible."""
    place = private_directory(tmp_path_factory.mktemp("standing") / "place")
    with world(place, tool(place, NAP % "1.125")) as made:
        yield made


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("rm_rf", {}, "unknown_tool"),
    ("get_memory_info", {"oops": CANARY}, "invalid_argument"),
    ("read_file", {}, "invalid_argument"),
    ("read_file", {"path": f"{CANARY}/x"}, "invalid_argument"),
    ("get_memory_info", {"server": "web9"}, "unknown_server"),
    ("get_memory_info", {"server": ["localhost", "web9"]}, "unknown_server"),
    ("write_file", {"path": "/tmp/x", "content": CANARY}, "writes_disabled"),
    ("manage_service", {"name": "ssh", "action": "restart"}, "writes_disabled"),
    ("update_system", {}, "writes_disabled"),
    ("execute_command", {"cmd": f"echo {CANARY}"}, "writes_disabled"),
]


@pytest.mark.slow
def test_a_refused_call_is_recorded_and_never_starts_a_play(place: Path) -> None:
    async def doing(server: Playrail) -> list[Answer]:
        return [await server.call(name, arguments, caller=ANN) for name, arguments, _ in REFUSED]

    answers: list[Answer] = within(playrail(place), doing)

    for answer in answers:
        assert_envelope(answer.envelope())
    assert [answer.code for answer in answers] == [code for _, _, code in REFUSED]
    assert {answer.meta.run_id for answer in answers} == {None}
    rows = recorded(place)
    assert [(row["kind"], row["caller"], row["tool"], row["call"]) for row in rows] == [
        ("refused", "ann", name, answer.meta.request_id)
        for (name, _, _), answer in zip(REFUSED, answers, strict=True)
    ]
    for row, answer, (_, arguments, code) in zip(rows, answers, REFUSED, strict=True):
        assert answer.problem is not None
        assert (row["body"]["outcome"], row["body"]["reason"]) == (code, answer.problem.error)
        # What could not be read as arguments may hold anything, and is not kept.
        if code in {"unknown_tool", "invalid_argument"}:
            assert row["body"]["arguments"] is None
            assert CANARY not in json.dumps(row)
        else:
            assert arguments.items() <= row["body"]["arguments"].items()
    assert CANARY not in json.dumps([answer.envelope() for answer in answers])
    assert {
        tuple(answer.data["servers"])
        for answer in answers
        if answer.code == "unknown_server" and answer.data
    } == {("localhost",)}


def test_an_unknown_tool_answers_with_the_tools(place: Path) -> None:
    server = playrail(place)

    answer = call(server, "x" * 1000)

    assert answer.data == {"tools": list(server.offered)}
    assert answer.problem is not None
    assert len(answer.problem.error) < 150
    assert recorded(place)[0]["tool"] == "x" * 128


# What is recorded of a call of list_directory, before and after, but for what each call has anew
STARTED: dict[str, Any] = {
    "risk": "READ",
    "hosts": ["localhost"],
    "playbook": "files/list_directory.yml",
    "preview": False,
    "plan": None,
    "parent": None,
    "hidden": [],
    "version": 2,
}
ENDED: dict[str, Any] = {"outcome": "ok", "error": None, "changed": [], "failed": {}, "version": 1}


@pytest.mark.slow
def test_a_call_is_recorded_before_and_after_with_the_line_that_does_it_by_hand(
    standing: World, place: Path
) -> None:
    path = place / "a 'quoted' name"
    path.mkdir()

    answer = standing.call("list_directory", path=str(path), limit=5, caller=BOB)

    assert answer.code == "ok"
    assert_envelope(answer.envelope())
    started, ended = standing.records(answer)
    for row in (started, ended):
        assert (row["call"], row["caller"], row["tool"]) == (
            answer.meta.request_id,
            "bob",
            "list_directory",
        )
    command = started["body"].pop("command")
    assert started["kind"] == "started"
    assert started["body"] == {
        **STARTED,
        "run": answer.meta.run_id,
        "arguments": {
            "server": None,
            "path": str(path),
            "offset": 0,
            "limit": 5,
            "details": False,
            "max_bytes": 24_000,
        },
    }
    assert ended["kind"] == "ended"
    assert 0 < ended["body"].pop("duration_ms") <= answer.meta.duration_ms
    assert ended["body"] == ENDED

    by_hand = {
        **environ(place),
        "PATH": f"{Path(sys.executable).parent}:{environ(place)['PATH']}",
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        ["sh", "-c", command], env=by_hand, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, "ok=1 " in done.stdout) == (0, True), done.stdout + done.stderr


@pytest.mark.slow
def test_a_failure_on_a_host_is_recorded_with_its_code(standing: World) -> None:
    answer = standing.call("read_file", path="/nowhere/at all")

    assert answer.code == "not_found"
    assert_envelope(answer.envelope())
    assert answer.data is not None
    assert answer.data["failed"]["localhost"]["code"] == "not_found"
    ended = standing.records(answer)[1]["body"]
    assert (ended["outcome"], ended["failed"]) == ("not_found", {"localhost": "not_found"})


@pytest.mark.slow
def test_calls_run_at_the_same_time_and_each_has_its_own_records(standing: World) -> None:
    async def both() -> list[Answer]:
        return await asyncio.gather(
            *(standing.server.call("probe", {}, caller=caller) for caller in (ANN, BOB))
        )

    answers = standing.portal.call(both)

    assert [answer.code for answer in answers] == ["ok", "ok"]
    assert len({answer.meta.run_id for answer in answers}) == 2
    rows = standing.records(*answers)
    assert [row["kind"] for row in rows] == ["started", "started", "ended", "ended"]
    assert {(row["caller"], row["call"]) for row in rows} == {
        ("ann", answers[0].meta.request_id),
        ("bob", answers[1].meta.request_id),
    }


def test_what_nobody_foresaw_says_nothing_of_the_inside(place: Path) -> None:
    async def run(_: Context, __: ToolInput) -> Whatever:
        raise RuntimeError(CANARY)

    answer = call(playrail(place, direct(run)), "direct")

    assert answer.code == "internal"
    assert CANARY not in json.dumps(answer.envelope())
    assert [(row["kind"], row["body"].get("outcome")) for row in recorded(place)] == [
        ("started", None),
        ("ended", "internal"),
    ]
    assert CANARY not in json.dumps(recorded(place))


def test_an_error_that_is_ours_keeps_its_code(place: Path) -> None:
    async def run(_: Context, __: ToolInput) -> Whatever:
        raise AnsibleFailed("It said so.")

    assert call(playrail(place, direct(run)), "direct").code == "ansible_failed"


@pytest.mark.slow
def test_writes_run_when_the_operator_allows_them(standing: World, place: Path) -> None:
    target = place / "note"

    answer = standing.call("write_file", path=str(target), content="zażółć {{ 1 }}\n")

    assert (answer.code, target.read_text(encoding="utf-8")) == ("ok", "zażółć {{ 1 }}\n")
    assert_envelope(answer.envelope())
    assert answer.data is not None
    assert answer.data["changed"] == ["localhost"]
    assert [
        record["body"]["changed"]
        for record in standing.records(answer)
        if record["kind"] == "ended"
    ] == [["localhost"]]


def test_settings_have_no_inventory_but_the_bundled_one(place: Path) -> None:
    """What the tests above stand on."""
    assert Settings.load(environ(place), dotenv=None).inventory == ()
