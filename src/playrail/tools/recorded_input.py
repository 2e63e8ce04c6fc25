"""The input of a call that was made before, and what to call a tool with again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playrail.tools.tool import NO_VARIABLES, AnyTool, ToolInput


def read_back(tool: AnyTool, recorded: Mapping[str, Any]) -> ToolInput:
    """The input that `recorded` came from, with HIDDEN where a secret was. Raises
    pydantic's ValidationError.
    """
    given: ToolInput = tool.input.model_validate(
        {key: recorded[key] for key in tool.input.model_fields & recorded.keys()}
    )
    return given


def arguments_of(given: ToolInput) -> dict[str, Any]:
    """The arguments that a call with this input was given, as JSON data, as far as they say
    something.
    """
    fields = type(given).model_fields
    recorded = given.recorded()
    told = {
        name: recorded[name] for name in fields if name in recorded and name not in NO_VARIABLES
    }
    return {name: value for name, value in told.items() if value is not None}
