"""The project of the user's own Ansible, as every Ansible process finds it.

Plain `ansible-playbook` that is started there is the measure. A playbook of Playrail's lies elsewhere, so what counts
beside the user's playbooks has to be told: variables (see adjacent.py), plugins and collections. Modules, actions and
roles beside them are left out: they would stand in the place of those that Playrail's playbooks bring along.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from importlib.util import cache_from_source, find_spec
from pathlib import Path

from playrail.settings import Settings

# Directories beside playbooks for what variables are made with, and how hosts are reached.
ADJACENT_PLUGINS = (
    *("become", "cache", "callback", "cliconf", "connection", "filter", "httpapi", "inventory"),
    *("lookup", "netconf", "strategy", "terminal", "test", "vars"),
)
COLLECTIONS = "collections"
VARIABLES = ("group_vars", "host_vars")
LEFT_OUT = ("action_plugins", "library", "module_utils")


def project_variables(settings: Settings) -> dict[str, str]:
    """The environment that says where Ansible is started, and where the user's playbooks lie."""
    found = {}
    if settings.project is not None:
        found["PWD"] = str(settings.project)
    if settings.playbook_dir is not None:
        found["ANSIBLE_PLAYBOOK_DIR"] = str(settings.playbook_dir)
        if _is_compiled():
            found["PYTHONDONTWRITEBYTECODE"] = "1"  # beside the user's plugins; nothing is written into their project
    return found


def _is_compiled() -> bool:
    """Whether a play has been run with this Ansible before, or its installation compiled it: nothing is lost then."""
    ansible = find_spec("ansible")
    if ansible is None or ansible.origin is None:
        return False
    late = Path(ansible.origin).parent / "executor" / "playbook_executor.py"
    return Path(cache_from_source(str(late))).exists()


def plugin_variables(settings: Settings, given: Mapping[str, str], config: ConfigParser) -> dict[str, str]:
    """The paths of plugins, each kind of which has a directory beside the user's playbooks: that one first."""
    found = {}
    for kind in ADJACENT_PLUGINS:
        beside = None if settings.playbook_dir is None else settings.playbook_dir / f"{kind}_plugins"
        if beside is not None and beside.is_dir():
            name = f"ANSIBLE_{kind.upper()}_PLUGINS"
            paths = given.get(name) or configured_paths(
                settings, config, key=f"{kind}_plugins", home=given.get("ANSIBLE_HOME"), below=f"plugins/{kind}"
            )
            found[name] = f"{beside}:{paths}"
    collections = None if settings.playbook_dir is None else settings.playbook_dir / COLLECTIONS
    if collections is not None and collections.is_dir():
        key = "collections_path" if config.has_option("defaults", "collections_path") else "collections_paths"
        paths = given.get("ANSIBLE_COLLECTIONS_PATH") or configured_paths(
            settings, config, key=key, home=given.get("ANSIBLE_HOME"), below=COLLECTIONS
        )
        found["ANSIBLE_COLLECTIONS_PATH"] = f"{collections}:{paths}"
    return found


def configured_paths(settings: Settings, config: ConfigParser, *, key: str, home: str | None, below: str) -> str:
    """What ansible.cfg says in `key`, relative to its directory, or else where Ansible looks by itself."""
    configured = config.get("defaults", key, fallback="")
    if not configured:
        return f"{home or '~/.ansible'}/{below}:/usr/share/ansible/{below}"
    base = settings.ansible_config.parent if settings.ansible_config else Path.cwd()
    # Ansible itself expands what begins with ~ or $, and {{CWD}}.
    return ":".join(path if path.startswith(("~", "$", "{{")) else str(base / path) for path in configured.split(":"))


def working_directory(environment: Mapping[str, str], otherwise: Path) -> Path:
    """Where to start an Ansible process that has this environment: in the project, if there is one."""
    return Path(environment["PWD"]) if "PWD" in environment else otherwise


def read_beside(settings: Settings) -> Iterator[Path]:
    """The directories beside the user's playbooks that Ansible reads for Playrail's plays."""
    if settings.playbook_dir is not None:
        names = (*VARIABLES, *(f"{kind}_plugins" for kind in ADJACENT_PLUGINS), COLLECTIONS)
        yield from (path for name in names if (path := settings.playbook_dir / name).is_dir())


def left_out_beside(settings: Settings) -> Iterator[Path]:
    """Those that Ansible would read for the user's own playbooks, and does not for Playrail's."""
    if settings.playbook_dir is not None:
        yield from (path for name in LEFT_OUT if (path := settings.playbook_dir / name).is_dir())
