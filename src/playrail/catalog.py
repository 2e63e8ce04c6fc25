"""Finds the tools: the built-in toolsets, and those of plugins by the entry point group
`playrail.toolsets`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from playrail import toolsets
from playrail.tools.lasting import Kind, Kinds
from playrail.tools.offering import PLAYRAIL
from playrail.tools.tool import AnyTool, ApiTool, Changing, DirectTool, PlaybookTool

ENTRY_POINT_GROUP = "playrail.toolsets"


def load() -> Mapping[str, AnyTool]:
    """Every tool by each of its names, in alphabetical order; offering.py tells which of
    them are offered. Raises ValueError when two tools claim one name.
    """
    found: dict[str, AnyTool] = {}
    for tool in _tools(_modules()):
        _check(tool)
        for name in (tool.name, *tool.aliases):
            if name in found:
                raise ValueError(f"two tools are named {name}")
            found[name] = tool
    return dict(sorted(found.items()))


def kinds() -> Kinds:
    """Every kind of lasting thing by its name. Raises ValueError when two have one name."""
    found: dict[str, Kind] = {}
    for kind in _declared(_modules(), Kind):
        if found.setdefault(kind.name, kind) is not kind:
            raise ValueError(f"two kinds are named {kind.name}")
    return found


def _check(tool: AnyTool) -> None:
    """What policy and previews stand on, also where a plugin's author knows nothing of it.
    Raises ValueError.
    """
    if not tool.worst_risk.changes:
        return
    why = None
    if isinstance(tool, DirectTool):
        why = (
            None
            if tool.toolset == PLAYRAIL
            else "a DirectTool that changes something would pass the policy by"
        )
    elif not issubclass(tool.input, Changing):
        why = "it changes something, and its input is not Changing: it could not be previewed"
    elif isinstance(tool, ApiTool) and tool.unforeseeable is None:
        why = "a request cannot be previewed, and `unforeseeable` does not say so"
    if why is not None:
        raise ValueError(f"{tool.name}: {why}")


def _modules() -> Iterable[ModuleType]:
    for module in pkgutil.walk_packages(toolsets.__path__, f"{toolsets.__name__}."):
        yield importlib.import_module(module.name)
    for plugin in entry_points(group=ENTRY_POINT_GROUP):
        yield plugin.load()


def _tools(modules: Iterable[ModuleType]) -> Iterable[AnyTool]:
    return _declared(modules, PlaybookTool | ApiTool | DirectTool)


def _declared(modules: Iterable[ModuleType], what: Any) -> Iterable[Any]:
    """What the modules declare of this type."""
    for module in modules:
        yield from (value for value in vars(module).values() if isinstance(value, what))
