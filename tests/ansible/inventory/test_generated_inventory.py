"""What the generated inventory means: to Ansible after templating, and to ssh in the end."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from playrail.ansible.environment import environment
from playrail.ansible.inventory.inventory import Inventory
from playrail.settings.settings import Settings

pytestmark = pytest.mark.slow
# Of a host, without the `ansible_` that they begin with
VARIABLES = [
    *("host", "port", "user", "connection", "become", "password", "become_password"),
    *("host_key_checking", "ssh_private_key_file", "ssh_extra_args", "sftp_extra_args"),
    *("scp_extra_args", "ssh_timeout", "control_path"),
]


@pytest.fixture
def files(cwd: Path) -> Path:
    place = cwd / "with space {{ 7*7 }}"
    place.mkdir()
    for name in ("key", "cert", "known"):
        # In form
        (place / name).write_text("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n")
        (place / name).chmod(0o600)
    return place


def ssh_options(text: str) -> list[str]:
    """What ssh itself makes of the arguments, in lower case as `ssh -G` prints it."""
    got = subprocess.run(
        ["ssh", "-G", "-F", "none", *shlex.split(text), "h"], capture_output=True, check=True
    )
    return got.stdout.decode().splitlines()


def variables(cwd: Path, entry: dict[str, Any]) -> dict[str, Any]:
    """The variables of the generated host as a play sees them, after templating, with its
    secrets passed.
    """
    servers = {"s": {"type": "ssh", "host": "h", **entry}}
    given = {
        "HOME": str(cwd),
        "PLAYRAIL_RUNTIME_DIR": str(cwd / "run"),
        "MCP_SERVERS": json.dumps(servers),
    }
    settings = Settings.load(given, dotenv=None)
    inventory = Inventory(settings, cwd)
    secrets = {
        name: {kind: {"__ansible_unsafe": one.get_secret_value()} for kind, one in held.items()}
        for name, held in inventory.secrets(["s"]).items()
    }
    message = {name: f"{{{{ ansible_{name} | default('-') }}}}" for name in VARIABLES}
    play = [
        {
            "hosts": "s",
            "gather_facts": False,
            "tasks": [{"ansible.builtin.debug": {"msg": message}}],
        }
    ]
    (cwd / "play.yml").write_text(json.dumps(play))
    (cwd / "extra.json").write_text(json.dumps({"playrail_secrets": secrets}))
    command = ["playbook", "-i", inventory.sources()[0], "-e", "@extra.json", "play.yml"]
    child = environment(settings, {"HOME": str(cwd), "PATH": os.environ["PATH"]})
    got = subprocess.run(
        [sys.executable, "-P", "-m", "ansible", *command],
        env=child | {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        capture_output=True,
        check=False,
    )
    inventory.close()
    assert got.returncode == 0, got.stdout + got.stderr
    result, _ = json.JSONDecoder().raw_decode(got.stdout.decode().partition("ok: [s] => ")[2])
    read_back: dict[str, Any] = result["msg"]
    return read_back


def test_generated_variables_mean_what_the_entry_says(cwd: Path, files: Path) -> None:
    entry = {
        "host": "2001:db8::7",
        "port": 2222,
        "user": "deploy",
        "ssh_key": str(files / "key"),
        "ssh_cert": str(files / "cert"),
        "known_hosts_file": str(files / "known"),
        "password": "p'\"{{ 7*7 }}{% raw %}\\",
        "sudo_password": "{{ lookup('pipe', 'id') }}",
        "timeout": 7,
    }
    got = variables(cwd, entry)
    options = ssh_options(got.pop("ssh_extra_args"))
    assert (got.pop("sftp_extra_args"), got.pop("scp_extra_args")) != ("-", "-")
    assert got.pop("control_path").startswith("%(directory)s/")
    assert got == {
        "host": "2001:db8::7",
        "port": 2222,
        "user": "deploy",
        "connection": "ssh",
        "become": True,
        "password": entry["password"],
        "become_password": entry["sudo_password"],
        "host_key_checking": True,
        "ssh_private_key_file": entry["ssh_key"],
        "ssh_timeout": 7,
    }
    expected = {
        f"certificatefile {files / 'cert'}",
        f"userknownhostsfile {files / 'known'}",
        "identitiesonly yes",
        "preferredauthentications publickey,password,keyboard-interactive",
    }
    assert expected <= set(options)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({}, {"batchmode yes", "stricthostkeychecking ask"}),
        ({"password": "x"}, {"batchmode no", "pubkeyauthentication false"}),
        (
            {"verify_host_key": False},
            {"userknownhostsfile /dev/null", "globalknownhostsfile /dev/null", "loglevel ERROR"},
        ),
    ],
)
def test_generated_ssh_options(cwd: Path, entry: dict[str, Any], expected: set[str]) -> None:
    got = variables(cwd, entry)
    assert expected <= set(ssh_options(got["ssh_extra_args"]))
    assert got["host_key_checking"] is entry.get("verify_host_key", True)
    assert (got["become"], got["become_password"], got["ssh_private_key_file"]) == ("-", "-", "-")


def test_servers_that_differ_share_no_connection(cwd: Path, files: Path) -> None:
    paths = {
        variables(cwd, entry)["control_path"] for entry in ({}, {"ssh_key": str(files / "key")})
    }
    assert len(paths) == 2


def test_a_servers_tier_is_what_a_policy_means_it_by(cwd: Path) -> None:
    servers = {
        "s": {"type": "ssh", "host": "h", "tier": "staging"},
        "t": {"type": "ssh", "host": "h"},
    }
    given = {
        "HOME": str(cwd),
        "PLAYRAIL_RUNTIME_DIR": str(cwd / "run"),
        "MCP_SERVERS": json.dumps(servers),
    }
    known = asyncio.run(Inventory(Settings.load(given, dotenv=None), cwd).hosts()).hosts

    assert (known["s"].tier, known["t"].tier) == ("staging", None)
