"""The chain: each record's hash covers its content and the hash before it.

So a record cannot be altered, taken out or moved without `examine` finding it. Records cut
off at the end, or a chain that was written anew, are found by who knows a hash that the
chain had before. A checkpoint allows that what came before it is gone; it has to name a
record that was there, by its hash, so it allows nothing that came after it.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from playrail.canonical import canonical, digest
from playrail.ledger.entries import Checkpoint, Misshapen, wrong_with

FIRST = "0" * 64
CHAINED = ("seq", "at", "kind", "call", "server", "caller", "tool", "body", "previous")


@dataclass(frozen=True, kw_only=True)
class Head:
    """The last record of a chain. Noted elsewhere, it proves later that nothing was cut
    off.
    """

    seq: int
    at: str
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What the chain's examination found: how many records there are, from `first` to
    `head`, and the first problem.
    """

    records: int
    first: int | None
    head: Head | None
    problem: str | None


def linked(record: Mapping[str, Any], *, seq: int, previous: str) -> dict[str, Any]:
    """The record as the chain's next row, its body as canonical JSON."""
    row = {**record, "seq": seq, "body": canonical(record["body"]), "previous": previous}
    return {**row, "hash": row_hash(row)}


def row_hash(row: Mapping[str, Any]) -> str:
    return digest([row[name] for name in CHAINED])


def examine(rows: Iterable[Mapping[str, Any]], *, known: str | None = None) -> Verified:
    """Reads a whole chain once. `known` is an earlier head, as `hash` or `seq:hash`, that
    has to be in it.
    """
    examination = _Examination(known)
    for row in rows:
        examination.take(row)
    return examination.verified()


def _is_whole(row: Mapping[str, Any]) -> bool:
    try:
        return bool(row["hash"] == row_hash(row))
    except (TypeError, UnicodeError):  # bytes where there were texts, or texts that are none
        return False


def _short(link: str) -> int:
    """Eight bytes that stand for a hash: millions of these fit into memory."""
    return int.from_bytes(hashlib.blake2b(link.encode(errors="replace"), digest_size=8).digest())


class _Examination:
    def __init__(self, known: str | None) -> None:
        seq, _, self._known = (known or "").rpartition(":")
        self._known_seq = seq
        self._found = known is None
        self._records = 0
        self._start: Head | None = None
        """What stood before the first record, if that is not the very first."""
        self._checkpoints: set[int] = set()
        """Up to which record one said that records may be deleted."""
        self._hashes = array("Q")
        """Those of the records that are there, in short."""
        self._first: int | None = None
        self._head: Head | None = None
        self._problem: str | None = None

    def take(self, row: Mapping[str, Any]) -> None:
        self._records += 1
        seq, previous = row["seq"], row["previous"]
        if self._first is None:
            self._first = seq
            if (seq, previous) != (1, FIRST):
                self._start = Head(seq=seq - 1, at=row["at"], hash=previous)
                self._look_for_known(self._start)
        elif self._problem is None:
            self._problem = self._gap(seq, previous)
        if self._problem is None and not _is_whole(row):
            self._problem = f"record {seq} was altered"
        self._head = Head(seq=seq, at=row["at"], hash=row["hash"])
        self._hashes.append(_short(str(row["hash"])))
        self._look_for_known(self._head)
        if self._problem is None:
            self._problem = self._content(seq, row["kind"], row["body"])

    def _content(self, seq: int, kind: str, text: str) -> str | None:
        """What is wrong with a record that is rightly chained."""
        if kind == "checkpoint":
            return self._checkpoint(seq, text)
        try:
            wrong = wrong_with(kind, json.loads(text))
        except ValueError:
            wrong = Misshapen("its body is no JSON")
        if wrong is None or wrong.newer:
            return None
        return f"record {seq} was not written by Playrail: {wrong}"

    def _checkpoint(self, seq: int, text: str) -> str | None:
        """What is wrong with a checkpoint: the record that it says to be the last was
        there, just before it.
        """
        try:
            checkpoint = Checkpoint.of_body(json.loads(text))
            upto, link = checkpoint.upto, checkpoint.hash
        except ValueError:
            upto, link = None, None
        if type(upto) is not int or not isinstance(link, str):
            return f"record {seq} is a checkpoint that Playrail did not write: it names no record"
        if not 0 < upto < seq:
            return (
                f"record {seq} is a checkpoint that Playrail did not write: it covers itself, "
                "or what came later"
            )
        if not self._was(upto, link):
            return (
                f"record {seq} is a checkpoint that Playrail did not write: record {upto} has "
                "another hash"
            )
        self._checkpoints.add(upto)
        return None

    def _was(self, seq: int, link: str) -> bool:
        """Whether the record of this number has this hash, as far as is known: what was
        pruned before may have had.
        """
        first = self._first or 1
        if seq >= first:
            return self._hashes[seq - first] == _short(link)
        return self._start is None or seq != self._start.seq or self._start.hash == link

    def _gap(self, seq: int, previous: str) -> str | None:
        assert self._head is not None  # it is not the first record
        if seq != self._head.seq + 1:
            return f"records are missing between {self._head.seq} and {seq}"
        if previous != self._head.hash:
            return (
                f"record {seq} does not follow record {self._head.seq}: one of them was "
                "altered or moved"
            )
        return None

    def _look_for_known(self, link: Head) -> None:
        self._found = self._found or (
            link.hash == self._known and self._known_seq in {"", str(link.seq)}
        )

    def verified(self) -> Verified:
        problem = self._beginning() or self._problem or self._end()
        return Verified(records=self._records, first=self._first, head=self._head, problem=problem)

    def _beginning(self) -> str | None:
        """A pruning deletes from the first record on; one that has not come to its end has
        left some of its own.
        """
        if self._start is None or any(upto >= self._start.seq for upto in self._checkpoints):
            return None
        return (
            f"records before {self._first} are missing, and no checkpoint says that they were "
            "pruned"
        )

    def _end(self) -> str | None:
        if self._found:
            return None
        if (
            self._start is not None
            and self._known_seq.isdecimal()
            and int(self._known_seq) < self._start.seq
        ):
            return f"the known head, record {self._known_seq}, was pruned; verify with a later one"
        return "the known head is not in the chain: its end was cut off, or it was written anew"
