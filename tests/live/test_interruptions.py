"""Deadlines, cancellation and death: no work goes on unseen, and the ledger tells what is
not known.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from .conftest import Wire, entry, environment, on_host
from .waiting import PATIENCE_S, until

pytestmark = [pytest.mark.lab, pytest.mark.over_ssh]


def sleeping(host: str, seconds: int) -> bool:
    """Whether `sleep SECONDS` runs on the host. Each test sleeps for a number of its own."""
    return bool(on_host(host, "pgrep", "-f", f"^sleep {seconds}$", check=False).strip())


def records(state: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(state / "ledger.sqlite")) as connection:
        rows = connection.execute("SELECT kind, tool, body FROM records ORDER BY seq").fetchall()
    return [{"kind": kind, "tool": tool, **json.loads(body)} for kind, tool, body in rows]


def below(pid: int) -> dict[int, str]:
    """Every living process below `pid`: its id and command line."""
    rows = {row[0]: row for row in _processes()}
    family, grown = {pid}, True
    while grown:
        more = {row[0] for row in rows.values() if row[1] in family} - family
        family, grown = family | more, bool(more)
    return {number: rows[number][2] for number in family - {pid}}


def alive(pids: Iterable[int]) -> dict[int, str]:
    return {row[0]: row[2] for row in _processes() if row[0] in set(pids)}


def _processes() -> list[tuple[int, int, str]]:
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid,ppid,stat,args"], check=True, capture_output=True, text=True
    )
    rows = [line.split(None, 3) for line in listed.stdout.splitlines()[1:]]
    return [
        (int(pid), int(parent), args)
        for pid, parent, state, args in rows
        if not state.startswith("Z")
    ]


@pytest.mark.parametrize("host", ["deb12", "deb13"])
def test_the_deadline_ends_the_work_on_the_host(wire: Wire, host: str, seconds: int) -> None:
    answer = wire.call("execute_command", server=host, cmd=f"sleep {seconds}", timeout_s=3)
    assert answer["success"] is False
    assert answer["code"] == "command_timed_out"
    assert answer["_meta"]["retry_safe"] is False
    assert not sleeping(host, seconds)


@pytest.fixture
def seconds() -> int:
    """How long to sleep: a number by which only this test's process is found."""
    return random.randrange(10_000, 10_000_000)


