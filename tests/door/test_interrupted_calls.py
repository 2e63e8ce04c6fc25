"""Calls that are cut off, or whose records cannot be written: what the caller is told, what the
ledger says afterwards, and what is left at work.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from playrail.calls.answers import Answer
from playrail.door.door import Playrail
from playrail.tools.tool import Context, Risk, ToolInput
from worlds.callers import ANN, BOB
from worlds.checkout import TESTS
from worlds.door_calls import call, direct, recorded, within
from worlds.local_plays import NAP, Whatever, await_nap, gone, naps, playrail, tool

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


@pytest.fixture(autouse=True)
def place(cwd: Path) -> Path:
    return cwd


@pytest.mark.slow
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


def test_a_direct_tool_has_a_deadline_too(place: Path) -> None:
    async def run(_: Context, __: ToolInput) -> Whatever:
        await asyncio.Event().wait()  # for ever
        return Whatever()

    answer = call(playrail(place, direct(run, timeout_s=0.2)), "direct")

    assert answer.code == "deadline_exceeded"


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
        "version": 1,
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
