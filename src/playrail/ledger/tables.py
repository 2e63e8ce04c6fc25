"""The ledger's one table. Nothing is ever updated or deleted: triggers refuse it."""

from __future__ import annotations

from sqlalchemy import DDL, Column, Index, Integer, MetaData, String, Table, Text, event

metadata = MetaData()

records = Table(
    "records",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String(32), nullable=False),  # ISO 8601, UTC
    Column("kind", String(16), nullable=False),  # refused | started | ended | interrupted
    Column("call", String(36), nullable=False),  # the request id
    Column("server", String(32), nullable=False),  # the Playrail process, see ledger/alive.py
    Column("caller", String(255), nullable=False),
    Column("tool", String(128), nullable=False),
    Column("body", Text, nullable=False),  # canonical JSON, its keys depend on kind
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
)
Index("records_by_call", records.c.call)
Index("records_by_server", records.c.server)

for verb in ("UPDATE", "DELETE"):
    event.listen(
        records,
        "after_create",
        DDL(  # type: ignore[no-untyped-call]  # SQLAlchemy left this one untyped
            f"CREATE TRIGGER records_refuse_{verb.lower()} BEFORE {verb} ON records "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        ).execute_if(dialect="sqlite"),
    )
