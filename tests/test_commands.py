"""How execute_command splits a command line, and what it refuses: tests/commands.yml, and a real shell as the judge."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from playrail.tool import variables
from playrail.toolsets.commands import Command, words

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "commands.yml").read_text(encoding="utf-8"))
ACCEPTED = [case for case in CASES if "argv" in case]
REFUSED = [case for case in CASES if "refused" in case]

# No letter of this could name a program or an option, should a shell ever take a part of it for a command.
MARKS = " \t\n'\"\\|&;<>()$`*?[]{}~#=!-/.,:%@^+_ż1Z"


def _by_shell(text: str, directory: Path) -> list[str]:
    """What a POSIX shell makes of `text`; it finds no program to run but printf, which is its own."""
    done = subprocess.run(  # the words are data to printf
        ["/bin/sh", "-c", f"printf '%s\\000' {text}"],
        cwd=directory,
        env={"PATH": "/nonexistent", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=True,
        timeout=10,
    )
    return done.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case["cmd"])
def test_accepted(case: dict[str, Any], tmp_path: Path) -> None:
    given_command = Command(cmd=case["cmd"])

    assert given_command.argv == case["argv"]
    assert variables(given_command)["playrail_argv"] == case["argv"]
    assert _by_shell(case["cmd"], tmp_path) == case["argv"]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["cmd"])
def test_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refusal:
        Command(cmd=case["cmd"])
    assert case["refused"] in refusal.value.errors(include_url=False)[0]["msg"]


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet=MARKS, min_size=1, max_size=12))
def test_a_shell_would_make_the_same_words(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    try:
        split = words(text)
    except ValueError:
        return
    assert _by_shell(text.strip(" \t\n"), tmp_path_factory.getbasetemp()) == split


@given(argument=st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=50))
def test_quoted_text_arrives_as_it_is(argument: str) -> None:
    quoted = "'" + argument.replace("'", "'\\''") + "'"
    assert Command(cmd=f"printf {quoted}").argv == ["printf", argument]


def test_a_relative_path_is_seen_from_chdir() -> None:
    assert Command(cmd="rm -rf tmp/x", chdir="/srv/app").argv[0] == "rm"
    with pytest.raises(ValidationError, match="delete the system"):
        Command(cmd="rm -rf etc", chdir="/")


def test_a_refusal_does_not_repeat_the_text() -> None:
    with pytest.raises(ValidationError) as refusal:
        Command(cmd="login --password=hunter2 | cat")
    assert "hunter2" not in str(refusal.value)


def test_the_schema_has_no_argv() -> None:
    assert sorted(Command.model_json_schema()["properties"]) == ["chdir", "cmd", "server", "timeout_s"]
