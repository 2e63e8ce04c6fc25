"""What a child Ansible finds in its environment, and what it must not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import playrail.ansible
from playrail.ansible.environment import environment, forks_at_most, inventory_environment
from playrail.ansible.judgements import decided
from playrail.errors import SettingsInvalid
from playrail.settings.content import collections_root
from playrail.settings.settings import Settings

CANARY = "CANARY"
OWN = Path(playrail.ansible.__path__[0], "plugins", "connection")
CALLBACKS = OWN.with_name("callback")
DEFAULT_PLUGINS = "~/.ansible/plugins/{0}:/usr/share/ansible/plugins/{0}"
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
    assert child(
        {
            **SECRETS,
            "PATH": "/usr/bin",
            "USER": "me",
            "SSH_AUTH_SOCK": "/s",
            "https_proxy": "http://p",
        }
    ) == {
        "HOME": str(Path.cwd()),
        "USER": "me",
        "SSH_AUTH_SOCK": "/s",
        "https_proxy": "http://p",
        "PATH": f"{Path(sys.executable).parent}:/usr/bin",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        **decided(),
        "ANSIBLE_CALLBACK_PLUGINS": f"{DEFAULT_PLUGINS.format('callback')}:{CALLBACKS}",
        "ANSIBLE_COLLECTIONS_PATH": (
            f"{collections_root()}:~/.ansible/collections:/usr/share/ansible/collections"
        ),
        "ANSIBLE_CONNECTION_PLUGINS": f"{DEFAULT_PLUGINS.format('connection')}:{OWN}",
        "ANSIBLE_INVENTORY_ENABLED": "host_list,auto,yaml,ini,toml",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_STDOUT_CALLBACK": "playrail_text",
    }


@pytest.mark.parametrize(("kind", "ours"), [("connection", OWN), ("callback", CALLBACKS)])
def test_the_users_own_plugins_stay(cwd: Path, kind: str, ours: Path) -> None:
    name = f"ANSIBLE_{kind.upper()}_PLUGINS"
    (cwd / "ansible.cfg").write_text(f"[defaults]\n{kind}_plugins = mine:/theirs:~/ours:$X/y\n")

    assert child({})[name] == f"{cwd}/mine:/theirs:~/ours:$X/y:{ours}"
    assert child({name: "/x"})[name] == f"/x:{ours}"

    (cwd / "ansible.cfg").write_text("[defaults]\nhome = own\n")
    assert child({})[name] == f"{cwd}/own/plugins/{kind}:/usr/share/ansible/plugins/{kind}:{ours}"
    assert (
        child({"ANSIBLE_HOME": "/h"})[name]
        == f"/h/plugins/{kind}:/usr/share/ansible/plugins/{kind}:{ours}"
    )


@pytest.mark.parametrize(
    ("name", "beside", "own"),
    [
        ("ANSIBLE_FILTER_PLUGINS", "filter_plugins", "plugins/filter"),
        ("ANSIBLE_CALLBACK_PLUGINS", "callback_plugins", "plugins/callback"),
        ("ANSIBLE_COLLECTIONS_PATH", "collections", "collections"),
    ],
)
def test_what_lies_beside_playbooks_comes_before_the_users_own(
    cwd: Path, name: str, beside: str, own: str
) -> None:
    (cwd / beside).mkdir()
    (cwd / "ansible.cfg").write_text("[defaults]\nhome = own\n")

    first = f"{collections_root()}:" if name == "ANSIBLE_COLLECTIONS_PATH" else ""
    start = f"{first}{cwd}/{beside}:"

    assert child({})[name].startswith(f"{start}{cwd}/own/{own}:/usr/share/ansible/{own}")
    assert child({name: "/x"})[name].startswith(f"{start}/x")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What Ansible makes of what the user says: in plays, and where inventories are read."""

    log: Path
    """That which the user names."""
    plays: Mapping[str, Any]
    inventories: Mapping[str, Any]


@pytest.fixture(scope="module", params=["ansible.cfg", "environment"])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """With RIDDLES in ansible.cfg, and more there or in the environment."""
    place = tmp_path_factory.mktemp("riddles")
    log = place / "a.log"
    given = {"HOME": str(place), "PATH": os.defpath, "LC_ALL": "POSIX"}
    config = "[defaults]\n"
    if request.param == "ansible.cfg":
        config += "log_path = ./a.log\n"
    else:
        given |= {"ANSIBLE_NO_LOG": "1", "ANSIBLE_ANY_ERRORS_FATAL": "1"}
        given |= {"ANSIBLE_SSH_RETRIES": "9", "ANSIBLE_LOG_PATH": str(log)}
    (place / "ansible.cfg").write_text(config + RIDDLES)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        settings = Settings.load(given, dotenv=None)
        return Asked(
            log=log,
            plays=read_by_ansible(environment(settings, given)),
            inventories=read_by_ansible(inventory_environment(settings, given)),
        )


