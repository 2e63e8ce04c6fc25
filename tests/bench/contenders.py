"""The contenders that are no MCP servers: ssh itself, SSH libraries and stock
ansible-runner.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from .cases import WITH_COLLECTION, Task
from .place import (
    HERE,
    Host,
    NotMeasured,
    ansible_environment,
    directory,
    end_masters,
    last_line,
    own_environment,
)

SSH = "ssh, ControlMaster"
ASYNCSSH_KEPT = "asyncssh, kept"
ASYNCSSH_ANEW = "asyncssh, connecting"
PARAMIKO_KEPT = "paramiko, kept"
STOCK = "stock ansible-runner"
ANSWER_S = 120.0


class Contender(Protocol):
    """Something that does a task when it is asked."""

    def does(self, task: Task) -> bool:
        """Whether it has a way to do this."""

    async def ask(self, task: Task) -> float:
        """Does it and returns the seconds. Raises NotMeasured when it was not done."""


@dataclass(frozen=True, kw_only=True)
class Ssh:
    """The floor: the ssh program, through a connection that is kept by a master."""

    host: Host
    sockets: Path

    def does(self, task: Task) -> bool:
        return task.shell is not None

    async def ask(self, task: Task) -> float:
        master = [
            "-o",
            "ControlMaster=auto",
            "-o",
            "ControlPersist=60",
            "-o",
            f"ControlPath={self.sockets}/%C",
        ]
        words = [
            "ssh",
            *self.host.ssh_options,
            *master,
            f"{self.host.user}@{self.host.address}",
            str(task.shell),
        ]
        started = time.perf_counter()
        # Not with a pipe for errors: the master, which stays, would hold it open.
        process = await asyncio.create_subprocess_exec(
            *words, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
        )
        await process.communicate(task.stdin.encode())
        seconds = time.perf_counter() - started
        if process.returncode != 0:
            raise NotMeasured(f"exit status {process.returncode}")
        return seconds


@asynccontextmanager
async def ssh(host: Host, sockets: Path) -> AsyncIterator[Contender]:
    try:
        yield Ssh(host=host, sockets=directory(sockets))
    finally:
        end_masters(sockets)


@dataclass(frozen=True, kw_only=True)
class Library:
    """An SSH library in a process of its own, which is asked over a pipe."""

    process: Process

    def does(self, task: Task) -> bool:
        return task.shell is not None

    async def ask(self, task: Task) -> float:
        return await self.ask_many(str(task.shell), task.stdin, hosts=1)

    async def ask_many(self, command: str, stdin: str, *, hosts: int) -> float:
        """Has the first `hosts` of its hosts run the command, all at once; returns the
        seconds until all did.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        line = json.dumps({"command": command, "stdin": stdin, "hosts": hosts}) + "\n"
        started = time.perf_counter()
        self.process.stdin.write(line.encode())
        answer = await asyncio.wait_for(self.process.stdout.readline(), ANSWER_S)
        seconds = time.perf_counter() - started
        failed = json.loads(answer)["failed"] if answer else "its process ended"
        if failed is not None:
            raise NotMeasured(failed)
        return seconds


@asynccontextmanager
async def library(
    python: Path, name: str, manner: str, hosts: Sequence[Host]
) -> AsyncIterator[Library]:
    orders = json.dumps({"hosts": [asdict(host) for host in hosts]})
    script = str(HERE / "asked_ssh.py")
    process = await asyncio.create_subprocess_exec(
        str(python), script, name, manner, orders, stdin=PIPE, stdout=PIPE
    )
    try:
        yield Library(process=process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


@dataclass(frozen=True, kw_only=True)
class Stock:
    """ansible_runner.run as documented, in a fresh process per call; pipelining and
    ControlPersist are on.
    """

    host: Host
    scratch: Path
    variables: Mapping[str, str]

    def does(self, task: Task) -> bool:
        return bool(task.stock)

    async def ask(self, task: Task) -> float:
        with tempfile.TemporaryDirectory(dir=self.scratch) as directory:
            process = await asyncio.create_subprocess_exec(
                *(
                    sys.executable,
                    "-P",
                    str(HERE / "asked_runner.py"),
                    json.dumps(self._orders(task, directory)),
                ),
                stdout=PIPE,
                stderr=PIPE,
                env=own_environment(**self.variables),
            )
            output, errors = await asyncio.wait_for(process.communicate(), ANSWER_S)
        if process.returncode != 0:
            raise NotMeasured(last_line(errors.decode(errors="replace")))
        told = json.loads(output)
        if told["status"] != "successful" or task.changes not in (None, told["changed"]):
            raise NotMeasured(f"status {told['status']}, changed {told['changed']}")
        return float(told["seconds"])

    def _orders(self, task: Task, directory: str) -> dict[str, Any]:
        orders = {
            "private_data_dir": directory,
            "inventory": str(self.scratch / "hosts"),
            **task.stock,
        }
        orders["envvars"] = {**self.variables, **WITH_COLLECTION}
        if "playbook" in orders:
            orders["extravars"] = {**orders["extravars"], "playrail_target": self.host.name}
        else:
            orders["host_pattern"] = self.host.name
        return orders


@asynccontextmanager
async def stock(host: Host, scratch: Path) -> AsyncIterator[Contender]:
    (directory(scratch) / "hosts").write_text(host.inventory_line + "\n", encoding="utf-8")
    sockets = scratch / "cp"
    # Where ansible-runner is to find this environment's Ansible
    path = str(Path(sys.executable).parent)
    variables = ansible_environment(sockets) | {"PATH": f"{path}:{own_environment()['PATH']}"}
    try:
        yield Stock(host=host, scratch=scratch, variables=variables)
    finally:
        end_masters(sockets)
