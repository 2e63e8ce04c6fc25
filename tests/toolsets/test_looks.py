"""Which command lines of execute_command only look: tests/cases/looks.yml, and what the operator
adds or takes away.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from playrail.errors import SettingsInvalid
from playrail.tools.tool import Risk, variables
from playrail.toolsets.commands.looks import looks_of
from playrail.toolsets.commands.tools import Command, execute_command
from worlds.checkout import CASE_FILES
from worlds.local_plays import playrail
from worlds.traced_looks import lines

CASES: list[dict[str, Any]] = yaml.safe_load((CASE_FILES / "looks.yml").read_text(encoding="utf-8"))
OWN = """
kinds:
  zone: {pattern: '[a-z.]+', example: example.org}
programs:
  zonecheck:
    flags: -q
    values: {number: -n}
    arguments: {kind: zone, least: 1}
without: [docker]
"""


def command(cmd: str, looks_file: Path | None = None, **arguments: Any) -> Command:
    return Command.model_validate({"cmd": cmd, **arguments}, context={"looks_file": looks_file})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["cmd"])
def test_case(case: dict[str, Any]) -> None:
    given = command(case["cmd"])
    look = variables(given)["playrail_look"]
    if "not" in case:
        assert look is None
        assert execute_command.risk_of(given) >= Risk.DANGEROUS
        return
    assert execute_command.risk_of(given) is Risk.SENSITIVE
    assert look == {
        "argv": case.get("look", shlex.split(case["cmd"])),
        "file": case.get("file"),
        "places": case.get("places", []),
        "shows_files": False,
    }


def test_a_shell_and_a_folder_make_it_an_ordinary_command() -> None:
    assert execute_command.risk_of(command("df -h", shell=True)) is Risk.SHELL
    assert execute_command.risk_of(command("df -h", chdir="/srv")) is Risk.DANGEROUS


def test_no_record_repeats_the_look() -> None:
    assert "look" not in command("df -h").recorded()


def test_every_line_that_is_traced_is_a_look() -> None:
    assert sum(1 for _ in lines(looks_of(None))) > 1000


def own_file(tmp_path: Path, text: str) -> Path:
    tmp_path.chmod(0o700)
    path = tmp_path / "looks.yml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def test_the_operator_adds_and_takes_away(tmp_path: Path) -> None:
    path = own_file(tmp_path, OWN)
    for cmd, risk in (
        ("zonecheck -q -n 3 example.org", Risk.SENSITIVE),
        ("zonecheck --write example.org", Risk.DANGEROUS),
        ("docker ps", Risk.DANGEROUS),
        ("df -h", Risk.SENSITIVE),
    ):
        assert execute_command.risk_of(command(cmd, path)) is risk
    assert execute_command.risk_of(command("docker ps")) is Risk.SENSITIVE


def test_calls_go_by_the_operators_file(tmp_path: Path) -> None:
    path = own_file(tmp_path, OWN)
    parse = playrail(tmp_path, PLAYRAIL_LOOKS=str(path)).understanding.parse
    for cmd, risk in (("zonecheck example.org", Risk.SENSITIVE), ("docker ps", Risk.DANGEROUS)):
        assert parse("execute_command", {"cmd": cmd}).risk is risk
    path.write_text("programs: [")
    looks_of.cache_clear()
    with pytest.raises(SettingsInvalid, match="PLAYRAIL_LOOKS"):
        playrail(tmp_path, PLAYRAIL_LOOKS=str(path))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("- df", "allowed are kinds, programs and without"),
        ("programs: {/usr/bin/x: {}}", "is no program's name"),
        ("programs: {x: {flag: -a}}", "x: unknown is flag"),
        ("programs: {x: {values: {nosuch: -a}}}", "there is no kind nosuch"),
        ("programs: {x: {flags: -a, values: {number: -a}}}", "with and without a value"),
        ("programs: {x: {whole: ['(']}}", "in a pattern"),
        ("kinds: {x: {as: place}}", "pattern or one_of"),
        ("without: [nosuch]", "there is no program nosuch"),
        ("programs: [", "PLAYRAIL_LOOKS"),
    ],
)
def test_a_file_that_is_wrong_stops_the_start(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(SettingsInvalid, match="PLAYRAIL_LOOKS") as refusal:
        looks_of(own_file(tmp_path, text))
    assert why in str(refusal.value)


def test_a_file_that_others_can_write_is_not_used(tmp_path: Path) -> None:
    path = own_file(tmp_path, OWN)
    path.chmod(0o666)
    with pytest.raises(SettingsInvalid, match="others can write to it"):
        looks_of(path)
    with pytest.raises(SettingsInvalid, match="does not exist"):
        looks_of(tmp_path / "nosuch")