RIDDLES = """
no_log = True
any_errors_fatal = True
task_timeout = 1
enable_task_debugger = True
strategy = debug
keep_remote_files = True
display_args_to_stdout = True
log_verbosity = 4
module_strict_utf8_response = False
host_key_checking = False
ask_pass = True
[tags]
run = deploy
skip = all
[diff]
always = True
"""
RIGHT = {
    "DEFAULT_NO_LOG": False,
    "ANY_ERRORS_FATAL": False,
    "TASK_TIMEOUT": 0,
    "ENABLE_TASK_DEBUGGER": False,
    "DEFAULT_STRATEGY": "linear",
    "DEFAULT_KEEP_REMOTE_FILES": False,
    "DISPLAY_ARGS_TO_STDOUT": False,
    "LOG_VERBOSITY": 0,
    "MODULE_STRICT_UTF8_RESPONSE": True,
    "TAGS_RUN": ["all"],
    "TAGS_SKIP": [""],
    "DIFF_ALWAYS": False,
    "DEFAULT_NO_TARGET_SYSLOG": True,
    "HOST_KEY_CHECKING": True,
    "DEFAULT_ASK_PASS": False,
    "INVENTORY_UNPARSED_IS_FAILED": True,
    "ANSIBLE_PIPELINING": True,
    "INVENTORY_ENABLED": ["host_list", "auto", "yaml", "ini", "toml"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RIGHT)
def test_a_setting_is_decided_whatever_the_user_says(asked: Asked, name: str) -> None:
    """In either place; what comes of it is asked from Ansible."""
    assert asked.plays[name] == RIGHT[name]


@pytest.mark.slow
def test_inventories_are_read_without_a_log(asked: Asked) -> None:
    assert asked.inventories["DEFAULT_LOG_PATH"] == "/dev/null"
    assert asked.plays["DEFAULT_LOG_PATH"] == str(asked.log)


def read_by_ansible(env: Mapping[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-P", "-m", "ansible", "config", "dump", "--format", "json"]
    told = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
    return {
        setting["name"]: setting["value"]
        for setting in json.loads(told.stdout)
        if "name" in setting
    }


@pytest.mark.parametrize(
    ("config", "given", "retries"),
    [
        ("", {}, None),
        ("[ssh_connection]\nretries = 5\n", {}, "5"),
        ("[connection]\nretries = 3\n[ssh_connection]\nretries = 5\n", {}, "5"),
        ("[connection]\nretries = 3\n", {"ANSIBLE_SSH_RETRIES": "7"}, "7"),
    ],
)
def test_retries_of_ssh_are_for_connecting_alone(
    cwd: Path, config: str, given: dict[str, str], retries: str | None
) -> None:
    (cwd / "ansible.cfg").write_text(config)
    got = child(given)
    assert (got["ANSIBLE_SSH_RETRIES"], got.get("PLAYRAIL_CONNECT_RETRIES")) == ("0", retries)


@pytest.mark.parametrize(
    ("config", "given", "most"),
    [
        ("", {}, None),
        ("forks = 5\n", {}, 5),
        ("forks = 5\n", {"ANSIBLE_FORKS": "7"}, 7),
        ("forks = many\n", {}, None),
    ],
)
def test_the_users_forks(cwd: Path, config: str, given: dict[str, str], most: int | None) -> None:
    (cwd / "ansible.cfg").write_text(f"[defaults]\n{config}")
    assert forks_at_most(child(given)) == most


@pytest.mark.parametrize(
    ("config", "given", "unparsed"),
    [
        ("", {}, None),
        ("", {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "0"}, "0"),
        ("[inventory]\nany_unparsed_is_failed = False\n", {}, None),
    ],
)
def test_whether_a_source_that_cannot_be_read_fails_is_the_users_word(
    cwd: Path, config: str, given: dict[str, str], unparsed: str | None
) -> None:
    (cwd / "ansible.cfg").write_text(config)
    assert child(given).get("ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED") == unparsed


def test_keys_of_paramiko_are_not_added_and_not_mentioned_for_nothing(cwd: Path) -> None:
    assert "ANSIBLE_PARAMIKO_HOST_KEY_AUTO_ADD" not in child({})
    (cwd / "ansible.cfg").write_text("[paramiko_connection]\nhost_key_auto_add = True\n")
    assert child({})["ANSIBLE_PARAMIKO_HOST_KEY_AUTO_ADD"] == "False"


def test_only_named_variables_are_passed() -> None:
    got = child({**SECRETS, "PLAYRAIL_PASS_ENV": "AWS_SECRET_ACCESS_KEY,NOT_SET"})
    assert {name for name, value in got.items() if CANARY in value} == {"AWS_SECRET_ACCESS_KEY"}
    assert "NOT_SET" not in got


def test_variables_of_dotenv_reach_ansible(cwd: Path) -> None:
    (cwd / ".env").write_text(
        "PLAYRAIL_PASS_ENV=TOKEN\nTOKEN=from file\nANSIBLE_TIMEOUT=5\nANSIBLE_FORKS=6\nOTHER=x\n"
    )
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
        (
            {"JUNIT_OUTPUT_DIR": "/out", "NO_COLOR": "1"},
            {"JUNIT_OUTPUT_DIR": "/out", "NO_COLOR": None},
        ),
        ({"ANSIBLE_STRATEGY": "free"}, {"ANSIBLE_STRATEGY": "free"}),
        ({"ANSIBLE_STRATEGY": "ansible.builtin.debug"}, {"ANSIBLE_STRATEGY": "linear"}),
        (
            {"ANSIBLE_DEBUG": "1", "ANSIBLE_VERBOSITY": "4"},
            {"ANSIBLE_DEBUG": "False", "ANSIBLE_VERBOSITY": "0"},
        ),
        ({"ANSIBLE_PIPELINING": "no"}, {"ANSIBLE_PIPELINING": "no"}),
        ({"ANSIBLE_SSH_PIPELINING": "no"}, {"ANSIBLE_PIPELINING": None}),
        (
            {"ANSIBLE_SSH_USETTY": "True", "ANSIBLE_PIPELINING": "no"},
            {"ANSIBLE_SSH_USETTY": "False"},
        ),
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
        (
            "enable_plugins = amazon.aws.aws_ec2, ansible.builtin.script",
            "no",
            "amazon.aws.aws_ec2,yaml",
        ),
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


@pytest.fixture(scope="module")
def with_sudo(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What Ansible prints of a command that sudo runs on one host, with pipelining and
    without.
    """
    place, host = tmp_path_factory.mktemp("with_sudo"), lab["deb13"]
    assert host.sudo_password is not None
    # No shared connection: the path of its socket would be too long here.
    (place / "ansible.cfg").write_text(
        "[ssh_connection]\nusetty = True\nssh_args = -o ControlPath=none\n"
    )
    variables = {
        "ansible_host": host.address,
        "ansible_port": host.port,
        "ansible_user": host.user,
        "ansible_ssh_private_key_file": host.key,
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={lab.known_hosts}",
        "ansible_become_password": host.sudo_password,
    }
    hosts = {str(each): {"ansible_pipelining": each} for each in (True, False)}
    (place / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts, "vars": variables}}))
    command = ["ansible", "adhoc", "-i", "hosts.yml", "all", "--become"]
    command += ["-m", "ansible.builtin.command", "-a", "sh -c 'id -u; ps -o tty= -p $$'"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        told = [sys.executable, "-P", "-m", *command]
        given = child({"PATH": os.environ["PATH"]})
        done = subprocess.run(
            told, env=given, capture_output=True, text=True, timeout=60, check=False
        )
    return done.stdout + done.stderr


@pytest.mark.lab
@pytest.mark.parametrize("pipelining", [True, False])
def test_sudo_asks_for_its_password_without_a_terminal(with_sudo: str, pipelining: bool) -> None:
    assert f"{pipelining} | CHANGED | rc=0 >>\n0\n?" in with_sudo


def test_ansible_cfg_that_became_unreadable(cwd: Path) -> None:
    (cwd / "ansible.cfg").write_text("")
    settings = Settings.load({"HOME": str(cwd)}, dotenv=None)
    (cwd / "ansible.cfg").write_text(CANARY)
    with pytest.raises(SettingsInvalid) as caught:
        environment(settings, {})
    assert CANARY not in str(caught.value).replace(str(cwd), "")
