"""A group of commands whose modules are loaded when one of them is called.

An MCP client waits for `playrail serve` to answer, and a command for people should not wait
for what another one needs. `--help` of such a group reads its table alone.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, NamedTuple, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


class Place(NamedTuple):
    """Where a command is declared: a module of playrail.commands, and its help in short."""

    module: str
    help: str


class LazyGroup(TyperGroup):
    """Has a command for each of its `places`, by the command's name."""

    places: ClassVar[Mapping[str, Place]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, place in self.places.items():
            self.add_command(_Unloaded(name, place))


class _Unloaded(TyperCommand):
    """Stands for a command until it is called."""

    def __init__(self, name: str, place: Place) -> None:
        super().__init__(name, help=place.help)
        self.module = place.module

    def make_context(self, *arguments: Any, **keywords: Any) -> Any:
        """The context of the command itself, which is what runs then."""
        return load(self.module, self.name or "").make_context(*arguments, **keywords)


def load(module: str, name: str) -> TyperCommand | TyperGroup:
    """The command of this name that the module's `app` has, or the app itself as a group.

    What is imported stays, and to look for garbage in it takes a seventh of the start.
    """
    gc.disable()
    try:
        app: typer.Typer = import_module(f"playrail.commands.{module}").app
    finally:
        gc.freeze()
        gc.enable()
    group = get_group(app)
    return cast("TyperCommand | TyperGroup", group.commands.get(name, group))
