"""Pruning: only the oldest records, only those that nobody needs, and what is left can be
verified.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Self

import pytest

from playrail.ledger import ledger as ledger_module
from playrail.ledger.ledger import Entry, Ledger
from playrail.ledger.sqlite.pruning import Pruned
from worlds.ledger_entries import a_plan, entry, opened, tamper


class Clock(datetime):
    """The time that records get."""

    days_ago = 0.0

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) - timedelta(days=cls.days_ago)


@pytest.fixture
def ledger(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setattr(ledger_module, "datetime", Clock)
    yield ledger
    Clock.days_ago = 0.0


def append(ledger: Ledger, *entries: Entry, days_ago: float = 0.0) -> None:
    Clock.days_ago = days_ago
    ledger.append(*entries)
    Clock.days_ago = 0.0


def a_call(name: str) -> list[Entry]:
    return [entry(name, hosts=["h"]), entry(name, "ended", outcome="ok", duration_ms=1)]


def calls(ledger: Ledger) -> list[str]:
    return [row["call"] if row["kind"] != "checkpoint" else "checkpoint" for row in ledger.read()]


def three_months(ledger: Ledger) -> None:
    for days_ago, name in ((90, "a"), (60, "b"), (30, "c"), (0, "d")):
        append(ledger, *a_call(name), days_ago=days_ago)


def test_what_is_old_goes_and_the_rest_can_be_verified(ledger: Ledger) -> None:
    three_months(ledger)
    heads = [f"{row['seq']}:{row['hash']}" for row in ledger.read()]

    assert ledger.prune(older_than_days=45).records == 4

    assert calls(ledger) == ["c", "c", "d", "d", "checkpoint"]
    verified = ledger.verify()
    assert (verified.records, verified.first, verified.problem) == (5, 5, None)
    checkpoint = next(ledger.read(kinds=("checkpoint",)))
    body = checkpoint["body"]
    assert (body["upto"], f"4:{body['hash']}", body["records"]) == (4, heads[3], 4)
    assert body["because"] == {"older_than_days": 45, "larger_than_mb": None}
    assert [ledger.verify(known=head).problem for head in heads[3:]] == [None] * 5
    assert (
        ledger.verify(known=heads[2]).problem
        == "the known head, record 3, was pruned; verify with a later one"
    )
    ledger.append(*a_call("e"))
    assert ledger.verify().problem is None


def test_pruning_again(ledger: Ledger) -> None:
    three_months(ledger)
    assert [ledger.prune(older_than_days=days).records for days in (100, 75, 45, 45)] == [
        0,
        2,
        2,
        0,
    ]
    assert calls(ledger) == ["c", "c", "d", "d", "checkpoint", "checkpoint"]
    assert ledger.verify().problem is None

    time.sleep(0.01)
    assert ledger.prune(older_than_days=0).records == 6

    assert calls(ledger) == ["checkpoint"]
    assert ledger.verify().problem is None
    ledger.append(*a_call("e"))
    assert [row["seq"] for row in ledger.read()] == [11, 12, 13]
    assert ledger.verify().problem is None


def test_pruning_to_a_size(ledger: Ledger) -> None:
    for number in range(40):
        ledger.append(
            *a_call(f"call-{number}"), entry(f"call-{number}", "events", text="x" * 50_000)
        )
    ledger.close()  # then all of it is in the one file
    size = ledger.path.stat().st_size
    assert size > 2_000_000
    assert ledger.prune(larger_than_mb=size / 1_000_000 + 0.1).records == 0

    assert ledger.prune(larger_than_mb=1).records > 50

    assert 700_000 < ledger.path.stat().st_size < 1_100_000
    assert calls(ledger)[-2:] == ["call-39", "checkpoint"]
    assert ledger.verify().problem is None
    assert ledger.path.with_name("ledger.sqlite-wal").stat().st_size == 0


def test_an_empty_ledger_has_nothing_to_prune(ledger: Ledger) -> None:
    assert ledger.prune(older_than_days=0, larger_than_mb=0).records == 0
    assert list(ledger.read()) == []


def test_a_call_that_is_going_on_stays(ledger: Ledger) -> None:
    append(ledger, *a_call("old"), days_ago=9)
    append(ledger, entry("never-ended"), days_ago=8)
    append(ledger, entry("going-on", hosts=["h"]), *a_call("later"), days_ago=2)

    pruned = ledger.prune(older_than_days=1)

    assert pruned == Pruned(
        records=3, notes=("Records from 4 on are kept, for the call going-on has not ended.",)
    )
    assert calls(ledger) == ["going-on", "later", "later", "checkpoint"]
    append(ledger, entry("going-on", "interrupted", outcome="interrupted"), days_ago=1.5)
    assert ledger.prune(older_than_days=1).records == 3


def test_a_plan_that_can_be_applied_stays(ledger: Ledger) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="milliseconds")
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat(timespec="milliseconds")
    append(ledger, a_plan("expired", expires_at=past), a_plan("used", expires_at=soon), days_ago=5)
    append(
        ledger,
        entry("u", "closed", plan="used", outcome="used"),
        a_plan("open", expires_at=soon),
        days_ago=5,
    )

    pruned = ledger.prune(older_than_days=1)

    assert (pruned.records, pruned.notes) == (
        3,
        ("Records from 4 on are kept, for open can still be applied.",),
    )
    assert [row["body"].get("plan") for row in ledger.read()] == ["open", None]
    append(ledger, entry("x", "closed", plan="open", outcome="cancelled"))
    assert ledger.prune(older_than_days=1).records == 1


@pytest.mark.parametrize(
    "statement",
    ["UPDATE records SET caller = 'x'", "DELETE FROM records WHERE seq = 8", "DELETE FROM records"],
)
def test_a_checkpoint_allows_deleting_no_more_than_it_says(ledger: Ledger, statement: str) -> None:
    three_months(ledger)
    ledger.prune(older_than_days=45)

    with (
        opened(ledger.path) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(statement)

    assert ledger.verify().problem is None


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM records WHERE seq = 5",
        "DELETE FROM records WHERE kind = 'checkpoint'",
        (
            "UPDATE records SET body = replace(body, '\"upto\":4', '\"upto\":5') WHERE kind = "
            "'checkpoint'"
        ),
        "UPDATE records SET body = 'x' WHERE kind = 'checkpoint'",
    ],
)
def test_a_pruned_ledger_that_was_tampered_with(ledger: Ledger, statement: str) -> None:
    three_months(ledger)
    ledger.prune(older_than_days=45)

    tamper(ledger, statement)

    found = ledger.verify().problem or ""
    assert "are missing, and no checkpoint says that they were pruned" in found


def test_records_that_were_pruned_are_not_in_the_file(ledger: Ledger) -> None:
    append(ledger, *a_call("x"), entry("x", "events", text="canary-of-old"), days_ago=9)
    append(ledger, *a_call("y"))
    ledger.prune(older_than_days=5)
    ledger.close()

    assert not [
        path for path in ledger.path.parent.iterdir() if b"canary-of-old" in path.read_bytes()
    ]
    assert calls(ledger) == ["y", "y", "checkpoint"]


@pytest.mark.parametrize(
    ("days_ago", "left"),
    [
        pytest.param((90, -30_000, 60, 0), "d", id="one said that it is of the future"),
        pytest.param((-30_000, 60, 30, 0), "cd", id="the first said so"),
        pytest.param((90, 0, 20_000, 0), "bcd", id="one said that it is of long ago"),
        pytest.param((90, 60, 0, -30_000), "cd", id="the last said that it is of the future"),
        pytest.param((-30_000, -30_000), "ab", id="nobody knows"),
    ],
)
def test_a_clock_that_was_wrong(ledger: Ledger, days_ago: tuple[float, ...], left: str) -> None:
    """It keeps nothing for ever, and has nothing deleted that is not old."""
    for days, name in zip(days_ago, "abcd", strict=False):
        append(ledger, *a_call(name), days_ago=days)

    pruned = ledger.prune(older_than_days=45)

    assert "".join(dict.fromkeys(name for name in calls(ledger) if name != "checkpoint")) == left
    assert pruned.records == 2 * (len(days_ago) - len(left))
    assert ledger.verify().problem is None
    if left == "bcd":
        assert "2 that come after it say that they are older: a clock was wrong" in " ".join(
            pruned.notes
        )
    if left == "ab":
        assert "none is older than 45 days" in " ".join(pruned.notes)


def test_what_never_ended_under_a_wrong_clock_keeps_nothing_for_ever(ledger: Ledger) -> None:
    append(ledger, entry("a"), a_plan("p"), days_ago=-30_000)
    assert ledger.prune(larger_than_mb=0).records == 0
    append(ledger, *a_call("b"), days_ago=10)

    assert ledger.prune(older_than_days=5).records == 4
