"""The user's own Ansible world in real calls: configuration, inventories, variables, vault
and callbacks work unchanged, and settings that would leak, hide or cut what a call does do
not.

Each world holds several settings that have nothing to do with each other; that each is
decided by itself is held by test_environment.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from playrail.ansible.inventory.host_keys import NOT_CHECKED
from playrail.settings.private_files import private_directory
from worlds.local_plays import LOCAL, environ
from worlds.users_world import NEEDS_ENABLED, VARIABLES, Came, UsersWorld, callback, vaulted

pytestmark = pytest.mark.slow

CANARY = "CANARY-4d1e"
HOSTNAME = {"path": "/etc/hostname"}
UNREACHABLE = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_user": "nobody"}


@pytest.fixture(scope="module", params=["ansible.cfg", "environment"])
def vault(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> UsersWorld:
    """Variables in the vault, a log and a callback, all of it named in ansible.cfg or by
    default, or all of it named in the environment.
    """
    place = private_directory(tmp_path_factory.mktemp("vault") / "place")
    password = vaulted(place, f"{VARIABLES}deepest: {CANARY}\nansible_become_password: {CANARY}\n")
    if request.param == "environment":
        callback(place / "callbacks", "named", place)
        return UsersWorld(
            place=place,
            given=environ(
                place,
                PLAYRAIL_INVENTORY=str(place / "inventory"),
                ANSIBLE_VAULT_PASSWORD_FILE=str(password),
                ANSIBLE_LOG_PATH=str(place / "a.log"),
                ANSIBLE_LOG_VERBOSITY="4",
                ANSIBLE_CALLBACK_PLUGINS=str(place / "callbacks"),
                LANG="C.UTF-8",
            ),
        )
    callback(place / ".ansible" / "plugins" / "callback", "in_its_own_directory", place)
    (place / "ansible.cfg").write_text(
        "[defaults]\ninventory = inventory\nvault_password_file = vault-password\n"
        "log_verbosity = 4\nlog_path = ./a.log\n"
    )
    given = environ(place, ANSIBLE_CONFIG=str(place / "ansible.cfg"))
    return UsersWorld(place=place, given=given)


@pytest.fixture(scope="module")
def read(way: str, vault: UsersWorld) -> Came:
    return vault.calls(way, ("read_file", {"server": "web", **HOSTNAME}))


def test_variables_in_the_vault_are_used(read: Came) -> None:
    """Only with them is the host reached at all: they name the local connection."""
    (answer,) = read.answers
    assert answer["success"], answer
    assert set(answer["data"]["hosts"]) == {"web1", "web2"}


def test_variables_from_the_vault_are_in_no_log(read: Came) -> None:
    assert "web1" in read.logged
    assert CANARY not in read.logged


def test_doctor_leaves_variables_from_the_vault_in_no_log(
    vault: UsersWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in vault.given.items():  # doctor looks at its own environment too
        monkeypatch.setenv(name, value)
    found = vault.examined()
    assert {name: check.state for name, check in found.items() if name.startswith("host ")} == {
        "host web1": "ok",
        "host web2": "ok",
    }
    assert CANARY not in vault.logged()


def test_the_users_own_callbacks_hear_of_every_play(read: Came) -> None:
    """One in the directory that the environment names, or one in Ansible's own."""
    ((name, hosts),) = read.heard.items()
    assert (name, sorted(hosts)) in [
        ("named", ["web1", "web2"]),
        ("in_its_own_directory", ["web1", "web2"]),
    ]


def configured(place: Path, config: str, **hosts: dict[str, Any]) -> UsersWorld:
    (place / "ansible.cfg").write_text(config)
    (place / "hosts.json").write_text(json.dumps({"web": {"hosts": hosts}}))
    given = environ(
        place,
        ANSIBLE_CONFIG=str(place / "ansible.cfg"),
        PLAYRAIL_INVENTORY=str(place / "hosts.json"),
        ENABLE_WRITE_OPERATIONS="1",
    )
    return UsersWorld(place=place, given=given)


HIDING = """
[defaults]
no_log = True
task_timeout = 1
strategy = debug
enable_task_debugger = True
keep_remote_files = True
display_args_to_stdout = True
log_path = ./a.log
max_diff_size = 1
[tags]
run = deploy
skip = all,always,untagged
[diff]
always = True
"""


