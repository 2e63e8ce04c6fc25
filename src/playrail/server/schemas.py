"""What MCP clients are told of a tool, derived from its declaration."""

from __future__ import annotations

import mcp_types as types

from playrail.tools.schemas import description, listed_input_schema, listed_output_schema
from playrail.tools.tool import AnyTool, Risk


def describe(name: str, tool: AnyTool, *, output: bool = False) -> types.Tool:
    """The tool as `tools/list` shows it under `name`; with `output` with the schema of its
    answers too, which is longer than all the rest and which hardly a client reads.
    """
    return types.Tool(
        name=name,
        description=description(tool),
        input_schema=listed_input_schema(tool),
        output_schema=listed_output_schema(tool) if output else None,
        annotations=hints(tool),
    )


def hints(tool: AnyTool) -> types.ToolAnnotations:
    """Hints of the MCP specification, those that mean something. What a tool may destroy, or
    do twice without harm, it asks only of tools that change something.
    """
    risk = tool.worst_risk
    return types.ToolAnnotations(
        read_only_hint=not risk.changes,
        destructive_hint=risk >= Risk.DESTRUCTIVE if risk.changes else None,
        idempotent_hint=True if risk.changes and tool.idempotent else None,
        open_world_hint=risk >= Risk.DANGEROUS,
    )
