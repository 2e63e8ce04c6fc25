"""The schema's revision in a ledger's file, and bringing it up to date."""

from __future__ import annotations

import threading
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from playrail.errors import LedgerUnavailable

REVISIONS = ("1", "2")
"""Of all migrations in migrations/versions, oldest first."""

MIGRATIONS = Path(__file__).parent / "migrations"

# While migrations run, alembic keeps what they work on in its modules
_one_at_a_time = threading.Lock()


def bring_up_to_date(engine: Engine) -> None:
    """Makes the tables of a new file, and mends those of an older one. Raises
    LedgerUnavailable for a newer one.
    """
    with engine.connect() as connection:
        if _revision(connection) == REVISIONS[-1]:
            return
    import alembic.command  # noqa: PLC0415  slow, and needed once in a file's life
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with _one_at_a_time, engine.begin() as connection:
        lock_for_writing(connection)
        config.attributes["connection"] = connection
        found = _revision(connection)  # another process may have been quicker
        if found is None and _has(connection, "records"):  # made before there were migrations
            alembic.command.stamp(config, REVISIONS[0])
        if found != REVISIONS[-1]:
            alembic.command.upgrade(config, "head")


def lock_for_writing(connection: Connection) -> None:
    """Begins a transaction that is the only one to write, also between processes."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _revision(connection: Connection) -> str | None:
    if not _has(connection, "alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found not in REVISIONS:
        raise LedgerUnavailable(
            f"The ledger cannot be written: its schema has the revision {str(found)[:32]!r}, "
            "and this Playrail "
            f"knows those up to {REVISIONS[-1]!r}; a newer Playrail has made it.",
            hint=(
                "Nothing was run. The operator has to run that Playrail, or to give this one "
                "another state directory."
            ),
        )
    return str(found)


def _has(connection: Connection, table: str) -> bool:
    query = text("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :table")
    return connection.execute(query, {"table": table}).scalar() is not None
