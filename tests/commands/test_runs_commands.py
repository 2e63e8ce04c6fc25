"""`playrail runs` and `playrail run`, as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from worlds.recorded_runs import FOREIGN, HALF, PREVIEW, UNDO, UNDO_PLAN, WRITE, recorded

pytestmark = pytest.mark.slow

PLAYRAIL = Path(sys.executable).parent / "playrail"

Ended = subprocess.CompletedProcess[str]
Playrail = Callable[..., Ended]


@pytest.fixture(scope="module")
def playrail(tmp_path_factory: pytest.TempPathFactory) -> Playrail:
    home = tmp_path_factory.mktemp("home")
    state = home / "state"
    state.mkdir(mode=0o700)
    recorded(state).close()
    environ = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "PLAYRAIL_STATE_DIR": str(state),
    }

    def run(*words: str, stdout: int | IO[bytes] = subprocess.PIPE, **variables: str) -> Ended:
        command, env = [str(PLAYRAIL), *words], {**environ, **variables}
        return subprocess.run(
            command,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
            env=env,
            cwd=home,
        )

    return run


def test_the_table(playrail: Playrail) -> None:
    ended = playrail("runs", "--caller", "local")

    assert (ended.returncode, ended.stderr) == (0, "")
    rows = [line.split() for line in ended.stdout.splitlines() if " local " in line]
    assert rows[-2][2:] == [
        WRITE,
        "local",
        "write_file",
        "web1,",
        "db1",
        "some_hosts_failed",
        "web1",
    ]
    assert [UNDO, "local", "write_file", "web1", "ok", "web1"] in [row[2:] for row in rows]
    assert f"{PREVIEW} local write_file (preview)" in " ".join(ended.stdout.split())


def test_the_list_for_programs(playrail: Playrail) -> None:
    found = json.loads(playrail("runs", "--host", "db1", "--json").stdout)
    everything = json.loads(playrail("runs", "--all", "--limit", "3", "--json").stdout)

    assert [run["run"] for run in found] == [HALF, WRITE]
    assert [run["call"] for run in everything] == ["api", "refused", FOREIGN]


def test_a_run_for_people(playrail: Playrail) -> None:
    ended = playrail("run", WRITE)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "\x1b" not in ended.stdout, (
        "no colours where no terminal is, and nothing of what servers wrote"
    )
    lines = [" ".join(line.split()) for line in ended.stdout.splitlines()]
    assert lines[0] == f"{WRITE}: write_file (WRITE)"
    for line in (
        "outcome: some_hosts_failed (1/2)",
        "carried out plan-write",
        "path: /etc/motd",
        "web1 changed",
        "db1 unreachable",
        "changed: [web1]",
        r"-\x1b[31mtwo",
        "+three",
        "by hand: ansible-playbook write_file.yml",
        f"taken back by {UNDO_PLAN}",
    ):
        assert line in lines
    assert any(line.startswith("approved by root (operator) at ") for line in lines)


def test_a_run_for_programs(playrail: Playrail) -> None:
    run = json.loads(playrail("run", WRITE, "--json").stdout)

    assert run["summary"]["run"] == WRITE
    assert run["effects"]["web1"][0]["before"]["content"] == "one\ntwo\n"
    assert [task["status"] for task in run["tasks"]] == ["changed", "unreachable", "skipped"]


def test_a_refused_call(playrail: Playrail) -> None:
    assert "outcome: denied (No.)" in playrail("run", "refused").stdout


def test_no_such_run(playrail: Playrail, tmp_path: Path) -> None:
    ended = playrail("run", "nothing")
    unused = playrail("runs", "--json", PLAYRAIL_STATE_DIR=str(tmp_path / "none"))

    assert ended.returncode == 1
    assert ended.stderr.startswith("playrail: There is no run 'nothing'.\n")
    assert (unused.returncode, json.loads(unused.stdout)) == (0, [])
    assert not (tmp_path / "none").exists(), "to look makes nothing"


def test_the_diff_has_colours_on_a_terminal(playrail: Playrail) -> None:
    primary, terminal = os.openpty()
    with os.fdopen(primary, "rb") as shown, os.fdopen(terminal, "wb") as stdout:
        assert playrail("run", PREVIEW, stdout=stdout).returncode == 0
        text = os.read(shown.fileno(), 100_000).decode()

    assert "\x1b[31m\x1b[22m-old\x1b[0m" in text
    assert "\x1b[32m\x1b[22m+new\x1b[0m" in text
    assert r"\x1b[31m+ b" in text, "the module's own control sequence is shown and not obeyed"
