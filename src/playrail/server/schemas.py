"""What MCP clients are told of a tool, derived from its declaration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mcp_types as types
from pydantic import BaseModel

from playrail.tool import AnyTool, ByField, PlaybookTool, Risk


def describe(name: str, tool: AnyTool) -> types.Tool:
    """The tool as `tools/list` shows it under `name`."""
    return types.Tool(
        name=name,
        title=name.replace("_", " ").capitalize(),
        description=description(tool),
        input_schema=input_schema(tool),
        output_schema=output_schema(tool),
        annotations=hints(tool),
    )


def description(tool: AnyTool) -> str:
    """The summary, with the worst risk in front unless the tool only reads."""
    prefix = "" if tool.worst_risk is Risk.READ else f"[{tool.worst_risk.name}] "
    safe = (
        [value for value, risk in tool.risk.cases.items() if not risk.changes] if isinstance(tool.risk, ByField) else []
    )
    reads = f" Only reads with {tool.risk.field} {', '.join(safe)}." if isinstance(tool.risk, ByField) and safe else ""
    return f"{prefix}{tool.summary}{reads}"


def hints(tool: AnyTool) -> types.ToolAnnotations:
    """Hints of the MCP specification. All are set, since their defaults claim the worst."""
    risk = tool.worst_risk
    return types.ToolAnnotations(
        read_only_hint=not risk.changes,
        destructive_hint=risk >= Risk.DESTRUCTIVE,
        idempotent_hint=tool.idempotent or not risk.changes,
        open_world_hint=risk is Risk.DANGEROUS,
    )


def input_schema(tool: AnyTool) -> dict[str, Any]:
    return _schema(tool.input, mode="validation")


def output_schema(tool: AnyTool) -> dict[str, Any]:
    """The schema of the envelope, on success and on failure."""
    if isinstance(tool, PlaybookTool):
        data = {
            "type": "object",
            "properties": {
                "hosts": {"type": "object", "additionalProperties": _schema(tool.report, mode="serialization")},
                "changed": {"type": "array", "items": {"type": "string"}},
                "failed": {"type": "object"},
            },
        }
    else:
        data = _schema(tool.output, mode="serialization")
    text = {"type": "string"}
    return {
        "type": "object",
        "properties": {
            "success": {"type": "boolean"},
            # A failure's data is what did succeed, or what helps to call again.
            "data": {"anyOf": [data, {"type": "object"}]} if not isinstance(tool, PlaybookTool) else data,
            "error": text,
            "code": text,
            "hint": text,
            "retryable": {"type": "boolean"},
            "_meta": {"type": "object"},
        },
        "required": ["success", "_meta"],
    }


def _schema(model: type[BaseModel], *, mode: Any) -> dict[str, Any]:
    """The model's JSON schema in one piece: some clients cannot follow `$ref`, and titles only cost tokens."""
    schema = model.model_json_schema(mode=mode, by_alias=False)
    inlined: dict[str, Any] = _inline(schema, schema.get("$defs", {}))
    inlined.pop("description", None)  # the model's docstring is for readers of the code
    return inlined


def _inline(node: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inline(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = {**definitions[node["$ref"].rpartition("/")[2]], **{key: node[key] for key in node if key != "$ref"}}
        return _inline(target, definitions)
    return {
        key: {name: _inline(item, definitions) for name, item in value.items()}
        if key == "properties"
        else _inline(value, definitions)
        for key, value in node.items()
        if key != "$defs" and not (key == "title" and isinstance(value, str))
    }
