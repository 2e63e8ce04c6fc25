"""A ledger that Playrail 0.1.0 wrote: its chain holds, and all that is read from it is still
so. README.md tells what is in it.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from playrail import catalog
from playrail.errors import UnknownPlan
from playrail.export.export import export
from playrail.history.replay import FAILED, NOT_KEPT, NOT_KNOWN, REPLAYED, Selection, replay
from playrail.history.runs import find_runs, read_run, taken_back
from playrail.ledger.entries import BODIES, Kind, withheld_in
from playrail.ledger.ledger import Ledger
from playrail.plans.recorded import plan_in, plans_in, state_in
from playrail.settings.private_files import private_directory
from playrail.settings.settings import Settings
from playrail.tools.effects import Effect

WRITTEN = Path(__file__).parent / "written_by_0_1_0.sqlite.gz"
HEAD = "94:2a3d1bbe3aceb2689ff7014f1e52b835e8dce4a7074ccc5b65c6c063599b1e16"
HOST = "/tmp/before/host"
CHANGED, TOOK_BACK = "20261128-185727-2bb18e01", "20261128-185752-f6de3b3d"
KEPT, SECRET, HIDDEN = (
    "20261128-185802-93ebde86",
    "20261128-185807-32b18808",
    "20261128-185812-d61575f5",
)
PARTLY, KILLED = "20261128-185834-99a0800c", "20261128-185922-7a10059e"
UNDO_PLAN, CANCELLED = "plan-796d42279254f288", "plan-928e2f3591aa4fcf"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    file = private_directory(tmp_path / "state") / "ledger.sqlite"
    file.write_bytes(gzip.decompress(WRITTEN.read_bytes()))
    made = Ledger(file)
    yield made
    made.close()


def test_its_chain_holds(ledger: Ledger) -> None:
    verified = ledger.verify(known=HEAD)

    assert (verified.problem, verified.records, verified.first) == (None, 90, 5)
    assert str(verified.head) == HEAD


def test_it_can_be_written_on(ledger: Ledger) -> None:
    ledger.prune(older_than_days=9999)

    assert ledger.verify(known=HEAD).problem is None


def test_every_kind_of_record_is_in_it_and_read(ledger: Ledger) -> None:
    kinds = Counter(record["kind"] for record in ledger.read())

    assert set(kinds) == set(get_args(Kind))
    for record in ledger.read():
        written, read = record["body"], BODIES[record["kind"]].of_body(record["body"]).to_body()
        same = written.keys() - {"effects"}  # each has more keys now
        assert {key: read[key] for key in same} == {key: written[key] for key in same}


def test_its_runs(ledger: Ledger) -> None:
    runs = {run.call: run for run in find_runs(ledger, everything=True)}

    assert Counter(run.outcome for run in runs.values()) == {
        "ok": 22,
        "not_found": 1,
        "unknown_tool": 1,
        "invalid_argument": 1,
        "command_failed": 1,
        "some_hosts_failed": 1,
        "interrupted": 1,
    }
    assert {call: read_run(ledger, call).summary for call in runs} == runs


def test_a_run_whole(ledger: Ledger) -> None:
    run = read_run(ledger, CHANGED)

    assert (run.arguments["path"], run.summary.changed) == (f"{HOST}/motd", ("localhost",))
    assert [(one.how, one.answer, one.by) for one in run.approvals] == [
        ("operator", "approved", "test")
    ]
    (effect,) = run.effects["localhost"]
    assert (effect.before or {})["content"] == "old\n"
    assert run.undone_by == UNDO_PLAN
    assert [task.status for task in run.tasks] == ["changed"]
    assert "may have been running" in (read_run(ledger, KILLED).error or "")
    assert read_run(ledger, PARTLY).failed == {"web1": "host_unreachable"}


def test_what_was_taken_back(ledger: Ledger) -> None:
    assert taken_back(ledger) == {CHANGED: UNDO_PLAN}
    assert taken_back(ledger, KEPT) == {}


def test_a_change_can_be_taken_back(ledger: Ledger) -> None:
    undo = catalog.load()["write_file"].undo
    assert undo is not None
    (effect,) = read_run(ledger, KEPT).effects["localhost"]

    back = undo(effect)

    assert not isinstance(back, str)
    assert (back.arguments["content"], back.arguments["mode"]) == ("kept\n", "0600")


def test_contents_of_secrets_stay_known(ledger: Ledger) -> None:
    of_kinds = ledger.read(kinds=("capture", "checkpoint"))
    hashes = [withheld_in(record["kind"], record["body"]) for record in of_kinds]
    effects = [read_run(ledger, run).effects["localhost"][0] for run in (SECRET, HIDDEN)]

    assert len(set().union(*hashes)) == 3
    assert [_left_out(effect) for effect in effects] == ["secret", "secret"]


def _left_out(effect: Effect) -> object:
    return (effect.after or {}).get("left_out")


def test_its_plans(ledger: Ledger) -> None:
    now = datetime.now(UTC)
    every = plans_in(ledger, usable=False, now=now)
    assert [state_in(ledger, plan, now=now) for plan in every] == ["cancelled", "used", "used"]
    assert plan_in(ledger, CANCELLED).steps[0].arguments["content"] == "never\n"
    for record in ledger.read(kinds=("plan",)):
        assert plan_in(ledger, record["body"]["plan"]).hash == record["body"]["hash"]
    with pytest.raises(UnknownPlan):
        plan_in(ledger, "plan-0000000000000000")


def test_what_it_comes_to_on_a_fresh_host(ledger: Ledger) -> None:
    found = replay(ledger.read(kinds=REPLAYED), Selection(), catalog.load())

    steps = {step.name.removeprefix(f"{HOST}/"): set(step.secrets) for step in found.steps}
    assert steps == {
        "motd": set(),
        "kept": set(),
        "key": {"content"},
        "app.conf": {"content"},
        "stars": set(),
        "two": set(),
    }
    assert Counter(one.why for one in found.left_out) == {
        NOT_KEPT: 1,
        NOT_KNOWN: 1,
        FAILED: 1,
    }


def test_an_export_asks_for_what_it_does_not_hold(ledger: Ledger, tmp_path: Path) -> None:
    exported = export(
        ledger,
        Selection(),
        tmp_path / "export",
        tools=catalog.load(),
        settings=Settings.load({"HOME": str(tmp_path)}, dotenv=None),
    )

    assert len(exported.provide) == 2
    text = (tmp_path / "export" / "site.yml").read_text(encoding="utf-8")
    assert "********" not in text
    assert "(secret" not in text
