"""The connection that brings modules to a channel, as Ansible uses it: with an ssh that runs
commands here.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from playrail.ansible.plugins.connection.ssh import Unfit, _taken_apart
from worlds.channel_broker import Broker, broker_at_work
from worlds.checkout import ROOT
from worlds.local_plays import end_at_work

pytestmark = pytest.mark.slow
PLUGINS = ROOT / "src/playrail/ansible/plugins/connection"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with broker_at_work(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("/usr/bin/python3", ({}, "/usr/bin/python3")),
        ("A=1 B='x y' python3", ({"A": "1", "B": "x y"}, "python3")),
        ("A=''\"'\"'' python3", ({"A": "'"}, "python3")),
        ("PLAYRAIL_RUN=a=b /opt/bin/python3.12", ({"PLAYRAIL_RUN": "a=b"}, "/opt/bin/python3.12")),
    ],
)
def test_a_command_taken_apart(command: str, wanted: object) -> None:
    assert _taken_apart(command) == wanted


@pytest.mark.parametrize(
    "command", ["", "A=1", "python3 /tmp/module.py", "'/usr/bin/env python3'", "python3 'x"]
)
def test_a_command_that_is_another(command: str) -> None:
    with pytest.raises(Unfit):
        _taken_apart(command)


HOSTS: dict[str, dict[str, object]] = {
    "denied": {},
    "asked-otherwise": {"playrail_fast": False},
    "by-stock-ssh": {"ansible_connection": "ansible.builtin.ssh"},
    "with-csh": {"ansible_shell_type": "csh"},
    "without-python": {"ansible_python_interpreter": "/no/python"},
    "sudo-right": {"ansible_become": True, "ansible_become_password": "right"},
    "sudo-wrong": {"ansible_become": True, "ansible_become_password": "wrong"},
}


def ansible(
    broker: Broker, hosts: Mapping[str, Mapping[str, object]], *words: str
) -> subprocess.CompletedProcess[str]:
    """Runs a module on all of these hosts by Ansible, as a play of Playrail would."""
    told = {
        "ansible_python_interpreter": sys.executable,
        "ansible_ssh_executable": str(broker.directory / "ssh"),
    }
    inventory = broker.directory / "hosts.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": told}}))
    environment = {
        **broker.environment,
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_VERBOSITY": "2",
        "ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(broker.directory / "cp"),
        "PLAYRAIL_CHANNELS": str(broker.socket),
        "HOME": str(broker.directory),
    }
    command = ["ansible", "-i", str(inventory), "all", *words]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@dataclass(frozen=True, kw_only=True)
class Done:
    """What Ansible printed, all of it and of each host, and how often ssh was called for it."""

    text: str
    of: Mapping[str, str]
    opened: Mapping[str, int]


def done(broker: Broker, hosts: Mapping[str, Mapping[str, object]], *words: str) -> Done:
    printed = ansible(broker, hosts, *words)
    parts = re.split(r"^(\S+) \| ", printed.stdout, flags=re.MULTILINE)
    return Done(
        text=re.sub(r"\s+", " ", printed.stdout + printed.stderr),
        of=dict(zip(parts[1::2], parts[2::2], strict=True)),
        opened={host: broker.opened(host) for host in hosts},
    )


@pytest.fixture(scope="module")
def pinged(tmp_path_factory: pytest.TempPathFactory) -> Done:
    with broker_at_work(tmp_path_factory.mktemp("pinged")) as broker:
        return done(broker, HOSTS, "-m", "ping")


def test_who_is_not_let_in_is_told_once(pinged: Done) -> None:
    assert (
        "Failed to connect to the host via ssh: me@denied: Permission denied (publickey)."
        in pinged.of["denied"]
    )
    assert pinged.opened["denied"] == 1


@pytest.mark.parametrize(
    ("host", "why", "pong"),
    [
        ("asked-otherwise", "playrail_fast is off for the host", True),
        ("by-stock-ssh", None, True),
        ("with-csh", "the host's shell is not like sh", True),
        ("without-python", "ssh ended with status 127", False),
    ],
)
def test_the_stock_way_stays(host: str, why: str | None, pong: bool, pinged: Done) -> None:
    assert (f"{host}: a module goes by plain ssh" in pinged.text) is (why is not None)
    assert why is None or f"{host}: a module goes by plain ssh: {why}" in pinged.text
    assert ('"ping": "pong"' in pinged.of[host]) is pong


@pytest.mark.parametrize(
    ("password", "wanted"), [("right", '"ping": "pong"'), ("wrong", "Incorrect sudo password")]
)
def test_ansible_becomes_another_user(password: str, wanted: str, pinged: Done) -> None:
    assert wanted in pinged.of[f"sudo-{password}"]
    assert pinged.opened[f"sudo-{password}"] == 1


FAST = "goes to the kept interpreter"


@pytest.fixture(scope="module")
def brought(broker: Broker) -> Done:
    return done(broker, {"here": {}}, "-m", "command", "-a", "sh -c 'echo hello; exit 3'")


def test_ansible_brings_its_modules(brought: Done) -> None:
    assert FAST in brought.text
    assert "rc=3 >>\nhello" in brought.of["here"]
    assert brought.opened["here"] == 1


@pytest.mark.usefixtures("brought")
def test_ansible_tells_of_a_module_that_may_have_run(broker: Broker) -> None:
    kept = broker.kept()
    threading.Thread(target=end_at_work, args=(kept, "8.0617"), daemon=True).start()
    told = ansible(broker, {"here": {}}, "-m", "command", "-a", "sleep 8.0617").stdout

    assert "UNREACHABLE" in told
    assert "The connection was lost while a command was at work on the host" in told
