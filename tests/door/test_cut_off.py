"""Calls that do not come to their own end: what is told of them, and that nothing is lost
silently.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from playrail.ansible.outcome.outcome import NO_REPORT, HostOutcome, Outcome
from playrail.calls.answers import Answer
from playrail.calls.bounds import Bounds
from playrail.codes.every import named
from playrail.door.door import Playrail
from playrail.engines.results import _summary
from playrail.errors import Problem
from playrail.settings.private_files import private_directory
from playrail.tools.tool import Risk
from worlds.callers import ANN
from worlds.local_plays import (
    PATIENCE_S,
    await_nap,
    bounded,
    environ,
    gone,
    inventory,
    naps,
    playrail,
    processes,
    tool,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("way")]

NAP = "- {name: Look, ansible.builtin.command: {argv: [sleep, '%s']}}"


def kinds(place: Path) -> list[str]:
    with closing(sqlite3.connect(place / "state" / "ledger.sqlite")) as connection, connection:
        return [
            kind
            for (kind,) in connection.execute(
                "SELECT kind FROM records WHERE kind <> 'events' ORDER BY seq"
            )
        ]


@dataclass(frozen=True)
class Cut:
    """What came of as many runs as may be at once, of which Ansible died but for one that was
    cancelled before, and of what was called before and beside them.
    """

    untold: Answer
    """A run before, whose progress could not be told."""
    beside: Answer
    """Of a tool that runs nothing."""
    waited: bool
    """Whether that one came when a run had ended."""
    died: Mapping[Risk, Answer]
    left: Sequence[int]
    gone: bool


SECONDS = {Risk.READ: "971.25", Risk.WRITE: "972.25"}
CANCELLED = "983.5"
CHANGE = "- {name: Change, ansible.builtin.command: {argv: ['true']}}\n"


async def cut_off(place: Path) -> Cut:
    tools = [
        tool(place, CHANGE + NAP % seconds, name=risk.name.lower(), risk=risk)
        for risk, seconds in SECONDS.items()
    ]
    tools += [tool(place, NAP % CANCELLED, name="cancelled")]
    tools += [tool(place, CHANGE + NAP % "0.25", name="untold")]
    # Two plays that end work at once, on a machine that does much else
    three = Bounds(runs_at_once=3, end_run_s=PATIENCE_S)

    async def progress(_done: float, _task: str) -> None:
        raise ConnectionResetError

    async with bounded(three, place, *tools, ENABLE_WRITE_OPERATIONS="1") as server:
        untold = await server.call("untold", {}, caller=ANN, progress=progress)
        running = {
            name: asyncio.create_task(server.call(name, {}, caller=ANN))
            for name in ("read", "write", "cancelled")
        }
        for seconds in (*SECONDS.values(), CANCELLED):
            await asyncio.to_thread(await_nap, place, seconds)
        beside = await server.call("describe_capabilities", {}, caller=ANN)
        waited = any(task.done() for task in running.values())
        running["cancelled"].cancel()
        await asyncio.wait({running["cancelled"]})
        for pid in processes("ansible-playbook\0", f"HOME={place}\0"):
            os.kill(pid, signal.SIGKILL)
        died = {risk: await running[risk.name.lower()] for risk in SECONDS}
        left = [pid for seconds in SECONDS.values() for pid in naps(place, seconds)]
    return Cut(untold, beside, waited, died, left, gone(place, within_s=20))


@pytest.fixture(scope="module")
def cut(way: str, tmp_path_factory: pytest.TempPathFactory) -> Cut:
    return asyncio.run(cut_off(private_directory(tmp_path_factory.mktemp(way) / "place")))


@pytest.mark.parametrize(
    ("risk", "code"), [(Risk.READ, "ansible_failed"), (Risk.WRITE, "outcome_unknown")]
)
def test_ansible_dies_in_the_middle(cut: Cut, risk: Risk, code: str) -> None:
    """What was seen is kept: an earlier task's change, and a host that had reported."""
    answer = cut.died[risk]

    assert answer.code == code
    assert answer.data is not None
    assert answer.data["changed"] == ["localhost"]
    assert answer.problem is not None
    assert answer.problem.error.startswith(
        "The call broke off, because Ansible died, on localhost; its work was ended"
    )
    assert (cut.left, cut.gone) == ([], True)


