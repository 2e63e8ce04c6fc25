"""What MCP clients are told of a tool, derived from its declaration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import mcp_types as types
from pydantic import BaseModel

from playrail.tools.tool import AnyTool, ByField, DirectTool, Risk

INPUT_NOISE = frozenset({"$defs", "title"})
OUTPUT_NOISE = INPUT_NOISE | {
    "default",
    "examples",
    "description",
    "additionalProperties",
    "required",
}


def describe(name: str, tool: AnyTool, *, output: bool = True) -> types.Tool:
    """The tool as `tools/list` shows it under `name`; without `output` without the schema
    of its answers, which is more than half of it and which hardly a client reads.
    """
    return types.Tool(
        name=name,
        description=description(tool),
        input_schema=input_schema(tool),
        output_schema=output_schema(tool) if output else None,
        annotations=hints(tool),
    )


def description(tool: AnyTool) -> str:
    """The summary, with the worst risk in front unless the tool only reads."""
    worst = min(tool.worst_risk, Risk.DANGEROUS)  # the word that clients know; a shell is no less
    prefix = "" if worst is Risk.READ else f"[{worst.name}] "
    by_field = tool.risk if isinstance(tool.risk, ByField) else None
    safe = (
        [str(value) for value, risk in by_field.cases.items() if not risk.changes]
        if by_field
        else []
    )
    reads = f" Only reads with {by_field.field} {', '.join(safe)}." if by_field and safe else ""
    return f"{prefix}{tool.summary}{reads}"


def hints(tool: AnyTool) -> types.ToolAnnotations:
    """Hints of the MCP specification. All are set, since their defaults claim the worst."""
    risk = tool.worst_risk
    return types.ToolAnnotations(
        read_only_hint=not risk.changes,
        destructive_hint=risk >= Risk.DESTRUCTIVE,
        idempotent_hint=tool.idempotent or not risk.changes,
        open_world_hint=risk >= Risk.DANGEROUS,
    )


def input_schema(tool: AnyTool) -> dict[str, Any]:
    return _schema(tool.input, mode="validation")


def output_schema(tool: AnyTool) -> dict[str, Any]:
    """The schema of the envelope, on success and on failure."""
    if not isinstance(tool, DirectTool):
        data: dict[str, Any] = {
            "type": "object",
            "properties": {
                "hosts": {
                    "type": "object",
                    "additionalProperties": _schema(tool.report, mode="serialization"),
                },
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
            "data": {"anyOf": [data, {"type": "object"}]} if isinstance(tool, DirectTool) else data,
            "error": text,
            "code": text,
            "hint": text,
            "retryable": {"type": "boolean"},
            "_meta": {"type": "object"},
        },
        "required": ["success", "_meta"],
    }


def _schema(
    model: type[BaseModel], *, mode: Literal["validation", "serialization"]
) -> dict[str, Any]:
    """The model's JSON schema in one piece, since some clients cannot follow `$ref`, and as
    short as it can be: every client reads all of them at each start. What is left out holds
    all the same and is checked when the tool is called.
    """
    schema = model.model_json_schema(mode=mode, by_alias=False)
    left_out = OUTPUT_NOISE if mode == "serialization" else INPUT_NOISE
    short: dict[str, Any] = _shorten(schema, schema.get("$defs", {}), left_out)
    short.pop("description", None)  # the model's docstring is for readers of the code
    return short


def _shorten(node: Any, definitions: Mapping[str, Any], left_out: frozenset[str]) -> Any:
    if isinstance(node, list):
        return [_shorten(item, definitions, left_out) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return _shorten(
            {**definitions[node["$ref"].rpartition("/")[2]], **rest}, definitions, left_out
        )
    properties = node.get("properties", {})
    short = {
        key: _shorten(value, definitions, left_out)
        for key, value in node.items()
        if key not in left_out
    }
    if "examples" in short:
        short["examples"] = short["examples"][:1]
    if properties:
        short["properties"] = {
            name: _shorten(value, definitions, left_out) for name, value in properties.items()
        }
    return _nullable(short) if "anyOf" in short else short


def _nullable(node: dict[str, Any]) -> dict[str, Any]:
    """`X or null` said shorter. Of an optional argument null is not told at all: to leave
    it out is the same.

    A list of types, such as `["string", "null"]`, would be shorter still, but Gemini's API
    refuses it.
    """
    optional = node.get("default", ...) is None
    choices = [choice for choice in node["anyOf"] if choice != {"type": "null"}]
    nullable = len(choices) < len(node["anyOf"]) and not optional
    rest = {
        key: value
        for key, value in node.items()
        if key != "anyOf" and not (key == "default" and optional)
    }
    if len(choices) > 1 or nullable:
        return {**rest, "anyOf": [*choices, {"type": "null"}] if nullable else choices}
    return {**choices[0], **rest}
