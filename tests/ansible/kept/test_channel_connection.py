"""The connection that brings modules to a channel, as Ansible uses it: with an ssh that runs
commands here.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from playrail.ansible.plugins.connection.ssh import Unfit, _taken_apart
from worlds.channel_broker import Broker, broker_at_work
from worlds.checkout import ROOT
from worlds.local_plays import end_at_work

pytestmark = pytest.mark.slow
PLUGINS = ROOT / "src/playrail/ansible/plugins/connection"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with broker_at_work(tmp_path) as broker:
        yield broker


def test_who_is_not_let_in_is_told_once(
    ansible: Callable[..., subprocess.CompletedProcess[str]], broker: Broker
) -> None:
    done = ansible("-m", "ping", ansible_host="denied")

    assert (
        "Failed to connect to the host via ssh: me@denied: Permission denied (publickey)."
        in done.stdout
    )
    assert broker.opened() == 1


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


@pytest.fixture
def ansible(broker: Broker) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a module by Ansible, as a play of Playrail would."""

    def run(*words: str, **variables: object) -> subprocess.CompletedProcess[str]:
        told = {
            "ansible_python_interpreter": sys.executable,
            "ansible_ssh_executable": str(broker.directory / "ssh"),
        }
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
        command = [
            "ansible",
            "-i",
            "here,",
            "here",
            "-e",
            json.dumps({**told, **variables}),
            *words,
        ]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    return run


FAST = "goes to the kept interpreter"


def test_ansible_brings_its_modules(
    ansible: Callable[..., subprocess.CompletedProcess[str]], broker: Broker
) -> None:
    done = ansible("-m", "command", "-a", "sh -c 'echo hello; exit 3'")

    assert FAST in done.stdout
    assert "rc=3 >>\nhello" in done.stdout
    assert broker.opened() == 1


@pytest.mark.parametrize(
    ("variables", "why", "pong"),
    [
        ({"playrail_fast": False}, None, True),
        ({"ansible_connection": "ansible.builtin.ssh"}, None, True),
        ({"ansible_shell_type": "csh"}, "the host's shell is not like sh", True),
        ({"ansible_python_interpreter": "/no/python"}, "ssh ended with status 127", False),
    ],
)
def test_the_stock_way_stays(
    variables: dict[str, object],
    why: str | None,
    pong: bool,
    ansible: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    told = ansible("-m", "ping", **variables)

    text = re.sub(r"\s+", " ", told.stdout + told.stderr)
    assert (f"here: a module goes by plain ssh: {why}" in text) is (why is not None)
    assert ('"ping": "pong"' in text) is pong


@pytest.mark.parametrize(
    ("password", "wanted"), [("right", '"ping": "pong"'), ("wrong", "Incorrect sudo password")]
)
def test_ansible_becomes_another_user(
    password: str,
    wanted: str,
    ansible: Callable[..., subprocess.CompletedProcess[str]],
    broker: Broker,
) -> None:
    done = ansible("-m", "ping", ansible_become=True, ansible_become_password=password)

    assert wanted in done.stdout
    assert broker.opened() == 1


def test_ansible_tells_of_a_module_that_may_have_run(
    ansible: Callable[..., subprocess.CompletedProcess[str]], broker: Broker
) -> None:
    ansible("-m", "ping")
    kept = broker.kept()
    threading.Thread(target=end_at_work, args=(kept, "8.0617"), daemon=True).start()
    done = ansible("-m", "command", "-a", "sleep 8.0617")

    assert "UNREACHABLE" in done.stdout
    assert "The connection was lost while a command was at work on the host" in done.stdout
