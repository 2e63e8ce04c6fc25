"""What a child Ansible finds in its environment, and what it must not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import playrail.ansible
from playrail.ansible.environment import environment
from playrail.errors import SettingsInvalid
from playrail.settings import Settings

CANARY = "CANARY"
OWN = Path(playrail.ansible.__path__[0], "plugins", "connection")
CALLBACKS = OWN.with_name("callback")
SECRETS = {
    "MCP_SERVERS": json.dumps({"a": {"type": "ssh", "host": "h", "password": CANARY}}),
    "MIKRUS_API_KEY": CANARY,
    "MIKRUS_SERVER_NAME": "srv1",
    "AWS_SECRET_ACCESS_KEY": CANARY,
    "PYTHONPATH": CANARY,
    "LD_PRELOAD": CANARY,
    "PLAYRAIL_STATE_DIR": f"/tmp/{CANARY}",
}


@pytest.fixture(autouse=True)
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def child(given: Mapping[str, str], *, dotenv: Path | None = None) -> dict[str, str]:
    environ = {"HOME": str(Path.cwd()), **given}
    return environment(Settings.load(environ, dotenv=dotenv), environ)


def test_the_whole_of_it() -> None:
    assert child({**SECRETS, "PATH": "/usr/bin", "USER": "me", "SSH_AUTH_SOCK": "/s", "https_proxy": "http://p"}) == {
        "HOME": str(Path.cwd()),
        "USER": "me",
        "SSH_AUTH_SOCK": "/s",
        "https_proxy": "http://p",
        "PATH": f"{Path(sys.executable).parent}:/usr/bin",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_ASK_PASS": "False",
        "ANSIBLE_ASK_VAULT_PASS": "False",
        "ANSIBLE_BECOME_ASK_PASS": "False",
        "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
        "ANSIBLE_CONNECTION_PLUGINS": f"~/.ansible/plugins/connection:/usr/share/ansible/plugins/connection:{OWN}",
        "ANSIBLE_DEBUG": "False",
        "ANSIBLE_FORCE_COLOR": "False",
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True",
        "ANSIBLE_INVENTORY_ENABLED": "host_list,auto,yaml,ini,toml",
        "ANSIBLE_INVENTORY_EXPORT": "False",
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_NOCOLOR": "True",
        "ANSIBLE_NOCOWS": "True",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_STDOUT_CALLBACK": "playrail_text",
        "ANSIBLE_SSH_USETTY": "False",
        "ANSIBLE_VERBOSITY": "0",
    }


def test_the_users_own_connection_plugins_stay(cwd: Path) -> None:
    (cwd / "ansible.cfg").write_text("[defaults]\nconnection_plugins = mine:/theirs:~/ours:$X/y\n")

    assert child({})["ANSIBLE_CONNECTION_PLUGINS"] == f"{cwd}/mine:/theirs:~/ours:$X/y:{OWN}"
    assert child({"ANSIBLE_CONNECTION_PLUGINS": "/x"})["ANSIBLE_CONNECTION_PLUGINS"] == f"/x:{OWN}"


def test_only_named_variables_are_passed() -> None:
    got = child({**SECRETS, "PLAYRAIL_PASS_ENV": "AWS_SECRET_ACCESS_KEY,NOT_SET"})
    assert {name for name, value in got.items() if CANARY in value} == {"AWS_SECRET_ACCESS_KEY"}
    assert "NOT_SET" not in got


def test_variables_of_dotenv_reach_ansible(cwd: Path) -> None:
    (cwd / ".env").write_text("PLAYRAIL_PASS_ENV=TOKEN\nTOKEN=from file\nANSIBLE_TIMEOUT=5\nANSIBLE_FORKS=6\nOTHER=x\n")
    got = child({"ANSIBLE_FORKS": "7"}, dotenv=cwd / ".env")
    assert [got.get(name) for name in ("TOKEN", "ANSIBLE_TIMEOUT", "ANSIBLE_FORKS", "OTHER")] == [
        "from file",
        "5",
        "7",
        None,
    ]


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ({"ANSIBLE_VAULT_PASSWORD_FILE": "/v"}, {"ANSIBLE_VAULT_PASSWORD_FILE": "/v"}),
        ({"ANSIBLE_HOST_KEY_CHECKING": "False"}, {"ANSIBLE_HOST_KEY_CHECKING": "True"}),
        ({"ANSIBLE_SSH_HOST_KEY_CHECKING": "False"}, {"ANSIBLE_SSH_HOST_KEY_CHECKING": None}),
        ({"ANSIBLE_STDOUT_CALLBACK": "json"}, {"ANSIBLE_STDOUT_CALLBACK": "playrail_text"}),
        ({"ANSIBLE_CALLBACK_PLUGINS": "/mine"}, {"ANSIBLE_CALLBACK_PLUGINS": f"/mine:{CALLBACKS}"}),
        ({"ANSIBLE_DEBUG": "1", "ANSIBLE_VERBOSITY": "4"}, {"ANSIBLE_DEBUG": "False", "ANSIBLE_VERBOSITY": "0"}),
        ({"ANSIBLE_PIPELINING": "no"}, {"ANSIBLE_PIPELINING": "no"}),
        ({"ANSIBLE_SSH_PIPELINING": "no"}, {"ANSIBLE_PIPELINING": None}),
        ({"ANSIBLE_SSH_USETTY": "True", "ANSIBLE_PIPELINING": "no"}, {"ANSIBLE_SSH_USETTY": "False"}),
        ({"LC_ALL": "pl_PL.ISO-8859-2", "LANG": "pl_PL"}, {"LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}),
        ({"ANSIBLE_INVENTORY_ENABLED": "script,ini"}, {"ANSIBLE_INVENTORY_ENABLED": "ini,yaml"}),
        ({"PLAYRAIL_PASS_ENV": "LC_ALL", "LC_ALL": "C"}, {"LC_ALL": "C.UTF-8"}),
    ],
)
def test_what_the_user_sets(given: dict[str, str], becomes: dict[str, str | None]) -> None:
    got = child(given)
    assert {name: got.get(name) for name in becomes} == becomes


@pytest.mark.parametrize(
    ("config", "allow", "plugins"),
    [
        ("", "no", "host_list,auto,yaml,ini,toml"),
        ("", "yes", "host_list,script,auto,yaml,ini,toml"),
        ("enable_plugins = amazon.aws.aws_ec2, ansible.builtin.script", "no", "amazon.aws.aws_ec2,yaml"),
        ("enable_plugins = amazon.aws.aws_ec2, script", "yes", "amazon.aws.aws_ec2,script,yaml"),
        ("enable_plugins = ansible.builtin.yaml", "yes", "ansible.builtin.yaml"),
    ],
)
def test_inventory_plugins(cwd: Path, config: str, allow: str, plugins: str) -> None:
    (cwd / "ansible.cfg").write_text(f"[inventory]\n{config}\n")
    got = child({"PLAYRAIL_ALLOW_INVENTORY_SCRIPTS": allow})
    assert got["ANSIBLE_INVENTORY_ENABLED"] == plugins
    assert got["ANSIBLE_CONFIG"] == str(cwd / "ansible.cfg")


@pytest.mark.parametrize("section", ["defaults", "connection", "ssh_connection"])
def test_pipelining_of_ansible_cfg_stays(cwd: Path, section: str) -> None:
    (cwd / "ansible.cfg").write_text(f"[{section}]\npipelining = False\n")
    assert "ANSIBLE_PIPELINING" not in child({})


@pytest.mark.lab
@pytest.mark.parametrize("pipelining", ["True", "False"])
def test_sudo_asks_for_its_password_without_a_terminal(cwd: Path, lab: Any, pipelining: str) -> None:
    host = lab["deb13"]
    assert host.sudo_password is not None
    given = {"PATH": os.environ["PATH"], "ANSIBLE_PIPELINING": pipelining}
    # No shared connection: the path of its socket would be too long here.
    (cwd / "ansible.cfg").write_text("[ssh_connection]\nusetty = True\nssh_args = -o ControlPath=none\n")
    variables = {
        "ansible_host": host.address,
        "ansible_port": host.port,
        "ansible_user": host.user,
        "ansible_ssh_private_key_file": host.key,
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={lab.known_hosts}",
        "ansible_become_password": host.sudo_password,
    }
    (cwd / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"deb13": {}}, "vars": variables}}))
    command = ("ansible", "adhoc", "-i", "hosts.yml", "deb13", "--become", "-m", "ansible.builtin.command")
    told = [sys.executable, "-P", "-m", *command, "-a", "sh -c 'id -u; ps -o tty= -p $$'"]
    done = subprocess.run(told, env=child(given), capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout.split()[-2:] == ["0", "?"], done.stdout + done.stderr


def test_ansible_cfg_that_became_unreadable(cwd: Path) -> None:
    (cwd / "ansible.cfg").write_text("")
    settings = Settings.load({"HOME": str(cwd)}, dotenv=None)
    (cwd / "ansible.cfg").write_text(CANARY)
    with pytest.raises(SettingsInvalid) as caught:
        environment(settings, {})
    assert CANARY not in str(caught.value).replace(str(cwd), "")


def test_ansible_starts_in_it_and_decides_as_it_says(cwd: Path) -> None:
    (cwd / "ansible.cfg").write_text("[defaults]\nhost_key_checking = False\nask_pass = True\n")
    got = subprocess.run(
        [sys.executable, "-P", "-m", "ansible", "config", "dump", "--only-changed", "--format", "json"],
        env=child({"PATH": os.defpath, "LC_ALL": "POSIX"}),
        stdout=subprocess.PIPE,
        check=True,
    )
    changed = {setting["name"]: setting["value"] for setting in json.loads(got.stdout) if "name" in setting}
    expected = {
        "HOST_KEY_CHECKING": True,
        "DEFAULT_ASK_PASS": False,
        "INVENTORY_ANY_UNPARSED_IS_FAILED": True,
        "ANSIBLE_PIPELINING": True,
        "INVENTORY_ENABLED": ["host_list", "auto", "yaml", "ini", "toml"],
    }
    assert {name: changed[name] for name in expected} == expected
