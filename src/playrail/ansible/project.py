"""The project of the user's own Ansible, as every Ansible process finds it.

Plain `ansible-playbook` that is started there is the measure. A playbook of Playrail's lies
elsewhere, so what counts beside the user's playbooks has to be told: variables (see
adjacent.py), plugins and collections. Modules, actions and roles beside them are left out:
they would stand in the place of those that Playrail's playbooks bring along.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import cache_from_source, find_spec
from pathlib import Path

from playrail.settings.settings import Settings

# Directories beside playbooks for what variables are made with, and how hosts are reached.
ADJACENT_PLUGINS = (
    *("become", "cache", "callback", "cliconf", "connection", "filter", "httpapi", "inventory"),
    *("lookup", "netconf", "strategy", "terminal", "test", "vars"),
)
COLLECTIONS, ROLES = "collections", "roles"
VARIABLES = ("group_vars", "host_vars")
LEFT_OUT = ("action_plugins", "library", "module_utils")


def project_variables(settings: Settings) -> dict[str, str]:
    """The environment that says where Ansible is started, and where the user's playbooks
    lie.
    """
    found = {}
    if settings.project is not None:
        found["PWD"] = str(settings.project)
    if settings.playbook_dir is not None:
        found["ANSIBLE_PLAYBOOK_DIR"] = str(settings.playbook_dir)
        if _is_compiled():
            # Beside the user's plugins; nothing is written into their project
            found["PYTHONDONTWRITEBYTECODE"] = "1"
    return found


def _is_compiled() -> bool:
    """Whether a play has been run with this Ansible before, or its installation compiled
    it: nothing is lost then.
    """
    ansible = find_spec("ansible")
    if ansible is None or ansible.origin is None:
        return False
    late = Path(ansible.origin).parent / "executor" / "playbook_executor.py"
    return Path(cache_from_source(str(late))).exists()


@dataclass(frozen=True, kw_only=True)
class SearchPath:
    """Where Ansible looks for plugins of one kind, or for collections: the names of this
    setting.
    """

    variable: str
    key: str
    """In the section [defaults] of ansible.cfg."""
    below: str
    """Where it looks by itself, in its own directory and in /usr/share/ansible."""
    also: str = ""
    """A directory where it looks by itself after those."""


def plugin_path(kind: str) -> SearchPath:
    """The setting for plugins of one kind."""
    return SearchPath(
        variable=f"ANSIBLE_{kind.upper()}_PLUGINS", key=f"{kind}_plugins", below=f"plugins/{kind}"
    )


COLLECTIONS_PATH = SearchPath(
    variable="ANSIBLE_COLLECTIONS_PATH", key="collections_path", below=COLLECTIONS
)
ROLES_PATH = SearchPath(
    variable="ANSIBLE_ROLES_PATH", key="roles_path", below=ROLES, also="/etc/ansible/roles"
)


def adjacent_paths(settings: Settings) -> Iterator[tuple[SearchPath, Path]]:
    """The settings whose directory beside the user's playbooks exists, each with that
    directory.
    """
    if settings.playbook_dir is None:
        return
    named = {f"{kind}_plugins": plugin_path(kind) for kind in ADJACENT_PLUGINS} | {
        COLLECTIONS: COLLECTIONS_PATH
    }
    for name, setting in named.items():
        if (path := settings.playbook_dir / name).is_dir():
            yield setting, path


def working_directory(environment: Mapping[str, str], otherwise: Path) -> Path:
    """Where to start an Ansible process that has this environment: in the project, if there
    is one.
    """
    return Path(environment["PWD"]) if "PWD" in environment else otherwise


def read_beside(settings: Settings) -> Iterator[Path]:
    """The directories beside the user's playbooks that Ansible reads for Playrail's plays."""
    if settings.playbook_dir is not None:
        names = (*VARIABLES, *(f"{kind}_plugins" for kind in ADJACENT_PLUGINS), COLLECTIONS)
        yield from (path for name in names if (path := settings.playbook_dir / name).is_dir())


def left_out_beside(settings: Settings) -> Iterator[Path]:
    """Those that Ansible would read for the user's own playbooks, and does not for
    Playrail's.
    """
    if settings.playbook_dir is not None:
        yield from (path for name in LEFT_OUT if (path := settings.playbook_dir / name).is_dir())
