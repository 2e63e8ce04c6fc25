"""A tool's arguments as they stand on a command line: KEY=VALUE."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from playrail import catalog

ToolName = Annotated[
    str, typer.Argument(metavar="TOOL", help="The tool's name; `playrail tools` lists them.")
]
Pairs = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Its arguments; lists and numbers as JSON."),
]


def arguments_of(name: str, pairs: Sequence[str]) -> dict[str, Any]:
    """The arguments for the tool of this name, if there is one. Raises typer.BadParameter."""
    tool = catalog.load().get(name)
    fields = tool.input.model_json_schema().get("properties", {}) if tool is not None else {}
    given: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{pair[:40]!r} is not KEY=VALUE")
        if key in given:
            raise typer.BadParameter(f"{key[:40]!r} is given twice")
        given[key] = value_of(text, fields.get(key, {}))
    return given


def value_of(text: str, schema: Mapping[str, Any]) -> Any:
    """Return what `text` means for a field of this JSON schema.

    Text stays as it is where text is allowed, unless it is a JSON list or object and those
    are allowed too. What is not JSON stays text: the door refuses it, and says what the
    field takes.
    """
    types = [option.get("type", "string") for option in schema.get("anyOf", [schema])]
    allowed = {name for one in types for name in ([one] if isinstance(one, str) else one)}
    if "string" in allowed and not ({"array", "object"} & allowed and text.startswith(("[", "{"))):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