@pytest.fixture
def process(
    hosts: Mapping[str, Any], tmp_path: Path
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A server process, spoken to in raw protocol so that it can be killed like one."""
    state, runtime = tmp_path / "state", tmp_path / "runtime"
    for directory in (state, runtime):
        directory.mkdir(mode=0o700)
    servers = {name: entry(hosts, name) for name in ("deb12", "deb13")}
    env = environment(state, servers, PLAYRAIL_RUNTIME_DIR=str(runtime))
    command = [sys.executable, "-m", "playrail.cli", "serve"]
    with subprocess.Popen(
        command, stdin=-1, stdout=-1, stderr=-1, env=env, cwd=tmp_path, text=True
    ) as server:
        ask(
            server,
            1,
            "initialize",
            protocolVersion="2025-11-25",
            capabilities={},
            clientInfo={"name": "t", "version": "1"},
        )
        assert server.stdout is not None
        assert json.loads(server.stdout.readline())["id"] == 1
        tell(server, "notifications/initialized")
        yield server, tmp_path
        server.kill()


def ask(server: subprocess.Popen[str], number: int, method: str, **params: Any) -> None:
    _send(server, {"jsonrpc": "2.0", "id": number, "method": method, "params": params})


def tell(server: subprocess.Popen[str], method: str, **params: Any) -> None:
    _send(server, {"jsonrpc": "2.0", "method": method, "params": params})


def _send(server: subprocess.Popen[str], message: Mapping[str, Any]) -> None:
    assert server.stdin is not None
    server.stdin.write(json.dumps(message) + "\n")
    server.stdin.flush()


def sleep_on(server: subprocess.Popen[str], host: str, seconds: int) -> None:
    """Starts a long command and returns when it runs on the host."""
    arguments = {"server": host, "cmd": f"sleep {seconds}", "timeout_s": 300}
    ask(server, 2, "tools/call", name="execute_command", arguments=arguments)
    until(lambda: sleeping(host, seconds))


@pytest.mark.parametrize("host", ["deb12", "deb13"])
def test_cancelling_ends_the_work_on_the_host(
    process: tuple[subprocess.Popen[str], Path], host: str, seconds: int
) -> None:
    server, place = process
    sleep_on(server, host, seconds)
    tell(server, "notifications/cancelled", requestId=2)
    until(lambda: not sleeping(host, seconds))
    last = until(lambda: next((r for r in records(place / "state") if r["kind"] == "ended"), None))
    assert last["outcome"] == "outcome_unknown"
    assert "was ended there" in last["error"]
    # What stays is the run that serves plays and the fork that waits for the next one.
    until(lambda: sum("ansible-playbook" in command for command in below(server.pid).values()) == 2)
    assert server.poll() is None


@pytest.mark.parametrize("way", ["SIGTERM", "SIGINT", "end of input"])
def test_stopping_the_server_ends_running_work(
    process: tuple[subprocess.Popen[str], Path], way: str, seconds: int
) -> None:
    server, place = process
    sleep_on(server, "deb12", seconds)
    children = below(server.pid)
    assert any("ssh" in command for command in children.values())
    if way == "end of input":
        assert server.stdin is not None
        server.stdin.close()
    else:
        server.send_signal(getattr(signal, way))
    assert server.wait(timeout=PATIENCE_S) == 0
    assert not sleeping("deb12", seconds)
    assert [r["kind"] for r in records(place / "state")] == ["started", "events", "ended"]
    assert not alive(children)
    assert list((place / "runtime").iterdir()) == []


def test_killing_the_server(process: tuple[subprocess.Popen[str], Path], seconds: int) -> None:
    """No process of it stays here, and the next start tells that the call was interrupted."""
    server, place = process
    sleep_on(server, "deb12", seconds)
    children = below(server.pid)
    assert any("ssh" in command for command in children.values())
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    until(lambda: not alive(children))
    assert [r["kind"] for r in records(place / "state")] == ["started"]
    env = {
        **os.environ,
        "PLAYRAIL_STATE_DIR": str(place / "state"),
        "PLAYRAIL_RUNTIME_DIR": str(place / "runtime"),
    }
    env.pop("MCP_SERVERS", None)
    command = [sys.executable, "-m", "playrail.cli", "call", "describe_capabilities"]
    subprocess.run(command, env=env, check=True, capture_output=True, timeout=60)
    kinds = [(r["kind"], r["tool"]) for r in records(place / "state")]
    assert ("interrupted", "execute_command") in kinds
    interrupted = next(r for r in records(place / "state") if r["kind"] == "interrupted")
    assert interrupted["hosts"] == ["deb12"]
    assert list((place / "runtime").iterdir()) == []
    on_host("deb12", "pkill", "-f", f"^sleep {seconds}$", check=False)


@pytest.mark.over_ssh
def test_a_connection_that_is_lost_in_the_middle(wire: Wire, seconds: int) -> None:
    """A change of which nobody knows whether it was done is neither a success nor a failure
    to be repeated.
    """
    with ThreadPoolExecutor() as pool:
        calling = pool.submit(
            wire.call, "execute_command", server="deb12", cmd=f"sleep {seconds}", timeout_s=300
        )
        until(lambda: sleeping("deb12", seconds))
        on_host("deb12", "pkill", "-f", "^sshd: root@notty")
        answer = calling.result(timeout=60)
    assert (answer["code"], answer["retryable"]) == ("outcome_unknown", False), answer
    on_host("deb12", "pkill", "-f", f"^sleep {seconds}$", check=False)


def test_a_frozen_host(
    process: tuple[subprocess.Popen[str], Path], hosts: Mapping[str, Any], seconds: int
) -> None:
    """A host that stops answering in mid-run: the deadline holds, and the answer does not
    claim that the work ended.
    """
    server, place = process
    sleep_on(server, "deb13", seconds)
    container = hosts["hosts"]["deb13"]["container"]
    pause = ["docker", "pause", container]  # on a busy machine the kernel is not always in time
    until(lambda: subprocess.run(pause, check=False, capture_output=True).returncode == 0)
    try:
        tell(server, "notifications/cancelled", requestId=2)
        last = until(
            lambda: next((r for r in records(place / "state") if r["kind"] == "ended"), None),
        )
    finally:
        subprocess.run(["docker", "unpause", container], check=True, capture_output=True)
    assert last["outcome"] == "outcome_unknown"
    assert "may still be running" in last["error"]
    on_host("deb13", "pkill", "-f", f"^sleep {seconds}$", check=False)
