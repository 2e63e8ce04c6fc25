"""The ledger: what was asked, by whom, on which hosts, and what came of it. SCHEMA.md tells
how it is kept.

Append-only and hash-chained, see chain.py. A record is durable before `append` returns
(SQLite, WAL, full synchronisation).
"""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Self, Unpack

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from playrail.errors import LedgerUnavailable, PlanUnusable, SettingsInvalid
from playrail.ledger.alive import anyone_alive
from playrail.ledger.chain import FIRST, Head, Verified, examine, linked
from playrail.ledger.entries import Body, Checkpoint, Ended, Kind, Started
from playrail.ledger.sqlite.pruning import Pruned, delete_up_to, give_back_space
from playrail.ledger.sqlite.retention import last_to_prune, unfinished
from playrail.ledger.sqlite.schema import bring_up_to_date, lock_for_writing
from playrail.ledger.sqlite.selection import Wanted, selected, still_open
from playrail.ledger.sqlite.tables import CLOSED_ONCE, records
from playrail.ledger.sqlite.withheld import withheld_up_to
from playrail.settings.private_files import private_directory
from playrail.settings.state import claims_directory

BUSY_S = 10.0
RETRY_S = 0.02

Read = Callable[..., Iterator[dict[str, Any]]]
"""What reads records, with the arguments of `Ledger.read`."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What happened. `body` is JSON data, in which no secret is."""

    kind: Kind
    call: str
    server: str
    caller: str
    tool: str
    body: Mapping[str, Any]

    @classmethod
    def of(cls, body: Body, *, call: str, server: str, caller: str, tool: str) -> Self:
        return cls(
            kind=body.KIND,
            call=call,
            server=server,
            caller=caller,
            tool=tool,
            body=body.to_body(),
        )


@dataclass(frozen=True, kw_only=True)
class OpenCall:
    """A call that was started on these hosts, and has no end."""

    call: str
    caller: str
    tool: str
    hosts: tuple[str, ...]


class Ledger:
    """The embedded ledger in one file. Several processes may use it at once.

    `busy_s`: how long to wait for another process that is writing.
    """

    def __init__(self, path: Path, *, busy_s: float = BUSY_S) -> None:
        self.path = path
        self._busy_s = busy_s
        self._engine: Engine | None = None
        self._file: tuple[int, int] | None = None
        self._opening = threading.Lock()

    def append(self, *entries: Entry, provided: Callable[[Read], None] | None = None) -> None:
        """Writes the entries durably, all or none.

        `provided` is called first; nothing is written between what it reads and the
        entries. What it raises is raised, and then nothing is written. Raises
        LedgerUnavailable; PlanUnusable when a plan is closed that already is.
        """
        engine = self._open()
        try:
            with engine.begin() as connection:
                lock_for_writing(connection)
                if provided is not None:
                    provided(partial(selected, connection))
                _append(connection, entries)
        except IntegrityError as error:
            if CLOSED_ONCE in str(error.orig):
                raise PlanUnusable("The plan was used, cancelled or rejected before.") from error
            raise _unavailable(error) from error
        except SQLAlchemyError as error:
            raise _unavailable(error) from error

    def open_calls(self, server: str) -> list[OpenCall]:
        """The calls that `server` started and did not end. Raises LedgerUnavailable."""
        with self._reading() as connection:
            return [
                OpenCall(
                    call=row["call"],
                    caller=row["caller"],
                    tool=row["tool"],
                    hosts=Started.of_body(row["body"]).hosts,
                )
                for row in still_open(connection, server)
            ]

    def read(self, **wanted: Unpack[Wanted]) -> Iterator[dict[str, Any]]:
        """Records in order, `body` parsed; only those that have all that is `wanted`.
        Raises LedgerUnavailable.
        """
        with self._reading() as connection:
            yield from selected(connection, **wanted)

    def head(self) -> Head | None:
        """The last record; None of an empty ledger. Raises LedgerUnavailable."""
        with self._reading() as connection:
            return _head(connection)

    def verify(self, *, known: str | None = None) -> Verified:
        """Examines the whole chain. `known` is a head that it had before, as `hash` or
        `seq:hash`.

        Without it, records that were cut off at the end are not missed. Raises
        LedgerUnavailable.
        """
        with self._reading() as connection:
            rows = connection.execute(select(records).order_by(records.c.seq)).mappings()
            return examine((dict(row) for row in rows), known=known)

    def prune(
        self, *, older_than_days: float | None = None, larger_than_mb: float | None = None
    ) -> Pruned:
        """Deletes the oldest records: those that are too old, or for which there is no
        room.

        A checkpoint that is appended first says which, so that the rest can be verified,
        also when this is ended halfway: the next pruning then goes on. Records that are
        needed stay, see retention.py. Raises LedgerUnavailable.
        """
        engine = self._open()
        because = {"older_than_days": older_than_days, "larger_than_mb": larger_than_mb}
        try:
            with engine.connect() as connection:
                left = unfinished(connection)
            count = delete_up_to(engine, left)
            # Nobody waits: what may be deleted now may be so later
            with engine.connect() as connection:
                bound = last_to_prune(connection, **because)
                withheld = withheld_up_to(connection, bound.upto)
            with engine.begin() as connection:
                lock_for_writing(connection)
                _append(connection, _checkpoint(connection, bound.upto, because, withheld))
            count += delete_up_to(engine, bound.upto)
            kept = give_back_space(
                engine, alone=lambda: not anyone_alive(claims_directory(self.path.parent))
            )
        except SQLAlchemyError as error:
            raise _unavailable(error) from error
        return Pruned(records=count, notes=(*bound.why, *kept))

    def durations_ms(self, *, latest: int = 2000) -> dict[str, list[int]]:
        """Per tool how long its calls took that went well, among the latest ended ones.
        Raises LedgerUnavailable.
        """
        found: dict[str, list[int]] = {}
        for row in self.read(kinds=(Ended.KIND,), newest_first=True, limit=latest):
            ended = Ended.of_body(row["body"])
            if ended.outcome == "ok" and ended.duration_ms is not None:
                found.setdefault(row["tool"], []).append(ended.duration_ms)
        return found

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        engine = self._open()
        try:
            with engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise _unavailable(error, "read") from error

    def _open(self) -> Engine:
        try:
            with self._opening:
                # SQLite would go on writing to a file that was deleted, moved or replaced,
                # where nobody finds it.
                if self._engine is not None and self._file != _identity(self.path):
                    self.close()
                if self._engine is None:
                    self._engine = self._opened()
                return self._engine
        except (SQLAlchemyError, OSError, SettingsInvalid) as error:
            raise _unavailable(error) from error

    def _opened(self) -> Engine:
        private_directory(self.path.parent)
        engine = create_engine(
            URL.create("sqlite", database=str(self.path)),
            connect_args={"timeout": self._busy_s},
            # Who reads within a read has two: with a bound, threads would wait for each
            # other's
            max_overflow=-1,
        )
        event.listen(engine, "connect", partial(_on_connect, busy_s=self._busy_s))
        try:
            bring_up_to_date(engine)
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


