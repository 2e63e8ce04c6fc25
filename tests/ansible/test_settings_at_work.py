"""Settings of the user's that would leak, hide or cut what a call does, in real calls."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from playrail.ansible.inventory.host_keys import NOT_CHECKED
from playrail.commands import doctor, doctor_project
from worlds.local_plays import LOCAL, environ
from worlds.users_world import CALLBACK, VARIABLES, call, vaulted

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("way")]

CANARY = "CANARY-4d1e"


def configured(place: Path, text: str, **more: str) -> dict[str, str]:
    """The environment of a Playrail with this ansible.cfg, and two hosts that are this
    machine.
    """
    config = place / "ansible.cfg"
    config.write_text(text)
    hosts = place / "hosts.json"
    hosts.write_text(
        json.dumps({"web": {"hosts": {"web1": LOCAL, "web2": {**LOCAL, "ansible_port": 2}}}})
    )
    own = {
        "ANSIBLE_CONFIG": str(config),
        "PLAYRAIL_INVENTORY": str(hosts),
        "ENABLE_WRITE_OPERATIONS": "1",
    }
    return environ(place, **own | more)


def seen(place: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in place.glob("*.log"))


@pytest.mark.parametrize("where", ["ansible.cfg", "environment"])
def test_variables_from_the_vault_are_in_no_log(place: Path, where: str) -> None:
    vaulted(place, f"{VARIABLES}deepest: {CANARY}\nansible_become_password: {CANARY}\n")
    config = "[defaults]\ninventory = inventory\nvault_password_file = vault-password\n"
    more = {"ANSIBLE_LOG_PATH": str(place / "a.log")} if where == "environment" else {}
    given = configured(
        place, f"{config}log_verbosity = 4\n" + ("" if more else "log_path = ./a.log\n"), **more
    )
    given["PLAYRAIL_INVENTORY"] = str(place / "inventory")

    answer = call(given, "read_file", server="web", path="/etc/hostname")
    checks = asyncio.run(examined(given))

    assert answer["success"], answer
    assert {check.name: check.state for check in checks if check.name.startswith("host ")} == {
        "host web1": "ok",
        "host web2": "ok",
    }
    assert CANARY not in seen(place)


async def examined(given: dict[str, str]) -> list[doctor_project.Check]:
    return [check async for check in doctor.examine(given, dotenv=Path("/nowhere"))]


@pytest.mark.parametrize(
    "config",
    [
        "[defaults]\nno_log = True\n",
        "[tags]\nrun = deploy\n",
        "[tags]\nskip = all,always,untagged\n",
        "[defaults]\ntask_timeout = 1\nstrategy = debug\nenable_task_debugger = True\n",
        "[defaults]\nkeep_remote_files = True\ndisplay_args_to_stdout = True\nlog_path = ./a.log\n",
        "[diff]\nalways = True\n[defaults]\nmax_diff_size = 1\n",
    ],
)
def test_a_change_is_made_told_and_recorded(place: Path, config: str) -> None:
    given = configured(place, config)
    path = place / "written"

    answer = call(given, "write_file", server="web1", path=str(path), content=CANARY)

    assert (answer["success"], answer["data"]["changed"]) == (True, ["web1"]), answer
    assert path.read_text() == CANARY
    assert answer["data"]["hosts"]["web1"]["sha256"]
    assert CANARY not in seen(place)


@pytest.mark.parametrize("config", ["", "[tags]\nrun = deploy\n", "[defaults]\nno_log = True\n"])
def test_a_failure_is_told_with_its_reason(place: Path, config: str) -> None:
    answer = call(configured(place, config), "read_file", server="web1", path="/nowhere/at/all")
    assert answer["code"] == "not_found", answer


def test_what_fails_on_one_host_leaves_the_others_alone(place: Path) -> None:
    given = configured(place, "[defaults]\nany_errors_fatal = True\n")
    hosts: dict[str, Any] = json.loads((place / "hosts.json").read_text())
    hosts["web"]["hosts"]["web2"] = {
        "ansible_host": "127.0.0.1",
        "ansible_port": 1,
        "ansible_user": "nobody",
    }
    (place / "hosts.json").write_text(json.dumps(hosts))

    answer = call(given, "manage_service", server="web", name="playrail-nothing", action="restart")

    assert set(answer["data"]["failed"]) == {"web1", "web2"}
    codes = {name: failed["code"] for name, failed in answer["data"]["failed"].items()}
    assert codes["web2"] in {"connection_refused", "host_unreachable"}, codes
    assert codes["web1"] not in {"no_report", "outcome_unknown"}, codes


@pytest.mark.parametrize("enabled", [True, False])
def test_callbacks_that_ansible_cfg_names_hear_of_every_play(place: Path, enabled: bool) -> None:
    (place / "plugins").mkdir()
    text = CALLBACK.format(str(place / "heard")).replace("\\\\", "\\")
    if enabled:
        text = text.replace('"telling"\n', '"telling"\n    CALLBACK_NEEDS_ENABLED = True\n')
    (place / "plugins" / "telling.py").write_text(text)
    config = "[defaults]\ncallback_plugins = plugins\n" + (
        "callbacks_enabled = telling\n" if enabled else ""
    )

    answer = call(configured(place, config), "read_file", server="web1", path="/etc/hostname")

    assert answer["success"], answer
    assert (place / "heard").read_text().split() == ["web1"]


def test_a_callback_in_ansibles_own_directory_is_heard(place: Path) -> None:
    plugins = place / ".ansible" / "plugins" / "callback"
    plugins.mkdir(parents=True)
    (plugins / "telling.py").write_text(CALLBACK.format(str(place / "heard")).replace("\\\\", "\\"))

    answer = call(configured(place, ""), "read_file", server="web1", path="/etc/hostname")

    assert answer["success"], answer
    assert (place / "heard").read_text().split() == ["web1"]


def test_a_host_whose_key_is_not_checked_is_warned_about(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = configured(place, "[ssh_connection]\nssh_common_args = -o StrictHostKeyChecking=no\n")
    host = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_user": "nobody"}
    (place / "hosts.json").write_text(json.dumps({"web": {"hosts": {"web1": host}}}))

    call(given, "read_file", server="web1", path="/etc/hostname")
    checks = {check.name: check for check in asyncio.run(examined(given))}

    assert f"'web1': {NOT_CHECKED}" in caplog.messages
    assert (checks["key of web1"].state, checks["key of web1"].found) == ("warn", NOT_CHECKED)
