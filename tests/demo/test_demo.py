"""The demo holds its steps to what they must come to. That it runs, `make demo` shows."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from playrail import catalog
from playrail.demo import connecting, looks, page
from playrail.demo.looks import Shown, Step
from playrail.demo.page import Page
from playrail.demo.server import environment
from playrail.settings.servers import parse_servers, read_servers

READ = Step(why="?", tool="read_file", arguments={})
REFUSED = Step(why="?", tool="write_file", arguments={}, code="writes_disabled")
RAN = {"started": {"command": "ansible-playbook …"}, "ended": {"outcome": "ok"}}
OK = {"success": True, "data": {"hosts": {"localhost": {}}}}


@pytest.mark.parametrize(
    ("step", "envelope", "records", "wrong"),
    [
        (READ, OK, RAN, None),
        (
            READ,
            {"success": False, "code": "unreachable"},
            RAN,
            "it should have ended with ok, and ended with unreachable",
        ),
        (READ, {}, {}, "it should have ended with ok, and ended with None"),
        (READ, OK, {}, "the ledger does not say the same"),
        (READ, OK, RAN | {"ended": {"outcome": "unreachable"}}, "the ledger does not say the same"),
        (READ, {"success": True, "data": {"hosts": {}}}, RAN, "no host reported anything"),
        (READ, OK, RAN | {"started": {"command": None}}, "the ledger has no command for it"),
        (
            REFUSED,
            {"success": False, "code": "writes_disabled"},
            {"refused": {"outcome": "writes_disabled"}},
            None,
        ),
        (REFUSED, OK, RAN, "it should have ended with writes_disabled, and ended with ok"),
        (
            REFUSED,
            {"success": False, "code": "writes_disabled"},
            RAN,
            "the ledger does not say the same",
        ),
    ],
)
def test_a_step_is_held_to_its_outcome(
    step: Step,
    envelope: Mapping[str, Any],
    records: Mapping[str, Mapping[str, Any]],
    wrong: str | None,
) -> None:
    assert Shown(step=step, envelope=envelope, records=records, seconds=0.0).wrong == wrong


def test_steps_are_calls_of_real_tools(tmp_path: Path) -> None:
    tools = catalog.load()

    assert [
        step.tool
        for step in looks.steps(tmp_path)
        if not step.arguments.keys() <= tools[step.tool].input.model_fields.keys()
    ] == []


def test_what_is_left_out_is_told() -> None:
    assert page.shortened({"a": [1, 2]}) == ('{"a": [1, 2]}', False)
    assert page.shortened({"a": [1, 2, 3, 4, 5, 6]}) == ('{"a": [1, 2, 3, 4, "… 2 more"]}', True)
    assert page.shortened("x" * 200) == (
        json.dumps(f"{'x' * 160}… 40 more characters", ensure_ascii=False),
        True,
    )
    text, left_out = page.shortened({str(number): "x" * 99 for number in range(40)})
    assert (left_out, len(text.splitlines()), text.splitlines()[-1]) == (
        True,
        25,
        "… 18 more lines",
    )


def test_laid_out_text_is_json() -> None:
    value = {
        "list": [{"name": f"n{number}", "text": "y" * 30} for number in range(4)],
        "more": list(range(4)),
        "e": {},
    }

    assert json.loads(page.shortened({"data": value})[0]) == {"data": value}


def test_the_page_has_a_line_for_a_step_and_more_where_it_is_wanted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    details = [("tool", "read_file path=/etc/hosts"), ("answer", "one\ntwo")]
    for verbose in (False, True):
        shown = Page(verbose=verbose)
        shown.step("What?", "read_file", "much\nmore", details=details)

    assert capsys.readouterr().out.splitlines() == [
        " ✓ What?                               read_file                much more",
        " ✓ What?                               read_file                much more",
        "     tool    read_file path=/etc/hosts",
        "     answer  one",
        "             two",
    ]


def test_what_is_wrong_is_shown_with_its_details(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shown = Page(verbose=False, held=True)
    lacking = Step(
        why="What?", tool="read_file", arguments={}, tells=lambda report: report["content"]
    )
    looks.present(Shown(step=lacking, envelope=OK, records=RAN, seconds=0.0), tmp_path, shown)

    assert capsys.readouterr().out == ""  # another part is being printed
    shown.release()
    lines = capsys.readouterr().out.splitlines()
    assert (shown.right, lines[0]) == (False, " ✗ What?: the answer lacks 'content'")
    assert "     tool    read_file" in lines


PLAYRAIL = Path("/opt/play rail/bin/playrail")


def pasted(text: str) -> dict[str, Any]:
    (line,) = re.findall(r"^  (\{.*\})$", text, re.MULTILINE)
    found: dict[str, Any] = json.loads(line)
    return found


def test_what_to_paste_works_as_it_is() -> None:
    text = connecting.how_to_connect(PLAYRAIL)

    assert pasted(text) == {
        "mcpServers": {"playrail": {"command": str(PLAYRAIL), "args": ["serve"]}}
    }
    for name in (
        "claude_desktop_config.json",
        ".mcp.json",
        "~/.cursor/mcp.json",
        "~/.gemini/settings.json",
    ):
        assert name in text
    for client in ("claude", "codex"):
        line = re.search(rf"^  {client} mcp add playrail .*$", text, re.MULTILINE)
        assert line is not None
        assert shlex.split(line[0])[4:] == ["--", str(PLAYRAIL), "serve"]


@pytest.mark.slow
def test_a_client_can_start_what_was_pasted(tmp_path: Path) -> None:
    entry = pasted(connecting.how_to_connect(connecting.command()))["mcpServers"]["playrail"]
    assert list(entry) == ["command", "args"]
    environ = {
        "HOME": str(tmp_path),
        "PATH": os.defpath,
        "PLAYRAIL_RUNTIME_DIR": str(tmp_path / "run"),
    }
    parameters = StdioServerParameters(
        command=entry["command"], args=entry["args"], env=environ, cwd=tmp_path
    )

    async def servers() -> list[str]:
        async with Client(parameters, read_timeout_seconds=60) as client:
            result = await client.call_tool("list_configured_servers", {})
        assert result.structured_content is not None
        return [server["name"] for server in result.structured_content["data"]["servers"]]

    assert asyncio.run(servers()) == ["localhost"]


def test_how_to_add_servers_is_valid() -> None:
    text = connecting.how_to_connect(PLAYRAIL)

    options = [shlex.split(line) for line in re.findall(r"^  --env .*$", text, re.MULTILINE)]
    assert options == [
        ["--env", f"{name}={example}"] for name, example in connecting.EXAMPLES.items()
    ]
    servers = parse_servers(connecting.EXAMPLES["MCP_SERVERS"])
    servers["web1"].pop("ssh_key")  # of the reader, not of this machine
    assert read_servers(servers, home=None)[1] == {}


def test_nothing_leads_the_demo_elsewhere(tmp_path: Path) -> None:
    misleading = {
        "MCP_SERVERS": "{}",
        "ENABLE_WRITE_OPERATIONS": "1",
        "ANSIBLE_CONFIG": "/x",
        "PLAYRAIL_INVENTORY": "/x",
    }

    child = environment({"HOME": "/home/me", "PLAYRAIL_STATE_DIR": "/s", **misleading}, tmp_path)

    assert child == {
        "HOME": "/home/me",
        "PLAYRAIL_STATE_DIR": "/s",
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "LOG_LEVEL": "WARNING",
    }
