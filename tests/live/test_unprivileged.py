"""A login user who may start programs of root but not end them: nothing is said to have
ended that still runs.
"""

from __future__ import annotations

import itertools
import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from .conftest import entry, environment, on_host
from .waiting import until

pytestmark = pytest.mark.lab
HOST = "deb13"
NUMBERS = itertools.count(2)  # of requests
RULE = "/etc/sudoers.d/playrail-test"
SURE, UNSURE = "was ended", "may still be running"


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


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("unprivileged") / "state"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture(scope="module")
def server(hosts: Mapping[str, Any], state: Path) -> Iterator[subprocess.Popen[str]]:
    """A server that does not become root on the host, spoken to in raw protocol."""
    env = environment(state, {HOST: entry(hosts, HOST, sudo_password=None)})
    command = [sys.executable, "-m", "playrail.cli", "serve"]
    with subprocess.Popen(
        command, stdin=-1, stdout=-1, env=env, cwd=state.parent, text=True
    ) as process:
        info = {"name": "t", "version": "1"}
        send(
            process,
            id=1,
            method="initialize",
            params={"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info},
        )
        assert receive(process, 1)
        send(process, method="notifications/initialized")
        yield process
        process.kill()


def send(server: subprocess.Popen[str], **message: Any) -> None:
    assert server.stdin is not None
    server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    server.stdin.flush()


def receive(server: subprocess.Popen[str], number: int) -> dict[str, Any]:
    """The answer to the request of that number; what else the server says is passed over."""
    assert server.stdout is not None
    while (message := json.loads(server.stdout.readline())).get("id") != number:
        pass
    found: dict[str, Any] = message
    return found


def execute(server: subprocess.Popen[str], cmd: str, timeout_s: int) -> int:
    """Asks for the command to be run; returns the request's number."""
    number = next(NUMBERS)
    arguments = {"server": HOST, "cmd": cmd, "timeout_s": timeout_s}
    params = {"name": "execute_command", "arguments": arguments}
    send(server, id=number, method="tools/call", params=params)
    return number


def cancelled(server: subprocess.Popen[str], number: int, state: Path) -> dict[str, Any]:
    """What the ledger says of the request's end after it was cancelled."""
    before = len(ends(state))
    send(server, method="notifications/cancelled", params={"requestId": number})
    last: dict[str, Any] = until(lambda: ends(state)[before:])[0]
    return last


def sleeping(seconds: int) -> bool:
    """Whether the program runs on the host, or sudo that waits for it."""
    return bool(on_host(HOST, "pgrep", "-f", f"sleep {seconds}$", check=False).strip())


def ends(state: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(state / "ledger.sqlite")) as connection:
        rows = connection.execute("SELECT body FROM records WHERE kind = 'ended' ORDER BY seq")
        return [json.loads(body) for (body,) in rows]


# sudo hands SIGTERM on to the program, though not SIGKILL, so one that ignores the first
# outlives sudo.
HEARS, DEAF = "sudo -n sleep {}", "sh -c \"trap '' TERM; exec sudo -n sleep {}\""


@pytest.mark.parametrize("cmd", [HEARS, DEAF], ids=["hears", "deaf"])
def test_the_deadline_of_a_program_of_root(
    server: subprocess.Popen[str], seconds: int, cmd: str
) -> None:
    number = execute(server, cmd.format(seconds), timeout_s=3)
    answer = receive(server, number)["result"]["structuredContent"]
    runs = sleeping(seconds)

    assert answer["code"] == "command_timed_out", answer
    assert runs is (cmd == DEAF)
    assert (UNSURE in answer["error"]) is runs
    assert (SURE in answer["error"]) is not runs
    assert answer["data"]["hosts"][HOST]["left_running"] is runs
    assert answer["_meta"]["retry_safe"] is False


@pytest.mark.parametrize("cmd", [HEARS, DEAF], ids=["hears", "deaf"])
def test_cancelling_a_program_of_root(
    server: subprocess.Popen[str], seconds: int, state: Path, cmd: str
) -> None:
    number = execute(server, cmd.format(seconds), timeout_s=300)
    until(lambda: sleeping(seconds))
    last = cancelled(server, number, state)
    runs = sleeping(seconds)

    assert last["outcome"] == "outcome_unknown"
    assert runs is (cmd == DEAF)
    assert (UNSURE in last["error"]) is runs
    assert (SURE in last["error"]) is not runs


def test_cancelling_a_program_of_its_own(
    server: subprocess.Popen[str], seconds: int, state: Path
) -> None:
    number = execute(server, f"sleep {seconds}", timeout_s=300)
    until(lambda: sleeping(seconds))
    last = cancelled(server, number, state)

    assert last["outcome"] == "outcome_unknown"
    assert SURE in last["error"]
    assert not sleeping(seconds)
