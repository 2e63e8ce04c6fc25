"""What cannot be reached or used: each its own code and a hint, and nothing hangs."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from .conftest import Wire, connected, entry, environment, on_host

pytestmark = pytest.mark.lab


def certified(lab: Mapping[str, Any], **other: Any) -> dict[str, Any]:
    way = {"ssh_key": lab["certified_key"], "ssh_cert": lab["certified_certificate"]}
    return entry(lab, "deb12", **{**way, **other})


def by_password(lab: Mapping[str, Any], **other: Any) -> dict[str, Any]:
    host = lab["hosts"]["deb13"]
    return entry(lab, "deb13", ssh_key=None, **{"password": host["password"], **other})


WAYS_IN: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "key": lambda lab: entry(lab, "deb12"),
    "certificate": certified,
    "password and sudo password": by_password,
    "key and sudo password": lambda lab: entry(lab, "deb13"),
    "key without becoming root": lambda lab: entry(lab, "deb13", sudo_password=None),
    "another port": lambda lab: entry(
        lab, "deb12", port=2222, known_hosts_file=lab["known_hosts_2222"]
    ),
    "host key not looked at": lambda lab: entry(
        lab, "deb12", known_hosts_file=None, verify_host_key=False
    ),
}

WAYS_OUT: dict[str, tuple[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "nothing listens": ("host_unreachable", lambda lab: entry(lab, "closed")),
    "nobody answers": ("host_unreachable", lambda lab: entry(lab, "blackhole", timeout=3)),
    "no such name": (
        "host_unreachable",
        lambda lab: entry(lab, "deb12", host="no-such-host.invalid"),
    ),
    "wrong key": ("auth_failed", lambda lab: entry(lab, "deb12", ssh_key=lab["wrong_key"])),
    "expired certificate": (
        "auth_failed",
        lambda lab: certified(lab, ssh_cert=lab["expired_certificate"]),
    ),
    "wrong password": ("auth_failed", lambda lab: by_password(lab, password="wrong {{ 7 * 7 }}")),
    "changed host key": (
        "host_key_changed",
        lambda lab: entry(lab, "deb12", known_hosts_file=lab["known_hosts_changed"]),
    ),
    "unknown host key": (
        "host_key_unknown",
        lambda lab: entry(lab, "deb12", known_hosts_file="/etc/hostname"),
    ),  # knows no host
    "no python": ("no_python", lambda lab: entry(lab, "nopython")),
    "wrong sudo password": (
        "become_failed",
        lambda lab: entry(lab, "deb13", sudo_password="wrong"),
    ),
    "sudo asks and has no password": (
        "become_failed",
        lambda lab: entry(lab, "deb13", sudo_password=None, become=True),
    ),
}


@pytest.fixture(scope="module")
def crossroads(hosts: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One server that knows every way in and out."""
    state = tmp_path_factory.mktemp("state")
    state.chmod(0o700)
    address = hosts["hosts"]["deb12"]["address"]
    on_host("deb12", "sh", "-c", "ss -tln | grep -q :2222 || /usr/sbin/sshd -p 2222")
    known = state / "known_hosts"
    known.write_text(Path(hosts["known_hosts"]).read_text().replace(address, f"[{address}]:2222"))
    hosts = {**hosts, "known_hosts_2222": str(known)}
    servers = {_name(title): make(hosts) for title, make in WAYS_IN.items()}
    servers |= {_name(title): make(hosts) for title, (_, make) in WAYS_OUT.items()}
    with connected(environment(state, servers)) as wire:
        yield wire


def _name(title: str) -> str:
    return title.replace(" ", "-")


@pytest.mark.parametrize("way", WAYS_IN)
def test_a_way_in(crossroads: Wire, way: str) -> None:
    found = crossroads.report("execute_command", server=_name(way), cmd="id -un")
    expected = "ops" if way == "key without becoming root" else "root"
    assert found["stdout"].strip() == expected


