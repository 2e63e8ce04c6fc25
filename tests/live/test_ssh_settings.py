"""Settings of ssh that would run a command twice or have it wait for ever, with a real host
behind them.

All servers of an inventory are the one host, each by a port of its own: ssh's masters and
what a command leaves are told apart by it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from playrail.settings.private_files import private_directory

from .own_host import OwnHost
from .ways import Caller, HostAnswer, calling

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.over_ssh,
]

# Ends the sshd that it was started through, as often as it is run.
CUT = r"""#!/bin/sh
echo run >>"/srv/runs-${SSH_CONNECTION##* }"
pid=$$
while [ "$pid" -gt 1 ]; do
    parent=$(sed 's/.*) . //' "/proc/$pid/stat" | cut -d ' ' -f 1)
    case $(cat "/proc/$parent/comm" 2>/dev/null) in sshd*) kill -9 "$parent" ;; esac
    pid=$parent
done
sleep 30
"""
RETRIES = "[ssh_connection]\nretries = 5\n"
# Per ansible.cfg the servers, with what the inventory says of each
BREAKING: dict[str, dict[str, dict[str, Any]]] = {
    RETRIES: {
        "config": {},
        "full_name": {"ansible_connection": "ansible.builtin.ssh", "playrail_fast": False},
    },
    "": {"inventory": {"ansible_ssh_retries": 5}},
    f"{RETRIES}[defaults]\npipelining = False\n": {"no_pipelining": {"ansible_pipelining": False}},
}
TERMINALS: dict[str, dict[str, Any]] = {
    "RequestTTY": {"ansible_ssh_common_args": "-o RequestTTY=force"},
    "tt": {"ansible_ssh_args": "-tt -o ControlMaster=auto -o ControlPersist=60s"},
    "RemoteCommand": {"ansible_ssh_common_args": "-o RemoteCommand=tmux"},
    "SessionType": {"ansible_ssh_common_args": "-o SessionType=none"},
    "ForkAfterAuthentication": {"ansible_ssh_common_args": "-o ForkAfterAuthentication=yes"},
    "StdinNull": {"ansible_ssh_common_args": "-o StdinNull=yes"},
    "fnN": {"ansible_ssh_extra_args": "-fnN"},
    "use_tty": {"ansible_ssh_use_tty": True, "ansible_pipelining": False},
    "silent": {"ansible_ssh_common_args": "-q"},
}
FILE_OF_SSH = (
    "RequestTTY force",
    "RemoteCommand tmux",
    "SessionType none",
    "StdinNull yes",
    "LogLevel QUIET",
)
LIMITED = 8  # servers that are asked at once
PORTS = range(2200, 2212)  # sshd listens on 16 at most


@pytest.fixture(scope="module")
def host(host: OwnHost) -> OwnHost:
    """It listens on many ports."""
    ports = "AddressFamily inet\n" + "".join(f"Port {port}\n" for port in (22, *PORTS))
    host.sh(f"printf %s {shlex.quote(ports)} >/etc/ssh/sshd_config.d/ports.conf")
    host.sh("systemctl reload ssh")
    key = host.known_hosts.read_text().split(maxsplit=1)[1]
    names = ",".join([host.address, *(f"[{host.address}]:{port}" for port in PORTS)])
    host.known_hosts.write_text(f"{names} {key}")
    host.sh(f"printf %s {shlex.quote(CUT)} >/srv/cut && chmod +x /srv/cut")
    host.sh(
        "useradd --create-home --shell /bin/bash clerk; echo clerk:open-sesame | chpasswd; "
        "cp -r /root/.ssh /home/clerk/; chown -R clerk: /home/clerk/.ssh; "
        "echo 'clerk ALL=(ALL) ALL' >/etc/sudoers.d/clerk"
    )
    return host


def variables(host: OwnHost, **more: Any) -> dict[str, Any]:
    known = f"-o UserKnownHostsFile={host.known_hosts}"
    return {
        "ansible_host": host.address,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": host.key,
        "ansible_python_interpreter": "/usr/bin/python3",
        **more,
        "ansible_ssh_extra_args": f"{more.get('ansible_ssh_extra_args', '')} {known}".strip(),
    }


def with_ports(servers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each with a port of its own."""
    assert len(servers) <= len(PORTS)
    return {
        name: {**more, "ansible_port": port}
        for port, (name, more) in zip(PORTS, servers.items(), strict=False)
    }


