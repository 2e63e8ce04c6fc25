"""The user's own Ansible world works unchanged when a tool is called: configuration,
inventories, variables, vault.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from worlds.local_plays import environ
from worlds.users_world import CALLBACK, VARIABLES, call, vaulted

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("way")]


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


def test_the_users_own_callbacks_hear_of_every_play(place: Path) -> None:
    (place / "callbacks").mkdir()
    (place / "callbacks" / "telling.py").write_text(
        CALLBACK.format(str(place / "heard")).replace("\\\\", "\\")
    )
    given = environ(place, ANSIBLE_CALLBACK_PLUGINS=str(place / "callbacks"))

    answer = call(given, "read_file", server="localhost", path="/etc/hostname")

    assert answer["success"], answer
    assert (place / "heard").read_text().split() == ["localhost"]
