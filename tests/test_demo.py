"""The demo holds its steps to what they must come to. That it runs, `make demo` shows."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

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


def test_what_to_paste_is_valid() -> None:
    text = demo.how_to_connect(Path("/opt/play rail/bin/playrail"))

    pasted = json.loads(text[text.index("{\n") : text.index("\n}\n") + 2])
    entry = pasted["mcpServers"]["playrail"]
    assert (entry["command"], entry["args"]) == ("/opt/play rail/bin/playrail", ["serve"])
    for client in ("claude", "codex"):
        line = re.search(rf"^  {client} mcp add playrail .*$", text, re.MULTILINE)
        assert line is not None
        words = shlex.split(line[0])
        assert words[4:] == ["--env", f"MCP_SERVERS={entry['env']['MCP_SERVERS']}", "--", *[entry["command"], "serve"]]
    servers = parse_servers(entry["env"]["MCP_SERVERS"])
    servers["web1"].pop("ssh_key")  # of the reader, not of this machine
    assert read_servers(servers, home=None)[1] == {}


def test_nothing_leads_the_demo_elsewhere(tmp_path: Path) -> None:
    misleading = {
        "MCP_SERVERS": "{}",
        "ENABLE_WRITE_OPERATIONS": "1",
        "ANSIBLE_CONFIG": "/x",
        "PLAYRAIL_INVENTORY": "/x",
    }

    child = demo._environment({"HOME": "/home/me", "PLAYRAIL_STATE_DIR": "/s", **misleading}, tmp_path)

    assert child == {
        "HOME": "/home/me",
        "PLAYRAIL_STATE_DIR": "/s",
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "LOG_LEVEL": "WARNING",
    }
