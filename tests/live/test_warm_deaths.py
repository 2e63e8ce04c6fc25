"""What happens to the processes here that play, and to the server: killed, stopped, in the
middle of work on a host.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from worlds.local_plays import gone, processes

from .conftest import environment
from .own_host import CHANGE_NAP, LINES, NAME, READ_NAP, Operator, OwnHost
from .test_interruptions import alive, ask, below, tell
from .waiting import PATIENCE_S, until

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.over_ssh]
JOURNALCTL = "/usr/local/bin/journalctl"  # stands before the real one
KILLED_BY_CHANCE = 6  # calls in which the run that stays dies at some moment


@pytest.fixture
def operated(living: Operator) -> Operator:
    """It has a run that stays, and nothing is left of an earlier test."""
    living.host.clear()
    living.await_warm()
    living.await_idle()
    return living


def kill(pids: list[int]) -> None:
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def test_the_run_that_stays_is_killed_between_two_calls(operated: Operator) -> None:
    before = processes(f"HOME={operated.place}\0")
    kill(operated.stays())
    operated.works()
    assert operated.stays()
    until(lambda: not alive(before))


@pytest.mark.parametrize("what", ["the run that stays", "the forks"])
def test_killed_in_the_middle_of_a_call(operated: Operator, what: str) -> None:
    host = operated.host
    read, change = operated.start("slow_read"), operated.start("slow_change")
    until(lambda: host.naps(READ_NAP) and host.naps(CHANGE_NAP))
    before = processes(f"HOME={operated.place}\0")
    killed = operated.stays() if what == "the run that stays" else operated.forks()
    kill(killed)
    told = [read.result(60), change.result(60)]
    assert told[0].code in {"ansible_failed", "connection_lost"}
    assert told[1].code == "outcome_unknown"
    assert all(answer.problem and not answer.problem.retryable for answer in told[1:])
    if what == "the forks":
        assert all(
            answer.problem and "its work was ended there" in answer.problem.error for answer in told
        )
        assert not host.naps(READ_NAP) + host.naps(CHANGE_NAP)
    else:
        until(lambda: not alive(before))
    operated.works()
    operated.await_idle()
    assert host.sh(f"cat {LINES}") == "begun"


def test_killed_at_any_moment_a_change_is_not_made_twice(operated: Operator) -> None:
    chance = random.Random(20260101)  # the same moments each time
    for number in range(KILLED_BY_CHANCE):
        operated.await_warm()
        call = operated.start("execute_command", cmd=f"echo {number} >>{LINES}", shell=True)
        time.sleep(chance.random() * 0.3)
        kill(operated.stays())
        code = call.result(60).code
        times = operated.host.sh(f"cat {LINES}").split().count(str(number))
        allowed = {"ok": {1}, "outcome_unknown": {0, 1}}.get(code, {0})
        assert times in allowed, (number, code, times)
    operated.await_idle()


@pytest.fixture
def home() -> Iterator[Path]:
    """For all files of a server, sockets too: so with a short path."""
    place = Path(tempfile.mkdtemp(prefix="pr-", dir="/tmp"))
    for name in ("state", "runtime", "tmp"):
        (place / name).mkdir(mode=0o700)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def others(host: OwnHost) -> set[int]:
    """What another server has on the host. A test names it before `server`, so that it is
    read first.
    """
    return {*host.sessions(), *host.kept()}


@pytest.fixture
def server(host: OwnHost, home: Path) -> Iterator[subprocess.Popen[str]]:
    """A server with a read and a command under way that would take a day."""
    host.clear()
    host.sh("rm -rf /tmp/ansible_*")  # of plays that an earlier test has killed
    own = {
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "PLAYRAIL_RUNTIME_DIR": str(home / "runtime"),
    }
    env = environment(home / "state", {NAME: host.entry()}, **own)
    host.sh(f"printf '#!/bin/sh\\nexec sleep {READ_NAP}\\n' >{JOURNALCTL}; chmod 755 {JOURNALCTL}")
    command = [sys.executable, "-m", "playrail.cli", "serve"]
    hello = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    }
    with subprocess.Popen(
        command, stdin=-1, stdout=-1, stderr=-3, env=env, cwd=home, text=True
    ) as made:
        assert made.stdout is not None
        ask(made, 1, "initialize", **hello)
        assert json.loads(made.stdout.readline())["id"] == 1
        tell(made, "notifications/initialized")
        ask(made, 2, "tools/call", name="read_file", arguments={"path": "/etc/hostname"})
        assert json.loads(made.stdout.readline())["result"]["structuredContent"]["success"]
        ask(made, 3, "tools/call", name="get_journal_logs", arguments={"unit": "ssh"})
        script = f"echo begun >>{LINES}; exec sleep {CHANGE_NAP}"
        arguments = {"cmd": script, "shell": True, "timeout_s": 300}
        ask(made, 4, "tools/call", name="execute_command", arguments=arguments)
        until(lambda: host.naps(READ_NAP) and host.naps(CHANGE_NAP))
        yield made
        made.kill()
    host.sh(f"rm {JOURNALCTL}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_server_ends(
    others: set[int],
    server: subprocess.Popen[str],
    home: Path,
    host: OwnHost,
    number: signal.Signals,
) -> None:
    """Nothing of it is left here: no process, no socket. On the host only what a killed
    server could not end.
    """
    children = below(server.pid)
    assert any("ssh" in command for command in children.values())
    assert set(host.sessions()) - others
    server.send_signal(number)
    server.wait(timeout=30)
    assert gone(home, within_s=PATIENCE_S)
    assert not alive(children)
    assert list((home / "tmp").iterdir()) == []
    until(lambda: set(host.sessions()) <= others)
    assert host.sh(f"cat {LINES}") == "begun"
    if number == signal.SIGTERM:
        assert not host.naps(READ_NAP) + host.naps(CHANGE_NAP)
        assert list((home / "runtime").iterdir()) == []
    else:
        host.clear()  # a module goes on, and ends with its program
    until(lambda: set(host.kept()) <= others)
    until(lambda: "ansible" not in host.sh("ls -A /tmp /var/tmp"))