def _on_connect(connection: Any, _record: Any, *, busy_s: float) -> None:
    # A text that is none must not keep the records around it from being read
    connection.text_factory = _decoded
    # The driver begins no transaction of its own; a read needs none
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous=FULL")
    _set_up_file(connection, until=time.monotonic() + busy_s)


def _decoded(text: bytes) -> str:
    return text.decode(errors="surrogateescape")


def _set_up_file(connection: Any, *, until: float) -> None:
    """Does nothing once that was done. SQLite itself does not wait where two processes do
    it to a new file.
    """
    while True:
        try:
            if connection.execute("PRAGMA page_count").fetchone() == (0,):
                # So that pruning can give back space in steps
                connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(RETRY_S)
        else:
            return


def _append(connection: Connection, entries: Sequence[Entry]) -> None:
    head = _head(connection)
    seq, previous = (head.seq, head.hash) if head else (0, FIRST)
    for entry in entries:
        seq += 1
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        row = linked({**vars(entry), "at": at}, seq=seq, previous=previous)
        previous = row["hash"]
        connection.execute(insert(records), row)


def _head(connection: Connection) -> Head | None:
    newest = (
        select(records.c.seq, records.c.at, records.c.hash).order_by(records.c.seq.desc()).limit(1)
    )
    row = connection.execute(newest).mappings().first()
    return Head(**row) if row else None


def _checkpoint(
    connection: Connection, upto: int, because: Mapping[str, float | None], withheld: Sequence[str]
) -> list[Entry]:
    """What to append before the records up to `upto` are deleted; nothing when that one is
    not there.
    """
    link = connection.execute(select(records.c.hash).where(records.c.seq == upto)).scalar()
    if link is None:
        return []
    first = connection.execute(select(records.c.seq).order_by(records.c.seq).limit(1)).scalar_one()
    count = upto - first + 1
    checkpoint = Checkpoint(
        upto=upto, hash=link, records=count, because=because, withheld=tuple(withheld)
    )
    call = str(uuid.uuid4())
    return [Entry.of(checkpoint, call=call, server="", caller="operator", tool="")]


def is_busy(error: LedgerUnavailable) -> bool:
    """Whether others were writing for longer than one waits for them; later it may be
    possible.
    """
    cause = getattr(error.__cause__, "orig", None)
    if not isinstance(cause, sqlite3.OperationalError):
        return False
    return cause.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _unavailable(error: Exception, what: str = "written") -> LedgerUnavailable:
    reason = getattr(error, "orig", None) or getattr(error, "strerror", None) or error
    return LedgerUnavailable(f"The ledger cannot be {what}: {reason}.")
