"""Settings of ssh that would run a command twice or have it wait for ever, with a real host
behind them.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from playrail.settings.private_files import private_directory
from worlds.local_plays import answered, playrail

from .own_host import OwnHost

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.own_host,
    pytest.mark.over_ssh,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("way"),
]

# Ends the sshd that it was started through, as often as it is run.
CUT = r"""#!/bin/sh
echo run >>/srv/runs
pid=$$
while [ "$pid" -gt 1 ]; do
    parent=$(sed 's/.*) . //' "/proc/$pid/stat" | cut -d ' ' -f 1)
    case $(cat "/proc/$parent/comm" 2>/dev/null) in sshd*) kill -9 "$parent" ;; esac
    pid=$parent
done
sleep 30
"""


@pytest.fixture(scope="module")
def host(host: OwnHost) -> OwnHost:
    host.sh(f"printf %s {shlex.quote(CUT)} >/srv/cut && chmod +x /srv/cut")
    return host


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return private_directory(tmp_path / "place")


def variables(host: OwnHost, **more: Any) -> dict[str, Any]:
    return {
        "ansible_host": host.address,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": host.key,
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_extra_args": f"-o UserKnownHostsFile={host.known_hosts}",
        **more,
    }


def call(
    place: Path, hosts: Mapping[str, Any], config: str, tool: str, **arguments: Any
) -> dict[str, Any]:
    """A call of a Playrail whose user has this inventory and this ansible.cfg."""
    (place / "ansible.cfg").write_text(config)
    (place / "hosts.json").write_text(json.dumps({"web": {"hosts": hosts}}))
    given = {
        "ANSIBLE_CONFIG": str(place / "ansible.cfg"),
        "PLAYRAIL_INVENTORY": str(place / "hosts.json"),
    }
    server = playrail(place, ENABLE_WRITE_OPERATIONS="1", **given)
    return answered(server, tool, **arguments).envelope()


@pytest.mark.parametrize(
    ("config", "more"),
    [
        ("[ssh_connection]\nretries = 5\n", {}),
        ("", {"ansible_ssh_retries": 5}),
        (
            "[ssh_connection]\nretries = 5\n",
            {"ansible_connection": "ansible.builtin.ssh", "playrail_fast": False},
        ),
        (
            "[ssh_connection]\nretries = 5\n[defaults]\npipelining = False\n",
            {"ansible_pipelining": False},
        ),
    ],
    ids=["ansible.cfg", "inventory", "full name", "no pipelining"],
)
def test_a_command_whose_connection_breaks_runs_once(
    place: Path, host: OwnHost, config: str, more: dict[str, Any]
) -> None:
    host.sh("rm -f /srv/runs")
    answer = call(
        place,
        {"web1": variables(host, **more)},
        config,
        "execute_command",
        cmd="setsid -w /srv/cut",
    )

    assert answer["data"]["failed"]["web1"]["code"] == "outcome_unknown", answer
    assert host.sh("cat /srv/runs") == "run"


TERMINALS: dict[str, dict[str, Any]] = {
    "RequestTTY": {"ansible_ssh_common_args": "-o RequestTTY=force"},
    "-tt": {"ansible_ssh_args": "-tt -o ControlMaster=auto -o ControlPersist=60s"},
    "RemoteCommand": {"ansible_ssh_common_args": "-o RemoteCommand=tmux"},
    "SessionType": {"ansible_ssh_common_args": "-o SessionType=none"},
    "ForkAfterAuthentication": {"ansible_ssh_common_args": "-o ForkAfterAuthentication=yes"},
    "StdinNull": {"ansible_ssh_common_args": "-o StdinNull=yes"},
    "-fnN": {"ansible_ssh_extra_args": "-fnN"},
    "use_tty": {"ansible_ssh_use_tty": True, "ansible_pipelining": False},
    "silent": {"ansible_ssh_common_args": "-q"},
}


@pytest.mark.parametrize("name", TERMINALS)
def test_a_configuration_for_logins_by_hand_does_not_stop_a_command(
    place: Path, host: OwnHost, name: str
) -> None:
    more = {**TERMINALS[name]}
    known = f" -o UserKnownHostsFile={host.known_hosts}"
    more["ansible_ssh_extra_args"] = more.get("ansible_ssh_extra_args", "") + known

    answer = call(
        place, {"web1": variables(host, **more)}, "", "execute_command", cmd="id -un", timeout_s=20
    )

    assert answer["success"], answer
    assert answer["data"]["hosts"]["web1"]["stdout"].strip() == "root"


@pytest.mark.parametrize("fast", [True, False])
def test_a_file_of_ssh_with_all_of_it_does_not_stop_a_transfer(
    place: Path, host: OwnHost, fast: bool
) -> None:
    config = place / "ssh_config"
    lines = (
        "RequestTTY force",
        "RemoteCommand tmux",
        "SessionType none",
        "StdinNull yes",
        "LogLevel QUIET",
    )
    config.write_text("Host *\n" + "".join(f"  {line}\n" for line in lines))
    more = {
        "ansible_ssh_common_args": f"-F {config}",
        "playrail_fast": fast,
        "ansible_pipelining": fast,
    }
    common = {"ansible_sftp_extra_args": f"-o UserKnownHostsFile={host.known_hosts}"}

    answer = call(
        place,
        {"web1": variables(host, **more, **common)},
        "",
        "write_file",
        path="/srv/written",
        content="all of it",
    )

    assert answer["success"], answer
    assert host.sh("cat /srv/written") == "all of it"


@pytest.mark.parametrize("through", ["directly", "a jump host"])
def test_a_host_that_limits_logins_is_asked_again(place: Path, host: OwnHost, through: str) -> None:
    """Of so many at once it refuses some, each with a connection of its own."""
    jump = (
        f"ssh -i {host.key} -o UserKnownHostsFile={host.known_hosts} -W %h:22 root@{host.address}"
    )
    proxied = (
        {"ansible_ssh_common_args": f"-o ProxyCommand='{jump}'"} if through == "a jump host" else {}
    )
    hosts = {
        f"web{number}": variables(host, ansible_ssh_args="-o ControlMaster=no", **proxied)
        for number in range(8)
    }
    host.sh("echo 'MaxStartups 4:50:8' >/etc/ssh/sshd_config.d/few.conf && systemctl reload ssh")
    try:
        answer = call(place, hosts, "", "execute_on_multiple", server="web", cmd="id -un")
    finally:
        host.sh("rm /etc/ssh/sshd_config.d/few.conf && systemctl reload ssh")

    assert answer["success"], answer
    assert len(answer["data"]["hosts"]) == 8


def test_a_password_in_a_file_that_ansible_cfg_names_is_used(place: Path, host: OwnHost) -> None:
    host.sh(
        "id clerk 2>/dev/null || { useradd --create-home --shell /bin/bash clerk; echo "
        "clerk:open-sesame | chpasswd; "
        "cp -r /root/.ssh /home/clerk/; chown -R clerk: /home/clerk/.ssh; "
        "echo 'clerk ALL=(ALL) ALL' >/etc/sudoers.d/clerk; }"
    )
    (place / "password").write_text("open-sesame\n")
    clerk = variables(host, ansible_user="clerk", ansible_become=True)

    answer = call(
        place,
        {"web1": clerk},
        "[defaults]\nbecome_password_file = password\n",
        "execute_command",
        cmd="id -un",
    )

    assert answer["success"], answer
    assert answer["data"]["hosts"]["web1"]["stdout"] == "root\n"


def test_nothing_of_a_call_is_in_the_hosts_log(place: Path, host: OwnHost) -> None:
    call(
        place,
        {"web1": variables(host)},
        "",
        "search_in_files",
        pattern="playrail-xyzzy",
        path="/etc",
    )
    call(
        place,
        {"web1": variables(host, ansible_no_target_syslog=False)},
        "[defaults]\nno_target_syslog = False\n",
        "search_in_files",
        pattern="playrail-xyzzy",
        path="/etc",
    )
    assert host.sh("journalctl --no-pager --quiet --grep playrail-xyzzy || true") == ""
