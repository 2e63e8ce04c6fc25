"""What is written of a call: that something is left out is said, and an end waits for
whoever is writing.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from playrail.calls.answers import Result
from playrail.calls.bounds import Bounds
from playrail.calls.call import Call, tool_name
from playrail.codes.every import named
from playrail.door import recording as records
from playrail.door.recording import Asked, Records, events
from playrail.door.understanding import Understood
from playrail.errors import InvalidArgument, PlayrailError, Problem
from playrail.ledger.ledger import Ledger
from playrail.policy.rules import Decision
from playrail.safe_text.secrets import Secrets
from playrail.settings.settings import Settings
from playrail.tasks import TaskResult
from worlds.callers import ANN, CLI
from worlds.policy_world import ABOUT, NOON

NONE = Secrets(Settings.load({}, dotenv=None), {})


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "state" / "ledger.sqlite", busy_s=0.05)
    assert made.head() is None
    yield made
    made.close()


def records_in(ledger: Ledger, bounds: Bounds = Bounds(end_pause_s=0.02)) -> Records:  # noqa: B008
    return Records(ledger, server="s", secrets=NONE, bounds=bounds)


def end(records: Records) -> Result:
    """Records the end of a call that went well."""
    understood = Understood(
        tool=ABOUT,
        arguments={},
        input=ABOUT.input.model_validate({}),
        caller=ANN,
        hosts=(),
        decision=Decision.ALLOW,
        check=False,
        now=NOON,
    )
    call = Call(name="about", caller=ANN)
    return asyncio.run(records.ended(call, understood, None, Result(data={"done": True})))


def held(ledger: Ledger) -> sqlite3.Connection:
    writer = sqlite3.connect(ledger.path, check_same_thread=False, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    return writer


def test_an_end_waits_for_whoever_is_writing(ledger: Ledger) -> None:
    writer = held(ledger)
    timer = threading.Timer(0.5, writer.close)
    timer.start()

    ended = end(records_in(ledger))

    timer.join()
    assert ended.problem is None
    assert [row["kind"] for row in ledger.read()] == ["ended"]


def test_an_end_does_not_wait_for_ever(ledger: Ledger) -> None:
    writer = held(ledger)

    ended = end(records_in(ledger, Bounds(end_patience_s=0.2, end_pause_s=0.02)))

    writer.close()
    assert ended.problem is not None
    assert (ended.problem.code, "database is locked" in ended.problem.error) == (
        "end_unrecorded",
        True,
    )
    assert ended.data == {"done": True}


def test_an_end_that_cannot_be_written_does_not_wait(ledger: Ledger) -> None:
    """As on a full disk."""
    writer = sqlite3.connect(ledger.path)
    writer.execute(
        "CREATE TRIGGER full BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'disk is "
        "full'); END"
    )
    writer.close()

    ended = end(records_in(ledger, Bounds(end_pause_s=float("inf"))))  # which no sleep takes

    assert ended.problem is not None
    assert ended.problem.code == "end_unrecorded"


def a_task(**changes: Any) -> TaskResult:
    told: dict[str, Any] = {
        "host": "h",
        "task": "t",
        "action": "a",
        "status": "ok",
        "duration_s": 0.1,
    }
    return TaskResult(**{**told, "result": {"a": "x" * 100}, "diff": [], "cut": False, **changes})


@pytest.mark.parametrize(
    ("tasks", "text", "changes", "cut"),
    [
        pytest.param([a_task()], "", True, [False], id="all is there"),
        pytest.param(
            [a_task(), a_task(cut=True)], "", True, [False, True], id="cut by Ansible's side"
        ),
        pytest.param([a_task(cut=True)], "", False, [False], id="of a read nothing is kept anyway"),
        pytest.param([a_task(), a_task()], "", True, [False, True], id="no room for the second"),
        pytest.param([], "x" * (records.LONGEST_TEXT + 1), True, [], id="the text"),
    ],
)
def test_what_is_left_out_is_said(
    tasks: list[TaskResult],
    text: str,
    *,
    changes: bool,
    cut: list[bool],
) -> None:
    result = Result(tasks=tasks, text=text)
    done = events("r", result, NONE, preview=False, changes=changes, most=400)

    assert [task.cut for task in done.tasks] == cut
    assert done.cut == (any(cut) or bool(text))


@pytest.mark.parametrize(
    "asked",
    [
        Asked(arguments={f"name{number}": "x" for number in range(5000)}),
        Asked(arguments={"x" * 5000 + str(number): "y" * 5000 for number in range(100)}),
        Asked(arguments={"names": ["z" * 300] * 5000}),
        Asked(arguments={"deep": [[["a"] * 40] * 40] * 40}),
        Asked(hosts=tuple(f"host{number}" for number in range(5000))),
    ],
    ids=["many", "long names", "a list", "nested", "hosts"],
)
def test_the_record_of_a_refused_call_is_small_whatever_was_sent(
    ledger: Ledger, asked: Asked
) -> None:
    error = InvalidArgument("x" * 9_000_000)

    call = Call(name=tool_name("n" * 5000), caller=CLI)
    asyncio.run(records_in(ledger).refused(call, asked, error))

    (record,) = ledger.read()
    assert record["body"]["outcome"] == "invalid_argument"
    assert "9000000 characters" in record["body"]["reason"]
    assert len(json.dumps(record)) < 40_000


def test_the_record_of_a_refused_call_has_the_code_of_the_answer(ledger: Ledger) -> None:
    error = PlayrailError.of(Problem(code=named("limit_reached"), error="Enough.", hint="Wait."))

    call = Call(name=tool_name("write_file"), caller=CLI)
    asyncio.run(records_in(ledger).refused(call, Asked(), error))

    (record,) = ledger.read()
    assert record["body"]["outcome"] == "limit_reached"


def test_a_key_that_a_command_printed_is_not_kept() -> None:
    key = (
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIExCV3+fZGyeSRwST\n-----END PRIVATE "
        "KEY-----\n"
    )
    printed = Result(tasks=[a_task(result={"stdout": key, "rc": 0})])
    (kept,) = events("r", printed, NONE, preview=False, changes=True, most=10_000).tasks
    assert kept.result == {"stdout": "(left out: a private key)", "rc": 0}
    assert kept.host == "h"
