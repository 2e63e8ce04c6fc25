"""Inventories that ask for variables of the environment: those that Ansible is not given
are named.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

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


@pytest.mark.slow
@pytest.mark.parametrize("passed", [False, True])
def test_doctor_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, passed: bool
) -> None:
    place = private_directory(tmp_path / "place")
    own = {"ansible_connection": "local", "someone": "{{ lookup('env', 'DEPLOY_USER') }}"}
    (place / "hosts.json").write_text(json.dumps({"all": {"hosts": {"web1": own}}}))
    monkeypatch.setenv("DEPLOY_USER", "ann")
    given = environ(place, PLAYRAIL_INVENTORY=str(place / "hosts.json"), DEPLOY_USER="ann")
    given |= {"PLAYRAIL_PASS_ENV": "DEPLOY_USER"} if passed else {}

    async def collect() -> dict[str, str | None]:
        return {
            check.name: check.mend async for check in doctor.examine(given, dotenv=place / ".env")
        }

    found = asyncio.run(collect())
    assert ("variable DEPLOY_USER" in found) is not passed
    assert passed or "PLAYRAIL_PASS_ENV" in (found["variable DEPLOY_USER"] or "")
