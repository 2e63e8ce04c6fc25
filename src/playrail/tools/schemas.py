"""JSON schemas of tools, derived from their declarations: whole for who asks for one, short
for the list that every conversation pays for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel

from playrail.tools.arguments import Rare, marked
from playrail.tools.tool import (
    AnyTool,
    ByField,
    DirectTool,
    OnHosts,
    PlaybookTool,
    Report,
    Risk,
)

NOISE = frozenset({"$defs", "title"})
# A model sees little in these, and a call that breaks such a rule is told the rule
RULES = frozenset(
    {
        *(
            "examples",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minimum",
            "maximum",
            "pattern",
        ),
        "additionalProperties",
    }
)
WORDS = frozenset({"default", "description", "required"})
NOTHING: tuple[Any, ...] = (None, False, 0, "", [])  # defaults that everybody expects


def description(tool: AnyTool) -> str:
    """The summary, with the worst risk in front unless the tool only reads."""
    worst = min(tool.worst_risk, Risk.DANGEROUS)  # the word that clients know; a shell is no less
    prefix = "" if worst is Risk.READ else f"[{worst.name}] "
    by_field = tool.risk if isinstance(tool.risk, ByField) and worst.changes else None
    safe = (
        [str(value) for value, risk in by_field.cases.items() if not risk.changes]
        if by_field
        else []
    )
    reads = f" Only reads with {by_field.field} {', '.join(safe)}." if by_field and safe else ""
    return f"{prefix}{tool.summary}{reads}"


def input_schema(tool: AnyTool) -> dict[str, Any]:
    """The schema of the arguments, with examples and every rule that a schema can say."""
    return _whole(tool.input, mode="validation")


def listed_input_schema(tool: AnyTool) -> dict[str, Any]:
    """The same as short as it can be. What is left out holds all the same, and is checked
    when the tool is called.
    """
    schema: dict[str, Any] = _without(input_schema(tool), RULES)
    fields = schema.get("properties", {})
    for name in marked(tool.input, Rare):
        del fields[name]
    if issubclass(tool.input, OnHosts):
        # It stands in nearly every tool, so in few words; a list is taken all the same
        fields["server"] = {"type": "string", "description": fields["server"]["description"]}
    for field in fields.values():
        field.get("items", {}).pop("description", None)
        if field.get("default") in NOTHING:
            field.pop("default", None)
    return schema


def output_schema(tool: AnyTool) -> dict[str, Any]:
    """The schema of the envelope, on success and on failure, with the words about the data."""
    return _envelope(tool, _whole(_answer(tool), mode="serialization"))


def listed_output_schema(tool: AnyTool) -> dict[str, Any]:
    """The same as short as it can be: what there is, and of what type."""
    return _envelope(tool, _without(_whole(_answer(tool), mode="serialization"), RULES | WORDS))


def _answer(tool: AnyTool) -> type[Report]:
    answer: type[Report] = tool.output if isinstance(tool, DirectTool) else tool.report
    return (tool.together or answer) if isinstance(tool, PlaybookTool) else answer


def _envelope(tool: AnyTool, answer: Mapping[str, Any]) -> dict[str, Any]:
    together = isinstance(tool, PlaybookTool) and tool.together is not None
    of_hosts = {
        "type": "object",
        "properties": {
            **(
                {"together": answer}
                if together
                else {"hosts": {"type": "object", "additionalProperties": answer}}
            ),
            "changed": {"type": "array", "items": {"type": "string"}},
            "failed": {"type": "object"},
        },
    }
    # A failure's data is what did succeed, or what helps to call again
    of_playrail = {"anyOf": [answer, {"type": "object"}]}
    text = {"type": "string"}
    return {
        "type": "object",
        "properties": {
            "success": {"type": "boolean"},
            "data": of_playrail if isinstance(tool, DirectTool) else of_hosts,
            "error": text,
            "code": text,
            "hint": text,
            "retryable": {"type": "boolean"},
            "_meta": {"type": "object"},
        },
        "required": ["success", "_meta"],
    }


def _whole(
    model: type[BaseModel], *, mode: Literal["validation", "serialization"]
) -> dict[str, Any]:
    """The model's JSON schema in one piece, since some clients cannot follow `$ref`."""
    schema = model.model_json_schema(mode=mode, by_alias=False)
    whole: dict[str, Any] = _inlined(schema, schema.get("$defs", {}))
    if mode == "validation":
        fields = whole.get("properties", {})
        whole["properties"] = {name: _not_null(field) for name, field in fields.items()}
    whole.pop("description", None)  # the model's docstring is for readers of the code
    return whole


def _inlined(node: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        own = {key: value for key, value in node.items() if key != "$ref"}
        return _inlined({**definitions[node["$ref"].rpartition("/")[2]], **own}, definitions)
    return {
        key: (
            {name: _inlined(field, definitions) for name, field in value.items()}
            if key == "properties"
            else _inlined(value, definitions)
        )
        for key, value in node.items()
        if key not in NOISE
    }


def _not_null(field: dict[str, Any]) -> dict[str, Any]:
    """The schema of an argument that may be left out, without null, which says the same."""
    if "anyOf" not in field or field.get("default", ...) is not None:
        return field
    rest = {key: value for key, value in field.items() if key not in ("anyOf", "default")}
    choices = [choice for choice in field["anyOf"] if choice != {"type": "null"}]
    return {**rest, "anyOf": choices} if len(choices) > 1 else {**choices[0], **rest}


def _without(node: Any, left_out: frozenset[str]) -> Any:
    """The schema without some of its words; fields of these names stay."""
    if isinstance(node, list):
        return [_without(item, left_out) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: (
            {name: _without(field, left_out) for name, field in value.items()}
            if key == "properties"
            else _without(value, left_out)
        )
        for key, value in node.items()
        if key not in left_out
    }
