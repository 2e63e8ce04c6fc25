"""Commands are loaded when they are called; until then the table speaks for them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from playrail.cli import Commands
from playrail.commands.lazy import load

HEAVY = ("ansible", "mcp", "sqlalchemy", "pydantic", "rich.table")


@pytest.mark.parametrize("name", Commands.places)
def test_the_table_says_what_the_command_says_of_itself(name: str) -> None:
    place = Commands.places[name]
    command = load(place.module, name)
    assert " ".join((command.help or "").split("\n\n")[0].split()) == place.help


def test_a_module_that_declares_commands_is_in_the_table() -> None:
    declared = {
        name for place in Commands.places.values() for name in load_all(place.module)
    } - SUBCOMMANDS
    assert declared == set(Commands.places) - {"ledger", "policy"}


SUBCOMMANDS = {"head", "verify", "prune", "export", "check", "explain"}


def load_all(module: str) -> list[str]:
    group = load(module, "")
    return list(getattr(group, "commands", {}))


def test_no_command_is_loaded_before_it_is_called() -> None:
    program = "import sys, playrail.cli; print(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert set(HEAVY) & set(ended.stdout.split()) == set()
    assert "playrail.commands.terminal" not in ended.stdout.split()
