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


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("generated") / "with space {{ 7*7 }}"
    place.mkdir()
    for name in ("key", "cert", "known"):
        # In form
        (place / name).write_text("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n")
        (place / name).chmod(0o600)
    return place


@pytest.fixture(scope="module")
def entries(files: Path) -> dict[str, dict[str, Any]]:
    """Servers as the settings name them, each with the address `h` where it has no other."""
    full = {
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
    return {
        "full": full,
        "plain": {},
        "key": {"ssh_key": str(files / "key")},
        "password": {"password": "x"},
        "unchecked": {"verify_host_key": False},
    }


def ssh_options(text: str) -> list[str]:
    """What ssh itself makes of the arguments, in lower case as `ssh -G` prints it."""
    got = subprocess.run(
        ["ssh", "-G", "-F", "none", *shlex.split(text), "h"], capture_output=True, check=True
    )
    return got.stdout.decode().splitlines()


@pytest.fixture(scope="module")
def variables(files: Path, entries: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The variables of the generated hosts as a play sees them, after templating, with their
    secrets passed.
    """
    place = files.parent
    servers = {name: {"type": "ssh", "host": "h", **entry} for name, entry in entries.items()}
    given = {
        "HOME": str(place),
        "PLAYRAIL_RUNTIME_DIR": str(place / "run"),
        "MCP_SERVERS": json.dumps(servers),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)  # where no ansible.cfg is
        settings = Settings.load(given, dotenv=None)
    inventory = Inventory(settings, place)
    secrets = {
        name: {kind: {"__ansible_unsafe": one.get_secret_value()} for kind, one in held.items()}
        for name, held in inventory.secrets(list(servers)).items()
    }
    message = {name: f"{{{{ ansible_{name} | default('-') }}}}" for name in VARIABLES}
    task = {"ansible.builtin.debug": {"msg": message}}
    play = [{"hosts": "all", "gather_facts": False, "tasks": [task]}]
    (place / "play.yml").write_text(json.dumps(play))
    (place / "extra.json").write_text(json.dumps({"playrail_secrets": secrets}))
    command = ["playbook", "-i", inventory.sources()[0], "-e", "@extra.json", "play.yml"]
    child = environment(settings, {"HOME": str(place), "PATH": os.environ["PATH"]})
    got = subprocess.run(
        [sys.executable, "-P", "-m", "ansible", *command],
        cwd=place,
        env=child | {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        capture_output=True,
        check=False,
        text=True,
    )
    inventory.close()
    assert got.returncode == 0, got.stdout + got.stderr
    decode = json.JSONDecoder().raw_decode
    return {
        name: decode(got.stdout.partition(f"ok: [{name}] => ")[2])[0]["msg"] for name in servers
    }


def test_generated_variables_mean_what_the_entry_says(
    variables: dict[str, dict[str, Any]], entries: dict[str, dict[str, Any]], files: Path
) -> None:
    entry, got = entries["full"], dict(variables["full"])
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
    ("name", "expected", "checked"),
    [
        ("plain", {"batchmode yes", "stricthostkeychecking ask"}, True),
        ("password", {"batchmode no", "pubkeyauthentication false"}, True),
        (
            "unchecked",
            {"userknownhostsfile /dev/null", "globalknownhostsfile /dev/null", "loglevel ERROR"},
            False,
        ),
    ],
)
def test_generated_ssh_options(
    variables: dict[str, dict[str, Any]], name: str, expected: set[str], checked: bool
) -> None:
    got = variables[name]
    assert expected <= set(ssh_options(got["ssh_extra_args"]))
    assert got["host_key_checking"] is checked
    assert (got["become"], got["become_password"], got["ssh_private_key_file"]) == ("-", "-", "-")


def test_servers_that_differ_share_no_connection(variables: dict[str, dict[str, Any]]) -> None:
    assert variables["plain"]["control_path"] != variables["key"]["control_path"]


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
