"""Deletes records and makes the ledger's file smaller, in steps so short that who writes
meanwhile hardly waits.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from playrail.ledger.sqlite.schema import lock_for_writing

log = logging.getLogger(__name__)

MOST_RECORDS, MOST_BYTES = 500, 4_000_000  # of one step; a larger record is a step of its own
MOST_PAGES = 500  # given back in one step
LEAST_PAUSE_S = 0.01
PATIENCE_MS = 500  # for emptying the log beside the file, while nobody else can write

STEP = """
SELECT seq, sum(size) OVER (ORDER BY seq) - size AS before FROM (
    SELECT seq, length(CAST(body AS BLOB)) AS size FROM records
    WHERE seq <= :upto ORDER BY seq LIMIT :most
)
"""
INCREMENTAL = 2  # as PRAGMA auto_vacuum tells it
KEEPS_ITS_SIZE = (
    "The file keeps its size, for other Playrail processes are at work: it is one of an older "
    "Playrail, and has to be "
    "written anew. Stop them and prune again, once."
)


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """How many records were deleted, and what the operator should know of what was not
    done, in sentences.
    """

    records: int
    notes: tuple[str, ...] = ()


def delete_up_to(engine: Engine, upto: int) -> int:
    """Deletes the records up to this one, which a checkpoint has to allow, and returns how
    many there were.

    What is left can be verified at every moment.
    """
    count = 0
    with engine.connect() as connection:
        connection.detach()  # the setting is this connection's only
        # What is deleted is overwritten where that takes no more writing; the rest goes
        # when space is given back.
        connection.exec_driver_sql("PRAGMA secure_delete=FAST")
        while (last := _last_of_step(connection, upto)) is not None:
            began = time.monotonic()
            lock_for_writing(connection)
            count += connection.execute(
                text("DELETE FROM records WHERE seq <= :last"), {"last": last}
            ).rowcount
            connection.commit()
            _let_others_write(began)
    return count


def _last_of_step(connection: Connection, upto: int) -> int | None:
    rows = connection.execute(text(STEP), {"upto": upto, "most": MOST_RECORDS}).all()
    connection.commit()
    fitting = [seq for seq, before in rows if before < MOST_BYTES]
    return max(fitting, default=None)


def give_back_space(engine: Engine, *, alone: Callable[[], bool]) -> tuple[str, ...]:
    """Makes the file smaller after records were deleted, and takes them out of it for good.

    A file of an older Playrail has to be written anew for that, which is done when no other
    process is at work. Returns what could not be done.
    """
    try:
        with engine.connect() as connection:
            connection.detach()
            if not _free_pages(connection):
                return ()
            if _number(connection, "PRAGMA auto_vacuum") == INCREMENTAL:
                _give_back_in_steps(connection)
            elif alone():
                # Counts from the writing anew on
                connection.exec_driver_sql("PRAGMA auto_vacuum=INCREMENTAL")
                connection.exec_driver_sql("VACUUM")
            else:
                return (KEEPS_ITS_SIZE,)
            connection.exec_driver_sql(f"PRAGMA busy_timeout={PATIENCE_MS}")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    except OperationalError as error:  # in use, or no room for the copy
        log.warning("the ledger's file could not be made smaller: %s", error.orig)
        return (f"The file could not be made smaller: {error.orig}. The next pruning does it.",)
    return ()


def _give_back_in_steps(connection: Connection) -> None:
    driver: Any = connection.connection.dbapi_connection  # of one that is detached
    left = _free_pages(connection)
    while left:
        began = time.monotonic()
        # `execute` would stop after one page
        driver.executescript(f"PRAGMA incremental_vacuum({MOST_PAGES})")
        _let_others_write(began)
        before, left = left, _free_pages(connection)
        if left >= before:
            return


def _free_pages(connection: Connection) -> int:
    return _number(connection, "PRAGMA freelist_count")


def _number(connection: Connection, pragma: str) -> int:
    return int(connection.exec_driver_sql(pragma).scalar_one())


def _let_others_write(began: float) -> None:
    """They look for their turn every now and then: as much time as was taken from them is
    theirs.
    """
    time.sleep(max(LEAST_PAUSE_S, time.monotonic() - began))
