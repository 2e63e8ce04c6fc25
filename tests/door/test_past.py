"""What list_runs and get_run tell of what was done before, and to whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from playrail.calls.caller import CLI, LOCAL, Caller
from playrail.settings.private_files import private_directory
from worlds.callers import ANN
from worlds.local_plays import inventory
from worlds.plan_world import World, world
from worlds.recorded_runs import (
    FOREIGN,
    HALF,
    PLAN,
    PREVIEW,
    READ,
    RUNNING,
    UNDO,
    UNDO_PLAN,
    WRITE,
    recorded,
)

NEVER = "20260131-120000-0a1b2c3d"


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A Playrail whose ledger has one call of each sort."""
    place = private_directory(tmp_path_factory.mktemp("past") / "place")
    recorded(private_directory(place / "state")).close()
    hosts = inventory(tmp_path_factory.mktemp("inventory"), "web1", "db1")
    with world(place, PLAYRAIL_INVENTORY=str(hosts)) as made:
        yield made


def listed(past: World, caller: Caller = LOCAL, **asked: Any) -> list[dict[str, Any]]:
    answer = past.call("list_runs", caller=caller, **asked)
    assert answer.code == "ok", answer.problem
    assert answer.data is not None
    runs: list[dict[str, Any]] = answer.data["runs"]
    return runs


def told(past: World, run_id: str, caller: Caller = LOCAL, **asked: Any) -> dict[str, Any]:
    answer = past.call("get_run", caller=caller, run_id=run_id, **asked)
    assert answer.code == "ok", answer.problem
    assert answer.data is not None
    run: dict[str, Any] = answer.data["run"]
    return run


def ids(runs: list[dict[str, Any]]) -> list[str]:
    return [run["run_id"] for run in runs]


def test_changes_newest_first_without_previews_and_reads(past: World) -> None:
    assert ids(listed(past)) == [RUNNING, HALF, UNDO, WRITE]
    assert ids(listed(past, reads=True))[-1] == READ
    assert PREVIEW not in ids(listed(past, reads=True))


def test_what_is_told_of_a_change(past: World) -> None:
    write = listed(past)[-1]
    assert write["did"] == [
        "file /etc/motd: +1 -1 lines",
        "file /key: new",
        "service nginx: active inactive → active",
    ]
    assert (write["outcome"], write["undone_by"]) == ("some_hosts_failed", UNDO_PLAN)
    assert write["hosts"] == ["web1", "db1"]
    assert "undoable" not in write
    assert "caller" not in write


def test_filters(past: World) -> None:
    assert ids(listed(past, server="db1")) == [HALF, WRITE]
    assert ids(listed(past, server="all")) == [RUNNING, HALF, UNDO, WRITE]
    assert ids(listed(past, tool="write_file")) == [RUNNING, HALF, UNDO, WRITE]
    assert ids(listed(past, tool="remove_file")) == []
    assert ids(listed(past, since="2199-01-01")) == []
    assert past.call("list_runs", tool="nosuch").code == "unknown_tool"


def test_pages(past: World) -> None:
    answer = past.call("list_runs", caller=LOCAL, limit=3)
    assert answer.data is not None
    assert answer.data["next_offset"] == 3
    assert ids(listed(past, limit=3, offset=3)) == [WRITE]


def test_a_caller_sees_its_own_and_an_operator_all(past: World) -> None:
    assert ids(listed(past, ANN)) == [FOREIGN]
    everything = listed(past, CLI)
    assert {FOREIGN, WRITE} <= {*ids(everything)}
    assert {run.get("caller") for run in everything} == {"local", "ann"}
    assert past.call("get_run", caller=ANN, run_id=WRITE).code == "unknown_run"
    assert told(past, FOREIGN, CLI)["caller"] == "ann"
    assert past.call("get_run", run_id=NEVER).code == "unknown_run"


def test_a_run_in_full(past: World) -> None:
    run = told(past, WRITE)
    assert run["arguments"] == {"path": "/etc/motd"}
    assert (run["changed"], run["failed"]) == (["web1"], {"db1": "unreachable"})
    assert (run["plan"], run["undone_by"]) == (PLAN, UNDO_PLAN)
    assert run["approvals"] == [{"answer": "approved", "by": "root", "how": "operator"}]
    assert "taken back already" in run["undo"]
    changes = {change["name"]: change for change in run["changes"]["web1"]}
    assert "+three" in changes["/etc/motd"]["diff"]
    assert changes["nginx"]["after"] == {"active": "active"}


def test_whether_it_changed_anything_is_not_always_known(past: World) -> None:
    assert "not known whether" in told(past, HALF)["undo"]
    assert "goes on, or its end was not recorded" in told(past, RUNNING)["undo"]
    assert told(past, PREVIEW)["undo"] == "It changed nothing."


def test_a_server_that_nothing_knows_is_no_server_without_runs(past: World) -> None:
    assert past.call("list_runs", server="wbe1").code == "unknown_server"


def test_what_has_no_room_is_told(past: World) -> None:
    answer = past.call("get_run", caller=LOCAL, run_id=WRITE, max_bytes=1000)
    assert answer.data is not None
    run = answer.data["run"]
    assert len(json.dumps(run, separators=(",", ":"))) < 1000
    assert run["truncated"] is True
    assert run["changes_left_out"] > 0


@pytest.mark.slow
def test_a_new_conversation_goes_back_to_before_a_change(tmp_path: Path) -> None:
    note = tmp_path / "note"
    note.write_text("old\n")
    with world(tmp_path / "place") as made:
        made.call("write_file", path=str(note), content="new\n")
        made.call("execute_command", cmd="uptime")
        made.call("execute_command", cmd=f"touch {tmp_path}/x")
        command, write = listed(made, ANN)
        assert command["did"] == [f"touch {tmp_path}/x"]
        assert "undoable" not in command
        assert write["undoable"] is True
        assert "undo_run" in told(made, write["run_id"], ANN)["undo"]
        plan = made.call("undo_run", run_id=write["run_id"])
        assert plan.data is not None
        assert made.apply(plan.data["plan"]).code == "ok"
        assert listed(made, ANN)[-1]["undone_by"] == plan.data["plan"]["plan_id"]
    assert note.read_text() == "old\n"
