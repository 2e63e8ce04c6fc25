"""Modules on real hosts by channels: they end as they do by plain ssh, whatever becomes of
the channel.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from .conftest import on_host
from .repository import only_own_packages
from .waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.over_ssh]

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "src/playrail/ansible/plugins/connection"
HOSTS = ("deb12", "deb13")
WAYS = (*HOSTS, "deb13-root")
# Seconds; each test that sleeps on a host does so for a number of its own
NAPS = iter(range(64_001, 65_000))
TASKS = (
    "ansible.builtin.ping: {}",
    "ansible.builtin.command: id -un",
    "ansible.builtin.shell: echo out; echo err >&2; pwd; umask; exit 3",
    "ansible.builtin.command: {argv: [cat], stdin: given}",
    "ansible.builtin.stat: {path: /etc/shadow}",
    "ansible.builtin.slurp: {src: /etc/hostname}",
    "ansible.builtin.systemd_service: {name: no-such-unit, state: started}",
    "ansible.builtin.apt: {name: no-such-package}",
    "ansible.builtin.file: {path: /nonexistent/deep, state: touch}",
    (
        "ansible.builtin.copy: "
        "{dest: '/tmp/channels-{{ inventory_hostname }}', content: 'a\\n', mode: '0600'}"
    ),
    "ansible.builtin.file: {path: '/tmp/channels-{{ inventory_hostname }}', state: absent}",
    "ansible.builtin.command: {argv: [no-such-program]}",
    "ansible.builtin.setup: {gather_subset: ['!all', '!min', distribution, pkg_mgr, user]}",
)
VARYING = {
    "start",
    "end",
    "delta",
    "invocation",
    "atime",
    "mtime",
    "ctime",
    "src",
    "exception",
    "warnings",
}


class Plays:
    """Plays on the lab's hosts, with a broker of their own."""

    def __init__(self, lab: Mapping[str, Any], directory: Path) -> None:
        self.directory = directory
        self.place = directory / "socket"
        hosts = {}
        for name, host in lab["hosts"].items():
            hosts[name] = {
                "ansible_host": host["address"],
                "ansible_user": host["user"],
                "ansible_ssh_private_key_file": host["key"],
                "ansible_ssh_common_args": f"-o UserKnownHostsFile={lab['known_hosts']}",
                "ansible_become_password": host.get("sudo_password", ""),
                "ansible_python_interpreter": "/usr/bin/python3",
            }
        hosts["deb13-root"] = {**hosts["deb13"], "ansible_become": True}
        (directory / "inventory.json").write_text(json.dumps({"all": {"hosts": hosts}}))
        command = [sys.executable, "-P", "-m", "playrail.ansible.kept.broker", str(self.place)]
        self.broker = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def play(
        self, host: str, *tasks: str, keywords: str = "", **variables: object
    ) -> list[dict[str, Any]]:
        """The result of each task."""
        return self.play_on([host], *tasks, keywords=keywords, **variables)[host]

    def play_on(
        self, hosts: Sequence[str], *tasks: str, keywords: str = "", **variables: object
    ) -> dict[str, list[dict[str, Any]]]:
        """Per host the result of each task."""
        lines = [
            f"- hosts: {','.join(hosts)}",
            "  gather_facts: false",
            "  ignore_errors: true",
            f"  {keywords}",
            "  tasks:",
        ]
        book = self.directory / f"play-{threading.get_ident()}.yml"
        book.write_text("\n".join([*lines, *(f"    - {task}" for task in tasks)]) + "\n")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.directory / "cp"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "src"),
            "PLAYRAIL_CHANNELS": str(self.place),
        }
        command = ["ansible-playbook", "-i", str(self.directory / "inventory.json"), str(book)]
        command += ["-e", json.dumps(variables)]
        done = subprocess.run(
            command,
            env=environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        # Before it are the lines that tell by which way each module went
        answer = re.search(r"^\{.*", done.stdout, re.MULTILINE | re.DOTALL)
        assert answer is not None, done.stderr
        found = json.loads(answer[0])
        played = found["plays"][0]["tasks"]
        return {host: [task["hosts"][host] for task in played] for host in hosts}

    def channels(self) -> list[int]:
        """The ssh clients of the broker."""
        told = subprocess.run(
            ["pgrep", "-P", str(self.broker.pid)], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in told.stdout.split()]

    def end(self) -> None:
        assert self.broker.stdin is not None
        self.broker.stdin.close()
        self.broker.wait(5)


def kept_on(host: str, interpreter: str) -> list[int]:
    """Kept interpreters on the host that were started by this name."""
    return [
        int(pid)
        for pid in on_host(
            host, "pgrep", "-f", f"^{interpreter} -c import sys", check=False
        ).split()
    ]


@pytest.fixture
def plays(hosts: Mapping[str, Any], tmp_path: Path) -> Iterator[Plays]:
    made = Plays(hosts, tmp_path)
    yield made
    made.end()


@pytest.fixture
def interpreter(tmp_path: Path) -> Iterator[str]:
    """The host's Python by a name that is this test's own, so that its processes can be
    told from others.
    """
    path = f"/usr/local/bin/python-{tmp_path.name}"
    for host in HOSTS:
        on_host(host, "ln", "-sf", "/usr/bin/python3", path)
    yield path
    for host in HOSTS:
        on_host(host, "rm", "-f", path)


def steady(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in result.items() if key not in VARYING} for result in results
    ]


