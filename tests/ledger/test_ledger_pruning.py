"""How pruning goes: in steps between which others write, and which the next pruning ends
when one was cut short.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from playrail.errors import LedgerUnavailable
from playrail.ledger.alive import claim
from playrail.ledger.ledger import Ledger
from playrail.ledger.sqlite import pruning
from playrail.settings.state import claims_directory
from worlds.ledger_entries import entry, opened

TEXT = "canary-of-old" * 4000  # takes pages of its own


@pytest.fixture
def ledger(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setattr(pruning, "MOST_RECORDS", 3)
    monkeypatch.setattr(pruning, "MOST_PAGES", 10)
    return ledger


def fill(ledger: Ledger) -> None:
    for number in range(10):
        ledger.append(
            entry(str(number)), entry(str(number), "events", text=TEXT), entry(str(number), "ended")
        )


def shrink_by_hand(path: Path, mode: str) -> None:
    with opened(path) as connection:
        connection.execute(f"PRAGMA auto_vacuum={mode}")
        connection.execute("VACUUM")


def test_between_its_steps_others_write_and_the_chain_holds(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ledger)
    other, seen = Ledger(ledger.path), []

    def pause(_: float) -> None:
        other.append(entry("other", "refused"))
        found = other.verify()
        seen.append((found.first, found.problem))

    monkeypatch.setattr(pruning, "_let_others_write", pause)
    assert ledger.prune(larger_than_mb=0) == pruning.Pruned(records=30)

    assert seen[:3] == [(4, None), (7, None), (10, None)]
    assert {problem for _, problem in seen} == {None}
    assert len(seen) > 15  # records, and pages
    assert {row["kind"] for row in other.read()} == {"checkpoint", "refused"}
    other.close()


def test_large_records_are_few_in_a_step(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(ledger)
    seen = []
    monkeypatch.setattr(pruning, "MOST_RECORDS", 100)
    monkeypatch.setattr(pruning, "MOST_BYTES", len(TEXT))
    monkeypatch.setattr(pruning, "_let_others_write", lambda _: seen.append(ledger.verify().first))

    assert ledger.prune(larger_than_mb=0).records == 30

    assert list(dict.fromkeys(seen))[:3] == [3, 6, 9]


def test_what_was_ended_halfway_is_ended_by_the_next(ledger: Ledger) -> None:
    fill(ledger)
    with opened(ledger.path) as connection:
        connection.execute(
            "CREATE TRIGGER fails BEFORE DELETE ON records WHEN OLD.seq = 8 BEGIN SELECT "
            "RAISE(ABORT, 'no'); END"
        )
    with pytest.raises(LedgerUnavailable):
        ledger.prune(larger_than_mb=0)

    halfway = ledger.verify()
    assert (halfway.first, halfway.problem) == (7, None)
    with opened(ledger.path) as connection:
        connection.execute("DROP TRIGGER fails")
    assert ledger.prune(older_than_days=1000).records == 24
    assert [row["kind"] for row in ledger.read()] == ["checkpoint"]
    assert ledger.verify().problem is None


@pytest.mark.parametrize("at_work", [False, True])
def test_the_file_gets_smaller_while_others_are_at_work(ledger: Ledger, *, at_work: bool) -> None:
    fill(ledger)
    alive = claim(claims_directory(ledger.path.parent)) if at_work else None

    assert ledger.prune(larger_than_mb=0).notes == ()

    assert ledger.path.stat().st_size < 150_000
    assert b"canary-of-old" not in ledger.path.read_bytes()
    if alive is not None:
        alive.release()


def test_a_file_of_an_older_playrail_is_written_anew_when_nobody_else_is_at_work(
    ledger: Ledger,
) -> None:
    fill(ledger)
    ledger.close()
    shrink_by_hand(ledger.path, "NONE")
    alive = claim(claims_directory(ledger.path.parent))

    busy = ledger.prune(larger_than_mb=0)
    assert (busy.records, "Stop them and prune again" in " ".join(busy.notes)) == (30, True)
    assert ledger.path.stat().st_size > 500_000
    alive.release()

    assert ledger.prune(older_than_days=1000).records == 0
    assert ledger.path.stat().st_size < 150_000
    with opened(ledger.path) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (pruning.INCREMENTAL,)
    assert ledger.verify().problem is None


def test_who_reads_keeps_no_writer_waiting(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "PATIENCE_MS", 50)
    fill(ledger)
    reading = sqlite3.connect(ledger.path)
    rows = reading.execute("SELECT seq FROM records")
    assert rows.fetchone() == (1,)

    assert ledger.prune(larger_than_mb=0).records == 30

    assert len(rows.fetchall()) == 29
    reading.close()
