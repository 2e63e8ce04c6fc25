"""Which clients get an answer once, and which twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest

from playrail.server.texts import READ_STRUCTURED, in_a_line, is_text_short
from worlds.checkout import ROOT, TESTS


def client(name: str, version: str) -> types.Implementation:
    return types.Implementation(name=name, version=version)


@pytest.mark.parametrize(
    ("setting", "name", "version", "short"),
    [
        ("auto", "claude-code", "2.1.280", True),
        ("auto", "claude-code", "2.1.121", True),
        ("auto", "claude-code", "2.0.1", False),
        ("auto", "claude-code", "latest", False),
        ("auto", "codex-mcp-client", "0.146.0", True),
        ("auto", "Visual Studio Code", "1.130.0", True),
        ("auto", "claude-ai", "9.9.9", False),
        ("auto", "gemini-cli-mcp-client", "9.9.9", False),
        ("auto", "", "", False),
        ("full", "claude-code", "2.1.280", False),
        ("short", "unheard-of", "0", True),
    ],
)
def test_the_text_is_short_where_the_client_reads_the_rest(
    setting: str, name: str, version: str, short: bool
) -> None:
    assert is_text_short(setting, client(name, version)) is short


def test_a_client_without_a_name_gets_all() -> None:
    assert [is_text_short(setting, None) for setting in ("auto", "full", "short")] == [
        False,
        False,
        True,
    ]


def test_a_failure_is_told_in_the_line_too() -> None:
    told = in_a_line({"success": False, "error": "It failed.", "code": "x", "hint": "Do this."})

    assert told.startswith("It failed. [x] Do this.")
    assert "structuredContent" in in_a_line({"success": True})


def test_each_client_is_in_the_table() -> None:
    table = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    for name in READ_STRUCTURED:
        assert f"`{name}`" in table


@pytest.mark.slow
@pytest.mark.parametrize(("name", "whole"), [("claude-code", False), ("somebody", True)])
def test_the_server_looks_at_the_clients_name(tmp_path: Path, name: str, whole: bool) -> None:
    info = {"name": name, "version": "2.1.280"}
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
    asked: list[dict[str, Any]] = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {"name": "restart", "arguments": {}},
        },
    ]
    tmp_path.chmod(0o700)
    command = [sys.executable, str(TESTS / "worlds" / "stub_door.py"), str(tmp_path)]
    lines = "".join(f"{json.dumps(line)}\n" for line in asked)

    printed = subprocess.run(
        command, input=lines, capture_output=True, text=True, check=True, timeout=60
    ).stdout

    result = json.loads(printed.splitlines()[1])["result"]
    text = result["content"][0]["text"]
    assert result["structuredContent"]["success"]
    assert (text.startswith("{") and json.loads(text) == result["structuredContent"]) is whole
