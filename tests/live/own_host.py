"""A host of a test's own, which it may reboot, freeze, cut off and fill, and a Playrail
that operates it from here.

The lab's hosts are for all tests. This one is made from the same image, on the same
network, and removed at the end.
"""

from __future__ import annotations

import contextlib
import json
import random
import secrets
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

from playrail.calls.answers import Answer
from playrail.calls.bounds import Bounds
from playrail.door.door import Playrail
from playrail.settings.private_files import private_directory
from playrail.settings.settings import Settings
from playrail.tools.tool import Risk
from worlds.callers import ANN
from worlds.local_plays import environ, processes, tool

from .waiting import until

IMAGE, NETWORK = "playrail-lab:bookworm", "playrail-lab"
NAME = "own"
SYSTEMD = ("/lib/systemd/systemd",)
# As tests/lab/lab_hosts.py starts a host.
RUN = (
    *("--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN"),
    *("--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"),
    *("--tmpfs=/run", "--tmpfs=/run/lock"),
)
# What systemd needs, and lets all others write into the control groups of this machine
RUN_SYSTEMD = (
    *("--cgroupns=host", "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw", "--env=container=docker"),
    *("--stop-signal=SIGRTMIN+3", "--stop-timeout=5"),
)
ESTABLISHED = "state established '( sport = :22 )'"  # in the words of ss
LINES = "/srv/lines"  # on the host: a line for each time that the slow change was begun
READ_NAP, CHANGE_NAP = "73011", "73012"  # seconds for which the slow tools sleep there
SLOW_READ = (
    f"- {{name: Report, ansible.builtin.command: {{argv: [sleep, '{READ_NAP}']}}, "
    f"changed_when: false}}"
)
SLOW_CHANGE = (
    f"- {{name: Report, ansible.builtin.shell: 'echo begun >>{LINES}; exec sleep {CHANGE_NAP}'}}"
)
DEADLINE_S = 2  # of the slow tools, beside the time to connect
CONNECT_S = 3
BOUNDS = Bounds(end_run_s=5.0)


@dataclass(frozen=True)
class OwnHost:
    """The host, seen past Playrail and SSH."""

    container: str
    address: str
    key: str
    known_hosts: Path

    def sh(self, script: str) -> str:
        return docker("exec", self.container, "sh", "-c", script)

    def install(self, *packages: str) -> None:
        """Packages of its own system, however slow the mirror is."""
        script = (
            "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update && apt-get -qq install -y"
        )
        words = f"{script} --no-install-recommends {shlex.join(packages)}"
        command = ["docker", "exec", self.container, "sh", "-c", words]
        subprocess.run(command, check=True, capture_output=True)

    def pids(self, pattern: str) -> list[int]:
        """The processes whose command line has the pattern."""
        done = subprocess.run(
            ["docker", "exec", self.container, "pgrep", "-f", pattern],
            capture_output=True,
            text=True,
            check=False,
        )
        return [int(pid) for pid in done.stdout.split()]

    def naps(self, seconds: str) -> list[int]:
        return self.pids(f"^sleep {seconds}$")

    def kept(self) -> list[int]:
        """The interpreters that wait for modules."""
        return self.pids("^[^ ]*python[0-9.]* -c .*playrail-kept")

    def sessions(self) -> list[int]:
        """The logins over SSH."""
        return self.pids("^sshd: root")

    def kill(self, pids: Sequence[int]) -> None:
        assert pids
        self.sh(f"kill -9 {shlex.join(map(str, pids))}")

    def forget_connections(self) -> None:
        """Have all packets of the present connections to its sshd dropped."""
        ports = {
            line.split()[3].rpartition(":")[2]
            for line in self.sh(f"ss -tnH {ESTABLISHED}").splitlines()
        }
        assert ports
        # The host has no iptables, so it is the one from here, in the host's network.
        pid = docker("inspect", "--format", "{{.State.Pid}}", self.container)
        rule = ["nsenter", "--net", "--target", pid, "iptables", "--append"]
        for port in ports:
            for words in (("INPUT", "--sport"), ("OUTPUT", "--dport")):
                chain, side = words
                subprocess.run(
                    [*rule, chain, "--protocol", "tcp", side, port, "--jump", "DROP"], check=True
                )

    def await_banner(self) -> None:
        """As await_ssh, on a host of other tools."""

        def greets() -> bool:
            with (
                contextlib.suppress(OSError),
                socket.create_connection((self.address, 22), 1) as at,
            ):
                return at.recv(4) == b"SSH-"
            return False

        until(greets)

    def await_ssh(self) -> None:
        until(
            lambda: self.pids("^sshd: /usr/sbin/sshd") and ":22 " in self.sh("ss -tln || true"),
        )

    def join(self) -> None:
        docker("network", "connect", "--ip", self.address, NETWORK, self.container)

    def leave(self) -> None:
        docker("network", "disconnect", NETWORK, self.container)

    def clear(self) -> None:
        """Ends what the slow tools left, and empties the file in which they are counted."""
        self.sh(f"pkill -f '^sleep 7301' || true; : >{LINES}")

    def entry(self) -> dict[str, Any]:
        """It as an entry of MCP_SERVERS."""
        return {
            "type": "ssh",
            "host": self.address,
            "user": "root",
            "ssh_key": self.key,
            "known_hosts_file": str(self.known_hosts),
            "timeout": CONNECT_S,
        }