@pytest.fixture
def _few_packages() -> Iterator[None]:
    with only_own_packages("deb12"), only_own_packages("deb13"):
        yield


@pytest.mark.usefixtures("_few_packages")
def test_modules_end_as_by_plain_ssh(plays: Plays, interpreter: str) -> None:
    """On both systems, as the login user and as root."""
    given = {"ansible_python_interpreter": interpreter}
    fast = plays.play_on(WAYS, *TASKS, **given)
    assert [len(kept_on(host, interpreter)) for host in HOSTS] == [1, 2]
    plain = plays.play_on(WAYS, *TASKS, playrail_fast=False, **given)

    for way in WAYS:
        assert steady(fast[way]) == steady(plain[way]), way


def test_nothing_stays_when_the_broker_has_ended(plays: Plays, interpreter: str) -> None:
    for host in HOSTS:
        plays.play(host, TASKS[0], keywords="become: true", ansible_python_interpreter=interpreter)
        assert kept_on(host, interpreter)
    plays.end()

    until(lambda: not any(kept_on(host, interpreter) for host in HOSTS))


def test_what_was_killed_is_made_again(plays: Plays, interpreter: str) -> None:
    plays.play("deb12", TASKS[0], ansible_python_interpreter=interpreter)
    on_host("deb12", "kill", "-KILL", *map(str, kept_on("deb12", interpreter)))
    (again,) = plays.play("deb12", TASKS[0], ansible_python_interpreter=interpreter)
    (client,) = plays.channels()
    os.kill(client, 9)
    (once_more,) = plays.play("deb12", TASKS[0], ansible_python_interpreter=interpreter)

    assert again["ping"] == once_more["ping"] == "pong"
    assert "warnings" not in once_more
    assert len(plays.channels()) == 1
    assert len(kept_on("deb12", interpreter)) == 1


def test_sshd_restarted_in_between(plays: Plays, interpreter: str) -> None:
    plays.play("deb12", TASKS[0], ansible_python_interpreter=interpreter)
    on_host("deb12", "systemctl", "restart", "ssh")
    (result,) = plays.play("deb12", TASKS[0], ansible_python_interpreter=interpreter)

    assert result["ping"] == "pong"


def test_a_module_whose_channel_is_lost_may_have_run(plays: Plays, interpreter: str) -> None:
    nap = next(NAPS)
    plays.play("deb12", TASKS[0], ansible_python_interpreter=interpreter)
    results: list[Any] = []
    slow = f"ansible.builtin.command: sleep {nap}"
    work = threading.Thread(
        target=lambda: results.extend(
            plays.play("deb12", slow, ansible_python_interpreter=interpreter)
        )
    )
    work.start()
    until(lambda: on_host("deb12", "pgrep", "-f", f"^sleep {nap}$", check=False))
    # The parent only: of what has the same words, it is the oldest.
    on_host("deb12", "kill", "-KILL", str(min(kept_on("deb12", interpreter))))
    work.join()
    on_host("deb12", "pkill", "-f", f"^sleep {nap}$")

    assert results[0]["unreachable"] is True
    assert "The connection was lost while a command was at work" in results[0]["msg"]


def test_what_a_run_began_is_found_and_ended(plays: Plays, interpreter: str) -> None:
    nap, run, place = next(NAPS), "20260101-000000-c4a77e15", f"/tmp/{plays.directory.name}"
    on_host("deb13", "mkdir", place)  # for what a module leaves that is killed
    results: list[Any] = []
    slow = f"ansible.builtin.shell: sleep {nap} & wait"
    work = threading.Thread(
        target=lambda: results.extend(
            plays.play(
                "deb13",
                slow,
                keywords=f"become: true\n  environment: {{PLAYRAIL_RUN: {run}, TMPDIR: {place}}}",
                ansible_python_interpreter=interpreter,
            )
        )
    )
    work.start()
    until(lambda: on_host("deb13", "pgrep", "-f", f"^sleep {nap}$", check=False))
    (ended,) = plays.play(
        "deb13",
        f"playrail.host.end_run: {{run: {run}}}",
        keywords="become: true",
        ansible_python_interpreter=interpreter,
    )
    work.join()
    on_host("deb13", "rm", "-r", place)

    assert "sleep" in ended["ended"]
    assert ended["left"] == []
    assert not on_host("deb13", "pgrep", "-f", f"^sleep {nap}$", check=False)
    assert len(kept_on("deb13", interpreter)) == 1
    assert results[0]["failed"] is True
    assert results[0].get("unreachable") is not True


def test_a_host_without_python_fails_as_by_plain_ssh(plays: Plays) -> None:
    fast = plays.play("nopython", TASKS[0])
    plain = plays.play("nopython", TASKS[0], playrail_fast=False)

    assert steady(fast) == steady(plain)
    assert "goes by plain ssh: ssh ended with status 127" in fast[0]["warnings"][0]


def test_a_wrong_password_of_sudo_is_told(plays: Plays) -> None:
    (result,) = plays.play(
        "deb13", TASKS[0], keywords="become: true", ansible_become_password="wrong"
    )

    assert "Incorrect sudo password" in result["msg"]
