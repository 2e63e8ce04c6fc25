"""The ledger's one table, as the code meets it. The migrations make it; SCHEMA.md tells of
it.
"""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, String, Table, Text, literal_column

metadata = MetaData()

records = Table(
    "records",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String(32), nullable=False),  # ISO 8601, UTC
    Column("kind", String(16), nullable=False),
    Column("call", String(36), nullable=False),  # the request id
    Column("server", String(32), nullable=False),  # the Playrail process, see ledger/alive.py
    Column("caller", String(255), nullable=False),
    Column("tool", String(128), nullable=False),
    Column("body", Text, nullable=False),  # canonical JSON, its keys depend on kind
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
)

# Word for word what the indexes of migration r2 are made of; otherwise SQLite would read
# every record.
plan = literal_column("CASE WHEN json_valid(body) THEN json_extract(body, '$.plan') END", String)
run = literal_column("CASE WHEN json_valid(body) THEN json_extract(body, '$.run') END", String)
undoes = literal_column(
    "CASE WHEN json_valid(body) THEN json_extract(body, '$.undoes') END", String
)
CLOSED_ONCE = "records_close_a_plan_once"
