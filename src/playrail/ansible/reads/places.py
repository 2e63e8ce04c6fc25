"""Where Ansible reads code and variables from, by its own list of settings: configuration,
environment, defaults.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from configparser import ConfigParser
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

HOME_SETTING = "ANSIBLE_HOME"
COLLECTIONS = "COLLECTIONS_PATHS"
INVENTORY = "DEFAULT_HOST_LIST"  # which is looked at for itself
# What a play is made of
LIBRARIES = ("ansible", "ansible_runner", "jinja2", "markupsafe", "yaml", "playrail")
BESIDE_PLAYBOOKS = ("group_vars", "host_vars", "library", "module_utils", "roles", "collections")

_HOME = re.compile(r'\{\{\s*ANSIBLE_HOME\s*(?:~\s*"([^"]*)"\s*)?\}\}')
_WORKING_DIRECTORY = re.compile(r"\{\{\s*CWD\s*\}\}")
_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)\}")


class Places:
    """What the settings of one Ansible name. `child` is its environment, `directory` where
    it is started.
    """

    def __init__(
        self, child: Mapping[str, str], config: ConfigParser, *, file: Path | None, directory: Path
    ) -> None:
        self._child = child
        self._config = config
        self._beside = file.parent if file is not None else directory
        self._directory = directory

    def code(self) -> dict[str, Path]:
        """Directories of plugins, modules and roles, by what names them: each value that a
        setting has anywhere.
        """
        found: dict[str, Path] = {}
        for name, setting in _settings().items():
            if name not in (INVENTORY, COLLECTIONS):
                found |= {str(path): path for path in self._values(setting)}
        return {name: path for name, path in found.items() if path.exists() or path.is_symlink()}

    def collections(self) -> tuple[list[Path], list[Path]]:
        """Where collections are: those that settings name, and those of this Python's
        packages.
        """
        named = [*dict.fromkeys(self._values(_settings()[COLLECTIONS]))]
        packages = [
            path for path in map(Path, dict.fromkeys(filter(None, sys.path))) if path not in named
        ]
        return named, packages

    def libraries(self) -> dict[str, Path]:
        """The packages of Python that carry a play out."""
        found: dict[str, Path] = {}
        for name in LIBRARIES:
            spec = find_spec(name)
            if spec is not None and spec.submodule_search_locations:
                found[name] = Path(next(iter(spec.submodule_search_locations)))
        return found

    def _values(self, setting: Mapping[str, Any]) -> Iterator[Path]:
        separator = "," if setting["type"] == "pathlist" else os.pathsep
        names = [env["name"] for env in setting.get("env", ())]
        given = [(self._child[name], self._directory) for name in names if name in self._child]
        written = [(ini["section"], ini["key"]) for ini in setting.get("ini", ())]
        given += [
            (self._config.get(section, key, fallback=""), self._beside) for section, key in written
        ]
        given.append((setting.get("default") or "", self._directory))
        for text, base in given:
            for part in self._expanded(text).split(separator):
                if part.strip():
                    yield Path(os.path.normpath(base / self._of_user(part.strip())))

    def _expanded(self, text: str) -> str:
        """The text with what Ansible puts into it."""
        text = _HOME.sub(lambda found: self._home() + (found[1] or ""), text)
        text = _WORKING_DIRECTORY.sub(lambda _: str(self._directory), text)
        return _VARIABLE.sub(lambda found: self._child.get(found[1] or found[2], found[0]), text)

    def _of_user(self, text: str) -> str:
        home = self._child.get("HOME")
        if home and (text == "~" or text.startswith("~/")):
            return f"{home}{text[1:]}"
        return os.path.expanduser(text)

    def _home(self) -> str:
        configured = self._config.get("defaults", "home", fallback=None)
        return self._of_user(self._child.get(HOME_SETTING) or configured or "~/.ansible")


def beside_playbooks(directory: Path) -> dict[str, Path]:
    """What Ansible takes from beside the playbooks of a directory."""
    names = [*BESIDE_PLAYBOOKS, *(path.name for path in directory.glob("*_plugins"))]
    return {
        str(directory / name): directory / name for name in names if (directory / name).exists()
    }


def installed_collections(places: Iterable[Path]) -> dict[str, Path]:
    """The collections below these places by their full names; the path is told where one is
    there twice.
    """
    found: dict[str, Path] = {}
    for place in places:
        root = place if place.name == "ansible_collections" else place / "ansible_collections"
        for path in sorted(root.glob("*/*")):
            if path.is_dir():
                name = f"{path.parent.name}.{path.name}"
                found[name if name not in found else f"{name} in {root}"] = path
    return found


@cache
def _settings() -> Mapping[str, Mapping[str, Any]]:
    """Ansible's settings that are lists of paths, as its own list of settings has them."""
    spec = find_spec("ansible")
    assert spec is not None  # it is required
    assert spec.submodule_search_locations is not None  # it is a package
    path = Path(next(iter(spec.submodule_search_locations))) / "config" / "base.yml"
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    listed = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # a safe one
    return {
        name: setting
        for name, setting in listed.items()
        if setting.get("type") in ("pathspec", "pathlist")
    }