@pytest.fixture(scope="module")
def changed(way: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Came]:
    """The place where settings would hide a change, and what came of one and of a failure
    there.
    """
    place = private_directory(tmp_path_factory.mktemp("hiding") / "place")
    change = {"path": str(place / "written"), "content": CANARY}
    return place, configured(place, HIDING, web1=LOCAL, web2=LOCAL).calls(
        way,
        ("write_file", {"server": "web1", **change}),
        ("read_file", {"server": "web1", "path": "/nowhere/at/all"}),
    )


def test_a_change_is_made_whatever_tags_a_task_timeout_or_a_debugger_say(
    changed: tuple[Path, Came],
) -> None:
    place, came = changed
    answer = came.answers[0]
    assert (answer["success"], answer["data"]["changed"]) == (True, ["web1"]), answer
    assert (place / "written").read_text() == CANARY


def test_a_change_is_told_whatever_no_log_and_the_size_of_diffs_say(
    changed: tuple[Path, Came],
) -> None:
    assert changed[1].answers[0]["data"]["hosts"]["web1"]["sha256"]


def test_a_change_is_in_no_log(changed: tuple[Path, Came]) -> None:
    """Whatever is said of arguments and diffs."""
    assert CANARY not in changed[1].logged


def test_no_file_is_kept_on_a_host(changed: tuple[Path, Came]) -> None:
    place, _ = changed
    assert [path for path in (place / ".ansible" / "tmp").rglob("*") if path.is_file()] == []


def test_a_failure_is_told_with_its_reason_whatever_tags_and_no_log_say(
    changed: tuple[Path, Came],
) -> None:
    answer = changed[1].answers[1]
    assert answer["code"] == "not_found", answer


LAX = """
[defaults]
callback_plugins = plugins
callbacks_enabled = enabled
any_errors_fatal = True
[ssh_connection]
ssh_common_args = -o StrictHostKeyChecking=no
"""


@pytest.fixture(scope="module")
def lax(tmp_path_factory: pytest.TempPathFactory) -> UsersWorld:
    """With callbacks that ansible.cfg names, and a second host that nobody reaches and whose
    key is not checked.
    """
    place = private_directory(tmp_path_factory.mktemp("lax") / "place")
    callback(place / "plugins", "heard_anyway", place)
    callback(place / "plugins", "enabled", place, enabled=NEEDS_ENABLED)
    callback(place / "plugins", "not_enabled", place, enabled=NEEDS_ENABLED)
    return configured(place, LAX, web1=LOCAL, web2=UNREACHABLE)


@pytest.fixture(scope="module")
def failing(way: str, lax: UsersWorld) -> Came:
    service = {"name": "playrail-nothing", "action": "restart"}
    return lax.calls(
        way,
        ("read_file", {"server": "web1", **HOSTNAME}),
        ("read_file", {"server": "web1", "path": "/nowhere/at/all"}),
        ("manage_service", {"server": "web", **service}),
    )


@pytest.mark.parametrize(
    ("name", "hosts"), [("enabled", ["web1"]), ("heard_anyway", ["web1"]), ("not_enabled", None)]
)
def test_callbacks_that_ansible_cfg_names_hear_of_every_play(
    failing: Came, name: str, hosts: list[str] | None
) -> None:
    assert failing.answers[0]["success"], failing.answers[0]
    assert failing.heard.get(name) == hosts


def test_a_failure_is_told_with_its_reason(failing: Came) -> None:
    assert failing.answers[1]["code"] == "not_found", failing.answers[1]


def test_what_fails_on_one_host_leaves_the_others_alone(failing: Came) -> None:
    failed = failing.answers[2]["data"]["failed"]
    assert set(failed) == {"web1", "web2"}
    codes = {name: each["code"] for name, each in failed.items()}
    assert codes["web2"] in {"connection_refused", "host_unreachable"}, codes
    assert codes["web1"] not in {"no_report", "outcome_unknown"}, codes


def test_a_host_whose_key_is_not_checked_is_warned_about(failing: Came) -> None:
    assert f"'web2': {NOT_CHECKED}" in failing.warned


def test_doctor_warns_about_a_host_whose_key_is_not_checked(lax: UsersWorld) -> None:
    check = lax.examined()["key of web2"]
    assert (check.state, check.found) == ("warn", NOT_CHECKED)
