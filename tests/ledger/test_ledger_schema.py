"""The ledger's tables and views: how a file gets them, and that SCHEMA.md tells of all of
them.
"""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from sqlalchemy.dialects.sqlite import dialect

from playrail.errors import LedgerUnavailable
from playrail.ledger.chain import CHAINED, FIRST, linked
from playrail.ledger.entries import Kind
from playrail.ledger.ledger import Ledger
from playrail.ledger.sqlite import schema
from playrail.ledger.sqlite.selection import query as select_records
from worlds.ledger_entries import a_call, a_plan, entry, opened

# What Playrail made before it had migrations.
WITHOUT_MIGRATIONS = """
CREATE TABLE records (
    seq INTEGER NOT NULL,
    at VARCHAR(32) NOT NULL,
    kind VARCHAR(16) NOT NULL,
    call VARCHAR(36) NOT NULL,
    server VARCHAR(32) NOT NULL,
    caller VARCHAR(255) NOT NULL,
    tool VARCHAR(128) NOT NULL,
    body TEXT NOT NULL,
    previous VARCHAR(64) NOT NULL,
    hash VARCHAR(64) NOT NULL,
    PRIMARY KEY (seq),
    UNIQUE (hash)
);
CREATE INDEX records_by_call ON records (call);
CREATE INDEX records_by_server ON records (server);
CREATE TRIGGER records_refuse_update BEFORE UPDATE ON records
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER records_refuse_delete BEFORE DELETE ON records
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""

AT_ONCE = """
import os, sys
from pathlib import Path
import alembic.command
from playrail.ledger.ledger import Entry, Ledger

gate, opening = os.pipe()
children = []
for number in range(8):
    child = os.fork()
    if not child:
        os.close(opening)
        os.read(gate, 1)
        said = {"server": "s", "caller": "local", "tool": "t", "body": {}}
        entry = Entry(kind="started", call=str(number), **said)
        Ledger(Path(sys.argv[1])).append(entry)
        os._exit(0)
    children.append(child)
