"""The one door: what is refused, what is recorded, and what the caller is told when things
go wrong in between.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from playrail.calls.answers import Answer
from playrail.calls.caller import Caller
from playrail.door.door import Playrail
from playrail.errors import AnsibleFailed
from playrail.settings.settings import Settings
from playrail.tools.tool import Context, DirectTool, Risk, ToolInput
from worlds.callers import ANN, BOB
from worlds.checkout import TESTS
from worlds.envelopes import assert_envelope
from worlds.local_plays import Whatever, await_nap, environ, gone, naps, playrail, tool

CANARY = "CANARY"
NAP = "- {name: Report, ansible.builtin.command: {argv: [sleep, '%s']}, changed_when: false}"
KILLED = """
import asyncio, sys
from pathlib import Path
from worlds.callers import ANN
from worlds.local_plays import playrail, tool

place = Path(sys.argv[1])

async def main():
    server = playrail(place, tool(place, sys.argv[2]))
    await server.call("probe", {"server": "localhost"}, caller=ANN)

asyncio.run(main())
"""

Doing = Callable[[Playrail], Awaitable[Any]]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def within(server: Playrail, doing: Doing) -> Any:
    async def run() -> Any:
        async with server:
            return await doing(server)

    return asyncio.run(run())


def call(
    server: Playrail, name: str, arguments: Mapping[str, Any] | None = None, *, caller: Caller = ANN
) -> Answer:
    async def doing(open_server: Playrail) -> Answer:
        return await open_server.call(name, arguments or {}, caller=caller)

    answer: Answer = within(server, doing)
    assert_envelope(answer.envelope())
    return answer


def recorded(place: Path, *, without: str = "events") -> list[dict[str, Any]]:
    """The records, but those that tell what Ansible did."""
    server = playrail(place)
    try:
        assert server.ledger.verify().problem is None
        return [record for record in server.ledger.read() if record["kind"] != without]
    finally:
        server.ledger.close()


def direct(
    run: Callable[[Context, ToolInput], Awaitable[Whatever]], **more: Any
) -> DirectTool[Any, Any]:
    declared = {
        "risk": Risk.READ,
        "input": ToolInput,
        "toolset": "tests",
        "output": Whatever,
        **more,
    }
    return DirectTool(name="direct", summary="A test's tool.", run=run, **declared)


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


def test_a_call_is_recorded_before_and_after_with_the_line_that_does_it_by_hand(
    place: Path,
) -> None:
    path = place / "a 'quoted' name"
    path.mkdir()

    answer = call(playrail(place), "list_directory", {"path": str(path), "limit": 5}, caller=BOB)

    assert answer.code == "ok"
    started, ended = recorded(place)
    for row in (started, ended):
        assert (row["call"], row["caller"], row["tool"]) == (
            answer.meta.request_id,
            "bob",
            "list_directory",
        )
    command = started["body"].pop("command")
    assert started["kind"] == "started"
    assert started["body"] == {
        "risk": "READ",
        "arguments": {
            "server": None,
            "path": str(path),
            "offset": 0,
            "limit": 5,
            "details": False,
            "max_bytes": 24_000,
        },
        "hosts": ["localhost"],
        "playbook": "files/list_directory.yml",
        "run": answer.meta.run_id,
        "preview": False,
        "plan": None,
        "parent": None,
        "hidden": [],
        "version": 2,
    }
    assert ended["kind"] == "ended"
    assert 0 < ended["body"].pop("duration_ms") <= answer.meta.duration_ms
    assert ended["body"] == {
        "outcome": "ok",
        "error": None,
        "changed": [],
        "failed": {},
        "version": 1,
    }

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
def test_a_failure_on_a_host_is_recorded_with_its_code(place: Path) -> None:
    answer = call(playrail(place), "read_file", {"path": "/nowhere/at all"})

    assert answer.code == "not_found"
    assert answer.data is not None
    assert answer.data["failed"]["localhost"]["code"] == "not_found"
    ended = recorded(place)[1]["body"]
    assert (ended["outcome"], ended["failed"]) == ("not_found", {"localhost": "not_found"})


@pytest.mark.slow
def test_calls_run_at_the_same_time_and_each_has_its_own_records(place: Path) -> None:
    server = playrail(place, tool(place, NAP % "1.125"))

    async def both(open_server: Playrail) -> list[Answer]:
        return await asyncio.gather(
            *(open_server.call("probe", {}, caller=caller) for caller in (ANN, BOB))
        )

    answers = within(server, both)

    assert [answer.code for answer in answers] == ["ok", "ok"]
    assert len({answer.meta.run_id for answer in answers}) == 2
    rows = recorded(place)
    assert [row["kind"] for row in rows] == ["started", "started", "ended", "ended"]
    assert {(row["caller"], row["call"]) for row in rows} == {
        ("ann", answers[0].meta.request_id),
        ("bob", answers[1].meta.request_id),
    }


def test_where_the_start_cannot_be_recorded_nothing_runs(place: Path) -> None:
    marker = place / "ran"
    made = tool(
        place, f"- {{name: Report, ansible.builtin.file: {{path: '{marker}', state: touch}}}}"
    )
    (place / "state").mkdir(mode=0o700)
    (place / "state" / "ledger.sqlite").write_bytes(b"This is no database. " * 200)

    answer = call(playrail(place, made), "probe")

    assert (answer.code, marker.exists()) == ("ledger_unavailable", False)
    (place / "state" / "ledger.sqlite").unlink()
    assert (call(playrail(place, made), "probe").code, marker.exists()) == ("ok", True)


@pytest.mark.slow
def test_a_ledger_that_goes_away_during_a_run_is_told(place: Path) -> None:
    server = playrail(place, tool(place, NAP % "1.125"))

    async def doing(open_server: Playrail) -> tuple[Answer, Answer, Answer]:
        running = asyncio.create_task(open_server.call("probe", {}, caller=ANN))
        await asyncio.to_thread(await_nap, place, "1.125")
        (place / "state" / "ledger.sqlite").rename(place / "away")
        during = await running
        after = await open_server.call("probe", {}, caller=ANN)
        (place / "away").rename(place / "state" / "ledger.sqlite")
        return during, after, await open_server.call("list_configured_servers", {}, caller=ANN)

    during, after, mended = within(server, doing)

    assert [answer.code for answer in (during, after, mended)] == [
        "end_unrecorded",
        "ledger_unavailable",
        "ok",
    ]
    assert during.data["hosts"].keys() == {"localhost"}
    assert during.problem.hint.startswith("It did run")
    assert after.problem.hint.startswith("Nothing was run")
    assert [row["kind"] for row in recorded(place)] == ["started", "started", "ended"]


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


def test_a_direct_tool_has_a_deadline_too(place: Path) -> None:
    async def run(_: Context, __: ToolInput) -> Whatever:
        await asyncio.Event().wait()  # for ever
        return Whatever()

    answer = call(playrail(place, direct(run, timeout_s=0.2)), "direct")

    assert answer.code == "deadline_exceeded"


def test_an_error_that_is_ours_keeps_its_code(place: Path) -> None:
    async def run(_: Context, __: ToolInput) -> Whatever:
        raise AnsibleFailed("It said so.")

    assert call(playrail(place, direct(run)), "direct").code == "ansible_failed"


@pytest.mark.slow
def test_a_server_that_was_killed_leaves_nothing_and_its_call_is_settled(place: Path) -> None:
    nap = "9871.5"
    command = [sys.executable, "-c", KILLED, str(place), NAP % nap]
    with subprocess.Popen(command, cwd=TESTS) as server:
        await_nap(place, nap)
        (started,) = recorded(place)
        server.send_signal(signal.SIGKILL)

    assert started["kind"] == "started"
    assert gone(place, within_s=10)  # its own child, Ansible, the sleep
    assert list((place / "run").glob("*/*/env/extravars")) != []

    assert call(playrail(place), "list_configured_servers").code == "ok"

    rows = recorded(place)
    assert [row["kind"] for row in rows] == ["started", "interrupted", "started", "ended"]
    settled = rows[1]
    assert (settled["call"], settled["caller"], settled["tool"]) == (
        started["call"],
        "ann",
        "probe",
    )
    assert settled["body"] == {
        "outcome": "interrupted",
        "hosts": ["localhost"],
        "note": "may have been running on these hosts",
    }
    assert [path for path in (place / "run").rglob("*") if path.is_file()] == []
    assert list((place / "state" / "servers").iterdir()) == []


@pytest.mark.slow
def test_a_living_servers_calls_are_left_alone(place: Path) -> None:
    server = playrail(place, tool(place, NAP % "1.125"))

    async def doing(open_server: Playrail) -> Answer:
        running = asyncio.create_task(open_server.call("probe", {}, caller=ANN))
        await asyncio.to_thread(await_nap, place, "1.125")
        async with playrail(place) as another:
            assert (await another.call("list_configured_servers", {}, caller=BOB)).code == "ok"
        return await running

    assert within(server, doing).code == "ok"
    assert {row["kind"] for row in recorded(place)} == {"started", "ended"}


@pytest.mark.slow
def test_cancelling_ends_the_work_and_records_it(place: Path) -> None:
    nap = "9872.5"
    server = playrail(place, tool(place, NAP % nap))

    async def doing(open_server: Playrail) -> None:
        running = asyncio.create_task(open_server.call("probe", {}, caller=ANN))
        await asyncio.to_thread(await_nap, place, nap)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    within(server, doing)

    assert naps(place, nap) == []
    assert [(row["kind"], row["body"].get("outcome")) for row in recorded(place)] == [
        ("started", None),
        ("ended", "cancelled"),
    ]


@pytest.mark.slow
def test_work_that_must_not_be_cut_short_is_left_to_finish(place: Path) -> None:
    """A package manager, say: over SSH it outlives its connection, and on this machine it
    is not killed either.
    """
    marker = place / "finished"
    tasks = (
        f"- {{name: Report, ansible.builtin.command: {{argv: [sh, -c, 'sleep 3.25; touch "
        f"{marker}']}}}}"
    )
    made = tool(place, tasks, risk=Risk.WRITE, interruptible=False)

    async def doing(server: Playrail) -> Answer:
        running = asyncio.create_task(server.call("probe", {}, caller=ANN))
        await asyncio.to_thread(await_nap, place, "3.25")
        await server.close()
        return await running

    answer: Answer = within(playrail(place, made, ENABLE_WRITE_OPERATIONS="1"), doing)

    assert answer.code == "outcome_unknown"
    assert answer.problem is not None
    assert (
        answer.problem.error
        == "The call was cancelled on localhost; its work was left to finish there."
    )
    assert not marker.exists()
    assert gone(place, within_s=15)
    assert marker.exists()


def test_a_state_directory_that_is_not_private_refuses_every_call(place: Path) -> None:
    (place / "state").mkdir()
    (place / "state").chmod(0o755)

    answer = call(playrail(place), "list_configured_servers")

    assert answer.code == "ledger_unavailable"


def test_writes_run_when_the_operator_allows_them(place: Path) -> None:
    target = place / "note"

    answer = call(
        playrail(place, ENABLE_WRITE_OPERATIONS="1"),
        "write_file",
        {"path": str(target), "content": "zażółć {{ 1 }}\n"},
    )

    assert (answer.code, target.read_text(encoding="utf-8")) == ("ok", "zażółć {{ 1 }}\n")
    assert answer.data is not None
    assert answer.data["changed"] == ["localhost"]
    assert [
        record["body"]["changed"] for record in recorded(place) if record["kind"] == "ended"
    ] == [["localhost"]]


def test_settings_have_no_inventory_but_the_bundled_one(place: Path) -> None:
    """What the tests above stand on."""
    assert Settings.load(environ(place), dotenv=None).inventory == ()