@pytest.fixture(scope="module", params=["cold", "warm"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def place(way: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return private_directory(tmp_path_factory.mktemp(way) / "place")


@pytest.fixture(scope="module")
def of_breaking(way: str, place: Path, host: OwnHost) -> Mapping[str, HostAnswer]:
    """What is answered when the connection breaks under a command, and in `report` how often
    it ran.
    """
    found = {}
    for number, (config, servers) in enumerate(BREAKING.items()):
        host.sh("rm -f /srv/runs-*")
        made = {name: variables(host, **more) for name, more in with_ports(servers).items()}
        own = private_directory(place / f"breaking-{number}")
        with calling(way, made, own, config) as call:
            answers = call("execute_command", *made, cmd="setsid -w /srv/cut")
        for name, given in made.items():
            runs = host.sh(f"cat /srv/runs-{given['ansible_port']}")
            found[name] = replace(answers[name], report={"runs": runs})
    return found


@pytest.mark.parametrize("name", ["config", "inventory", "full_name", "no_pipelining"])
def test_a_command_whose_connection_breaks_runs_once(
    of_breaking: Mapping[str, HostAnswer], name: str
) -> None:
    assert of_breaking[name].code == "outcome_unknown", of_breaking[name]
    assert of_breaking[name].report["runs"] == "run"


@pytest.fixture(scope="module")
def call(way: str, place: Path, host: OwnHost) -> Iterator[Caller]:
    """Calls of a Playrail whose ansible.cfg says nothing of ssh."""
    config = place / "ssh_config"
    config.write_text("Host *\n" + "".join(f"  {line}\n" for line in FILE_OF_SSH))
    known = f"-o UserKnownHostsFile={host.known_hosts}"
    transfers = {
        name: {
            "ansible_ssh_common_args": f"-F {config}",
            "ansible_sftp_extra_args": known,
            "playrail_fast": fast,
            "ansible_pipelining": fast,
        }
        for name, fast in (("fast", True), ("plain", False))
    }
    jump = f"ssh -i {host.key} {known} -W %h:22 root@{host.address}"
    proxied = {"ansible_ssh_common_args": f"-o ProxyCommand='{jump}'"}
    limited = {
        f"{through}{number}": {"ansible_ssh_args": "-o ControlMaster=no", **more}
        for through, more in (("directly", {}), ("jump", proxied))
        for number in range(LIMITED)
    }
    servers = {**with_ports({**TERMINALS, **transfers}), **limited}
    made = {name: variables(host, **more) for name, more in servers.items()}
    with calling(way, made, place) as calls:
        yield calls


@pytest.fixture(scope="module")
def of_terminals(call: Caller) -> Mapping[str, HostAnswer]:
    return call("execute_command", *TERMINALS, cmd="id -un", timeout_s=20)


@pytest.mark.parametrize("name", TERMINALS)
def test_a_configuration_for_logins_by_hand_does_not_stop_a_command(
    of_terminals: Mapping[str, HostAnswer], name: str
) -> None:
    answer = of_terminals[name]
    assert answer.code == "ok", answer
    assert answer.report["stdout"].strip() == "root"


@pytest.mark.parametrize("server", ["fast", "plain"])
def test_a_file_of_ssh_with_all_of_it_does_not_stop_a_transfer(
    call: Caller, host: OwnHost, server: str
) -> None:
    path = f"/srv/written-{server}"
    answer = call("write_file", server, path=path, content="all of it")[server]
    assert (answer.code, answer.changed) == ("ok", True), answer
    assert host.sh(f"cat {path}; rm {path}") == "all of it"


@pytest.mark.parametrize("through", ["directly", "jump"])
def test_a_host_that_limits_logins_is_asked_again(
    call: Caller, host: OwnHost, through: str
) -> None:
    """Of so many at once it refuses some, each with a connection of its own."""
    servers = [f"{through}{number}" for number in range(LIMITED)]
    host.sh("echo 'MaxStartups 4:50:8' >/etc/ssh/sshd_config.d/0-few.conf && systemctl reload ssh")
    try:
        answers = call("execute_command", *servers, cmd="id -un")
    finally:
        host.sh("rm /etc/ssh/sshd_config.d/0-few.conf && systemctl reload ssh")

    assert {answer.code for answer in answers.values()} == {"ok"}, answers


@pytest.fixture(scope="module")
def configured(way: str, place: Path, host: OwnHost) -> Iterator[Caller]:
    """Calls of a Playrail whose ansible.cfg says more."""
    own = private_directory(place / "configured")
    (own / "password").write_text("open-sesame\n")
    made = {
        "clerk": variables(host, ansible_user="clerk", ansible_become=True),
        "log": variables(host, ansible_no_target_syslog=False),
    }
    config = "[defaults]\nbecome_password_file = password\nno_target_syslog = False\n"
    with calling(way, made, own, config) as calls:
        yield calls


def test_a_password_in_a_file_that_ansible_cfg_names_is_used(configured: Caller) -> None:
    answer = configured("execute_command", "clerk", cmd="id -un")["clerk"]
    assert answer.code == "ok", answer
    assert answer.report["stdout"] == "root\n"


def test_nothing_of_a_call_is_in_the_hosts_log(
    call: Caller, configured: Caller, host: OwnHost
) -> None:
    searched = {"pattern": "playrail-xyzzy", "path": "/etc"}
    assert call("search_in_files", "fast", **searched)["fast"].code == "ok"
    assert configured("search_in_files", "log", **searched)["log"].code == "ok"
    assert host.sh("journalctl --no-pager --quiet --grep playrail-xyzzy || true") == ""
