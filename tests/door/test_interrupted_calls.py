"""Calls that are cut off, or whose records cannot be written: what the caller is told, what the
ledger says afterwards, and what is left at work.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from playrail.calls.answers import Answer
from playrail.door.door import Playrail
from playrail.settings.private_files import private_directory
from playrail.tools.tool import Context, Risk, ToolInput
from worlds.callers import ANN, BOB
from worlds.checkout import TESTS
from worlds.door_calls import call, direct, recorded, within
from worlds.local_plays import (
    NAP,
    PATIENCE_S,
    Whatever,
    await_nap,
    gone,
    naps,
    playrail,
    tool,
)
from worlds.plan_world import World, world

SHORT, LONG = "1.125", "9872.5"

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


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """For calls after which it goes on. Its tools sleep for so many seconds."""
    place = private_directory(tmp_path_factory.mktemp("standing") / "place")
    tools = [tool(place, NAP % SHORT, name="short"), tool(place, NAP % LONG, name="long")]
    with world(place, *tools) as made:
        yield made


def kinds(made: World, *answers: Answer) -> list[str]:
    return [record["kind"] for record in made.records(*answers)]


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
def test_a_ledger_that_goes_away_during_a_run_is_told(standing: World) -> None:
    server, ledger = standing.server, standing.place / "state" / "ledger.sqlite"

    async def doing() -> tuple[Answer, Answer, Answer]:
        running = asyncio.create_task(server.call("short", {}, caller=ANN))
        await asyncio.to_thread(await_nap, standing.place, SHORT)
        ledger.rename(standing.place / "away")
        during = await running
        after = await server.call("short", {}, caller=ANN)
        (standing.place / "away").rename(ledger)
        return during, after, await server.call("list_configured_servers", {}, caller=ANN)

    during, after, mended = standing.portal.call(doing)

    assert [answer.code for answer in (during, after, mended)] == [
        "end_unrecorded",
        "ledger_unavailable",
        "ok",
    ]
    assert during.data is not None
    assert during.data["hosts"].keys() == {"localhost"}
    assert during.problem is not None
    assert during.problem.hint.startswith("It did run")
    assert after.problem is not None
    assert after.problem.hint.startswith("Nothing was run")
    assert kinds(standing, during, after, mended) == ["started", "started", "ended"]
    assert server.ledger.verify().problem is None


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
def test_a_living_servers_calls_are_left_alone(standing: World) -> None:
    async def doing() -> Answer:
        running = asyncio.create_task(standing.server.call("short", {}, caller=ANN))
        await asyncio.to_thread(await_nap, standing.place, SHORT)
        async with playrail(standing.place) as another:
            assert (await another.call("describe_capabilities", {}, caller=BOB)).code == "ok"
        return await running

    answer = standing.portal.call(doing)

    assert (answer.code, kinds(standing, answer)) == ("ok", ["started", "ended"])


@pytest.mark.slow
def test_cancelling_ends_the_work_and_records_it(standing: World) -> None:
    async def doing() -> None:
        running = asyncio.create_task(standing.server.call("long", {}, caller=ANN))
        await asyncio.to_thread(await_nap, standing.place, LONG)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    standing.portal.call(doing)

    assert ended_naps(standing) == [("started", None), ("ended", "cancelled")]
    assert naps(standing.place, LONG) == []


def ended_naps(made: World) -> list[tuple[str, str | None]]:
    """The records of the calls of `long`, once these are ended."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        records = [record for record in made.server.ledger.read() if record["tool"] == "long"]
        found = [(record["kind"], record["body"].get("outcome")) for record in records]
        if "ended" in dict(found) or time.monotonic() > deadline:
            return [record for record in found if record[0] != "events"]
        time.sleep(0.05)


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
