"""What a run changed is taken back, unless that would lose work; and what does not hold any
more is found.
"""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from stat import S_IMODE
from typing import Any

import pytest

from playrail.calls.answers import Answer
from playrail.calls.caller import Caller
from playrail.settings.private_files import private_directory
from worlds.callers import ANN, BOB
from worlds.local_plays import inventory
from worlds.plan_world import World, world

pytestmark = pytest.mark.slow

HIDDEN, KNOWN = "CANARY-of-a-hidden-file", "CANARY-of-a-server"
NEVER = "20260131-120000-0a1b2c3d"


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    place = tmp_path_factory.mktemp("free")
    entry = {"type": "ssh", "host": "127.0.0.1", "port": 1, "password": KNOWN}
    given = {"MCP_SERVERS": json.dumps({"closed": entry}), "MCP_DEFAULT_SERVER": "one"}
    hosts = ("one", "drifting", "linked", "starred", "untouched")
    given["PLAYRAIL_INVENTORY"] = str(inventory(place, *hosts))
    with world(place / "place", **given) as made:
        yield made


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Offers the bundle core alone, and has a password that is its user's name."""
    given = {"PLAYRAIL_TOOLSETS": "core", "PLAYRAIL_PASS_ENV": "SSH_PASSWORD"}
    given["SSH_PASSWORD"] = pwd.getpwuid(os.getuid()).pw_name
    with world(tmp_path_factory.mktemp("odd") / "place", **given) as made:
        yield made


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "note"


def did(free: World, tool: str, /, **arguments: Any) -> str:
    """Changes something, and returns the run's id."""
    answer = free.call(tool, **arguments)
    assert answer.code == "ok", answer.problem
    assert answer.meta.run_id is not None
    return answer.meta.run_id


def test_a_password_that_is_the_owners_name_harms_no_record(odd: World, tmp_path: Path) -> None:
    """As of a host whose SSH password is `root`."""
    owner = pwd.getpwuid(os.getuid()).pw_name
    folder = private_directory(tmp_path / owner)
    (folder / "note").write_text("old\n")
    path = str(folder / "note")
    run = did(odd, "write_file", path=path, content="new\n", owner=owner)
    (captured,) = [body for body in odd.kinds("capture") if body["run"] == run]
    (started,) = [body for body in odd.kinds("started") if body["run"] == run]
    undone(odd, run)

    (effect,) = captured["effects"]["localhost"]
    assert (effect["name"], effect["hidden"]) == (path, [])
    assert (effect["before"]["owner"], effect["after"]["owner"]) == (owner, owner)
    assert (started["arguments"]["owner"], started["hidden"]) == (owner, [])
    assert (folder / "note").read_text() == "old\n"


def test_a_file_of_asterisks_is_taken_back_and_compared(free: World, note: Path) -> None:
    note.write_text("old\n")
    run = did(free, "write_file", server="starred", path=str(note), content="********\n")
    held = drift(free, "starred")
    note.write_text("other\n")
    changed = drift(free, "starred")
    note.write_text("********\n")
    undone(free, run)

    assert (held["not_checked"], held["drifted"]) == ({}, [])
    assert [found["name"] for found in changed["drifted"]] == [str(note)]
    assert note.read_text() == "old\n"


def undo(free: World, run_id: str) -> dict[str, Any]:
    answer = free.call("undo_run", run_id=run_id)
    assert answer.code == "ok", answer.problem
    assert answer.data is not None
    plan: dict[str, Any] = answer.data["plan"]
    return plan


def undone(free: World, run_id: str) -> str:
    """Takes the run back, and returns the id of the run that did."""
    answer = free.apply(undo(free, run_id))
    assert answer.code == "ok", answer.problem
    return answer.runs[-1]


def refused(free: World, run_id: str, *, caller: Caller = ANN) -> Answer:
    answer = free.call("undo_run", run_id=run_id, caller=caller)
    assert answer.code != "ok"
    return answer


def error(answer: Answer) -> str:
    assert answer.problem is not None
    return answer.problem.error


def drift(free: World, host: str) -> dict[str, Any]:
    answer = free.call("check_drift", server=host)
    assert answer.code == "ok", answer.problem
    assert answer.data is not None
    found: dict[str, Any] = answer.data["hosts"][host]
    return found


def mode(path: Path) -> str:
    return f"{S_IMODE(path.stat().st_mode):04o}"