def test_a_call_during_the_close_is_refused_and_the_one_before_is_recorded(place: Path) -> None:
    server = playrail(place, tool(place, NAP % "977.5"))

    async def calling() -> Sequence[Answer]:
        first = asyncio.create_task(server.call("probe", {}, caller=ANN))
        await asyncio.to_thread(await_nap, place, "977.5")
        closing = asyncio.create_task(server.close())
        await asyncio.sleep(0)
        late = await server.call("list_configured_servers", {}, caller=ANN)
        await closing
        return [await first, late]

    first, late = asyncio.run(calling())

    assert (first.code, late.code) == ("cancelled", "stopping")
    assert kinds(place) == ["started", "ended"]
    assert list((place / "state" / "servers").iterdir()) == []


def test_a_call_that_is_cancelled_before_its_turn_runs_nothing(place: Path) -> None:
    server = playrail(
        place, tool(place, NAP % "978.5", risk=Risk.WRITE), ENABLE_WRITE_OPERATIONS="1"
    )

    async def calling() -> None:
        async with server:
            running = asyncio.create_task(server.call("probe", {}, caller=ANN))
            await asyncio.sleep(0.05)  # the inventory is being read
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

    asyncio.run(calling())

    assert kinds(place) == ["refused"]


def test_a_start_that_fails_leaves_no_claim(place: Path) -> None:
    (place / "run").mkdir(mode=0o755)
    server = playrail(place)

    async def calling() -> list[Answer]:
        async with server:
            return [await server.call("list_configured_servers", {}, caller=ANN) for _ in range(3)]

    assert [answer.code for answer in asyncio.run(calling())] == ["ledger_unavailable"] * 3
    assert list((place / "state" / "servers").iterdir()) == []


def test_a_state_directory_with_a_strange_name(place: Path) -> None:
    given = environ(place, PLAYRAIL_STATE_DIR=str(place / "st?mode=ro#x"))

    async def calling() -> Answer:
        from playrail.settings.settings import Settings  # noqa: PLC0415

        async with Playrail(Settings.load(given, dotenv=None), environ=given) as server:
            return await server.call("list_configured_servers", {}, caller=ANN)

    assert asyncio.run(calling()).code == "ok"
    assert {path.name for path in place.iterdir()} <= {"st?mode=ro#x", "run", ".ansible"}


def test_what_was_refused_does_not_fill_the_disk(place: Path) -> None:
    server = playrail(place, PLAYRAIL_INVENTORY=str(inventory(place, "a")))
    content = "ż" * 1_000_000

    async def calling() -> list[Answer]:
        async with server:
            arguments = {"path": "/tmp/x", "content": content}
            return [await server.call("write_file", arguments, caller=ANN) for _ in range(3)]

    assert [answer.code for answer in asyncio.run(calling())] == ["writes_disabled"] * 3
    assert sum(path.stat().st_size for path in (place / "state").glob("ledger*")) < 500_000


@pytest.mark.parametrize(
    ("again", "failed", "retryable"), [(True, 1, True), (False, 1, False), (False, 2, True)]
)
def test_a_partial_failure_is_retryable_only_where_nothing_is_done_twice(
    *, again: bool, failed: int, retryable: bool
) -> None:
    problem = Problem(code=named("host_unreachable"), error="No.", hint="Wait.", retryable=True)
    told = _summary({f"h{number}": problem for number in range(failed)}, of=2, again=again)
    assert told is not None
    assert told.retryable is retryable


def test_what_the_cut_itself_brings_about_is_not_told_as_the_hosts_doing() -> None:
    """Ending ssh may make Ansible say that the host is unreachable; that would hide that
    work goes on there.
    """
    outcome = Outcome(closed=True)
    outcome.feed(
        {
            "event": "runner_on_unreachable",
            "host": "a",
            "task": "Look",
            "result": {"msg": "Killed."},
        }
    )
    assert outcome.of(["a"]) == {"a": HostOutcome(problem=NO_REPORT)}


def test_a_tool_that_runs_nothing_does_not_wait_for_those_that_do(cut: Cut) -> None:
    assert (cut.beside.code, cut.waited, cut.gone) == ("ok", False, True)


def test_progress_that_cannot_be_told_does_not_end_the_run(cut: Cut) -> None:
    assert cut.untold.code == "ok"
