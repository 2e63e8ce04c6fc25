"""The same command on 1, 10 and 50 hosts: an sshd each, all in one container made from the
lab's image.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mcp import Client

from . import contenders
from .contenders import Library, library
from .mcp_client import WARM, called, playrail
from .measure import Job, interleave
from .place import (
    Host,
    NotMeasured,
    ansible_environment,
    directory,
    end_masters,
    last_line,
    own_environment,
)
from .table import Results
from .targets import ANSIBLE, MOST_HOSTS, on_hosts

COUNTS = (1, 10, MOST_HOSTS)
FIRST_PORT = 2201
IMAGE, NETWORK = "playrail-lab:bookworm", "playrail-lab"
READY_S, ANSWER_S = 30.0, 120.0
# An sshd each: one of them listens on no more than 16 sockets.
START = """
set -eu
mkdir -p /run/sshd /root/.ssh
printf '%s\\n' {key} >/root/.ssh/authorized_keys
ssh-keygen -A >/dev/null
for port in $(seq {first} {last}); do /usr/sbin/sshd -D -p $port & done
wait
"""


@contextmanager
def light_hosts(key: str, scratch: Path) -> Iterator[list[Host]]:
    """The hosts, gone when it ends. Raises NotMeasured when they cannot be made."""
    name = f"playrail-bench-{os.getpid()}"
    public = Path(f"{key}.pub").read_text(encoding="ascii").strip()
    script = START.format(
        key=shlex.quote(public), first=FIRST_PORT, last=FIRST_PORT + MOST_HOSTS - 1
    )
    _docker("run", "--detach", "--name", name, "--network", NETWORK, IMAGE, "sh", "-c", script)
    try:
        form = f'{{{{(index .NetworkSettings.Networks "{NETWORK}").IPAddress}}}}'
        address = _docker("inspect", "--format", form, name)
        ports = range(FIRST_PORT, FIRST_PORT + MOST_HOSTS)
        _wait_for(name, address, ports)
        host_key = _docker("exec", name, "cat", "/etc/ssh/ssh_host_ed25519_key.pub")
        known_hosts = scratch / "known_hosts"
        known_hosts.write_text(
            "".join(f"[{address}]:{port} {host_key}\n" for port in ports), encoding="ascii"
        )
        yield [
            Host(
                name=f"h{port}",
                address=address,
                port=port,
                user="root",
                key=key,
                known_hosts=str(known_hosts),
            )
            for port in ports
        ]
    finally:
        _docker("rm", "--force", "--volumes", name)


def _docker(*words: str) -> str:
    try:
        done = subprocess.run(
            ["docker", *words], capture_output=True, text=True, timeout=60, check=False
        )
    except OSError as error:
        raise NotMeasured(f"docker: {error.strerror}") from error
    if done.returncode != 0:
        raise NotMeasured(f"docker {words[0]}: {last_line(done.stderr)}")
    return done.stdout.strip()


def _wait_for(name: str, address: str, ports: Sequence[int]) -> None:
    """Waits until every sshd lists its port among those that are listened on."""
    script = "ss --no-header --tcp --listening --numeric"
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        listening = _docker("exec", name, "sh", "-c", script)
        if all(f":{port} " in listening for port in ports):
            return
        time.sleep(0.2)
    raise NotMeasured(f"the light hosts at {address} did not come up")


@dataclass(frozen=True, kw_only=True)
class Ansible:
    """`ansible -f 50` from the command line, pipelining and ControlPersist on."""

    inventory: Path
    sockets: Path

    async def ask(self, hosts: Sequence[Host]) -> float:
        pattern = ",".join(host.name for host in hosts)
        program = str(Path(sys.executable).with_name("ansible"))
        words = [
            program,
            "-i",
            str(self.inventory),
            "-f",
            "50",
            "-m",
            "command",
            "-a",
            "uptime",
            pattern,
        ]
        environment = own_environment(**ansible_environment(self.sockets))
        started = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *words, stdout=PIPE, stderr=PIPE, env=environment
        )
        output, errors = await asyncio.wait_for(process.communicate(), ANSWER_S)
        seconds = time.perf_counter() - started
        if process.returncode != 0 or output.count(b"| CHANGED |") != len(hosts):
            raise NotMeasured(f"ansible: {last_line((errors or output).decode(errors='replace'))}")
        return seconds


async def ask_playrail(client: Client, hosts: Sequence[Host]) -> float:
    names = [host.name for host in hosts]
    seconds, answer = await called(client, "execute_command", {"cmd": "uptime", "server": names})
    if sorted(answer["data"]["hosts"]) != sorted(names):
        raise NotMeasured("execute_command: not every host reported")
    return seconds


async def measure_fanout(
    results: Results, key: str, python: Path | None, scratch: Path, *, rounds: int
) -> None:
    """All counts of hosts by all contenders, interleaved, in the directory `scratch`."""
    ansible = Ansible(inventory=scratch / "hosts", sockets=directory(scratch / "ansible"))
    with light_hosts(key, scratch) as hosts:
        ansible.inventory.write_text(
            "".join(f"{host.inventory_line}\n" for host in hosts), encoding="utf-8"
        )
        async with AsyncExitStack() as stack:
            stack.callback(end_masters, ansible.sockets)
            client: Client | None = None
            try:
                client = await stack.enter_async_context(
                    playrail(hosts, scratch / "fanout", warm=True).started()
                )
            except NotMeasured as error:
                results.miss(WARM, error)
            libraries: dict[str, Library] = {}
            if python is not None:
                kept, anew = (
                    library(python, "asyncssh", manner, hosts) for manner in ("kept", "anew")
                )
                libraries[contenders.ASYNCSSH_KEPT] = await stack.enter_async_context(kept)
                libraries[contenders.ASYNCSSH_ANEW] = await stack.enter_async_context(anew)
            jobs = {
                on_hosts(count): _jobs(ansible, client, libraries, hosts[:count])
                for count in COUNTS
            }
            await interleave(results, jobs, rounds=rounds, warm_ups=1)


def _jobs(
    ansible: Ansible, client: Client | None, libraries: dict[str, Library], hosts: Sequence[Host]
) -> dict[str, Job]:
    jobs: dict[str, Job] = {ANSIBLE: lambda: ansible.ask(hosts)}
    if client is not None:
        jobs[WARM] = lambda: ask_playrail(client, hosts)
    for name, asked in libraries.items():
        jobs[name] = _ask_library(asked, len(hosts))
    return jobs


def _ask_library(asked: Library, count: int) -> Job:
    return lambda: asked.ask_many("uptime", "", hosts=count)