os.close(opening)
sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
"""


def an_old_file(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    previous = FIRST
    with opened(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(WITHOUT_MIGRATIONS)
        for seq, made in enumerate(
            (entry("a", hosts=["h"]), entry("a", "ended", outcome="ok"), entry("b")), 1
        ):
            row = linked(
                {**vars(made), "at": "2026-01-01T00:00:00.000+00:00"}, seq=seq, previous=previous
            )
            previous = row["hash"]
            connection.execute(
                (
                    f"INSERT INTO records ({','.join(row)}) VALUES "
                    f"({','.join(f':{n}' for n in row)})"
                ),
                row,
            )


def tables(path: Path) -> dict[str, list[str]]:
    """Each table and view with its columns."""
    with opened(path) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name"
        )
        return {
            name: [
                column
                for (column,) in connection.execute(
                    "SELECT name FROM pragma_table_info(?)", (name,)
                )
            ]
            for (name,) in names.fetchall()
        }


def definitions(path: Path) -> set[str]:
    with opened(path) as connection:
        rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {re.sub(r"\s+", "", sql) for (sql,) in rows}


def query(ledger: Ledger, sql: str) -> list[dict[str, Any]]:
    with opened(ledger.path) as connection:
        cursor = connection.execute(sql)
        return [
            dict(zip([column for column, *_ in cursor.description], row, strict=True))
            for row in cursor
        ]


def test_a_file_from_before_the_migrations_keeps_its_chain(ledger: Ledger, tmp_path: Path) -> None:
    an_old_file(ledger.path)

    assert ledger.verify().problem is None
    assert [call.call for call in ledger.open_calls("s1")] == ["b"]
    ledger.append(entry("b", "interrupted", outcome="interrupted"))

    assert (ledger.verify().records, ledger.verify().problem) == (4, None)
    new = Ledger(tmp_path / "new" / "ledger.sqlite")
    assert new.head() is None
    assert definitions(new.path) == definitions(ledger.path)
    new.close()


@pytest.mark.slow
@pytest.mark.parametrize("old", [False, True])
def test_eight_processes_open_it_at_once(ledger: Ledger, *, old: bool) -> None:
    if old:
        an_old_file(ledger.path)
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE, ledger.path], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert (ledger.verify().records, ledger.verify().problem) == (11 if old else 8, None)
    assert query(ledger, "SELECT * FROM alembic_version") == [{"version_num": schema.REVISIONS[-1]}]


@pytest.mark.slow
def test_what_is_up_to_date_is_opened_without_alembic(ledger: Ledger) -> None:
    ledger.append(entry("a"))
    code = (
        "import sys; from pathlib import Path; from playrail.ledger.ledger import Ledger; "
        "print(Ledger(Path(sys.argv[1])).head().seq, 'alembic' in sys.modules)"
    )
    assert (
        subprocess.check_output([sys.executable, "-c", code, ledger.path], text=True) == "1 False\n"
    )


def test_a_file_of_a_newer_playrail_is_left_alone(ledger: Ledger) -> None:
    ledger.append(entry("a"))
    with opened(ledger.path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '99'")
    ledger.close()

    with pytest.raises(
        LedgerUnavailable, match=r"'99', and this Playrail knows .* a newer Playrail has made it"
    ):
        ledger.append(entry("b"))

    assert query(ledger, "SELECT count(*) AS records FROM records") == [{"records": 1}]


def test_the_migrations_are_those_that_the_code_knows() -> None:
    files = sorted((schema.MIGRATIONS / "versions").glob("r*.py"))
    found = [re.search(r'^revision = "(.+)"$', file.read_text(), re.MULTILINE) for file in files]

    assert tuple(match[1] for match in found if match) == schema.REVISIONS


def test_a_migration_that_fails_leaves_the_file_as_it_was(ledger: Ledger) -> None:
    an_old_file(ledger.path)
    with opened(ledger.path) as connection:
        connection.execute("CREATE TABLE plans (one)")  # where a view is to be
    before = definitions(ledger.path)

    with pytest.raises(LedgerUnavailable, match="already exists"):
        ledger.append(entry("c"))

    assert definitions(ledger.path) == before


def test_the_document_tells_of_every_column_and_kind(ledger: Ledger) -> None:
    assert ledger.head() is None
    text = (Path(schema.__file__).parents[1] / "SCHEMA.md").read_text(encoding="utf-8")
    sections = dict(
        re.findall(r"^## (?:Table|View) `(\w+)`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    )

    found = tables(ledger.path)
    assert set(sections) == set(found)
    for name, columns in found.items():
        assert set(columns) - set(re.findall(r"`(\w+)`", sections[name])) == set(), name
    assert {kind for kind in get_args(Kind) if f"| `{kind}` |" not in text} == set()


def test_calls_as_a_table(ledger: Ledger) -> None:
    ledger.append(*a_call("a", "r1", plan="p1"), entry("b", run=None, hosts=[]))
    ledger.append(entry("c", "refused", outcome="denied", reason="No.", hosts=["web1"]))

    a, b, c = query(ledger, "SELECT * FROM calls ORDER BY call")

    assert (a["outcome"], a["risk"], a["run"], a["plan"], a["preview"]) == (
        "ok",
        "WRITE",
        "r1",
        "p1",
        0,
    )
    assert (json.loads(a["hosts"]), json.loads(a["changed"]), a["duration_ms"]) == (
        ["web1"],
        ["web1"],
        7,
    )
    assert (b["outcome"], b["ended_at"], b["run"]) == (None, None, None)
    assert (c["outcome"], c["error"], c["ended_at"]) == ("denied", "No.", c["started_at"])


def test_runs_tasks_and_captures_as_tables(ledger: Ledger) -> None:
    ledger.append(*a_call("a", "r1"), *a_call("b", "r2"), entry("c", run=None))

    runs = query(ledger, "SELECT * FROM runs")
    assert [(run["run"], run["call"], run["tasks"], run["outcome"]) for run in runs] == [
        ("r1", "a", 1, "ok"),
        ("r2", "b", 1, "ok"),
    ]
    assert (runs[0]["playbook"], runs[0]["command"]) == (
        "files/write_file.yml",
        "ansible-playbook …",
    )
    (task,) = query(ledger, "SELECT * FROM tasks WHERE run = 'r2'")
    assert (task["number"], task["host"], task["task"], task["status"]) == (
        1,
        "web1",
        "Look",
        "changed",
    )
    assert json.loads(task["diff"]) == [{"before": "", "after": "hello\n"}]
    assert (task["cut"], runs[0]["cut"]) == (1, 1)
    (captured,) = query(ledger, "SELECT * FROM captures WHERE call = 'a'")
    assert [captured[name] for name in ("host", "kind", "name", "before")] == [
        "web1",
        "file",
        "/etc/motd",
        None,
    ]
    assert json.loads(captured["after"]) == {"sha256": "0" * 64}


def test_plans_and_approvals_as_tables(ledger: Ledger) -> None:
    ledger.append(a_plan("p1"), a_plan("p2"))
    ledger.append(
        entry(
            "o",
            "approval",
            plan="p1",
            hash="h",
            how="operator",
            answer="approved",
            by="root",
            proves="…",
        )
    )
    ledger.append(entry("b", "closed", plan="p1", outcome="used", by="local"))

    plans = query(ledger, "SELECT plan, outcome, closed_by FROM plans ORDER BY plan")
    assert plans == [
        {"plan": "p1", "outcome": "used", "closed_by": "local"},
        {"plan": "p2", "outcome": None, "closed_by": None},
    ]
    (approval,) = query(ledger, "SELECT * FROM approvals")
    assert (approval["plan"], approval["how"], approval["by"]) == ("p1", "operator", "root")


@pytest.mark.parametrize("wanted", ["plan", "run", "call", "undoes"])
def test_few_records_are_found_without_reading_all(ledger: Ledger, wanted: str) -> None:
    ledger.append(entry("a"))
    statement = select_records({wanted: "x"})  # type: ignore[misc]
    made = statement.compile(dialect=dialect(), compile_kwargs={"literal_binds": True})

    steps = [row["detail"] for row in query(ledger, f"EXPLAIN QUERY PLAN {made}")]

    assert f"records_by_{'undone_run' if wanted == 'undoes' else wanted}" in " ".join(steps)
    assert not [step for step in steps if "SCAN" in step]


@pytest.mark.parametrize(
    "verb", ["UPDATE records SET caller = 'x'", "DELETE FROM records WHERE seq = 3"]
)
def test_the_database_itself_refuses_to_alter_a_record(ledger: Ledger, verb: str) -> None:
    ledger.append(*a_call("a", "r1"))

    with (
        opened(ledger.path) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(verb)

    assert ledger.verify().problem is None


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"seq": 3}, id="seq"),
        pytest.param({"seq": 99, "hash": "(SELECT hash FROM records WHERE seq = 3)"}, id="hash"),
        pytest.param(
            {"seq": 99, "kind": "'closed'", "body": '\'{"plan":"p1"}\''}, id="the end of a plan"
        ),
        pytest.param({"seq": 0}, id="before the first"),
    ],
)
def test_the_database_itself_refuses_to_replace_a_record(
    ledger: Ledger, values: dict[str, Any]
) -> None:
    ledger.append(*a_call("a", "r1"), entry("b", "closed", plan="p1", outcome="cancelled"))
    row = {**dict.fromkeys((*CHAINED, "hash"), "'x'"), "seq": 9, **values}
    insert = (
        f"INSERT OR REPLACE INTO records ({', '.join(row)}) VALUES "
        f"({', '.join(map(str, row.values()))})"
    )

    with (
        opened(ledger.path) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(insert)

    assert (ledger.verify().records, ledger.verify().problem) == (5, None)
