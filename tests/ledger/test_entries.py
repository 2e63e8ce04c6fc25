"""Records of the ledger: each kind as JSON and back, what older and newer Playrails write,
and that the document and the views tell of the same keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest

from playrail.errors import LedgerUnavailable
from playrail.history.runs import find_runs
from playrail.ledger import ledger as ledger_module
from playrail.ledger.entries import (
    BODIES,
    Approval,
    Body,
    Capture,
    CapturedEffect,
    Checkpoint,
    Closed,
    Ended,
    Events,
    Interrupted,
    Kind,
    PlanMade,
    PlannedStep,
    Refused,
    Started,
)
from playrail.ledger.ledger import Entry, Ledger
from playrail.ledger.sqlite import retention, tables
from playrail.tasks import TaskResult
from worlds.ledger_entries import opened

SRC = Path(ledger_module.__file__).parents[1]
TASK = TaskResult(
    host="h",
    task="t",
    action="a",
    status="ok",
    duration_s=0.5,
    result={"rc": 0},
    diff=({"before": "x"},),
    cut=True,
)
EFFECT = CapturedEffect(
    kind="file",
    name="/a",
    before={"content": "x"},
    after={"sha256": "0", "left_out": "secret"},
    hidden=("after.content",),
)
STEP = PlannedStep(
    tool="write_file", arguments={"path": "/a"}, hosts=("h",), risk="WRITE", would_run="…"
)
RECORDS: tuple[Body, ...] = (
    Started(
        arguments={"path": "/a"},
        hidden=("content",),
        hosts=("h",),
        risk="WRITE",
        preview=False,
        run="r",
        playbook="files/write_file.yml",
        command="ansible-playbook …",
        plan="p",
        parent="c0",
    ),
    Events(run="r", preview=False, tasks=(TASK,), text="…", cut=False),
    Capture(run="r", effects={"h": (EFFECT,)}),
    Ended(outcome="ok", error="…", changed=("h",), failed={"g": "x"}, duration_ms=7),
    Refused(
        outcome="denied",
        reason="No.",
        parent="c0",
        arguments={"path": "/a"},
        hosts=("h",),
        hidden=("path",),
    ),
    Interrupted(outcome="interrupted", hosts=("h",), note="…"),
    PlanMade(
        plan="p",
        hash="0",
        caller="ann",
        made_at="2026-01-01T00:00:00+00:00",
        expires_at="2026-01-02T00:00:00+00:00",
        steps=(STEP,),
        parts={"hosts": "0"},
        items={"hosts": {"h": "0"}},
        changes={"h": ({"kind": "file"},)},
        not_previewed={"h": ("…",)},
        approval="client",
        held=False,
        undoes="r0",
        not_undone=("…",),
    ),
    Approval(
        plan="p", hash="0", how="client", answer="approved", by="ann", expires_at="…", proves="…"
    ),
    Closed(plan="p", outcome="used", by="ann"),
    Checkpoint(upto=1, hash="0", records=1, because={"older_than_days": 1}, withheld=("0",)),
)
EACH = pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.KIND)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "state" / "ledger.sqlite")
    yield made
    made.close()


def append(ledger: Ledger, *bodies: tuple[Kind, dict[str, Any]]) -> None:
    about = {"call": "c", "server": "s", "caller": "ann", "tool": "write_file"}
    ledger.append(*(Entry(kind=kind, body=body, **about) for kind, body in bodies))


def test_there_is_a_record_for_each_kind() -> None:
    assert set(BODIES) == set(get_args(Kind)) == {record.KIND for record in RECORDS}


@EACH
def test_a_record_is_written_and_read_as_it_was(ledger: Ledger, record: Body) -> None:
    append(ledger, (record.KIND, record.to_body()))

    (read,) = (row["body"] for row in ledger.read())
    assert type(record).of_body(read) == record
    assert set(read) == {"version", *(field.name for field in fields(record))}


@EACH
def test_what_a_newer_playrail_added_is_left_out(ledger: Ledger, record: Body) -> None:
    append(ledger, (record.KIND, {**record.to_body(), "version": 99, "more": {"a": [1]}}))

    assert type(record).of_body(next(ledger.read())["body"]) == record


@EACH
def test_what_an_older_playrail_did_not_write_is_empty(record: Body) -> None:
    read = type(record).of_body({})

    assert not any(getattr(read, field.name) for field in fields(read))


def test_within_a_task_or_an_effect_too_what_is_not_known_is_left_out() -> None:
    for record, key in ((RECORDS[1], "tasks"), (RECORDS[2], "effects")):
        body = record.to_body()
        inner = body[key][0] if key == "tasks" else body[key]["h"][0]
        inner["more"] = 1
        assert type(record).of_body(body) == record


@EACH
def test_another_form_of_a_newer_playrail_is_told_as_that(ledger: Ledger, record: Body) -> None:
    name = fields(record)[0].name
    append(ledger, (record.KIND, {**record.to_body(), "version": 99, name: False}))

    with pytest.raises(LedgerUnavailable, match=f"was written by a newer Playrail: '{name}'"):
        list(ledger.read())


def test_a_newer_form_breaks_no_chain(ledger: Ledger) -> None:
    append(ledger, ("started", {"version": 99, "hosts": "all"}), ("ended", {"version": 99}))

    assert ledger.verify().problem is None


def test_a_run_of_a_newer_playrail_is_listed(ledger: Ledger) -> None:
    started = {**RECORDS[0].to_body(), "version": 99, "risk": "WORSE", "more": 1}
    append(ledger, ("started", started))

    (run,) = find_runs(ledger)
    assert (run.run, run.risk, run.outcome) == ("r", "WORSE", "running")


@pytest.mark.parametrize(
    ("arguments", "hidden"),
    [
        ({"content": "password=********\n", "path": "/a"}, ("content",)),
        ({"content": "(secret)", "path": "/a"}, ("content",)),
        ({"names": ["a", "********"]}, ("names",)),
        ({"path": "/a", "content": "the (secret) plan"}, ()),
    ],
)
def test_a_mark_hides_in_version_1_alone(arguments: dict[str, Any], hidden: Any) -> None:
    assert Started.of_body({"arguments": arguments}).hidden == hidden
    assert Started.of_body({"version": 2, "arguments": arguments}).hidden == ()


def test_a_mark_hides_in_an_effect_of_version_1_alone() -> None:
    told = {"kind": "file", "name": "/********", "before": {"link": "********"}, "after": None}
    (old,) = Capture.of_body({"effects": {"h": [told]}}).effects["h"]
    (new,) = Capture.of_body({"version": 2, "effects": {"h": [told]}}).effects["h"]

    assert (old.hidden, new.hidden) == (("name", "before.link"), ())


def test_the_document_tells_of_every_key() -> None:
    text = (SRC / "ledger" / "SCHEMA.md").read_text(encoding="utf-8")
    sections = re.findall(r"^### (.*)\n((?:(?!^#).*\n)*)", text, re.MULTILINE)
    told = {}
    for title, part in sections:
        keys = re.findall(r"^\| (`.*?) \|", part, re.MULTILINE)
        told[title] = set(re.findall(r"`(\w+)`", " ".join(keys)))
    records = {f"Body of `{kind}`": body for kind, body in BODIES.items()}
    parts = {
        "A task in `events`": TaskResult,
        "An effect in `capture`": CapturedEffect,
        "A step in `plan`": PlannedStep,
    }

    assert told == {
        title: {field.name for field in fields(record)}
        for title, record in {**records, **parts}.items()
    }
    versions = re.findall(r"^### Body of `(\w+)`\n\nVersion (\d+) ", text, re.MULTILINE)
    assert dict(versions) == {
        kind: str(body.NEWEST) for kind, body in BODIES.items() if body.NEWEST > 1
    }


@pytest.mark.parametrize("view", ["calls", "runs", "tasks", "plans", "approvals", "captures"])
def test_every_column_of_a_view_has_its_key(ledger: Ledger, view: str) -> None:
    """One of the columns of `calls` is there for calls that are no previews only, and so on;
    here all that can be there is.
    """
    append(ledger, *((record.KIND, record.to_body()) for record in RECORDS[:4]))
    append(ledger, *((record.KIND, record.to_body()) for record in RECORDS[6:9]))

    with opened(ledger.path) as connection:
        cursor = connection.execute(f"SELECT * FROM {view}")
        names = [name for name, *_ in cursor.description]
        rows = cursor.fetchall()

    assert len(rows) == 1
    assert [name for name, value in zip(names, rows[0], strict=True) if value is None] == []


def test_statements_name_only_keys_that_records_have() -> None:
    keys = {field.name for body in BODIES.values() for field in fields(body)}
    texts = (retention.USABLE_PLAN, retention.UNFINISHED, *map(str, (tables.plan, tables.run)))
    named = {key for text in texts for key in re.findall(r"'\$\.(\w+)'", text)}

    assert named == {"plan", "run", "expires_at", "upto", "hash"}
    assert named <= keys


def test_no_other_module_knows_the_keys() -> None:
    indexed = re.compile(r"""\["body"\](\[|\.get)""")

    assert not [
        str(path.relative_to(SRC))
        for path in SRC.rglob("*.py")
        if indexed.search(path.read_text(encoding="utf-8"))
    ]
