"""A session on one host, exported and done again on a fresh one by plain ansible-playbook:
both are the same then.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .conftest import Wire, environment
from .own_host import NAME, OwnHost, own_host
from .test_packages import MAKE

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(1800)]

BIN = Path(sys.executable).parent
SECRET = "hunter2-{{ 7 * 7 }}"
TIMER = "dpkg-db-backup.timer"  # runs and is enabled in the image
UNIT = """[Unit]
Description=A probe
[Service]
ExecStart=/bin/sh -c 'cp /etc/probe.conf /run/probe.read; exec sleep infinity'
[Install]
WantedBy=multi-user.target
"""
SESSION: tuple[tuple[str, dict[str, Any]], ...] = (
    ("write_file", {"path": "/etc/motd", "content": "{{ 7 * 7 }} 'welcome'\n"}),
    (
        "write_file",
        {
            "path": "/etc/probe.conf",
            "content": "one\n",
            "mode": "0640",
            "owner": "games",
            "group": "mail",
        },
    ),
    ("write_file", {"path": "/etc/systemd/system/probe.service", "content": UNIT}),
    ("write_file", {"path": "/srv/passing", "content": "not for long"}),
    ("manage_service", {"name": "probe", "action": "start"}),
    ("manage_service", {"name": "probe", "action": "enable"}),
    ("manage_service", {"name": TIMER, "action": "stop"}),
    ("manage_service", {"name": TIMER, "action": "disable"}),
    ("install_package", {"name": ["probe-tool", "probe-other"], "update_cache": True}),
    ("install_package", {"name": "probe-other", "state": "absent"}),
    ("install_package", {"name": "less", "state": "absent"}),
    ("execute_command", {"cmd": "useradd --create-home --shell /bin/sh deploy"}),
    (
        "write_file",
        {"path": "/home/deploy/token", "content": SECRET, "owner": "deploy", "secret": True},
    ),
    ("execute_command", {"cmd": "echo made by $USER{{ 1 }} >/srv/by-shell", "shell": True}),
    ("write_file", {"path": "/etc/probe.conf", "content": "two\r\n\nlines"}),
    ("manage_service", {"name": "probe", "action": "restart"}),
    ("remove_file", {"path": "/srv/passing"}),
)
FILES = (
    *("/etc/motd", "/etc/probe.conf", "/etc/systemd/system/probe.service", "/run/probe.read"),
    *("/srv/passing", "/srv/by-shell", "/home/deploy", "/home/deploy/token"),
)
SERVICES = ("probe", TIMER, "ssh")
PACKAGES = ("probe-tool", "probe-other", "less")
USERS = ("deploy", "games", "nobody2")


@dataclass(frozen=True)
class Done:
    """The session's host, a fresh one, and what was exported of the first."""

    first: OwnHost
    fresh: OwnHost
    exported: Path

    def play(self, *options: str) -> str:
        """What plain ansible-playbook prints that does it on the fresh host, which stands
        in the other's place.
        """
        inventory = (self.exported / "inventory.yml").read_text()
        for there, here in (
            (self.first.address, self.fresh.address),
            (str(self.first.known_hosts), str(self.fresh.known_hosts)),
        ):
            assert there in inventory
            inventory = inventory.replace(there, here)
        (self.exported.parent / "fresh.yml").write_text(inventory)
        command = [str(BIN / "ansible-playbook"), "-i", "../fresh.yml", *options, "site.yml"]
        env = {
            "HOME": str(self.exported.parent),
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "LANG": "C.UTF-8",
        }
        done = subprocess.run(
            command,
            cwd=self.exported,
            env={**env, "REPLAY_SECRET_1": SECRET, "ANSIBLE_PIPELINING": "1"},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def changed(self, *options: str) -> int:
        recap = re.search(rf"^{NAME} .* changed=(\d+) ", self.play(*options), re.MULTILINE)
        assert recap is not None
        return int(recap[1])


@contextlib.contextmanager
def with_packages(raised: Mapping[str, Any], place: Path) -> Iterator[OwnHost]:
    place.mkdir()
    with own_host(raised, place) as host:
        host.sh(f"rm -rf /etc/apt/sources.list*; mkdir /etc/apt/sources.list.d; {MAKE}")
        yield host


@pytest.fixture
def done(raised: Mapping[str, Any], wired: Callable[..., Wire], tmp_path: Path) -> Iterator[Done]:
    with (
        with_packages(raised, tmp_path / "1") as first,
        with_packages(raised, tmp_path / "2") as fresh,
    ):
        servers = {NAME: first.entry()}
        wire = wired(servers)
        for tool, arguments in SESSION:
            answer = wire.call(tool, server=NAME, **arguments)
            assert answer["success"], (tool, arguments, answer)
        exported = tmp_path / "exported"
        environ = environment(tmp_path, servers)
        words = ["ledger", "export", "--host", NAME, str(exported)]
        subprocess.run(
            [str(BIN / "playrail"), *words], env=environ, check=True, timeout=300, cwd=tmp_path
        )
        yield Done(first, fresh, exported)


# Run on the host; prints as JSON what it says of files, services, packages and users.
STATE = r"""
import base64, grp, json, os, pwd, stat, subprocess, sys
files, services, packages, users = json.load(sys.stdin)
def said(*words):
    return subprocess.run(words, capture_output=True, text=True).stdout.strip()
def file(path):
    found = os.stat(path)
    kept = None if stat.S_ISDIR(found.st_mode) else open(path, "rb").read()
    owner = pwd.getpwuid(found.st_uid).pw_name, grp.getgrgid(found.st_gid).gr_name
    return oct(found.st_mode), *owner, kept and base64.b64encode(kept).decode()
def version(name):
    words = "dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", name
    status, _, found = said(*words).partition(" ")
    return found if status == "installed" else None
def user(name):
    return *pwd.getpwnam(name)[2:], said("id", "--groups", "--name", name)
print(json.dumps({
    "files": {path: file(path) for path in files if os.path.exists(path)},
    "services": {
        name: [said("systemctl", "is-active", name), said("systemctl", "is-enabled", name)]
        for name in services
    },
    "packages": {name: version(name) for name in packages},
    "users": {name: user(name) for name in users if said("id", "--user", name)},
}))
"""


def state(host: OwnHost) -> dict[str, Any]:
    """Files, services, packages and users as the host's own programs see them."""
    command = ["docker", "exec", "--interactive", host.container, "python3", "-c", STATE]
    asked = json.dumps([FILES, SERVICES, PACKAGES, USERS])
    done = subprocess.run(
        command, input=asked, capture_output=True, text=True, check=True, timeout=300
    )
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def content(seen: dict[str, Any], path: str) -> bytes:
    return base64.b64decode(seen["files"][path][-1])


def test_a_session_is_the_same_on_a_fresh_host(done: Done) -> None:
    before = state(done.fresh)
    assert done.changed() > 12

    wanted = state(done.first)
    assert state(done.fresh) == wanted != before
    assert wanted["services"] == {
        "probe": ["active", "enabled"],
        TIMER: ["inactive", "disabled"],
        "ssh": ["active", "enabled"],
    }
    assert wanted["packages"] == {"probe-tool": "2.0-1", "probe-other": None, "less": None}
    assert content(wanted, "/run/probe.read") == b"two\r\n\nlines"
    assert content(wanted, "/home/deploy/token") == SECRET.encode()
    assert done.changed("--skip-tags", "playrail_not_idempotent") == 0
    assert state(done.fresh) == wanted
    assert not [
        path
        for path in done.exported.rglob("*")
        if path.is_file() and b"hunter2" in path.read_bytes()
    ]
