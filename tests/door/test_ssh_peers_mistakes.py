"""Mistakes that were found in the servers for SSH which Playrail replaces (mcp-ssh,
mcp-remote-exec, mymcp), and that must never be ours.

Each test names the mistake. Plays are real ones on this machine; the mikr.us API is the
simulator, over real HTTP.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from playrail.calls.answers import Answer, parse
from playrail.errors import InvalidArgument
from playrail.tools.schemas import input_schema
from playrail.tools.tool import PlaybookTool
from playrail.toolsets.commands.disasters import disaster
from worlds.callers import ANN
from worlds.example_calls import example_of
from worlds.local_plays import playrail, standing
from worlds.peers import TOOLS, Here, played, report, simulated_api


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the Playrail of `here` has its files."""
    return tmp_path_factory.mktemp("standing")


@pytest.fixture(scope="module")
def here(own: Path) -> Iterator[Here]:
    with standing(own, ENABLE_WRITE_OPERATIONS="1") as calling:
        yield calling


# mcp-ssh


@played
def test_the_rate_limit_is_on_the_way_of_every_request(place: Path) -> None:
    with simulated_api() as (simulator, servers):
        server = playrail(place, MCP_SERVERS=json.dumps(servers), PLAYRAIL_MIKRUS_RATE="2/9999")

        async def several() -> list[Answer]:
            async with server:
                return [await server.call("get_logs", {}, caller=ANN) for _ in range(3)]

        answers = asyncio.run(several())

    assert [answer.code for answer in answers] == ["ok", "ok", "rate_limited"]
    assert answers[2].problem is not None
    assert answers[2].problem.retry_after_s
    assert len(simulator.requests) == 2


@played
@pytest.mark.parametrize(
    ("cmd", "printed"),
    [
        ("printf '%s' 'two  blanks\n\nand lines'", "two  blanks\n\nand lines"),
        ('printf %s "a\tb"', "a\tb"),
    ],
)
def test_blanks_and_line_ends_of_a_command_arrive(here: Here, cmd: str, printed: str) -> None:
    assert report(here("execute_command", cmd=cmd))["stdout"] == printed


@pytest.mark.parametrize(
    "argv",
    [
        ["docker", "ps", "--format", "{{.Names}}"],
        ["kill", "-9", "1234"],
        ["grep", "rm -rf /", "/var/log/syslog"],
        ["systemctl", "stop", "ssh"],
    ],
    ids=" ".join,
)
def test_harmless_commands_are_not_taken_for_disasters(argv: list[str]) -> None:
    assert disaster(argv) is None


@pytest.mark.parametrize(
    "cmd",
    [
        "rm -fr /",
        "rm -r -f /",
        "rm --recursive --force /",
        "rm -rf -- /",
        "rm -rf //",
        "rm -rf /*",
        "sudo rm -rf /",
    ],
)
def test_no_spelling_of_a_disaster_passes(cmd: str) -> None:
    with pytest.raises(InvalidArgument):
        parse(TOOLS["execute_command"], {"cmd": cmd, "shell": True})


@played
def test_a_second_command_never_rides_on_the_first(here: Here, place: Path) -> None:
    assert here("execute_command", cmd=f"ls / ; touch {place}/canary").code == "invalid_argument"
    assert not (place / "canary").exists()


@pytest.mark.parametrize(
    "word", ["nginx; id", "nginx && id", "$(id)", "`id`", "-rf", "--root=/", "a b", "../x"]
)
@pytest.mark.parametrize(
    ("tool", "field"),
    [("manage_service", "name"), ("check_service_status", "name"), ("install_package", "name")],
)
def test_the_name_of_a_unit_or_package_is_a_word(tool: str, field: str, word: str) -> None:
    with pytest.raises(InvalidArgument, match=field):
        parse(TOOLS[tool], {**example_of(TOOLS[tool]), field: word})


# mcp-remote-exec


@played
def test_dots_in_a_name_are_no_way_up_and_a_way_up_is_never_a_name(here: Here, place: Path) -> None:
    (place / "my..file").write_text("fine")

    assert report(here("read_file", path=str(place / "my..file")))["content"] == "fine"
    assert here("read_file", path=f"{place}/a/../my..file").code == "invalid_argument"


@played
def test_what_does_not_exist_is_an_error_and_no_unknown_status(here: Here) -> None:
    code = "service_not_found" if Path("/run/systemd/system").is_dir() else "no_systemd"
    assert here("check_service_status", name="no-such-unit-here").code == code


# mymcp


@played
def test_playrails_own_state_and_settings_are_protected(here: Here, own: Path) -> None:
    here("list_configured_servers")
    ledger = own / "state" / "ledger.sqlite"
    assert ledger.exists()

    for path in (ledger, own / "run"):
        assert here("search_in_files", path=str(path), pattern="a").code == "protected_path"
    assert here("read_file", path=str(ledger)).code == "protected_path"
    written = here("write_file", path=str(own / "state" / "x"), content="x")
    assert (written.code, (own / "state" / "x").exists()) == ("protected_path", False)


@played
@pytest.mark.parametrize("pattern", ["--pre=touch", "-e", "-f/etc/passwd", "--"])
def test_a_pattern_is_never_an_option(here: Here, place: Path, pattern: str) -> None:
    (place / "text").write_text(f"before\nthe {pattern} stands here\n")

    told = report(here("search_in_files", path=str(place), pattern=pattern, names="text"))

    assert [one["line"] for one in told["matches"]] == [2]


@played
def test_a_single_file_is_searched_under_the_same_rules(here: Here) -> None:
    assert here("search_in_files", path="/etc/shadow", pattern="root").code == "protected_path"


@played
def test_a_write_leaves_the_old_file_or_the_new_one(here: Here, place: Path) -> None:
    path = place / "config"
    path.write_text("old")
    before = path.stat().st_ino

    here("write_file", path=str(path), content="new")

    assert path.read_text() == "new"
    assert path.stat().st_ino != before  # renamed into its place


def test_a_schema_tells_the_limits_that_hold() -> None:
    for tool in TOOLS.values():
        if isinstance(tool, PlaybookTool) and "limit" in tool.input.model_fields:
            most = input_schema(tool)["properties"]["limit"]["maximum"]
            parse(tool, {**example_of(tool), "limit": most})
