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

from playrail import catalog, demo
from playrail.demo import Shown, Step
from playrail.servers import parse_servers, read_servers

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
        (REFUSED, {"success": False, "code": "writes_disabled"}, RAN, "the ledger does not say the same"),
    ],
)
def test_a_step_is_held_to_its_outcome(
    step: Step, envelope: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]], wrong: str | None
) -> None:
    assert Shown(step=step, envelope=envelope, records=records, seconds=0.0).wrong == wrong


def test_steps_are_calls_of_real_tools(tmp_path: Path) -> None:
    tools = catalog.load()

    assert [
        step.tool
        for step in demo.steps(tmp_path)
        if not step.arguments.keys() <= tools[step.tool].input.model_fields.keys()
    ] == []


def test_what_is_left_out_is_told() -> None:
    assert demo.shortened({"a": [1, 2]}) == ('{"a": [1, 2]}', False)
    assert demo.shortened({"a": [1, 2, 3, 4, 5, 6]}) == ('{"a": [1, 2, 3, 4, "… 2 more"]}', True)
    assert demo.shortened("x" * 200) == (json.dumps(f"{'x' * 160}… 40 more characters", ensure_ascii=False), True)
    text, left_out = demo.shortened({str(number): "x" * 99 for number in range(40)})
    assert (left_out, len(text.splitlines()), text.splitlines()[-1]) == (True, 25, "… 18 more lines")


def test_laid_out_text_is_json() -> None:
    value = {"list": [{"name": f"n{number}", "text": "y" * 30} for number in range(4)], "more": list(range(4)), "e": {}}

    assert json.loads(demo.shortened({"data": value})[0]) == {"data": value}


PLAYRAIL = Path("/opt/play rail/bin/playrail")


def pasted(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text[text.index("{\n") : text.index("\n}\n") + 2])
    return found


def test_what_to_paste_works_as_it_is() -> None:
    text = demo.how_to_connect(PLAYRAIL)

    assert pasted(text) == {"mcpServers": {"playrail": {"command": str(PLAYRAIL), "args": ["serve"]}}}
    for name in ("claude_desktop_config.json", ".mcp.json", "~/.cursor/mcp.json", "~/.gemini/settings.json"):
        assert name in text[: text.index("{\n")]
    for client in ("claude", "codex"):
        line = re.search(rf"^  {client} mcp add playrail .*$", text, re.MULTILINE)
        assert line is not None
        assert shlex.split(line[0])[4:] == ["--", str(PLAYRAIL), "serve"]


def test_a_client_can_start_what_was_pasted(tmp_path: Path) -> None:
    entry = pasted(demo.how_to_connect(demo.command()))["mcpServers"]["playrail"]
    assert list(entry) == ["command", "args"]
    environ = {"HOME": str(tmp_path), "PATH": os.defpath, "PLAYRAIL_RUNTIME_DIR": str(tmp_path / "run")}
    parameters = StdioServerParameters(command=entry["command"], args=entry["args"], env=environ, cwd=tmp_path)

    async def servers() -> list[str]:
        async with Client(parameters, read_timeout_seconds=60) as client:
            result = await client.call_tool("list_configured_servers", {})
        assert result.structured_content is not None
        return [server["name"] for server in result.structured_content["data"]["servers"]]

    assert asyncio.run(servers()) == ["localhost"]


def test_how_to_add_servers_is_valid() -> None:
    text = demo.how_to_connect(PLAYRAIL)
    whole = text[text.index("{\n") : text.index("\n}\n") + 2]
    lines = re.findall(r'^  "env": .*$', text, re.MULTILINE)
    options = [shlex.split(line) for line in re.findall(r"^  --env .*$", text, re.MULTILINE)]

    added = []
    for line in lines:
        command, comma, rest = whole.partition(f"{json.dumps(str(PLAYRAIL))},")
        added.append(json.loads(f"{command}{comma}\n{line}{rest}")["mcpServers"]["playrail"]["env"])
    assert added == [{name: example} for name, example in demo.EXAMPLES.items()]
    assert options == [["--env", f"{name}={example}"] for name, example in demo.EXAMPLES.items()]
    servers = parse_servers(demo.EXAMPLES["MCP_SERVERS"])
    servers["web1"].pop("ssh_key")  # of the reader, not of this machine
    assert read_servers(servers, home=None)[1] == {}


def test_nothing_leads_the_demo_elsewhere(tmp_path: Path) -> None:
    misleading = {
        "MCP_SERVERS": "{}",
        "ENABLE_WRITE_OPERATIONS": "1",
        "ANSIBLE_CONFIG": "/x",
        "PLAYRAIL_INVENTORY": "/x",
    }

    child = demo.environment({"HOME": "/home/me", "PLAYRAIL_STATE_DIR": "/s", **misleading}, tmp_path)

    assert child == {
        "HOME": "/home/me",
        "PLAYRAIL_STATE_DIR": "/s",
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "LOG_LEVEL": "WARNING",
    }
