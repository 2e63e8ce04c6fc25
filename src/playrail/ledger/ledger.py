"""The ledger: what was asked, by whom, on which hosts, and what came of it.

Append-only and hash-chained: each record's hash covers its content and the hash before it, so that a record cannot be
altered, taken out or moved without `verify` finding it. Records cut off at the end are only found by somebody who knows
the last hash. A record is durable before `append` returns (SQLite, WAL, full
synchronisation).
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, select
from sqlalchemy.exc import SQLAlchemyError

from playrail.errors import LedgerUnavailable, SettingsInvalid
from playrail.ledger.tables import metadata, records
from playrail.private_files import private_directory

FIRST = "0" * 64
BUSY_S = 10.0  # how long to wait for another Playrail process that is writing
CHAINED = ("seq", "at", "kind", "call", "server", "caller", "tool", "body", "previous")

Kind = Literal["refused", "started", "ended", "interrupted"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What happened. `body` is JSON data; secrets are in it as references only."""

    kind: Kind
    call: str
    server: str
    caller: str
    tool: str
    body: Mapping[str, Any]


class Ledger:
    """The embedded ledger in one file. Several processes may use it at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine: Engine | None = None
        self._file: tuple[int, int] | None = None
        self._opening = threading.Lock()

    def append(self, *entries: Entry) -> None:
        """Writes the entries durably, all or none. Raises LedgerUnavailable."""
        try:
            with self._open().begin() as connection:
                _lock_for_writing(connection)
                seq, previous = _head(connection)
                for entry in entries:
                    seq += 1
                    row = _row(entry, seq=seq, previous=previous)
                    previous = row["hash"]
                    connection.execute(insert(records), row)
        except (SQLAlchemyError, OSError, SettingsInvalid) as error:
            raise _unavailable(error) from error

    def open_calls(self, server: str) -> list[Entry]:
        """The calls that `server` started and did not end. Raises LedgerUnavailable."""
        started: dict[str, Entry] = {}
        for row in self.read(server=server):
            if row["kind"] == "started":
                started[row["call"]] = Entry(
                    kind="started",
                    call=row["call"],
                    server=server,
                    caller=row["caller"],
                    tool=row["tool"],
                    body=row["body"],
                )
            else:
                started.pop(row["call"], None)
        return list(started.values())

    def read(self, *, server: str | None = None, call: str | None = None) -> Iterator[dict[str, Any]]:
        """Records in order, `body` parsed. Raises LedgerUnavailable."""
        query = select(records).order_by(records.c.seq)
        if server is not None:
            query = query.where(records.c.server == server)
        if call is not None:
            query = query.where(records.c.call == call)
        try:
            with self._open().connect() as connection:
                for row in connection.execute(query).mappings():
                    yield {**row, "body": json.loads(row["body"])}
        except (SQLAlchemyError, OSError, SettingsInvalid) as error:
            raise _unavailable(error) from error

    def verify(self) -> int | None:
        """The sequence number of the first record that was altered, or follows a gap; None when the chain holds."""
        expected, previous = 1, FIRST
        try:
            with self._open().connect() as connection:
                for row in connection.execute(select(records).order_by(records.c.seq)).mappings():
                    if row["seq"] != expected or row["previous"] != previous or row["hash"] != _hash(dict(row)):
                        return int(row["seq"])
                    expected, previous = expected + 1, row["hash"]
        except (SQLAlchemyError, OSError, SettingsInvalid) as error:
            raise _unavailable(error) from error
        return None

    def durations_ms(self, *, latest: int = 2000) -> dict[str, list[int]]:
        """Per tool how long its calls took that went well, among the latest ended ones. Raises LedgerUnavailable."""
        ended = (
            select(records.c.tool, records.c.body)
            .where(records.c.kind == "ended")
            .order_by(records.c.seq.desc())
            .limit(latest)
        )
        found: dict[str, list[int]] = {}
        try:
            with self._open().connect() as connection:
                for tool, text in connection.execute(ended):
                    body = json.loads(text)
                    if body["outcome"] == "ok":
                        found.setdefault(tool, []).append(body["duration_ms"])
        except (SQLAlchemyError, OSError, SettingsInvalid) as error:
            raise _unavailable(error) from error
        return found

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _open(self) -> Engine:
        with self._opening:
            # SQLite would go on writing to a file that was deleted, moved or replaced, where nobody finds the records.
            if self._engine is not None and self._file != _identity(self.path):
                self.close()
            if self._engine is None:
                self._engine = self._opened()
            return self._engine

    def _opened(self) -> Engine:
        private_directory(self.path.parent)
        engine = create_engine(URL.create("sqlite", database=str(self.path)), connect_args={"timeout": BUSY_S})
        event.listen(engine, "connect", _on_connect)
        try:
            with engine.begin() as connection:
                _lock_for_writing(connection)
                metadata.create_all(connection)
            self.path.chmod(0o600)
            self._file = _identity(self.path)
        except BaseException:
            engine.dispose()
            raise
        return engine


def _identity(path: Path) -> tuple[int, int]:
    """Which file this is. Raises OSError when there is none."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins no transaction of its own; a read needs none
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _lock_for_writing(connection: Connection) -> None:
    # Reading the head and appending to it is one step, also between processes.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _head(connection: Connection) -> tuple[int, str]:
    row = connection.execute(select(records.c.seq, records.c.hash).order_by(records.c.seq.desc()).limit(1)).first()
    return (int(row.seq), str(row.hash)) if row else (0, FIRST)


def _row(entry: Entry, *, seq: int, previous: str) -> dict[str, Any]:
    row = {
        "seq": seq,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "kind": entry.kind,
        "call": entry.call,
        "server": entry.server,
        "caller": entry.caller,
        "tool": entry.tool,
        "body": _canonical(entry.body),
        "previous": previous,
    }
    return {**row, "hash": _hash(row)}


def _hash(row: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical([row[name] for name in CHAINED]).encode()).hexdigest()


def _canonical(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="backslashreplace").decode()  # a lone surrogate becomes JSON's own escape for it


def _unavailable(error: Exception) -> LedgerUnavailable:
    reason = getattr(error, "orig", None) or getattr(error, "strerror", None) or error
    return LedgerUnavailable(f"The ledger cannot be written: {reason}.")
