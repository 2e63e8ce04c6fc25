"""One test per trap that is in what callers and servers may send: what Ansible makes of it by
itself, and must not make of it here.

Numbers as in test_traps.py.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from playrail.ansible.run.play import new_run_id
from worlds.callers import ANN
from worlds.hostile_words import CANARY, MARK, TEMPLATE
from worlds.local_plays import answered, codes, inventory, play, playbook, playrail, run

pytestmark = pytest.mark.slow
SECRETIVE = """
- name: Hold a secret
  ansible.builtin.set_fact: {held: "{{ playrail_secrets.here.password }}"}
  no_log: true
- name: Fail with it
  ansible.builtin.fail: {msg: "Access denied for root with password {{ held }}."}
"""


@pytest.fixture(autouse=True)
def place(cwd: Path) -> Path:
    return cwd


WORDS = [
    "localhost",
    "127.0.0.1",
    "all:!x",
    "~lo.*",
    "a,b",
    "@file",
    "*",
    "here:&all",
    "here[0]",
    "-x",
    "HERE",
]


def test_trap_15_only_names_of_the_inventory_are_servers(place: Path) -> None:
    """15, A12: `hosts:` takes patterns, templates, files and the controller itself."""
    server = playrail(place, PLAYRAIL_INVENTORY=str(inventory(place, "here")))
    (place / "file").write_text("here\n")

    async def calling() -> dict[str, str]:
        async with server:
            wanted: list[Any] = [
                *WORDS,
                TEMPLATE,
                "here\n",
                ["here", "localhost"],
                ["all", "~lo.*"],
            ]
            answers = [
                (word, await server.call("get_memory_info", {"server": word}, caller=ANN))
                for word in wanted
            ]
            assert {answer.meta.run_id for _, answer in answers} == {None}
            assert {row["kind"] for row in server.ledger.read()} == {"refused"}
            return {str(word): answer.code for word, answer in answers}

    assert set(asyncio.run(calling()).values()) == {"unknown_server"}
    assert list(place.rglob(MARK)) == []


def test_trap_a07_and_a08_a_caller_cannot_set_ansibles_variables(place: Path) -> None:
    """A7, A8: ansible_connection=local runs on the controller, ansible_ssh_common_args runs
    a command there.
    """
    server = playrail(place)
    names = [
        "ansible_connection",
        "ansible_ssh_common_args",
        "ansible_become",
        "playrail_target",
        "run_id",
        "ident",
    ]

    async def calling() -> list[str]:
        async with server:
            given = [(tool_, {name: "local"}) for tool_ in server.offered for name in names]
            return [
                (await server.call(tool_, arguments, caller=ANN)).code for tool_, arguments in given
            ]

    assert set(asyncio.run(calling())) == {"invalid_argument"}


def test_trap_a09_an_executable_inventory_is_not_run(place: Path) -> None:
    """A9: Ansible runs an executable inventory file."""
    script = place / "hosts"
    script.touch(0o755)
    script.write_text(f"#!/bin/sh\ntouch {place}/{MARK}\necho '{{}}'\n")
    server = playrail(place, PLAYRAIL_INVENTORY=str(script))

    answer = answered(server, "list_configured_servers")

    assert (answer.code, (place / MARK).exists()) == ("inventory_invalid", False)


@pytest.mark.usefixtures("way")
def test_trap_a13_a_path_is_never_taken_apart_into_arguments(place: Path) -> None:
    """A13: a module's arguments as text: `path=a state=absent path=victim` deletes the
    victim.
    """
    victim = place / "victim"
    victim.write_text("alive")
    path = Path(f"{place}/a state=absent path={victim}")
    path.parent.mkdir(parents=True)
    server = playrail(place, ENABLE_WRITE_OPERATIONS="1")

    answer = answered(server, "write_file", path=str(path), content=TEMPLATE)

    assert (answer.code, victim.read_text(), path.read_text()) == ("ok", "alive", TEMPLATE)
    assert list(place.rglob(MARK)) == []


def test_trap_a15_run_ids_are_ours() -> None:
    """A15: an id of `../../x` writes outside of the run's directory."""
    made = {new_run_id() for _ in range(1000)}

    assert len(made) == 1000
    assert {
        run_id for run_id in made if not re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{8}", run_id)
    } == set()


@pytest.mark.usefixtures("way")
def test_trap_a17_a_secret_in_a_message_is_hidden_by_its_value(place: Path) -> None:
    """A14, A17: no_log hides one task's result; a sibling that repeats the secret shows it."""
    book = playbook(place, SECRETIVE)
    secrets = {"here": {"password": SecretStr(CANARY)}}

    ran = run(place, play(book, ["here"], [inventory(place, "here")], secrets=secrets))

    assert codes(ran) == {"here": "permission_denied"}
    # A report stays as the host gave it: in answers and records the door hides secrets
    assert CANARY not in repr((ran.hosts["here"].problem, ran.tasks, ran.text))
