"""Inventories that ask for variables of the environment: those that Ansible is not given
are named.
"""

from __future__ import annotations

import asyncio
import json

import pytest

from playrail.ansible.inventory.withheld_environment import withheld
from playrail.commands import doctor
from playrail.settings.private_files import private_directory
from worlds.local_plays import environ


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("{{ lookup('env', 'DEPLOY_USER') }}", {"DEPLOY_USER"}),
        (
            '{{ lookup("ansible.builtin.env","DEPLOY_USER") | default("root", true) }}',
            {"DEPLOY_USER"},
        ),
        (
            "{{ query('env', 'SECRET')[0] }}{{ lookup('env', 'DEPLOY_USER') }}",
            {"SECRET", "DEPLOY_USER"},
        ),
        ("{{ lookup('env', 'HOME') }}{{ lookup('env', 'NOT_SET') }}", set()),
        ("{{ lookup('file', 'DEPLOY_USER') }}", set()),
    ],
)
def test_what_is_asked_for_in_vain(value: str, names: set[str]) -> None:
    listing = {
        "_meta": {
            "hostvars": {"web1": {"deep": [{"ansible_user": value}]}, "web2": {"other": value}}
        }
    }
    found = withheld(listing, given={"DEPLOY_USER", "SECRET", "HOME"}, passed={"HOME"})
    assert found == dict.fromkeys(names, "web1")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """What doctor names of an inventory that asks for two variables, of which Ansible is
    given one; with the remedies.
    """
    place = private_directory(tmp_path_factory.mktemp("doctor") / "place")
    own = {
        "ansible_connection": "local",
        "someone": "{{ lookup('env', 'DEPLOY_USER') }}",
        "group": "{{ lookup('env', 'DEPLOY_GROUP') }}",
    }
    (place / "hosts.json").write_text(json.dumps({"all": {"hosts": {"web1": own}}}))
    asked = {"DEPLOY_USER": "ann", "DEPLOY_GROUP": "staff"}
    given = environ(
        place,
        PLAYRAIL_INVENTORY=str(place / "hosts.json"),
        PLAYRAIL_PASS_ENV="DEPLOY_GROUP",
        PLAYRAIL_WARM="0",
        **asked,
    )

    async def collect() -> dict[str, str | None]:
        checks = doctor.examine(given, dotenv=place / ".env")
        return {check.name: check.mend async for check in checks}

    with pytest.MonkeyPatch.context() as patch:
        for name, value in asked.items():
            patch.setenv(name, value)
        return asyncio.run(collect())


@pytest.mark.slow
def test_doctor_names_those_that_are_not_passed(found: dict[str, str | None]) -> None:
    assert "PLAYRAIL_PASS_ENV" in (found["variable DEPLOY_USER"] or "")


@pytest.mark.slow
def test_doctor_does_not_name_those_that_are_passed(found: dict[str, str | None]) -> None:
    assert "inventory" in found
    assert "variable DEPLOY_GROUP" not in found
