"""Finds the tools: the built-in toolsets, and those of plugins by the entry point group `playrail.toolsets`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from types import ModuleType

from playrail import toolsets
from playrail.tool import AnyTool, DirectTool, PlaybookTool

ENTRY_POINT_GROUP = "playrail.toolsets"


def load() -> Mapping[str, AnyTool]:
    """Every tool by each of its names, in alphabetical order. Raises ValueError when two tools claim one name."""
    found: dict[str, AnyTool] = {}
    for tool in _tools(_modules()):
        for name in (tool.name, *tool.aliases):
            if name in found:
                raise ValueError(f"two tools are named {name}")
            found[name] = tool
    return dict(sorted(found.items()))


def _modules() -> Iterable[ModuleType]:
    for module in pkgutil.iter_modules(toolsets.__path__, f"{toolsets.__name__}."):
        yield importlib.import_module(module.name)
    for plugin in entry_points(group=ENTRY_POINT_GROUP):
        yield plugin.load()


def _tools(modules: Iterable[ModuleType]) -> Iterable[AnyTool]:
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, PlaybookTool | DirectTool):
                yield value
