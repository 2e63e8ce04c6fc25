"""The user's project at the door: what lies in it counts, what cannot be used is told,
Playrail's own stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from playrail.commands import doctor, doctor_project
from playrail.door.door import Playrail
from playrail.settings.private_files import private_directory
from playrail.settings.settings import Settings
from worlds.callers import ANN
from worlds.local_plays import LOCAL, WAY, environ, standing
from worlds.projects import world

pytestmark = pytest.mark.slow

VARIABLES = "".join(f"{name}: '{value}'\n" for name, value in LOCAL.items())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir("/")
    return private_directory(private_directory(tmp_path / "place") / "project")


def write(project: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text, encoding="utf-8")


def calls(project: Path, *wanted: tuple[str, dict[str, Any]], **more: str) -> list[dict[str, Any]]:
    """The answers of one Playrail whose ansible.cfg is the project's."""
    given = environ(project.parent, ANSIBLE_CONFIG=str(project / "ansible.cfg"), **more)

    async def calling() -> list[dict[str, Any]]:
        settings = Settings.load(given, dotenv=None)
        async with Playrail(settings, environ=given, warm=WAY.warm) as playrail:
            return [
                (await playrail.call(tool, arguments, caller=ANN)).envelope()
                for tool, arguments in wanted
            ]

    return asyncio.run(calling())


