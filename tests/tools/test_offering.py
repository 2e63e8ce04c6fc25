"""What is offered to clients, what is not, and what is said of that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from checks.tools_list import LIMITS, listed
from playrail import catalog
from playrail.errors import SettingsInvalid
from playrail.settings.settings import Settings
from playrail.tools.offering import (
    BUNDLES,
    CARRYING_OUT,
    TELLING,
    Absence,
    absences,
    alias_of,
)
from playrail.tools.tool import AnyTool, Changing
from playrail.tools.toolset import Need
from worlds.callers import ANN
from worlds.local_plays import answered, playrail

EVERY = catalog.load()
MIKRUS = {"vps": {"type": "mikrus", "srv": "x1", "key": "a-key"}}
ALIASES = {name for name, tool in EVERY.items() if alias_of(name, tool) is not None}
# What mikrus-mcp 1.1.0 lists
MIKRUS_MCP = {
    *("get_server_info", "list_servers", "get_server_stats", "restart_server", "get_logs"),
    *("get_log_by_id", "boost_server", "get_db_info", "get_ports", "get_cloud", "assign_domain"),
    *("execute_command", "read_file", "write_file", "manage_service", "analyze_disk"),
    *("check_port", "manage_process", "update_system", "list_directory", "tail_file"),
    *("search_in_files", "get_memory_info", "get_network_info", "get_process_tree"),
    *("list_docker_containers", "get_docker_logs", "get_docker_stats", "get_journal_logs"),
    *("find_system_errors", "search_journal_logs", "list_configured_servers"),
    "describe_mikrus_capabilities",
}


def absent(servers: Mapping[str, Any] | None = None, **environ: str) -> Mapping[str, Absence]:
    named = {"MCP_SERVERS": json.dumps(servers)} if servers else {}
    settings = Settings.load({"HOME": "/nonexistent", **named, **environ}, dotenv=None)
    return absences(EVERY, settings, needs=catalog.needs())


def offered(servers: Mapping[str, Any] | None = None, **environ: str) -> Mapping[str, AnyTool]:
    left_out = absent(servers, **environ)
    return {name: tool for name, tool in EVERY.items() if name not in left_out}


def test_who_has_no_mikrus_server_is_offered_what_serves_any_server() -> None:
    tools = offered()

    assert {tool.toolset for tool in EVERY.values()} - {
        tool.toolset for tool in tools.values()
    } == {"mikrus"}
    assert tools.keys() & ALIASES == set()


@pytest.mark.parametrize(
    "server", [MIKRUS["vps"], {"type": "mikrus", "srv": "x1"}], ids=["usable", "wrong"]
)
def test_who_has_a_mikrus_server_finds_all_names_of_mikrus_mcp(server: Any) -> None:
    tools = offered({"vps": server})

    assert len(MIKRUS_MCP) == 33
    assert tools.keys() >= MIKRUS_MCP
    assert tools.keys() & ALIASES == MIKRUS_MCP & ALIASES


def test_a_plugin_that_cannot_tell_whether_it_serves_keeps_only_its_own_tools_back() -> None:
    def is_met(_: Settings) -> bool:
        raise KeyError("motd")

    needs = {"docker": Need(is_met=is_met, why="-", hint="Mend it.")}
    found = absences(EVERY, Settings.load({}, dotenv=None), needs=needs)

    of_docker = {name for name, tool in EVERY.items() if tool.toolset == "docker"}
    failed = {name: told for name, told in found.items() if "KeyError: 'motd'" in told.why}
    assert failed.keys() == of_docker
    assert all(told.hint.endswith("Mend it.") for told in failed.values())


def test_aliases_are_offered_when_they_are_wanted() -> None:
    assert {
        "describe_mikrus_capabilities",
        "execute_on_multiple",
        "find_system_errors",
        "search_journal_logs",
    } == ALIASES
    assert offered(PLAYRAIL_ALIASES="1").keys() >= ALIASES
    assert "execute_on_multiple" in offered(PLAYRAIL_TOOLSETS="execute_on_multiple")


def test_toolsets_bundles_and_tools_are_chosen_by_their_names() -> None:
    files = {name for name, tool in EVERY.items() if tool.toolset == "files"}
    about = {name for name, tool in EVERY.items() if tool.toolset == "playrail"} - ALIASES

    assert offered(PLAYRAIL_TOOLSETS="files").keys() == files | about
    assert offered(PLAYRAIL_TOOLSETS="core").keys() == {
        *BUNDLES["core"], *TELLING, *CARRYING_OUT
    }  # fmt: skip
    assert offered(PLAYRAIL_TOOLSETS="read_file").keys() == {"read_file", *TELLING}
    assert offered(PLAYRAIL_TOOLSETS="core,tail_file,files").keys() == {
        *BUNDLES["core"], *files, *about
    }  # fmt: skip


@pytest.mark.parametrize("name", [name for name, tool in EVERY.items() if tool.worst_risk.changes])
def test_what_can_be_previewed_can_be_applied(name: str) -> None:
    tools = offered(MIKRUS, PLAYRAIL_TOOLSETS=name)

    assert name in tools
    assert {*CARRYING_OUT} <= tools.keys() or not issubclass(EVERY[name].input, Changing)


def test_a_bundle_names_tools_that_there_are_and_each_once() -> None:
    for names in (*BUNDLES.values(), TELLING, CARRYING_OUT):
        assert set(names) <= EVERY.keys() - ALIASES
        assert len(set(names)) == len(names)
    assert {tool.toolset for tool in EVERY.values()} >= catalog.needs().keys()
    assert {name for need in catalog.needs().values() for name in need.brings} <= ALIASES
    assert BUNDLES.keys().isdisjoint({*EVERY, *(tool.toolset for tool in EVERY.values())})


@pytest.mark.parametrize("toolsets", LIMITS)
def test_the_list_is_small(toolsets: str) -> None:
    number, size = listed(toolsets)

    assert number == len(offered(PLAYRAIL_TOOLSETS=toolsets))
    assert size <= LIMITS[toolsets]


def test_an_unknown_word_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as raised:
        playrail(tmp_path, PLAYRAIL_TOOLSETS="system,dockr")

    assert "PLAYRAIL_TOOLSETS: 'dockr' is no bundle, toolset or tool" in str(raised.value)
    assert "the bundle core, the toolsets commands, disk, docker" in str(raised.value)
    assert "analyze_disk" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "environ", "error", "hint"),
    [
        (
            "get_server_info",
            {},
            "get_server_info is not offered: no mikr.us server is configured.",
            "Call get_system_info. The operator can add a mikr.us server to MCP_SERVERS.",
        ),
        (
            "read_file",
            {"PLAYRAIL_TOOLSETS": "docker"},
            "read_file is not offered: the operator chose other tools.",
            "Use another tool; the operator can add this one to PLAYRAIL_TOOLSETS.",
        ),
        (
            "execute_on_multiple",
            {"PLAYRAIL_ALIASES": "0", "ENABLE_WRITE_OPERATIONS": "1"},
            "execute_on_multiple is not offered: it is another name of execute_command.",
            (
                "Call execute_command. The operator can have other names offered with "
                "PLAYRAIL_ALIASES=1."
            ),
        ),
    ],
    ids=["useless", "not chosen", "alias"],
)
def test_a_call_of_what_is_not_offered_is_told_why_and_what_to_do(
    tmp_path: Path, name: str, environ: dict[str, str], error: str, hint: str
) -> None:
    tmp_path.chmod(0o700)
    answer = answered(playrail(tmp_path, **environ), name)

    assert answer.problem is not None
    assert (answer.code, answer.problem.retryable) == ("not_offered", False)
    assert (answer.problem.error, answer.problem.hint) == (error, hint)


@pytest.mark.parametrize("name", EVERY)
def test_a_tool_is_told_whole_on_request(tmp_path: Path, name: str) -> None:
    tmp_path.chmod(0o700)

    answer = asyncio.run(
        playrail(tmp_path).call("describe_capabilities", {"tool": name}, caller=ANN)
    )

    assert answer.data is not None, answer.problem
    told = answer.data["tool"]
    assert (told["name"], told["risk"]) == (name, EVERY[name].worst_risk.name)
    assert told["output_schema"]["properties"].keys() >= {"success", "data", "code"}
    assert not answer.meta.truncated
    fields = EVERY[name].input.model_fields
    assert told["input_schema"].get("properties", {}).keys() == fields.keys()
    assert all("examples" in field for field in told["input_schema"].get("properties", {}).values())
    reason = absent(PLAYRAIL_ALIASES="1").get(name)
    assert told.get("not_offered") == (None if reason is None else reason.why)


def test_a_tool_that_there_is_not_cannot_be_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)

    answer = asyncio.run(
        playrail(tmp_path).call("describe_capabilities", {"tool": "read_fle"}, caller=ANN)
    )

    assert answer.code == "unknown_tool"
    assert answer.problem is not None
    assert "read_file" in answer.problem.hint


def test_words_of_users_begin_the_descriptions_of_tools_that_are_mixed_up() -> None:
    """Each with what tells it from the others, in its first words."""
    begins = {
        "manage_service": "Start, stop, restart",
        "restart_server": "Reboot a whole mikr.us server",
        "get_journal_logs": "Show the logs (journal) of a service",
        "get_docker_logs": "Logs of a Docker container",
        "get_logs": "mikr.us tasks",
        "get_system_info": "What a server is",
        "get_server_info": "mikr.us plan",
        "check_port": "Is a port open",
        "get_ports": "mikr.us ports",
        "check_service_status": "Is a service running?",
        "get_process_tree": "What runs on a server",
        "manage_process": "Kill a process",
        "search_in_files": "Find text in files",
    }
    assert {name: EVERY[name].summary[: len(begin)] for name, begin in begins.items()} == begins
