"""Records for the tests of the ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playrail.ledger.entries import Kind
from playrail.ledger.ledger import Entry, Ledger

TRIGGERS = (
    "records_refuse_update",
    "records_refuse_delete",
    "records_refuse_replace",
    "records_refuse_second_close",
)


def entry(call: str, kind: Kind = "started", **body: Any) -> Entry:
    return Entry(kind=kind, call=call, server="s1", caller="local", tool="read_file", body=body)


def a_call(name: str, run: str, **started: Any) -> list[Entry]:
    """All records of a call that wrote a file."""
    effect = {"kind": "file", "name": "/etc/motd", "before": None, "after": {"sha256": "0" * 64}}
    task = {
        "host": "web1",
        "task": "Look",
        "action": "write_text",
        "status": "changed",
        "duration_s": 0.2,
        "result": {"path": "/etc/motd"},
        "diff": [{"before": "", "after": "hello\n"}],
        "cut": True,
    }
    beginning = {
        "risk": "WRITE",
        "hosts": ["web1"],
        "arguments": {"path": "/etc/motd"},
        "run": run,
        "preview": False,
    }
    return [
        entry(
            name,
            **{
                **beginning,
                "playbook": "files/write_file.yml",
                "command": "ansible-playbook …",
                **started,
            },
        ),
        entry(name, "events", run=run, preview=False, tasks=[task], text="", cut=True),
        entry(name, "ended", outcome="ok", error=None, changed=["web1"], failed={}, duration_ms=7),
        entry(name, "capture", run=run, effects={"web1": [effect]}),
    ]


def a_plan(name: str, *, expires_at: str = "2999-01-01T00:00:00.000+00:00") -> Entry:
    return entry(
        "a", "plan", plan=name, hash="h", steps=[], changes={}, approval=None, expires_at=expires_at
    )


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The file as any program may open it, what it did being committed at the end."""
    connection = sqlite3.connect(path)
    try:
        yield connection
        connection.commit()
    finally:
        connection.close()


def tamper(ledger: Ledger, *statements: str) -> None:
    """Drops the triggers, as who may write the file can, and runs these statements past
    them.
    """
    with opened(ledger.path) as connection:
        for name in TRIGGERS:
            connection.execute(f"DROP TRIGGER IF EXISTS {name}")
        for statement in statements:
            connection.execute(statement)