def docker(*words: str) -> str:
    done = subprocess.run(
        ["docker", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"docker {shlex.join(words)}: {done.stderr}"
    return done.stdout.strip()


@contextlib.contextmanager
def own_host(
    lab: Mapping[str, Any],
    place: Path,
    *,
    image: str = IMAGE,
    name: str = NAME,
    options: Sequence[str] = (),
    first: Sequence[str] = SYSTEMD,
) -> Iterator[OwnHost]:
    """The host, running; `place` is for its known_hosts file, `options` are more of docker run.
    `first` is its first process, which starts an sshd.
    """
    container = f"playrail-own-{secrets.token_hex(4)}"
    network = lab["hosts"]["nopython"]["address"].rpartition(".")[0]
    try:
        needed = [*RUN, *(RUN_SYSTEMD if first == SYSTEMD else ())]
        address = _started(container, network, name, [*needed, *options, image, *first])
        host = OwnHost(
            container, address, lab["hosts"]["nopython"]["key"], place / f"known_hosts_{name}"
        )
        public = Path(f"{host.key}.pub").read_text(encoding="ascii").strip()
        host.sh(
            f"mkdir -p -m 700 /root/.ssh; echo {shlex.quote(public)} >/root/.ssh/authorized_keys"
        )
        (host.await_ssh if first == SYSTEMD else host.await_banner)()
        host.known_hosts.write_text(
            f"{address} {host.sh('cat /etc/ssh/ssh_host_ed25519_key.pub')}\n"
        )
        yield host
    finally:
        subprocess.run(
            ["docker", "rm", "--force", "--volumes", container], capture_output=True, check=False
        )


def _started(container: str, network: str, name: str, command: Sequence[str]) -> str:
    """Starts the container; returns its address, which is fixed, so that it is there again
    after it was gone. `command` has options of docker run, the image and its first process.
    """
    words = ("run", "--detach", "--name", container, "--hostname", name, "--network", NETWORK)
    while True:
        address = random.choice(_free(network))
        try:
            docker(*words, "--ip", address, *command)
        except AssertionError:
            docker("rm", "--force", container)
            if address in _free(network):
                raise
        else:
            return address


def _free(network: str) -> list[str]:
    """Addresses that nobody has. Tests beside this one take some too."""
    form = "{{range .Containers}}{{.IPv4Address}} {{end}}"
    taken = docker("network", "inspect", "--format", form, NETWORK)
    return [
        address
        for number in range(100, 250)
        if f"{(address := f'{network}.{number}')}/" not in taken
    ]


@dataclass(frozen=True)
class Operator:
    """A Playrail that keeps an Ansible ready. Its processes here have the directory `place`
    as HOME.
    """

    host: OwnHost
    place: Path
    portal: BlockingPortal
    playrail: Playrail

    def start(self, tool: str, /, **arguments: Any) -> Future[Answer]:
        """Begins a call, and does not wait for its end."""
        return self.portal.start_task_soon(partial(self.playrail.call, tool, arguments, caller=ANN))

    def call(self, tool: str, /, **arguments: Any) -> Answer:
        return self.start(tool, **arguments).result(timeout=120)

    def report(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """What the tool reports of the host; it must succeed."""
        answer = self.call(tool, **arguments)
        assert answer.code == "ok", answer
        return reported(answer)

    def works(self) -> None:
        """A read and a change are done, as the host itself tells."""
        path = f"/srv/{secrets.token_hex(8)}"
        self.report("write_file", path=path, content="as told")
        assert self.host.sh(f"cat {path} && rm {path}") == "as told"
        assert self.report("read_file", path="/etc/hostname")["content"] == f"{NAME}\n"

    def stays(self) -> list[int]:
        """The process that plays are forked of."""
        here = self._ansible()
        return [pid for pid in here if parent_of(pid) not in here]

    def forks(self) -> list[int]:
        """Those that run plays, or wait for one."""
        here = self._ansible()
        return [pid for pid in here if parent_of(pid) in here]

    def await_warm(self) -> None:
        """Calls until there is a run that stays: after a start that failed it is not tried
        for a while.
        """
        deadline = time.monotonic() + 60
        self.works()
        while not self.stays():
            assert time.monotonic() < deadline
            time.sleep(1)
            self.works()

    def await_idle(self) -> None:
        """Returns when no play goes on; one fork may wait for the next."""
        until(lambda: len(self.forks()) <= 1)

    def _ansible(self) -> list[int]:
        return processes("serve_plays.yml", f"HOME={self.place}\0")


def reported(answer: Answer) -> dict[str, Any]:
    """What an answer tells of the host."""
    assert answer.data is not None
    found: dict[str, Any] = answer.data["hosts"][NAME]
    return found


@contextlib.contextmanager
def operator(host: OwnHost, place: Path) -> Iterator[Operator]:
    """An operator of the host, with a read and a change that would not end for a day."""
    given = environ(
        private_directory(place),
        MCP_SERVERS=json.dumps({NAME: host.entry()}),
        ENABLE_WRITE_OPERATIONS="1",
    )
    slow = [
        tool(place, SLOW_READ, name="slow_read", timeout_s=DEADLINE_S),
        tool(place, SLOW_CHANGE, name="slow_change", timeout_s=DEADLINE_S, risk=Risk.WRITE),
    ]
    playrail = Playrail(
        Settings.load(given, dotenv=None),
        environ=given,
        warm=True,
        bounds=BOUNDS,
        tools={each.name: each for each in slow},
    )
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(playrail):
        portal.call(playrail.warm_up)
        yield Operator(host, place, portal, playrail)


def parent_of(pid: int) -> int:
    """The parent's process id, 0 when there is no such process."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
