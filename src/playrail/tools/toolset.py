"""What a toolset is: tools that belong together, and what they bring along.

Ours and those of plugins are declared in this form, and loaded in one way (catalog.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from playrail.errors import SettingsInvalid
from playrail.settings.content import collections_in, content_root
from playrail.settings.settings import Settings
from playrail.tools.lasting import Kind
from playrail.tools.tool import AnyTool, ApiTool, Changing, DirectTool, PlaybookTool

PLAYRAIL = "playrail"
"""The toolset about Playrail itself; with any other toolset all of it is offered."""
INTERFACE = 1
"""The newest form of these declarations that is understood."""
LONGEST_REASON = 300
"""In characters, of why a plugin cannot be used."""

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a toolset needs to serve anybody; `why` and `hint` are said where it is not met.

    Where it is met, the aliases in `brings` are offered, too: its users know them from
    elsewhere.
    """

    is_met: Callable[[Settings], bool]
    why: str
    hint: str
    brings: tuple[str, ...] = ()

    def unmet(self, settings: Settings) -> str | None:
        """Why it is not met; None: it is. What a plugin raises keeps only its own tools back."""
        try:
            return None if self.is_met(settings) else self.why
        except Exception as error:  # noqa: BLE001  whatever a plugin does
            said = " ".join(str(error).split())[:LONGEST_REASON]
            return f"its toolset could not tell whether it serves ({type(error).__name__}: {said})"


@dataclass(frozen=True, kw_only=True)
class Toolset:
    """Tools that belong together, by the name that PLAYRAIL_TOOLSETS and policies have."""

    name: str
    tools: Sequence[AnyTool]
    kinds: Sequence[Kind] = ()
    """The lasting things that its tools set."""
    content: Path | None = None
    """The folder with `playbooks/<name>/`, and where they need it `roles/<name>…` and
    `collections/ansible_collections/`. None: it has no playbooks.
    """
    settings: type[BaseModel] | None = None
    """What the operator may set, every field with a default: the field `file` of the toolset
    `motd` by PLAYRAIL_MOTD__FILE. Plays have it as the variable `playrail_motd__file`.
    """
    offered_when: Need | None = None
    """None: it can serve anybody."""
    interface: int = 1
    """The form of these declarations that it is written for, see INTERFACE."""

    def bound(self) -> Sequence[AnyTool]:
        """Its tools, which know where their playbooks lie. Raises ValueError for what cannot
        be offered.
        """
        self._check()
        return [self._bound(tool) for tool in self.tools]

    def collections(self) -> Mapping[str, Path]:
        """The collections that it brings, by their names."""
        return {} if self.content is None else collections_in(self.content / "collections")

    def variables(self, values: Mapping[str, str]) -> dict[str, Any]:
        """The variables that its plays have of its settings; `values` are what the operator
        set, by the names of fields. Raises SettingsInvalid.
        """
        fields = self.settings.model_fields if self.settings else {}
        for field in values:
            if field not in fields:
                allowed = ", ".join(map(self._variable, fields)) or "none"
                raise SettingsInvalid(
                    f"{self._variable(field)[:80]}: no such setting; the toolset has {allowed}"
                )
        if self.settings is None:
            return {}
        try:
            settings = self.settings.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = str(first["loc"][0]) if first["loc"] else next(iter(values), "")
            raise SettingsInvalid(f"{self._variable(field)}: {first['msg']}") from None
        return {
            f"playrail_{self.name}__{field}": value
            for field, value in settings.model_dump(mode="json").items()
        }

    def _variable(self, field: str) -> str:
        return f"PLAYRAIL_{self.name}__{field}".upper()

    def _bound(self, tool: AnyTool) -> AnyTool:
        if not isinstance(tool, PlaybookTool) or self.content in (None, tool.content):
            return tool
        return replace(tool, content=self.content)

    def _check(self) -> None:
        if self.interface > INTERFACE:
            raise ValueError(f"it is written for a newer Playrail (interface {self.interface})")
        if not _NAME.fullmatch(self.name):
            raise ValueError("its name has other characters than a-z, 0-9 and single _")
        for tool in self.tools:
            if why := _unfit(tool) or self._misplaced(tool):
                raise ValueError(f"{tool.name}: {why}")
        for role in self._roles():
            if role != self.name and not role.startswith(f"{self.name}_"):
                raise ValueError(f"its role {role} does not begin with the toolset's name")
        if self.settings is not None:
            self.variables({})  # each has a default
            if "writeOnly" in json.dumps(self.settings.model_json_schema()):
                raise ValueError("a setting of a toolset cannot be a secret")

    def _roles(self) -> Sequence[str]:
        """The roles of a plugin, which Ansible finds by their names alone."""
        if self.content is None or self.content == content_root():
            return ()
        return sorted(path.name for path in (self.content / "roles").glob("[!._]*"))

    def _misplaced(self, tool: AnyTool) -> str | None:
        if tool.toolset != self.name:
            return f"it is of the toolset {tool.toolset or '(none)'}"
        if isinstance(tool, PlaybookTool):
            path = Path(tool.playbook)
            if path.is_absolute() or ".." in path.parts:
                return "its playbook is named by a path that leads out of playbooks/"
            if self.content is None or not (self.content / "playbooks" / path).is_file():
                return f"there is no playbook {tool.playbook}"
        return None


def _unfit(tool: AnyTool) -> str | None:
    """What policy and previews stand on, also where a plugin's author knows nothing of it."""
    if type(tool) not in (PlaybookTool, ApiTool, DirectTool):
        return "its class is none of PlaybookTool, ApiTool and DirectTool itself"
    if not tool.worst_risk.changes:
        return None
    if isinstance(tool, DirectTool):
        if tool.toolset == PLAYRAIL:
            return None
        return "a DirectTool that changes something would pass the policy by"
    if not issubclass(tool.input, Changing):
        return "it changes something, and its input is not Changing: it could not be previewed"
    if isinstance(tool, ApiTool) and tool.unforeseeable is None:
        return "a request cannot be previewed, and `unforeseeable` does not say so"
    return None
