"""Which hosts' keys are not checked is told, whichever way somebody switched that off. ssh
itself is asked.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from playrail.ansible.environment import environment
from playrail.ansible.inventory.host_keys import (
    FIRST_TAKEN,
    FORGOTTEN,
    JUMP,
    NOT_CHECKED,
    HostKeys,
    Inventory,
    host_keys,
)
from playrail.settings.settings import Settings
from playrail.settings.ssh_server import SshServer

STRICT = "-o StrictHostKeyChecking=yes"


class Listed(Inventory):
    def __init__(self, hosts: Mapping[str, Mapping[str, Any]]) -> None:
        self.hosts = hosts

    def variables(self, host: str) -> Mapping[str, Any]:
        return self.hosts[host]


def keys(
    place: Path, hosts: Mapping[str, Mapping[str, Any]], *, config: str = "", **given: str
) -> HostKeys:
    (place / "ansible.cfg").write_text(config)
    environ = {
        "HOME": str(place),
        "PATH": os.environ["PATH"],
        "ANSIBLE_CONFIG": str(place / "ansible.cfg"),
        **given,
    }
    settings = Settings.load(environ, dotenv=None)
    return host_keys(Listed(hosts), settings, environ=environ, child=environment(settings, environ))


def reason(
    place: Path, variables: Mapping[str, Any], *, config: str = "", **given: str
) -> str | None:
    found = keys(place, {"web1": variables}, config=config, **given)
    return asyncio.run(found.unchecked(["web1"])).get("web1")


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        (
            {
                "ansible_ssh_common_args": (
                    "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
                )
            },
            NOT_CHECKED,
        ),
        ({"ansible_ssh_common_args": "-oStrictHostKeyChecking=no"}, NOT_CHECKED),
        ({"ansible_ssh_extra_args": "-o 'stricthostkeychecking off'"}, NOT_CHECKED),
        ({"ansible_ssh_args": "-C -o StrictHostKeyChecking=accept-new"}, FIRST_TAKEN),
        ({"ansible_host_key_checking": False}, NOT_CHECKED),
        ({"ansible_ssh_host_key_checking": "no"}, NOT_CHECKED),
        ({"ansible_ssh_common_args": "-o UserKnownHostsFile=/dev/null"}, FORGOTTEN),
        (
            {"ansible_ssh_common_args": {"__ansible_unsafe": "-o StrictHostKeyChecking=no"}},
            NOT_CHECKED,
        ),
        (
            {"flags": "-o StrictHostKeyChecking=no", "ansible_ssh_common_args": "{{ flags }}"},
            NOT_CHECKED,
        ),
        (
            {"ansible_ssh_common_args": "{{ x | default('') }} -o StrictHostKeyChecking=no"},
            NOT_CHECKED,
        ),
        (
            {
                "ansible_ssh_common_args": (
                    "-o ProxyCommand='ssh -o StrictHostKeyChecking=no -W %h:%p jump'"
                )
            },
            JUMP,
        ),
        (
            {"ansible_connection": "paramiko", "ansible_paramiko_host_key_checking": False},
            NOT_CHECKED,
        ),
        ({}, None),
        ({"ansible_connection": "local", "ansible_host_key_checking": False}, None),
        (
            {"ansible_ssh_common_args": "-o StrictHostKeyChecking=yes", "ansible_host": "10.0.0.1"},
            None,
        ),
        ({"ansible_ssh_common_args": "-J {{ bastion }}", "ansible_user": "{{ who }}"}, None),
        ({"ansible_ssh_common_args": "-o 'unfinished"}, None),
        # The first of two counts for ssh.
        (
            {"ansible_ssh_args": STRICT, "ansible_ssh_common_args": "-o StrictHostKeyChecking=no"},
            None,
        ),
    ],
)
def test_what_an_inventory_switches_off(
    tmp_path: Path, variables: dict[str, Any], told: str | None
) -> None:
    assert reason(tmp_path, variables) == told


@pytest.mark.parametrize("option", ["ssh_args", "ssh_common_args", "ssh_extra_args"])
def test_what_ansible_cfg_or_the_environment_switches_off(tmp_path: Path, option: str) -> None:
    words = "-o StrictHostKeyChecking=no"
    assert reason(tmp_path, {}, config=f"[ssh_connection]\n{option} = {words}\n") == NOT_CHECKED
    assert reason(tmp_path, {}, **{f"ANSIBLE_{option.upper()}": words}) == NOT_CHECKED


def test_what_files_of_ssh_switch_off(tmp_path: Path) -> None:
    (tmp_path / "ssh.cfg").write_text(
        "Host web1\n  StrictHostKeyChecking no\nHost 10.*\n  StrictHostKeyChecking off\n"
    )
    relative = "[ssh_connection]\nssh_args = -F ./ssh.cfg\n"

    assert reason(tmp_path, {}, config=relative) == NOT_CHECKED
    assert reason(tmp_path, {"ansible_host": "10.0.0.7"}, config=relative) == NOT_CHECKED
    assert (
        reason(tmp_path, {"ansible_host": "{{ inventory_hostname }}"}, config=relative)
        == NOT_CHECKED
    )
    assert reason(tmp_path, {"ansible_host": "192.0.2.1"}, config=relative) is None
    assert reason(tmp_path, {}, config="[ssh_connection]\nssh_args = -F ./nowhere\n") is None


def test_a_relative_file_of_ssh_is_that_of_the_project(tmp_path: Path) -> None:
    """In which Ansible is started, wherever ansible.cfg lies."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "ssh.cfg").write_text("StrictHostKeyChecking no\n")
    relative = "[ssh_connection]\nssh_args = -F ./ssh.cfg\n"

    assert (
        reason(tmp_path, {}, config=relative, PLAYRAIL_PROJECT=str(tmp_path / "project"))
        == NOT_CHECKED
    )


def test_the_setting_of_ansible_cfg_is_decided_and_so_not_warned_about(tmp_path: Path) -> None:
    assert reason(tmp_path, {}, config="[defaults]\nhost_key_checking = False\n") is None
    assert reason(tmp_path, {}, ANSIBLE_HOST_KEY_CHECKING="False") is None


def test_each_host_is_warned_about_once_and_many_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    many = {f"web{number}": {"ansible_host_key_checking": False} for number in range(25)}
    found = keys(tmp_path, many)

    async def warn_twice() -> None:
        await found.warn(many)
        await found.warn(many)

    with caplog.at_level(logging.WARNING):
        asyncio.run(warn_twice())

    assert len(caplog.messages) == 21
    assert caplog.messages[0] == f"'web0': {NOT_CHECKED}"
    assert "5 more hosts" in caplog.messages[-1]


def test_calls_side_by_side_warn_about_a_host_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = keys(tmp_path, {"web1": {"ansible_host_key_checking": False}})

    async def warn_together() -> None:
        await asyncio.gather(found.warn(["web1"]), found.warn(["web1"]))

    with caplog.at_level(logging.WARNING):
        asyncio.run(warn_together())

    assert caplog.messages == [f"'web1': {NOT_CHECKED}"]


def test_a_server_of_the_settings_tells_it_there(tmp_path: Path) -> None:
    server = SshServer(host="192.0.2.1", verify_host_key=False)
    listed = Listed({"web1": {"ansible_host_key_checking": False}})
    found = HostKeys(listed, {"web1": server}, environ=os.environ, options={}, directory=tmp_path)
    assert asyncio.run(found.unchecked(["web1"])) == {}
