"""A login user who may start programs of root but not end them: nothing is said to have
ended that still runs.
"""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from .conftest import entry, environment, on_host

pytestmark = pytest.mark.lab
HOST = "deb13"
RULE = "/etc/sudoers.d/playrail-test"
SETTLE_S = 60.0
SURE, UNSURE = "was ended", "may still be running"


def until(what: Callable[[], Any]) -> Any:
    """What `what` returns once it is true; fails after the time."""
    deadline = time.monotonic() + SETTLE_S
    while not (found := what()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


@pytest.fixture
def seconds() -> Iterator[int]:
    """How long to sleep: a number by which only this test's process is found. None outlives
    it.
    """
    number = random.randrange(10_000, 10_000_000)
    yield number
    on_host(HOST, "pkill", "-KILL", "-f", f"sleep {number}$", check=False)


@pytest.fixture(autouse=True)
def _ops_may_sleep_as_root() -> Iterator[None]:
    script = f"umask 337; echo 'ops ALL=(root) NOPASSWD: /bin/sleep, /usr/bin/sleep' >{RULE}"
    on_host(HOST, "sh", "-c", script)
    try:
        yield
    finally:
        on_host(HOST, "rm", "-f", RULE)


@pytest.fixture
def server(hosts: Mapping[str, Any], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A server that does not become root on the host, spoken to in raw protocol."""
    (tmp_path / "state").mkdir(mode=0o700)
    env = environment(tmp_path / "state", {HOST: entry(hosts, HOST, sudo_password=None)})
    command = [sys.executable, "-m", "playrail.cli", "serve"]
    with subprocess.Popen(
        command, stdin=-1, stdout=-1, env=env, cwd=tmp_path, text=True
    ) as process:
        info = {"name": "t", "version": "1"}
        send(
            process,
            id=1,
            method="initialize",
            params={"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info},
        )
        assert receive(process)["id"] == 1
        send(process, method="notifications/initialized")
        yield process
        process.kill()


def send(server: subprocess.Popen[str], **message: Any) -> None:
    assert server.stdin is not None
    server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    server.stdin.flush()


def receive(server: subprocess.Popen[str]) -> dict[str, Any]:
    """The next answer; what the server tells unasked is passed over."""
    assert server.stdout is not None
    while "id" not in (message := json.loads(server.stdout.readline())):
        pass
    found: dict[str, Any] = message
    return found


def execute(server: subprocess.Popen[str], cmd: str, timeout_s: int) -> None:
    arguments = {"server": HOST, "cmd": cmd, "timeout_s": timeout_s}
    send(
        server,
        id=2,
        method="tools/call",
        params={"name": "execute_command", "arguments": arguments},
    )


def sleeping(seconds: int) -> bool:
    """Whether the program runs on the host, or sudo that waits for it."""
    return bool(on_host(HOST, "pgrep", "-f", f"sleep {seconds}$", check=False).strip())


def last_record(state: Path) -> dict[str, Any] | None:
    with sqlite3.connect(state / "ledger.sqlite") as connection:
        rows = connection.execute("SELECT body FROM records WHERE kind = 'ended'").fetchall()
    return json.loads(rows[-1][0]) if rows else None


# sudo hands SIGTERM on to the program, though not SIGKILL, so one that ignores the first
# outlives sudo.
HEARS, DEAF = "sudo -n sleep {}", "sh -c \"trap '' TERM; exec sudo -n sleep {}\""


@pytest.mark.parametrize("cmd", [HEARS, DEAF], ids=["hears", "deaf"])
def test_the_deadline_of_a_program_of_root(
    server: subprocess.Popen[str], seconds: int, cmd: str
) -> None:
    execute(server, cmd.format(seconds), timeout_s=3)
    until(lambda: sleeping(seconds))
    answer = receive(server)["result"]["structuredContent"]
    runs = sleeping(seconds)

    assert answer["code"] == "command_timed_out", answer
    assert runs is (cmd == DEAF)
    assert (UNSURE in answer["error"]) is runs
    assert (SURE in answer["error"]) is not runs
    assert answer["data"]["hosts"][HOST]["left_running"] is runs
    assert answer["_meta"]["retry_safe"] is False


@pytest.mark.parametrize("cmd", [HEARS, DEAF], ids=["hears", "deaf"])
def test_cancelling_a_program_of_root(
    server: subprocess.Popen[str], seconds: int, tmp_path: Path, cmd: str
) -> None:
    execute(server, cmd.format(seconds), timeout_s=300)
    until(lambda: sleeping(seconds))
    send(server, method="notifications/cancelled", params={"requestId": 2})
    last = until(lambda: last_record(tmp_path / "state"))
    runs = sleeping(seconds)

    assert last["outcome"] == "outcome_unknown"
    assert runs is (cmd == DEAF)
    assert (UNSURE in last["error"]) is runs
    assert (SURE in last["error"]) is not runs


def test_cancelling_a_program_of_its_own(
    server: subprocess.Popen[str], seconds: int, tmp_path: Path
) -> None:
    execute(server, f"sleep {seconds}", timeout_s=300)
    until(lambda: sleeping(seconds))
    send(server, method="notifications/cancelled", params={"requestId": 2})
    last = until(lambda: last_record(tmp_path / "state"))

    assert last["outcome"] == "outcome_unknown"
    assert SURE in last["error"]
    assert not sleeping(seconds)
