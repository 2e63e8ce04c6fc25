"""A session on one host, exported and done again on a fresh one by plain ansible-playbook:
both are the same then.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import testinfra  # type: ignore[import-untyped]  # it has no type information

from .conftest import Wire, environment
from .own_host import NAME, OwnHost, own_host
from .test_packages import MAKE

pytestmark = [pytest.mark.lab, pytest.mark.own_host, pytest.mark.timeout(300)]

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
            timeout=150,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def changed(self, *options: str) -> int:
        recap = re.search(rf"^{NAME} .* changed=(\d+) ", self.play(*options), re.MULTILINE)
        assert recap is not None
        return int(recap[1])


@contextlib.contextmanager
def with_packages(hosts: Mapping[str, Any], place: Path) -> Iterator[OwnHost]:
    place.mkdir()
    with own_host(hosts, place) as host:
        host.sh(f"rm -rf /etc/apt/sources.list*; mkdir /etc/apt/sources.list.d; {MAKE}")
        yield host


@pytest.fixture
def done(hosts: Mapping[str, Any], wired: Callable[..., Wire], tmp_path: Path) -> Iterator[Done]:
    with (
        with_packages(hosts, tmp_path / "1") as first,
        with_packages(hosts, tmp_path / "2") as fresh,
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
            [str(BIN / "playrail"), *words], env=environ, check=True, timeout=60, cwd=tmp_path
        )
        yield Done(first, fresh, exported)


def state(host: OwnHost) -> dict[str, Any]:
    """Files, services, packages and users as testinfra sees them."""
    seen = testinfra.get_host(f"docker://{host.container}")
    files = {path: seen.file(path) for path in FILES}
    users = {name: seen.user(name) for name in USERS}
    return {
        "files": {
            path: (
                file.is_directory,
                file.mode,
                file.user,
                file.group,
                file.content if file.is_file else None,
            )
            for path, file in files.items()
            if file.exists
        },
        "services": {
            name: (seen.service(name).is_running, seen.service(name).is_enabled)
            for name in SERVICES
        },
        "packages": {
            name: package.version if (package := seen.package(name)).is_installed else None
            for name in PACKAGES
        },
        "users": {
            name: (user.uid, user.home, user.shell, user.groups)
            for name, user in users.items()
            if user.exists
        },
    }


def test_a_session_is_the_same_on_a_fresh_host(done: Done) -> None:
    before = state(done.fresh)
    assert done.changed() > 12

    wanted = state(done.first)
    assert state(done.fresh) == wanted != before
    assert wanted["services"] == {"probe": (True, True), TIMER: (False, False), "ssh": (True, True)}
    assert wanted["packages"] == {"probe-tool": "2.0-1", "probe-other": None, "less": None}
    assert wanted["files"]["/run/probe.read"][-1] == b"two\r\n\nlines"
    assert wanted["files"]["/home/deploy/token"][-1] == SECRET.encode()
    assert done.changed("--skip-tags", "playrail_not_idempotent") == 0
    assert state(done.fresh) == wanted
    assert not [
        path
        for path in done.exported.rglob("*")
        if path.is_file() and b"hunter2" in path.read_bytes()
    ]