@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_way(crossroads: Wire, way: str) -> None:
    answer = crossroads.call("read_file", server=_name(way), path="/etc/hostname")
    assert (answer["success"], answer["code"]) == (False, WAYS_OUT[way][0]), answer
    assert answer["hint"]


def test_a_jump_host_of_the_users_ssh_config(
    wired: Callable[..., Wire], hosts: Mapping[str, Any], tmp_path: Path
) -> None:
    """The last hop is a name that only the ssh configuration knows, through a host that it
    names.
    """
    address = hosts["hosts"]["deb12"]["address"]
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    config = (
        Path(hosts["ssh_config"]).read_text()
        + f"\nHost inner\n  HostName {address}\n  User root\n  ProxyJump deb12\n"
    )
    config += (
        f"  IdentityFile {hosts['hosts']['deb12']['key']}\n  UserKnownHostsFile "
        f"{hosts['known_hosts']}\n"
    )
    # ssh takes the home directory from the password database, not from HOME: the file is
    # named on the command line.
    (home / "config").write_text(config)
    inventory = tmp_path / "inventory.ini"
    inventory.write_text(f"[far]\ninner ansible_ssh_common_args='-F {home / 'config'}'\n")
    wire = wired({}, PLAYRAIL_INVENTORY=str(inventory))
    found = wire.report("execute_command", server="inner", cmd="printenv SSH_CONNECTION")
    assert found["stdout"].split()[0] == address


def test_unknown_server_tells_the_names(crossroads: Wire) -> None:
    answer = crossroads.call("read_file", server="web-typo", path="/etc/hostname")
    assert answer["code"] == "unknown_server"
    assert set(answer["data"]["servers"]) == {_name(way) for way in [*WAYS_IN, *WAYS_OUT]}


def test_one_bad_entry_does_not_take_the_others_down(
    wired: Callable[..., Wire], hosts: Mapping[str, Any]
) -> None:
    wire = wired(
        {"bad": entry(hosts, "deb12", ssh_key="/no/such/key"), "good": entry(hosts, "deb12")}
    )
    listed = {
        server["name"]: server for server in wire.call("list_configured_servers")["data"]["servers"]
    }
    assert (listed["bad"]["status"], "status" in listed["good"]) == ("failed", False)
    assert listed["bad"]["error"]
    # The first entry is the default; that it failed must not move the default to another
    # host.
    assert wire.call("read_file", path="/etc/hostname")["code"] == "server_misconfigured"
    assert wire.report("read_file", server="good", path="/etc/hostname")


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A file system of 1 MiB of its own."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "small", str(place)], check=True
    )
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def _fill(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def test_a_full_disk_runs_nothing(
    wired: Callable[..., Wire], hosts: Mapping[str, Any], small_disk: Path
) -> None:
    wire = wired({"deb12": entry(hosts, "deb12")}, PLAYRAIL_STATE_DIR=str(small_disk))
    assert wire.call("execute_command", cmd="touch /srv/before")["success"]
    _fill(small_disk / "filler")
    answer = wire.call("execute_command", cmd="touch /srv/must-not-be")
    assert answer["code"] == "ledger_unavailable"
    assert on_host("deb12", "sh", "-c", "ls /srv/must-not-be 2>/dev/null; true") == ""
    (small_disk / "filler").unlink()
    assert wire.call("execute_command", cmd="touch /srv/after")["success"]


def test_a_read_only_state_directory_runs_nothing(
    wired: Callable[..., Wire], hosts: Mapping[str, Any], small_disk: Path
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    wire = wired({"deb12": entry(hosts, "deb12")}, PLAYRAIL_STATE_DIR=str(small_disk))
    answer = wire.call("execute_command", cmd="touch /srv/must-not-be-either")
    assert answer["code"] == "ledger_unavailable"
    assert on_host("deb12", "sh", "-c", "ls /srv/must-not-be-either 2>/dev/null; true") == ""