def test_a_new_file_goes_again(free: World, note: Path) -> None:
    run = did(free, "write_file", path=str(note), content="x\n")

    plan = undo(free, run)

    assert (plan["undoes"], plan["not_undone"], note.read_text()) == (run, [], "x\n")
    assert plan["steps"][0]["tool"] == "remove_file"
    assert plan["changes"]["one"][0].get("after") is None
    assert free.apply(plan).code == "ok"
    assert not note.exists()


def test_content_and_mode_come_back(free: World, note: Path) -> None:
    note.write_text("old\r\nżółć {{ x }}")
    note.chmod(0o604)
    run = did(free, "write_file", path=str(note), content="new\n", mode="0640", replace_all=True)
    assert (note.read_text(), mode(note)) == ("new\n", "0640")

    undone(free, run)

    assert (note.read_bytes().decode(), mode(note)) == ("old\r\nżółć {{ x }}", "0604")


def test_a_removed_file_comes_back(free: World, note: Path) -> None:
    note.write_text("kept\n")
    note.chmod(0o640)
    run = did(free, "remove_file", path=str(note))
    assert not note.exists()

    undone(free, run)

    assert (note.read_text(), mode(note)) == ("kept\n", "0640")


def test_work_that_was_done_since_is_not_lost(free: World, note: Path) -> None:
    note.write_text("old\n")
    run = did(free, "write_file", path=str(note), content="new\nlines\n")
    note.write_text("new\nwords\n")

    answer = refused(free, run)

    assert answer.code == "changed_since"
    assert error(answer) == f"Somebody changed it after {run}: file {note} on one."
    assert answer.data is not None
    (told,) = answer.data["changed_since"]["one"]
    assert {"-lines", "+words"} <= set(told["diff"].splitlines())
    assert told["left"]["sha256"] != told["now"]["sha256"]
    assert note.read_text() == "new\nwords\n"
    note.write_text("new\nlines\n")
    note.chmod(0o600)
    assert refused(free, run).code == "changed_since", "its mode is another"


def test_what_is_put_where_a_file_was_removed_stays(free: World, note: Path) -> None:
    note.write_text("old\n")
    run = did(free, "remove_file", path=str(note))
    note.write_text("somebody's\n")

    assert refused(free, run).code == "changed_since"
    assert note.read_text() == "somebody's\n"


def test_what_is_as_it_was_needs_no_taking_back(free: World, note: Path) -> None:
    note.write_text("old\n")
    note.chmod(0o640)
    run = did(free, "write_file", path=str(note), content="new\n")
    note.write_text("old\n")

    answer = refused(free, run)

    assert (answer.code, "there is nothing to take back" in error(answer).lower()) == (
        "not_undoable",
        True,
    )


def test_a_run_is_taken_back_once_and_that_too(free: World, note: Path) -> None:
    note.write_text("one\n")
    run = did(free, "write_file", path=str(note), content="two\n")
    back = undone(free, run)
    assert note.read_text() == "one\n"

    again = refused(free, run)
    assert (again.code, "was taken back already" in error(again)) == ("not_undoable", True)
    undone(free, back)
    assert note.read_text() == "two\n"


