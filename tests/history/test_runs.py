"""What the ledger says of a run, as data and as text for people."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from playrail import catalog
from playrail.errors import UnknownRun
from playrail.history.runs import Approval, RunSummary, find_runs, read_run
from playrail.history.transcripts import diff, output
from playrail.ledger.ledger import Ledger
from playrail.tools.effects import Effect
from worlds.recorded_runs import (
    FOREIGN,
    HALF,
    LONG,
    LOOK,
    PLAN,
    PREVIEW,
    READ,
    RUNNING,
    UNDO,
    UNDO_PLAN,
    WRITE,
    recorded,
)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    made = recorded(tmp_path_factory.mktemp("state"))
    yield made
    made.close()


def test_the_runs_newest_first(ledger: Ledger) -> None:
    assert [run.run for run in find_runs(ledger)] == [
        FOREIGN,
        RUNNING,
        HALF,
        UNDO,
        PREVIEW,
        WRITE,
        READ,
    ]
    assert [run.run for run in find_runs(ledger, caller="ann")] == [FOREIGN]
    assert [run.run for run in find_runs(ledger, host="db1")] == [HALF, WRITE]
    assert [run.run for run in find_runs(ledger, caller="local", skip=1, limit=2)] == [HALF, UNDO]
    assert [run.call for run in find_runs(ledger, everything=True, limit=3)] == [
        "api",
        "refused",
        FOREIGN,
    ]


def test_a_run_in_a_line(ledger: Ledger) -> None:
    found = {run.call: run for run in find_runs(ledger, everything=True)}

    assert {call: run.outcome for call, run in found.items()} == {
        READ: "ok",
        WRITE: "some_hosts_failed",
        PREVIEW: "ok",
        UNDO: "ok",
        HALF: "interrupted",
        LOOK: "ok",
        RUNNING: "running",
        FOREIGN: "running",
        "refused": "denied",
        "api": "ok",
    }
    assert found[WRITE] == RunSummary(
        run=WRITE,
        call=WRITE,
        at=found[WRITE].at,
        caller="local",
        tool="write_file",
        hosts=("web1", "db1"),
        outcome="some_hosts_failed",
        changed=("web1",),
        risk="WRITE",
        preview=False,
    )
    assert [call for call, run in found.items() if run.preview] == [LOOK, PREVIEW]


def test_all_of_a_run(ledger: Ledger) -> None:
    run = read_run(ledger, WRITE, caller="local")

    assert run.arguments == {"server": "web1", "path": "/etc/motd"}
    assert (run.command, run.playbook) == (
        "ansible-playbook write_file.yml",
        "files/write_file.yml",
    )
    assert (run.failed, run.error, run.duration_ms) == ({"db1": "unreachable"}, "1/2", 1200)
    assert (run.plan, run.parent, run.undone_by) == (PLAN, "apply", UNDO_PLAN)
    assert run.approvals == (
        Approval(
            at=run.approvals[0].at,
            how="operator",
            answer="approved",
            by="root",
            expires_at="2026-11-21T13:00:00+00:00",
            proves="a terminal",
        ),
    )
    assert [(task.host, task.status) for task in run.tasks] == [
        ("web1", "changed"),
        ("db1", "unreachable"),
        ("web1", "skipped"),
    ]
    assert run.effects["web1"][2] == Effect(
        kind="service", name="nginx", before={"active": "inactive"}, after={"active": "active"}
    )


def test_a_run_that_was_not_taken_back(ledger: Ledger) -> None:
    assert [read_run(ledger, name).undone_by for name in (UNDO, PREVIEW, READ)] == [
        None,
        None,
        None,
    ]


def test_what_has_no_run_is_found_by_its_call(ledger: Ledger) -> None:
    assert read_run(ledger, "refused").error == "No."
    assert read_run(ledger, "api").duration_ms == 1200
    assert read_run(ledger, HALF).error == "may have been running on these hosts"


@pytest.mark.parametrize(
    ("name", "caller"), [("nothing", None), ("", None), (FOREIGN, "local"), ("%", None)]
)
def test_no_run_of_that_name_and_caller(ledger: Ledger, name: str, caller: str | None) -> None:
    with pytest.raises(UnknownRun):
        read_run(ledger, name, caller=caller)


def test_the_output_is_as_of_ansible_playbook(ledger: Ledger) -> None:
    lines = list(output(read_run(ledger, WRITE)))

    assert [line.partition(" *")[0] for line in lines] == [
        r"[WARNING]: \x1b[31mold",
        "second",
        "",
        "PLAY [files/write_file.yml]",
        "",
        "TASK [Write the file]",
        "changed: [web1]",
        'fatal: [db1]: UNREACHABLE! => {"msg": "no route"}',
        "",
        "TASK [Restart]",
        "skipping: [web1]",
        "",
        "PLAY RECAP",
        (
            "web1                       : ok=1    changed=1    unreachable=0    failed=0    "
            "skipped=1    ignored=0"
        ),
        (
            "db1                        : ok=0    changed=0    unreachable=1    failed=0    "
            "skipped=0    ignored=0"
        ),
    ]
    assert {len(line) for line in lines if line.endswith("***")} == {80}


def test_a_task_that_comes_again_has_its_own_heading(ledger: Ledger) -> None:
    lines = list(output(read_run(ledger, RUNNING)))

    assert sum(line.startswith("TASK") for line in lines) == LONG
    assert lines[-1].startswith("\\ The record of this run leaves out")


def test_the_diff_is_of_what_was_captured(ledger: Ledger) -> None:
    assert list(diff(read_run(ledger, WRITE), catalog.kinds())) == [
        "# web1",
        "# file /etc/motd: +1 -1 lines",
        "--- /etc/motd",
        "+++ /etc/motd",
        "@@ -1,2 +1,2 @@",
        " one",
        r"-\x1b[31mtwo",
        "+three",
        "# file /key: new",
        "# service nginx: active inactive → active",
    ]


def test_the_diff_of_a_preview_is_what_ansible_reported(ledger: Ledger) -> None:
    assert list(diff(read_run(ledger, PREVIEW), catalog.kinds())) == [
        "# web1",
        "--- /etc/hosts",
        "+++ /etc/hosts",
        "@@ -1 +1 @@",
        "-old",
        "+new",
        "- a",
        r"\x1b[31m+ b",
    ]
    assert list(diff(read_run(ledger, READ), catalog.kinds())) == []
