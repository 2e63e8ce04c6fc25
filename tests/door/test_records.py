"""What is written of a call: that something is left out is said, and an end waits for
whoever is writing.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from playrail.calls.answers import Result
from playrail.calls.call import Call
from playrail.door import recording as records
from playrail.door.going import Going
from playrail.door.recording import Asked, Records, events
from playrail.errors import InvalidArgument
from playrail.ledger import ledger as ledger_module
from playrail.ledger.ledger import Ledger
from playrail.policy.rules import Decision
from playrail.safe_text.secrets import Secrets
from playrail.settings.settings import Settings
from playrail.tasks import TaskResult
from worlds.policy_world import ABOUT

NONE = Secrets(Settings.load({}, dotenv=None), {})


@dataclass
class Opened:
    ledger: Ledger
    server: str = "s"


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setattr(ledger_module, "BUSY_S", 0.05)
    monkeypatch.setattr(records, "BUSY_PAUSE_S", 0.02)
    made = Ledger(tmp_path / "state" / "ledger.sqlite")
    assert made.head() is None
    yield made
    made.close()


def end(ledger: Ledger) -> Result:
    """Records the end of a call that went well."""
    writing = Records(Opened(ledger), NONE)
    given = ABOUT.input.model_validate({})
    going = Going(
        tool=ABOUT, given=given, hosts=(), play=None, arguments={}, decision=Decision.ALLOW
    )
    return asyncio.run(
        writing.ended(Call(name="about", caller="ann"), going, Result(data={"done": True}))
    )


def held(ledger: Ledger) -> sqlite3.Connection:
    writer = sqlite3.connect(ledger.path, check_same_thread=False, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    return writer


def test_an_end_waits_for_whoever_is_writing(ledger: Ledger) -> None:
    writer = held(ledger)
    timer = threading.Timer(0.5, writer.close)
    timer.start()

    ended = end(ledger)

    timer.join()
    assert ended.problem is None
    assert [row["kind"] for row in ledger.read()] == ["ended"]


def test_an_end_does_not_wait_for_ever(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "BUSY_PATIENCE_S", 0.2)
    writer = held(ledger)

    ended = end(ledger)

    writer.close()
    assert ended.problem is not None
    assert (ended.problem.code, "database is locked" in ended.problem.error) == (
        "end_unrecorded",
        True,
    )
    assert ended.data == {"done": True}


def test_an_end_that_cannot_be_written_does_not_wait(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk."""
    writer = sqlite3.connect(ledger.path)
    writer.execute(
        "CREATE TRIGGER full BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'disk is "
        "full'); END"
    )
    writer.close()
    monkeypatch.setattr(records, "BUSY_PAUSE_S", float("inf"))  # which no sleep takes

    ended = end(ledger)

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
    monkeypatch: pytest.MonkeyPatch,
    tasks: list[TaskResult],
    text: str,
    *,
    changes: bool,
    cut: list[bool],
) -> None:
    monkeypatch.setattr(records, "MOST_EVENTS", 400)

    done = events("r", Result(tasks=tasks, text=text), NONE, preview=False, changes=changes)

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
    writing = Records(Opened(ledger), NONE)
    error = InvalidArgument("x" * 9_000_000)

    asyncio.run(writing.refused(Call(name="n" * 5000, caller="cli"), asked, error))

    (record,) = ledger.read()
    assert record["body"]["outcome"] == "invalid_argument"
    assert "9000000 characters" in record["body"]["reason"]
    assert len(json.dumps(record)) < 40_000


def test_a_key_that_a_command_printed_is_not_kept() -> None:
    key = (
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIExCV3+fZGyeSRwST\n-----END PRIVATE "
        "KEY-----\n"
    )
    printed = Result(tasks=[a_task(result={"stdout": key, "rc": 0})])
    (kept,) = events("r", printed, NONE, preview=False, changes=True).tasks
    assert kept.result == {"stdout": "(left out: a private key)", "rc": 0}
    assert kept.host == "h"