def test_a_plan_that_failed_has_taken_nothing_back(
    free: World, note: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note.write_text("one\n")
    run = did(free, "write_file", path=str(note), content="two\n")
    plan = undo(free, run)

    async def perform(*_: Any) -> Answer:
        return refused_answer

    refused_answer = free.call("undo_run", run_id=NEVER)
    with monkeypatch.context() as patch:
        patch.setattr(free.server.previews, "perform", perform)
        assert free.apply(plan).code == "unknown_run"
    undone(free, run)
    assert note.read_text() == "one\n"


def test_what_takes_back_need_not_be_offered(odd: World, note: Path) -> None:
    """The bundle core has write_file and no remove_file."""
    run = did(odd, "write_file", path=str(note), content="x\n")
    assert odd.call("remove_file", path=str(note)).code == "not_offered"
    undone(odd, run)

    assert not note.exists()


def test_what_was_in_the_way_is_taken_back_later(
    free: World, note: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = did(free, "write_file", path=str(note), content="x\n")
    propose = free.server.previews.planning.propose

    async def partly(*steps: Any, **more: Any) -> Any:
        return await propose(
            *steps, **{**more, "not_undone": ["write_file /x on two: it could not be reached."]}
        )

    with monkeypatch.context() as patch:
        patch.setattr(free.server.previews.planning, "propose", partly)
        assert free.apply(undo(free, run)).code == "ok"
    note.write_text("x\n")

    undone(free, run)

    assert not note.exists()


def test_what_cannot_be_taken_back_is_said(free: World, note: Path) -> None:
    plan = free.call("write_file", path=str(note), content="x", preview=True)
    assert plan.meta.run_id is not None
    commanded = did(free, "execute_command", cmd="true")
    read = did(free, "read_file", path="/etc/hostname")
    said = {
        plan.meta.run_id: "was a preview: it changed nothing.",
        commanded: "what a command, a restart, a signal or a message brought about stays.",
        read: "it changed nothing.",
    }

    for run, why in said.items():
        answer = refused(free, run)
        assert (answer.code, error(answer).endswith(why)) == ("not_undoable", True), answer.problem
    assert refused(free, NEVER).code == "unknown_run"
    assert (
        refused(free, did(free, "write_file", path=str(note), content="x"), caller=BOB).code
        == "unknown_run"
    )


def test_a_new_secret_file_goes_again_unseen(free: World, note: Path) -> None:
    run = did(free, "write_file", path=str(note), content=HIDDEN, secret=True)

    plan = undo(free, run)

    assert HIDDEN not in json.dumps(plan)
    assert free.apply(plan).code == "ok"
    assert not note.exists()
    over = did(free, "write_file", path=str(note), content=HIDDEN, secret=True)
    note.write_text(f"{HIDDEN} and more")
    changed = refused(free, over)
    assert (changed.code, HIDDEN in json.dumps(changed.data)) == ("changed_since", False)
    assert HIDDEN not in json.dumps(list(free.server.ledger.read()))


def test_what_was_written_over_a_secret_is_not_kept(free: World, note: Path) -> None:
    note.write_text(f"old {HIDDEN}")
    run = did(free, "write_file", path=str(note), content="new", secret=True)

    answer = refused(free, run)

    assert (answer.code, "is a secret, which is not kept" in error(answer)) == (
        "not_undoable",
        True,
    )


def test_a_known_secret_in_a_file_hides_no_change(free: World, note: Path) -> None:
    """Of a file that holds a secret of the settings no content is kept; it is all the same
    as it was left.
    """
    run = did(free, "write_file", path=str(note), content=f"password={KNOWN}")

    plan = undo(free, run)

    assert KNOWN not in json.dumps(plan)
    assert free.apply(plan).code == "ok"
    assert not note.exists()


def test_drift_is_found_until_it_is_mended(free: World, tmp_path: Path) -> None:
    note, other, host = tmp_path / "note", tmp_path / "other", "drifting"
    did(free, "write_file", server=host, path=str(note), content="first\n")
    run = did(free, "write_file", server=host, path=str(note), content="latest\n", mode="0644")
    did(free, "write_file", server=host, path=str(other), content="other\n")
    assert drift(free, host) == {"set_by_playrail": 2, "drifted": [], "not_checked": {}}

    note.write_text("by hand\n")
    other.unlink()
    found = {one["name"]: one for one in drift(free, host)["drifted"]}

    assert {"+latest", "-by hand"} <= set(found[str(note)]["diff"].splitlines())
    assert (found[str(note)]["set_by"], found[str(note)]["now"]["mode"]) == (run, "0644")
    assert found[str(other)].get("now") is None
    note.write_text("latest\n")
    other.write_text("other\n")
    assert drift(free, host)["drifted"] == []
    assert drift(free, "untouched") == {"set_by_playrail": 0, "drifted": [], "not_checked": {}}


def test_what_was_taken_back_has_not_drifted(free: World, tmp_path: Path) -> None:
    """Nor when it was written by a way through a link, while the undo names the file
    itself.
    """
    (folder := tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(folder)
    (folder / "linked").write_text("before\n")
    undone(
        free,
        did(
            free,
            "write_file",
            server="linked",
            path=str(tmp_path / "link" / "linked"),
            content="x\n",
        ),
    )

    assert drift(free, "linked") == {"set_by_playrail": 1, "drifted": [], "not_checked": {}}
    (folder / "linked").unlink()
    assert [one["name"] for one in drift(free, "linked")["drifted"]] == [str(folder / "linked")]


def test_what_cannot_be_looked_at_is_told(free: World, tmp_path: Path) -> None:
    secret, away, host = tmp_path / "secret", tmp_path / "away", "drifting"
    did(free, "write_file", server=host, path=str(secret), content=HIDDEN, secret=True)
    did(free, "write_file", server=host, path=str(away), content="x")
    away.unlink()
    away.mkdir()

    told = drift(free, host)["not_checked"]

    assert told[f"file {secret}"] == "its content is a secret, which is not kept"
    assert told[f"file {away}"].startswith("is_a_directory: ")
