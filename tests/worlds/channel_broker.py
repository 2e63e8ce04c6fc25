"""A broker of channels at work, with an ssh and a sudo that run commands here."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playrail.ansible.kept.interpreter import PLACEHOLDER, START
from playrail.ansible.plugins.connection.ssh import ask
from worlds.ssh_stand_ins import SSH, SUDO


class Broker:
    """A broker at work, and how to ask it."""

    def __init__(self, directory: Path) -> None:
        self.log = directory / "log"
        for name, text in (("ssh", SSH.format(log=self.log)), ("sudo", SUDO)):
            (directory / name).write_text(text)
            (directory / name).chmod(0o700)
        self.directory = directory
        self.socket = directory / "socket"
        self.environment = {
            **os.environ,
            "PATH": f"{directory}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
        }
        command = [sys.executable, "-P", "-m", "playrail.ansible.kept.broker", str(self.socket)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, env=self.environment, start_new_session=True
        )
        until = time.monotonic() + 20
        while not self.answers() and time.monotonic() < until:
            time.sleep(0.02)

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(str(self.socket)) == 0

    def order(
        self, host: str = "here", python: str = sys.executable, **changes: Any
    ) -> dict[str, Any]:
        script = f"export PLAYRAIL_RUN={PLACEHOLDER}; exec {python} -c '{START}'"
        opening = {"command": script, "prompt": None, "password": None, "connect_s": 5.0}
        argv = [str(self.directory / "ssh"), "-o", "BatchMode=yes", host]
        return {
            "do": "run",
            "argv": argv,
            "identity": [python],
            "env": {},
            "opening": {**opening, **changes},
        }

    def ask(self, payload: bytes, **changes: Any) -> tuple[dict[str, Any], bytes]:
        return ask(str(self.socket), self.order(**changes), payload)

    def opened(self, host: str = "") -> int:
        """How often ssh was called for a channel, of all hosts or one."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return sum(host in line and " -O " not in line and line.strip() != "-V" for line in lines)

    def below(self) -> dict[int, str]:
        """Processes in the broker's session, which only fork."""
        told = subprocess.run(
            ["ps", "-o", "pid=,args=", "-s", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        rows = (line.split(None, 1) for line in told.stdout.splitlines())
        return {int(pid): args for pid, args in rows if "defunct" not in args}

    def has_only(self, *pids: int) -> bool:
        """Whether just these are left in the session, once what was ended there has had
        time to end.
        """
        until = time.monotonic() + 10
        while self.below().keys() != set(pids) and time.monotonic() < until:
            time.sleep(0.05)
        return self.below().keys() == set(pids)

    def every_kept(self) -> list[int]:
        """The interpreters that are kept, of all channels."""
        return [
            pid
            for pid, args in self.below().items()
            if "sys.path[:]" in args and "/ssh " not in args
        ]

    def kept(self) -> int:
        (pid,) = self.every_kept()
        return pid

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(5)


@contextlib.contextmanager
def broker_at_work(directory: Path) -> Iterator[Broker]:
    """A broker whose files are in `directory`. It leaves no socket behind."""
    broker = Broker(directory)
    yield broker
    with contextlib.suppress(BrokenPipeError):
        broker.end()
    assert not broker.socket.exists()
