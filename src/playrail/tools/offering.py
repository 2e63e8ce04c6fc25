"""Which tools are offered, and why others are not: every conversation pays for the list, and
a model chooses better among fewer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from playrail.errors import SettingsInvalid
from playrail.settings.settings import Settings
from playrail.tools.tool import AnyTool, ApiTool
from playrail.tools.toolset import PLAYRAIL, Need

BUNDLES: Mapping[str, tuple[str, ...]] = {
    "core": (
        *("triage", "get_system_info", "get_disk_usage", "get_process_tree"),
        *("list_units", "check_service_status", "manage_service", "get_journal_logs"),
        *("get_network_info", "list_docker_containers"),
        *("read_file", "list_directory", "search_in_files", "write_file"),
        *("install_package", "execute_command"),
    )
}
"""Tools for a first look and the usual changes, by the word that chooses them."""
TELLING = ("list_configured_servers", "describe_capabilities")
"""What tells of the servers and of the other tools is offered whatever is chosen."""
CARRYING_OUT = ("apply_plan", "undo_run")
"""A change that may be previewed needs them."""


@dataclass(frozen=True, kw_only=True)
class Absence:
    """Why a tool is not offered, and what to do about it, each in sentences."""

    why: str
    hint: str


def absences(
    every: Mapping[str, AnyTool],
    settings: Settings,
    *,
    needs: Mapping[str, Need],
    unusable: Collection[str] = (),
) -> Mapping[str, Absence]:
    """Why some of the tools, each by its name or an alias, are not offered with these
    settings. `needs` are those of toolsets, by their names; `unusable` are toolsets of which
    no tool is there.

    Raises SettingsInvalid when PLAYRAIL_TOOLSETS names what there is not.
    """
    words = [word for word in settings.toolsets if word not in unusable]
    chosen = frozenset(every) if not settings.toolsets else _chosen(words, every)
    found = {name: _absence(name, tool, chosen, settings, needs) for name, tool in every.items()}
    return {name: absence for name, absence in found.items() if absence is not None}


def alias_of(name: str, tool: AnyTool) -> str | None:
    """The tool of which this one is another name; None for a tool of its own."""
    return tool.name if name != tool.name else tool.same_as


def _absence(
    name: str,
    tool: AnyTool,
    chosen: Collection[str],
    settings: Settings,
    needs: Mapping[str, Need],
) -> Absence | None:
    if (useless := _useless(tool, settings, needs)) is not None:
        return useless
    own = alias_of(name, tool)
    if name not in chosen:
        return Absence(
            why="the operator chose other tools",
            hint="Use another tool; the operator can add this one to PLAYRAIL_TOOLSETS.",
        )
    wanted = settings.aliases or name in settings.toolsets or _is_brought(name, settings, needs)
    if own is not None and not wanted:
        return Absence(
            why=f"it is another name of {own}",
            hint=f"Call {own}. The operator can have other names offered with PLAYRAIL_ALIASES=1.",
        )
    return None


def _useless(tool: AnyTool, settings: Settings, needs: Mapping[str, Need]) -> Absence | None:
    """Why the tool can serve nobody here."""
    needed = needs.get(tool.toolset)
    if needed is None or (why := needed.unmet(settings)) is None:
        return None
    instead = f"Call {tool.elsewhere}. " if isinstance(tool, ApiTool) and tool.elsewhere else ""
    return Absence(why=why, hint=f"{instead}{needed.hint}")


def _is_brought(name: str, settings: Settings, needs: Mapping[str, Need]) -> bool:
    return any(name in need.brings and need.unmet(settings) is None for need in needs.values())


def _chosen(words: Collection[str], every: Mapping[str, AnyTool]) -> frozenset[str]:
    """The names that these words of PLAYRAIL_TOOLSETS choose."""
    toolsets = {tool.toolset for tool in every.values()}
    for word in words:
        if word not in toolsets and word not in BUNDLES and word not in every:
            raise SettingsInvalid(
                f"PLAYRAIL_TOOLSETS: {word[:40]!r} is no bundle, toolset or tool; allowed are the "
                f"bundle {', '.join(BUNDLES)}, the toolsets {', '.join(sorted(toolsets))}, and the "
                f"tools {', '.join(every)}"
            )
    names = {name for word in words for name in _named(word, every)} | {*TELLING}
    if not toolsets.isdisjoint(words):
        names.update(_named(PLAYRAIL, every))
    if any(every[name].worst_risk.changes for name in names):
        names.update(CARRYING_OUT)
    return frozenset(names)


def _named(word: str, every: Mapping[str, AnyTool]) -> Iterator[str]:
    yield from BUNDLES.get(word, ())
    yield from (name for name, tool in every.items() if word in (name, tool.toolset))