MIXED = {
    "ansible.cfg": "[defaults]\ninventory = inventory\n",
    "inventory/hosts.ini": (
        "[web]\ngood\nbroken\nodd%name\n[other]\nlocked\n[all:vars]\nplayrail_tags=['both']\n"
    ),
    "inventory/cloud.config": "plugin: ansible.builtin.constructed\n",
    "group_vars/all.yml": VARIABLES,
    "host_vars/broken.yml": "ansible_user: [\n",
    "host_vars/locked.yml": "$ANSIBLE_VAULT;1.1;AES256\n3362\n",
    "library/x.py": "",
    "filter_plugins/y.py": "",
    "plays/site.yml": "- hosts: all\n",
    "plays/group_vars/all.yml": "",
}


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """The project of MIXED, and calls of a Playrail there, whose answers are envelopes."""

    project: Path
    call: Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mixed]:
    place = private_directory(tmp_path_factory.mktemp("mixed") / "place")
    project = private_directory(place / "project")
    write(project, MIXED)
    given = {"ANSIBLE_CONFIG": str(project / "ansible.cfg"), "ENABLE_WRITE_OPERATIONS": "1"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir("/")
        with standing(place, **given) as call:
            yield Mixed(project=project, call=lambda *tool, **more: call(*tool, **more).envelope())


def test_hosts_that_cannot_be_used_fail_and_others_do_not(mixed: Mixed) -> None:
    read = mixed.call("read_file", server="web", path="/etc/hostname")
    assert (read["success"], read["code"], list(read["data"]["hosts"])) == (
        False,
        "some_hosts_failed",
        ["good"],
    )
    assert {host: one["code"] for host, one in read["data"]["failed"].items()} == dict.fromkeys(
        ("broken", "odd%name"), "server_misconfigured"
    )
    assert "host_vars/broken.yml" in read["data"]["failed"]["broken"]["hint"]


def test_a_host_whose_variables_cannot_be_read_alone(mixed: Mixed) -> None:
    alone = mixed.call("read_file", server="broken", path="/etc/hostname")
    assert (alone["code"], "host_vars/broken.yml" in alone["error"]) == (
        "server_misconfigured",
        True,
    )


def test_hosts_whose_vault_has_no_password(mixed: Mixed) -> None:
    locked = mixed.call("read_file", server=["locked", "broken"], path="/etc/hostname")
    assert locked["code"] == "server_misconfigured"
    assert "vault_password_file" in locked["hint"]
    assert "ANSIBLE_VAULT_PASSWORD_FILE" in locked["hint"]


def test_hosts_that_cannot_be_used_among_those_of_a_tag(mixed: Mixed) -> None:
    tagged = mixed.call("read_file", server="tag:both", path="/etc/hostname")
    assert set(tagged["data"]["failed"]) == {"broken", "odd%name", "locked"}


def test_a_plan_names_the_hosts_that_cannot_be_used(mixed: Mixed, tmp_path: Path) -> None:
    change = {"path": str(tmp_path / "note"), "content": "x\n"}
    planned = mixed.call("write_file", server="all", **change, preview=True)
    assert list(planned["data"]["plan"]["changes"]) == ["good"]
    assert (planned["code"], set(planned["data"]["failed"])) == (
        "some_hosts_failed",
        {"broken", "odd%name", "locked"},
    )
    assert "apply_plan" in planned["hint"]


def test_hosts_that_cannot_be_used_are_listed_as_failed(mixed: Mixed) -> None:
    listed = mixed.call("list_configured_servers")
    failed = {
        server["name"] for server in listed["data"]["servers"] if server.get("status") == "failed"
    }
    assert (failed, listed["data"]["failed_count"]) == ({"broken", "locked", "odd%name"}, 3)
    assert [file["path"] for file in listed["data"]["unread"]] == [
        str(mixed.project / "inventory" / "cloud.config")
    ]


def test_a_plan_for_the_others_is_carried_out_on_them(mixed: Mixed, tmp_path: Path) -> None:
    note = tmp_path / "note"
    change = {"server": "web", "path": str(note), "content": "x\n"}
    planned = mixed.call("write_file", **change, preview=True)

    applied = mixed.call("apply_plan", plan_id=planned["data"]["plan"]["plan_id"])
    done = mixed.call("write_file", **{**change, "content": "y\n"})

    assert applied["success"], applied
    assert applied["data"]["steps"][0]["data"]["changed"] == ["good"]
    assert (done["code"], done["data"]["changed"]) == ("some_hosts_failed", ["good"])
    assert set(done["data"]["failed"]) == {"broken", "odd%name"}
    assert note.read_text() == "y\n"


@pytest.mark.parametrize("named", [True, False], ids=["said to be fine", "by default"])
def test_a_whole_source_that_nothing_reads(project: Path, *, named: bool) -> None:
    config = "[defaults]\ninventory = good,empty\n" + (
        "[inventory]\nany_unparsed_is_failed = False\n" if named else ""
    )
    write(project, {"ansible.cfg": config, "good/hosts": "a\n", "empty/note.config": "plugin: x\n"})
    (listed,) = calls(project, ("list_configured_servers", {}))
    if named:
        assert [server["name"] for server in listed["data"]["servers"]] == ["a"]
    else:
        assert (listed["code"], str(project / "empty") in listed["error"]) == (
            "inventory_invalid",
            True,
        )


def test_a_strict_configuration_stays_strict(project: Path) -> None:
    config = "[defaults]\ninventory = hosts\n[inventory]\nany_unparsed_is_failed = True\n"
    write(project, {"ansible.cfg": config, "hosts/a.ini": "a\n", "hosts/b.config": "plugin: x\n"})
    (listed,) = calls(project, ("list_configured_servers", {}))
    assert (listed["code"], "b.config" in listed["error"]) == ("inventory_invalid", True)


def test_a_byte_order_mark_is_named(project: Path) -> None:
    write(project, {"ansible.cfg": "[defaults]\ninventory = hosts.ini\n"})
    (project / "hosts.ini").write_bytes(b"\xef\xbb\xbf[web]\nw1\n")
    (listed,) = calls(project, ("list_configured_servers", {}))
    assert (listed["code"], "byte order mark (BOM)" in listed["error"]) == (
        "inventory_invalid",
        True,
    )


def test_where_ansible_cannot_write_it_names_the_setting(project: Path) -> None:
    write(project, {"ansible.cfg": "[defaults]\ninventory = hosts\n", "hosts": "a\n"})
    (listed,) = calls(project, ("list_configured_servers", {}), ANSIBLE_HOME="/proc/1/task/none")
    assert (listed["code"], "ANSIBLE_HOME" in listed["hint"]) == ("ansible_failed", True)


def test_a_state_directory_that_others_can_enter_names_the_mode(project: Path) -> None:
    write(project, {"ansible.cfg": ""})
    state = project.parent / "state"
    state.mkdir(mode=0o755)
    (listed,) = calls(project, ("list_configured_servers", {}))
    assert (listed["code"], f"chmod 700 {state}" in listed["hint"]) == ("ledger_unavailable", True)


@pytest.mark.usefixtures("way")
class TestPlays:
    def test_what_lies_beside_playbooks_is_used_and_our_own_not_replaced(
        self, tmp_path: Path
    ) -> None:
        """The household has a module, an action, a filter and a role of the names that
        Playrail's plays use.
        """
        household = world("household", private_directory(tmp_path / "place"))
        before = sorted(map(str, household.rglob("*")))
        read, ran = calls(
            household,
            ("read_file", {"server": "localhost", "path": "/etc/hostname"}),
            ("execute_command", {"server": "localhost", "cmd": "pwd"}),
            ENABLE_WRITE_OPERATIONS="1",
        )
        assert read["success"], read
        assert read["data"]["hosts"]["localhost"]["content"] == Path("/etc/hostname").read_text()
        assert ran["data"]["hosts"]["localhost"]["stdout"].strip() == str(household)
        assert sorted(map(str, household.rglob("*"))) == before

    def test_connection_and_callback_beside_playbooks(self, project: Path) -> None:
        write(
            project,
            {
                "ansible.cfg": "[defaults]\ninventory = hosts\n",
                "hosts": "here\n",
                "group_vars/all.yml": VARIABLES.replace("'local'", "'nearby'"),
                "connection_plugins/nearby.py": NEARBY,
                "callback_plugins/telling.py": TELLING,
            },
        )
        (read,) = calls(project, ("read_file", {"server": "here", "path": "/etc/hostname"}))
        assert read["success"], read
        assert (project.parent / "heard").read_text().split() == ["here"]

    def test_nothing_of_a_working_directory_that_nobody_chose(
        self, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without a configuration or a named project."""
        write(
            project,
            {
                "group_vars/all.yml": "ansible_connection: nothing\n",
                "json.py": "raise SystemExit('taken')\n",
            },
        )
        write(project, {"hosts/hosts": f"a {' '.join(f'{k}={v!r}' for k, v in LOCAL.items())}\n"})
        monkeypatch.chdir(project)
        given = environ(project.parent, PLAYRAIL_INVENTORY="hosts/hosts")

        async def calling() -> dict[str, Any]:
            async with Playrail(
                Settings.load(given, dotenv=None), environ=given, warm=WAY.warm
            ) as playrail:
                return (
                    await playrail.call("read_file", {"path": "/etc/hostname"}, caller=ANN)
                ).envelope()

        assert asyncio.run(calling())["success"]


NEARBY = '''
from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: nearby
short_description: This machine
description: This machine.
author: the project
extends_documentation_fragment: [connection_pipelining]
"""


class Connection(Local):
    transport = "nearby"
'''
TELLING = """
import os

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "telling"

    def v2_runner_on_ok(self, result):
        with open(os.path.join(os.environ["HOME"], "heard"), "a") as file:
            file.write(result._host.name + "\\n")
"""


def test_doctor_tells_what_is_read_and_what_is_not(mixed: Mixed) -> None:
    project = mixed.project
    given = environ(project.parent, ANSIBLE_CONFIG=str(project / "ansible.cfg"), PLAYRAIL_WARM="0")

    async def collect() -> dict[str, doctor_project.Check]:
        return {check.name: check async for check in doctor.examine(given, dotenv=project / ".env")}

    found = asyncio.run(collect())
    assert (
        found["project"].state,
        "group_vars, host_vars, filter_plugins" in found["project"].found,
    ) == ("ok", True)
    assert "not read: library" in found["project"].found
    assert "ANSIBLE_PLAYBOOK_DIR" in (found[f"directory {project / 'plays'}"].mend or "")
    assert found[f"inventory file {project / 'inventory' / 'cloud.config'}"].state == "warn"
    assert "vault_password_file" in (found["host 'locked'"].mend or "")
    assert "broken.yml" in (found["host 'broken'"].mend or "")
    assert (found["host good"].state, "host broken" in found) == ("ok", False)


def test_doctor_names_the_project_that_nobody_named(project: Path) -> None:
    write(project, {"inventory/hosts": "a\n", "group_vars/all.yml": ""})
    given = environ(project.parent, PLAYRAIL_INVENTORY=str(project / "inventory" / "hosts"))

    checks = doctor_project.check_project(Settings.load(given, dotenv=None))

    found = {check.name: check.mend for check in checks}
    assert "PLAYRAIL_PROJECT" in (found[f"directory {project}"] or "")
