"""Which records are read, as SQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal, TypedDict, Unpack

from sqlalchemy import Connection, Select, select

from playrail.errors import LedgerUnavailable
from playrail.ledger.entries import Ended, Interrupted, Kind, wrong_with
from playrail.ledger.sqlite import tables
from playrail.ledger.sqlite.tables import records

ENDS = (Ended.KIND, Interrupted.KIND)


class Wanted(TypedDict, total=False):
    """Which records to read; what is left out or None does not matter."""

    server: str | None
    call: str | None
    kinds: tuple[Kind, ...]
    """Any of these; empty for all."""
    run: str | None
    """As the body names it; `ended` names none."""
    plan: str | None
    """As the body names it."""
    undoes: str | Literal[True] | None
    """The run that a plan takes back; True for any."""
    caller: str | None
    since: str | None
    """The earliest `at`: ISO 8601, UTC, milliseconds."""
    after: int | None
    """Those that were written after the record of this number, whatever its clock said."""
    newest_first: bool
    limit: int | None


def selected(connection: Connection, **wanted: Unpack[Wanted]) -> Iterator[dict[str, Any]]:
    """The records in order, their bodies parsed. Raises LedgerUnavailable for one that
    cannot be read.
    """
    return _parsed(connection, query(wanted))


def still_open(connection: Connection, server: str) -> Iterator[dict[str, Any]]:
    """The `started` records of this server's calls that have no end."""
    done = records.alias()
    ended = select(done.c.seq).where(done.c.call == records.c.call, done.c.kind.in_(ENDS)).exists()
    started = select(records).where(records.c.server == server, records.c.kind == "started", ~ended)
    return _parsed(connection, started.order_by(records.c.seq))


def _parsed(connection: Connection, found: Select[Any]) -> Iterator[dict[str, Any]]:
    for row in connection.execute(found).mappings():
        yield {**row, "body": _body(row["seq"], row["kind"], row["body"])}


def query(wanted: Wanted) -> Select[Any]:
    equal = {
        records.c.server: wanted.get("server"),
        records.c.call: wanted.get("call"),
        records.c.caller: wanted.get("caller"),
        tables.run: wanted.get("run"),
        tables.plan: wanted.get("plan"),
    }
    found = select(records.c.seq).where(
        *(column == value for column, value in equal.items() if value is not None)
    )
    if (undoes := wanted.get("undoes")) is not None:
        found = found.where(
            tables.undoes.is_not(None) if undoes is True else tables.undoes == undoes
        )
    if kinds := wanted.get("kinds"):
        found = found.where(records.c.kind.in_(kinds))
    if (after := wanted.get("after")) is not None:
        found = found.where(records.c.seq > after)
    if (since := wanted.get("since")) is not None:
        found = found.where(records.c.at >= since)
    order = records.c.seq.desc() if wanted.get("newest_first") else records.c.seq
    found = found.order_by(order).limit(wanted.get("limit"))
    # In two steps, so that SQLite sorts numbers and not whole records.
    return select(records).where(records.c.seq.in_(found)).order_by(order)


def _body(seq: int, kind: str, text: str) -> Any:
    try:
        str(text).encode()  # it has bytes that are no text when this cannot be done
        body = json.loads(text)
    except (ValueError, TypeError) as error:
        raise _altered(seq, "was altered: it cannot be read") from error
    if (wrong := wrong_with(kind, body)) is not None:
        if wrong.newer:
            raise LedgerUnavailable(
                f"Record {seq} of the ledger was written by a newer Playrail: {wrong}.",
                hint="The operator has to use the newest Playrail that has written to this ledger.",
            )
        raise _altered(seq, f"was not written by Playrail: {wrong}")
    return body


def _altered(seq: int, how: str) -> LedgerUnavailable:
    return LedgerUnavailable(
        f"Record {seq} of the ledger {how}.",
        hint=(
            "The operator has to look at `playrail ledger verify`, and at a copy of the ledger "
            "from before."
        ),
    )
