"""What `describe_capabilities` says of a tool is what a call of it gets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from playrail import catalog
from playrail.ledger.entries import Kind
from playrail.ledger.ledger import Entry, Ledger
from playrail.settings.settings import Settings
from playrail.tools.tool import AnyTool, Context
from playrail.toolsets.capabilities import Capabilities, describe_capabilities
from worlds.example_calls import example_of

TOOLS = catalog.load()


def capability(tmp_path: Path, name: str, took_ms: Sequence[int] = ()) -> dict[str, Any]:
    settings = Settings.load({"HOME": str(tmp_path)}, dotenv=None)

    async def durations_ms() -> Mapping[str, Sequence[int]]:
        return {name: took_ms} if took_ms else {}

    context = cast(
        "Context",
        SimpleNamespace(settings=settings, tools=TOOLS, absent={}, durations_ms=durations_ms),
    )

    async def describe() -> Capabilities:
        return await describe_capabilities.run(context, describe_capabilities.input())

    said = asyncio.run(describe())
    found: dict[str, Any] = next(
        tool for tool in said.model_dump()["tools"] if tool["name"] == name
    )
    return found


def told(tmp_path: Path, name: str) -> tuple[float, float]:
    one = capability(tmp_path, name)
    return one["deadline_s"], one["longest_deadline_s"]


def deadline_s(tool: AnyTool, **arguments: Any) -> float:
    given = example_of(tool) | arguments
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


@pytest.mark.parametrize(
    ("name", "previewable", "reversible"),
    [
        ("read_file", False, True),
        ("write_file", True, True),
        ("manage_service", True, True),
        ("update_system", True, True),
        ("manage_process", True, False),
        ("execute_command", False, False),
        ("restart_server", False, False),
        ("apply_plan", False, False),
    ],
)
def test_what_can_be_seen_before_and_taken_back_after(
    tmp_path: Path, name: str, *, previewable: bool, reversible: bool
) -> None:
    one = capability(tmp_path, name)

    assert (one["previewable"], one["reversible"]) == (previewable, reversible)


def test_the_typical_duration_is_the_median_of_what_was_measured(tmp_path: Path) -> None:
    assert capability(tmp_path, "read_file")["typical_duration_ms"] is None
    assert capability(tmp_path, "read_file", [900, 1000, 9000])["typical_duration_ms"] == 1000


def test_the_durations_are_those_of_calls_that_went_well(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    tmp_path.chmod(0o700)
    for kind, body in (
        ("ended", {"outcome": "ok", "duration_ms": 7}),
        ("ended", {"outcome": "not_found", "duration_ms": 1}),
        ("refused", {"outcome": "denied"}),
    ):
        ledger.append(
            Entry(
                kind=cast("Kind", kind),
                call="c",
                server="s",
                caller="ann",
                tool="read_file",
                body=body,
            )
        )

    assert ledger.durations_ms() == {"read_file": [7]}
    ledger.close()
