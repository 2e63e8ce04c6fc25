"""The user's own Ansible world works unchanged when a tool is called: configuration,
inventories, variables, vault.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from callers import ANN
from local_plays import LOCAL, WAY, environ
from playrail.door.door import Playrail
from playrail.settings.private_files import private_directory
from playrail.settings.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("way")]

VAULT = Path(sys.executable).with_name("ansible-vault")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return private_directory(tmp_path / "place")


def call(given: dict[str, str], tool: str, **arguments: Any) -> dict[str, Any]:
    async def calling() -> dict[str, Any]:
        async with Playrail(
            Settings.load(given, dotenv=None), environ=given, warm=WAY.warm
        ) as playrail:
            return (await playrail.call(tool, arguments, caller=ANN)).envelope()

    return asyncio.run(calling())


def vaulted(place: Path, text: str) -> Path:
    """An inventory whose group variables lie in the vault, and the file with the vault's
    password.
    """
    password = place / "vault-password"
    password.write_text("open sesame\n")
    (place / "inventory" / "group_vars").mkdir(parents=True)
    (place / "inventory" / "hosts.ini").write_text("[web]\nweb1\nweb2\n")
    variables = place / "inventory" / "group_vars" / "web.yml"
    variables.write_text(text)
    command = [str(VAULT), "encrypt", "--vault-password-file", str(password), str(variables)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "HOME": str(place)})
    assert variables.read_text().startswith("$ANSIBLE_VAULT;")
    return password


VARIABLES = "".join(f"{name}: '{value}'\n" for name, value in LOCAL.items())


def test_variables_in_the_vault_are_used(place: Path) -> None:
    """Only with them is the host reached at all: they name the local connection."""
    password = vaulted(place, VARIABLES)
    given = environ(
        place,
        PLAYRAIL_INVENTORY=str(place / "inventory"),
        ANSIBLE_VAULT_PASSWORD_FILE=str(password),
        LANG="C.UTF-8",
    )
    answer = call(given, "read_file", server="web", path="/etc/hostname")
    assert answer["success"], answer
    assert set(answer["data"]["hosts"]) == {"web1", "web2"}


def test_the_users_configuration_file_is_used(place: Path) -> None:
    """It names the inventory and the vault's password file, both relative to itself."""
    vaulted(place, VARIABLES)
    config = place / "ansible.cfg"
    config.write_text("[defaults]\ninventory = inventory\nvault_password_file = vault-password\n")
    answer = call(
        environ(place, ANSIBLE_CONFIG=str(config)), "read_file", server="web2", path="/etc/hostname"
    )
    assert answer["success"], answer
    assert set(answer["data"]["hosts"]) == {"web2"}


CALLBACK = """
from ansible.plugins.callback import CallbackBase
class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "telling"
    def v2_runner_on_ok(self, result):
        with open({!r}, "a") as file:
            file.write(result._host.name + "\\n")
"""


def test_the_users_own_callbacks_hear_of_every_play(place: Path) -> None:
    (place / "callbacks").mkdir()
    (place / "callbacks" / "telling.py").write_text(
        CALLBACK.format(str(place / "heard")).replace("\\\\", "\\")
    )
    given = environ(place, ANSIBLE_CALLBACK_PLUGINS=str(place / "callbacks"))

    answer = call(given, "read_file", server="localhost", path="/etc/hostname")

    assert answer["success"], answer
    assert (place / "heard").read_text().split() == ["localhost"]
