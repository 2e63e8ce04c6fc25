"""Finds the toolsets, ours and those of plugins, by the entry point group
`playrail.toolsets`.

A plugin that cannot be loaded takes nothing else down: it is left out, and why is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from playrail.errors import SettingsInvalid
from playrail.settings.content import COLLECTION, content_root
from playrail.settings.protection import standing_variables
from playrail.settings.settings import Settings
from playrail.tools.lasting import Kind, Kinds
from playrail.tools.offering import BUNDLES
from playrail.tools.tool import AnyTool
from playrail.tools.toolset import LONGEST_REASON, Need, Toolset

ENTRY_POINT_GROUP = "playrail.toolsets"
OURS = "playrail"  # the package


@dataclass(kw_only=True)
class Catalog:
    """Toolsets, of which no two have the same name for anything."""

    toolsets: dict[str, Toolset] = field(default_factory=dict)
    tools: dict[str, AnyTool] = field(default_factory=dict)
    """By each of their names."""
    kinds: dict[str, Kind] = field(default_factory=dict)
    collections: dict[str, str] = field(default_factory=lambda: {COLLECTION: OURS})
    """By their names the toolsets that bring them."""
    unusable: dict[str, str] = field(default_factory=dict)
    """Plugins that cannot be used, by the name of the toolset, each with the reason."""

    def add(self, toolset: Toolset) -> None:
        """Raises ValueError when a name is taken, or it cannot be offered, and then it is as
        if nothing had been added.
        """
        tools = {name: tool for tool in toolset.bound() for name in (tool.name, *tool.aliases)}
        names = [
            toolset.name, *(name for tool in toolset.tools for name in (tool.name, *tool.aliases))
        ]  # fmt: skip
        words = {*BUNDLES, *self.toolsets, *self.tools}
        for number, name in enumerate(names):
            if name in words or name in names[:number]:
                raise ValueError(f"two tools or toolsets are named {name}")
        kinds = {kind.name: kind for kind in toolset.kinds}
        if len(kinds) < len(toolset.kinds) or not self.kinds.keys().isdisjoint(kinds):
            twice = [kind.name for kind in toolset.kinds]
            name = next(name for name in twice if name in self.kinds or twice.count(name) > 1)
            raise ValueError(f"two kinds are named {name}")
        collections = dict.fromkeys(toolset.collections(), toolset.name)
        for name in collections.keys() & self.collections.keys():
            raise ValueError(f"{self.collections[name]} brings the collection {name}, too")
        self.toolsets[toolset.name] = toolset
        self.tools |= tools
        self.kinds |= kinds
        self.collections |= collections


def assembled(points: Iterable[EntryPoint]) -> Catalog:
    """What these entry points name. Raises when one of ours cannot be loaded."""
    catalog = Catalog()
    for point in sorted(points, key=lambda point: (not _is_ours(point), point.name)):
        try:
            catalog.add(_named(point))
        except (Exception, SystemExit) as error:  # whatever a plugin does when it is imported
            if _is_ours(point):
                raise
            catalog.unusable[point.name] = _reason(error)
    return catalog


def load() -> Mapping[str, AnyTool]:
    """Every tool by each of its names, in alphabetical order; offering.py tells which of
    them are offered.
    """
    return dict(sorted(_installed().tools.items()))


def kinds() -> Kinds:
    """Every kind of lasting thing by its name."""
    return _installed().kinds


def needs() -> Mapping[str, Need]:
    """What toolsets need to serve anybody, by their names."""
    found = {name: toolset.offered_when for name, toolset in _installed().toolsets.items()}
    return {name: need for name, need in found.items() if need is not None}


def unusable() -> Mapping[str, str]:
    """Plugins that cannot be used, by the names of their toolsets, each with the reason."""
    return _installed().unusable


def contents() -> Sequence[Path]:
    """The content folders of plugins."""
    found = [toolset.content for toolset in _installed().toolsets.values()]
    return list(dict.fromkeys(path for path in found if path not in (None, content_root())))


def play_variables(settings: Settings) -> dict[str, Any]:
    """Those that every play has, and every plan is held to. Raises SettingsInvalid."""
    return {**standing_variables(settings), **variables(settings)}


def variables(settings: Settings) -> dict[str, Any]:
    """The variables that plays have of the toolsets' settings. Raises SettingsInvalid."""
    values: dict[str, dict[str, str]] = {name: {} for name in _installed().toolsets}
    for variable, value in settings.of_toolsets.items():
        name, _, setting = variable.removeprefix("PLAYRAIL_").lower().partition("__")
        if name in values:
            values[name][setting] = value
        elif name not in unusable():
            raise SettingsInvalid(f"{variable[:80]}: there is no toolset {name[:60]}")
    return {
        name: value
        for toolset in _installed().toolsets.values()
        for name, value in toolset.variables(values[toolset.name]).items()
    }


@cache
def _installed() -> Catalog:
    catalog = assembled(entry_points(group=ENTRY_POINT_GROUP))
    if not catalog.toolsets:
        raise RuntimeError(
            "Playrail's metadata names no toolsets: install it again (a clone: `make setup`)."
        )
    return catalog


def _named(point: EntryPoint) -> Toolset:
    toolset = point.load()
    if not isinstance(toolset, Toolset):
        raise TypeError(f"{point.value} is no Toolset")
    if toolset.name != point.name:
        raise ValueError(f"{point.value} is the toolset {toolset.name}")
    return toolset


def _is_ours(point: EntryPoint) -> bool:
    return point.module.partition(".")[0] == OURS


def _reason(error: BaseException) -> str:
    """One line, the end of a sentence."""
    said = " ".join(str(error).split())
    if not isinstance(error, ValueError | TypeError | SettingsInvalid):
        said = f"{type(error).__name__}: {said}"
    return said[:LONGEST_REASON]
