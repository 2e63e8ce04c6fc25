"""What `describe_capabilities` says of a tool is what a call of it gets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from playrail import catalog
from playrail.settings import Settings
from playrail.tool import AnyTool, Context
from playrail.toolsets.playrail import Capabilities, describe_capabilities

TOOLS = catalog.load()
NEEDED: dict[str, dict[str, Any]] = {
    "get_journal_logs": {"unit": "ssh"},
    "list_directory": {"path": "/"},
    "execute_command": {"cmd": "true"},
    "manage_service": {"name": "ssh", "action": "status"},
    "read_file": {"path": "/etc/hostname"},
    "write_file": {"path": "/tmp/x", "content": ""},
}


def told(tmp_path: Path, name: str) -> tuple[float, float]:
    settings = Settings.load({"HOME": str(tmp_path)}, dotenv=None)
    context = cast("Context", SimpleNamespace(settings=settings, tools=TOOLS))

    async def describe() -> Capabilities:
        return await describe_capabilities.run(context, describe_capabilities.input())

    said = asyncio.run(describe())
    one = next(tool for tool in said.model_dump()["tools"] if tool["name"] == name)
    return one["deadline_s"], one["longest_deadline_s"]


def deadline_s(tool: AnyTool, **arguments: Any) -> float:
    given = NEEDED.get(tool.name, {}) | arguments
    return tool.deadline_s(tool.input.model_validate(given))


@pytest.mark.parametrize("name", list(TOOLS))
def test_the_deadline_is_what_a_call_gets(tmp_path: Path, name: str) -> None:
    tool = TOOLS[name]
    default = deadline_s(tool)
    longest = deadline_s(tool, timeout_s=600) if "timeout_s" in tool.input.model_fields else default

    assert told(tmp_path, name) == (default, longest)


def test_a_deadline_that_the_caller_chooses(tmp_path: Path) -> None:
    default, longest = told(tmp_path, "execute_command")

    assert longest - default == 600 - 60, "the field's own maximum and default"
