"""A file that was once written as a secret is not shown by what is done with it later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from playrail.calls.answers import Result
from playrail.door.withheld import Withheld
from playrail.ledger.ledger import Ledger
from playrail.tools.effects import Effect
from worlds.plan_world import World, world

pytestmark = pytest.mark.slow

CANARY = "CANARY-withheld"


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("free") / "place") as made:
        yield made


def test_no_later_call_shows_a_secret_content(free: World, tmp_path: Path) -> None:
    file = tmp_path / "note"
    file.write_text("template\n")
    first = free.call("write_file", path=str(file), content="first\n")
    assert free.call("write_file", path=str(file), content=f"{CANARY}\n", secret=True).code == "ok"

    answers = [
        free.call("write_file", path=str(file), content="third\n", preview=True),
        free.call("remove_file", path=str(file), preview=True),
        free.call("undo_run", run_id=first.meta.run_id),
        free.call("check_drift"),
        free.call("write_file", path=str(file), content="third\n"),
    ]
    answers.append(free.call("undo_run", run_id=answers[-1].meta.run_id))

    codes = [answer.code for answer in answers]
    assert codes == ["ok", "ok", "changed_since", "ok", "ok", "not_undoable"]
    assert "is a secret" in answers[-1].envelope()["error"]
    assert CANARY not in json.dumps([answer.envelope() for answer in answers])
    assert CANARY not in json.dumps(list(free.server.ledger.read()))
    change = answers[0].envelope()["data"]["plan"]["changes"]["localhost"][0]
    assert change["before"]["left_out"] == "secret"


def test_pruning_does_not_make_it_known_again(tmp_path: Path) -> None:
    file = tmp_path / "note"
    with world(tmp_path / "place") as made:
        assert (
            made.call("write_file", path=str(file), content=f"{CANARY}\n", secret=True).code == "ok"
        )
        pruned = made.server.ledger.prune(larger_than_mb=0.001)
        captures = made.kinds("capture")
    with world(tmp_path / "place") as made:
        plan = made.plan("remove_file", path=str(file))

    assert (pruned.records > 0, captures) == (True, [])
    assert CANARY not in json.dumps(plan)
    assert plan["changes"]["localhost"][0]["before"]["left_out"] == "secret"


def test_an_empty_file_is_no_secret(free: World, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).touch()
    assert free.call("write_file", path=f"{tmp_path}/one", content="x", secret=True).code == "ok"

    plan = free.plan("write_file", path=f"{tmp_path}/two", content="y\n")
    assert "+y" in plan["changes"]["localhost"][0]["diff"]


def test_without_the_ledger_every_content_counts_as_secret(tmp_path: Path) -> None:
    nowhere = Ledger(tmp_path / "file" / "ledger.sqlite")
    (tmp_path / "file").touch()
    effect = Effect(kind="file", name="/a", before=None, after={"sha256": "0", "content": CANARY})

    told = Withheld(nowhere).without(Result(effects={"h": [effect]}))
    assert told.effects["h"][0].after == {"sha256": "0", "left_out": "secret"}
