"""Tampering with the ledger past its triggers: it is found, whatever was done."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from playrail.errors import LedgerUnavailable
from playrail.ledger.chain import CHAINED, Verified
from playrail.ledger.entries import Kind
from playrail.ledger.ledger import Entry, Ledger
from worlds.ledger_entries import entry, opened, tamper

SWAP = (
    "UPDATE records SET seq = 99 WHERE seq = 1",
    "UPDATE records SET seq = 1 WHERE seq = 2",
    "UPDATE records SET seq = 2 WHERE seq = 99",
)
OTHER_VALUES = {"at": "'2020-01-01T00:00:00.000+00:00'", "body": "'{\"hosts\":[]}'", "seq": "7"}


@pytest.fixture
def ledger(ledger: Ledger) -> Ledger:
    ledger.append(entry("a", hosts=["h"]), entry("b", hosts=["h"]))
    ledger.append(entry("a", "ended", outcome="ok"))
    return ledger


def problem(ledger: Ledger, known: str | None = None) -> str:
    return ledger.verify(known=known).problem or "none"


def test_a_whole_chain(ledger: Ledger) -> None:
    assert ledger.verify() == Verified(records=3, first=1, head=ledger.head(), problem=None)


@pytest.mark.parametrize("seq", [1, 2, 3])
@pytest.mark.parametrize("column", [*CHAINED, "hash"])
def test_each_column_of_each_record_counts(ledger: Ledger, column: str, seq: int) -> None:
    value = OTHER_VALUES.get(column, "'altered'")
    tamper(ledger, f"UPDATE records SET {column} = {value} WHERE seq = {seq}")

    assert problem(ledger) != "none"


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (["UPDATE records SET caller = 'somebody else' WHERE seq = 3"], "record 3 was altered"),
        (["UPDATE records SET caller = x'00' WHERE seq = 2"], "record 2 was altered"),
        (["DELETE FROM records WHERE seq = 2"], "records are missing between 1 and 3"),
        (["DELETE FROM records WHERE seq = 1"], "records before 2 are missing"),
        (
            ["DELETE FROM records WHERE seq = 1", "UPDATE records SET seq = seq - 1"],
            "records before 1 are missing",
        ),
        ([*SWAP], "records before 1 are missing"),
    ],
    ids=["altered", "bytes", "removed", "first-removed", "renumbered", "swapped"],
)
def test_what_is_told(ledger: Ledger, statements: list[str], told: str) -> None:
    tamper(ledger, *statements)

    assert problem(ledger).startswith(told)


def test_two_records_in_the_middle_are_swapped(ledger: Ledger) -> None:
    tamper(ledger, *(statement.replace("= 1", "= 3") for statement in SWAP))

    assert problem(ledger) == "record 2 does not follow record 1: one of them was altered or moved"


def test_an_end_that_was_cut_off_is_missed_by_who_knows_the_head(ledger: Ledger) -> None:
    head = ledger.head()
    assert head is not None
    assert problem(ledger, str(head)) == problem(ledger, head.hash) == "none"
    ledger.append(entry("c"))
    assert problem(ledger, str(head)) == "none"
    assert problem(ledger, f"2:{head.hash}") != "none"

    tamper(ledger, "DELETE FROM records WHERE seq >= 3")

    assert problem(ledger) == "none"
    for known in (str(head), head.hash, "", "3:", "nonsense"):
        assert problem(ledger, known) == (
            "the known head is not in the chain: its end was cut off, or it was written anew"
        )


def test_a_chain_that_was_written_anew_is_not_the_known_one(ledger: Ledger, tmp_path: Path) -> None:
    head = ledger.head()
    forged = Ledger(tmp_path / "forged" / "ledger.sqlite")
    forged.append(
        entry("a", hosts=["another"]), entry("b", hosts=["h"]), entry("a", "ended", outcome="ok")
    )
    forged.close()
    ledger.close()
    shutil.copy(forged.path, ledger.path)

    assert problem(ledger) == "none"
    assert problem(ledger, str(head)).startswith("the known head is not in the chain")


def test_all_records_are_gone(ledger: Ledger) -> None:
    head = ledger.head()
    tamper(ledger, "DELETE FROM records")

    assert problem(ledger) == "none"
    assert problem(ledger, str(head)).startswith("the known head is not in the chain")


def test_a_body_that_is_no_json_any_more(ledger: Ledger) -> None:
    """It is found, and the rest can be read, also by a Playrail that opens the file anew
    and makes its indexes.
    """
    tamper(ledger, "UPDATE records SET body = 'x' WHERE seq = 2")
    with opened(ledger.path) as connection:
        connection.execute("REINDEX")
    ledger.close()

    assert problem(ledger) == "record 2 was altered"
    assert [row["seq"] for row in ledger.read(kinds=("ended",))] == [3]
    with pytest.raises(LedgerUnavailable, match="Record 2 of the ledger was altered"):
        list(ledger.read())


NO_TEXT = (
    "x'7bff7d'",
    "CAST(x'7bff7d' AS TEXT)",
    "CAST(x'7b2261223a22ff227d' AS TEXT)",
    "x'7b2261223a317d'",
    "x'ff'",
)


@pytest.mark.parametrize("value", NO_TEXT)
@pytest.mark.parametrize("column", ["body", "caller", "hash"])
def test_bytes_that_are_no_text_are_found_by_the_record(
    ledger: Ledger, column: str, value: str
) -> None:
    tamper(ledger, f"UPDATE records SET {column} = {value} WHERE seq = 2")

    assert problem(ledger) == "record 2 was altered"
    assert [row["seq"] for row in ledger.read(kinds=("ended",))] == [3]
    if column == "body" and value != "x'7b2261223a317d'":
        with pytest.raises(LedgerUnavailable, match="Record 2 of the ledger was altered"):
            list(ledger.read())
    for wanted in ({"run": "r"}, {"plan": "p"}, {"undoes": True}):
        list(ledger.read(**wanted))


def checkpoint(upto: object, link: object) -> Entry:
    body = {"upto": upto, "hash": link, "records": 1, "because": {}, "withheld": []}
    return Entry(kind="checkpoint", call="c", server="", caller="operator", tool="", body=body)


@pytest.mark.parametrize(
    ("upto", "link"),
    [
        (1_000_000_000, "0" * 64),
        (4, "0" * 64),
        (5, "0" * 64),
        (2, "0" * 64),
        (0, "0" * 64),
        (-1, "0" * 64),
        ("2", None),
        (2.0, None),
        (True, None),
        (None, None),
        (2, 7),
    ],
)
def test_a_checkpoint_that_was_made_up_covers_nothing(
    ledger: Ledger, upto: object, link: object
) -> None:
    ledger.append(checkpoint(upto, link))
    assert problem(ledger).startswith("record 4 is a checkpoint that Playrail did not write")

    ledger.append(entry("c"))
    head = str(ledger.head())
    tamper(ledger, "DELETE FROM records WHERE seq <= 2")
    for known in (None, head):
        assert problem(ledger, known).startswith(
            "records before 3 are missing, and no checkpoint says"
        )


def test_a_checkpoint_allows_what_came_before_it(ledger: Ledger) -> None:
    links = [row["hash"] for row in ledger.read()]
    ledger.append(checkpoint(2, links[1]))
    assert problem(ledger) == "none"
    for gone in (1, 2):
        tamper(ledger, f"DELETE FROM records WHERE seq = {gone}")
        assert problem(ledger, str(ledger.head())) == "none"
    assert problem(ledger, f"2:{links[1]}") == "none"
    assert problem(ledger, f"1:{links[0]}").startswith("the known head, record 1, was pruned")
    tamper(ledger, "DELETE FROM records WHERE seq = 3")
    assert problem(ledger).startswith("records before 4 are missing")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("capture", {"run": "r", "effects": ["h"]}),
        ("capture", {"run": "r", "effects": {"h": [{"kind": "file", "name": "/a", "new": 1}]}}),
        (
            "capture",
            {
                "run": "r",
                "effects": {
                    "h": [{"kind": "file", "name": "/a", "before": {"content": 7}, "after": None}]
                },
            },
        ),
        ("started", {"arguments": None, "hosts": ["h"]}),
        ("started", {"arguments": {}, "hosts": "h"}),
        ("ended", {"outcome": "ok", "changed": "h", "failed": []}),
        ("approval", {"plan": 7}),
        ("events", [1]),
    ],
)
def test_a_record_that_was_made_up_is_named(ledger: Ledger, kind: Kind, body: Any) -> None:
    """It is rightly chained, and no reader may fall over it."""
    ledger.append(Entry(kind=kind, call="c", server="s", caller="ann", tool="t", body=body))

    assert problem(ledger).startswith("record 4 was not written by Playrail: ")
    with pytest.raises(
        LedgerUnavailable, match="Record 4 of the ledger was not written by Playrail"
    ):
        list(ledger.read())
    assert len(list(ledger.read(call="a"))) == 2
