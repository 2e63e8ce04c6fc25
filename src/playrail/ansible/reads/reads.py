"""All that a play reads besides what its caller says, each file by its hash: a plan is held
to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from playrail.ansible.content.named_content import named_roles
from playrail.ansible.project import VARIABLES
from playrail.ansible.reads.code import (
    collections,
    dotted,
    dotted_in,
    libraries,
    playbooks_and_roles,
    plugins,
)
from playrail.ansible.reads.files import files
from playrail.ansible.reads.places import Places
from playrail.ansible.reads.ssh import ssh_files
from playrail.ansible.reads.variables import bound_variables, text_of, used_in
from playrail.settings.content import content_root
from playrail.settings.project import read_config
from playrail.settings.settings import Settings

SSH_ARGUMENTS = ("ssh_args", "ssh_common_args", "ssh_extra_args")
SSH_PROGRAM = "ssh_executable"

Items = Mapping[str, str]
"""What a part of it consists of: each item's name and hash."""
Keyed = Callable[[Mapping[str, Any]], Items]
"""Hashes values in a way from which they cannot be guessed."""


def reads_of(
    playbooks: Iterable[Path],
    hosts: Sequence[str],
    *,
    contents: Sequence[Path],
    listing: Mapping[str, Any],
    settings: Settings,
    environment: Mapping[str, str],
    keyed: Keyed,
) -> dict[str, Items]:
    """What these playbooks read on these hosts, as it is at this moment.

    `contents` are the content folders that the playbooks are of, `listing` is the
    inventory, `environment` that of Ansible's processes. Raises PlanUnusable for more files
    than a plan can be held to.
    """
    said = bound_variables(listing, hosts, _used(playbooks, contents))
    return {
        "inventory": {**keyed(said), **_sources(settings)},
        "configuration": {
            **_configuration(settings, environment, keyed),
            **_ssh(settings, environment, said),
        },
        **code_of(contents, settings, environment, said),
    }


def inside(was: str, now: str) -> str:
    """The first file in which two items differ, as a path below the item's; empty where it
    is not known.
    """
    found = files.differing(was, now)
    return f"/{found[0].removesuffix(' ->')}" if found else ""


def code_of(
    contents: Sequence[Path],
    settings: Settings,
    environment: Mapping[str, str],
    said: Mapping[str, Any],
) -> dict[str, Items]:
    """The code that plays run, of which a run that stays has loaded some. `said` are
    variables that may name more.
    """
    beside = settings.playbook_dir
    config = read_config(settings.ansible_config)
    directory = settings.project or Path.cwd()
    places = Places(environment, config, file=settings.ansible_config, directory=directory)
    played = {
        name: state
        for content in dict.fromkeys((content_root(), *contents))
        for name, state in playbooks_and_roles(content).items()
    }
    values = [
        value for section in config.sections() for value in dict(config[section]).values() if value
    ]
    named = dotted([*values, *environment.values(), json.dumps(said, default=str)])
    named = named.union(*(dotted_in(Path(root), state) for root, state in played.items()))
    return {
        "playbook": played,
        "plugins": plugins(places, beside),
        "collections": {**libraries(places), **collections(places, beside, named)},
    }


def _used(playbooks: Iterable[Path], contents: Sequence[Path]) -> frozenset[str]:
    """The names in the templates of these playbooks, and of the roles that these play."""
    playbooks = set(playbooks)
    named = {role for playbook in playbooks for role in named_roles(playbook)}
    roles = {
        path
        for content in dict.fromkeys((content_root(), *contents))
        for role in named
        if (path := content / "roles" / role).is_dir()
    }
    roots = {*(playbook.parent for playbook in playbooks), *roles}
    return frozenset().union(*(used_in(root, files.digest(root)) for root in roots))


def _sources(settings: Settings) -> Items:
    """The files that the inventory is read from, and those beside them, encrypted ones as
    they are.
    """
    sources = list(settings.inventory) or [content_root() / "inventory"]
    beside = [path.parent / name for path in sources if not path.is_dir() for name in VARIABLES]
    beside += [
        settings.playbook_dir / name for name in VARIABLES if settings.playbook_dir is not None
    ]
    return {str(path): files.digest(path) for path in dict.fromkeys([*sources, *beside])}


def _configuration(settings: Settings, environment: Mapping[str, str], keyed: Keyed) -> Items:
    """ansible.cfg, and Ansible's variables, but for those that name a place of this
    process.
    """
    own = str(settings.runtime_dir)
    variables = {
        name: value
        for name, value in environment.items()
        if name.startswith("ANSIBLE_") and own not in value
    }
    config = settings.ansible_config
    return {**keyed(variables), **({str(config): files.digest(config)} if config else {})}


def _ssh(settings: Settings, environment: Mapping[str, str], said: Mapping[str, Any]) -> Items:
    """The configuration of ssh, which says where a name leads to: the usual files, and
    those that are named.
    """
    config = read_config(settings.ansible_config)
    given = {
        key: config.get("ssh_connection", key, fallback="") for key in (*SSH_ARGUMENTS, SSH_PROGRAM)
    }
    given |= {name: value for name, value in environment.items() if name.startswith("ANSIBLE_SSH_")}
    for name, values in said.items():
        texts = filter(None, map(text_of, values.values()))
        given |= {f"{name} {number}": text for number, text in enumerate(texts)}
    programs = [value for name, value in given.items() if SSH_PROGRAM in name.lower()]
    named = ssh_files(
        given.values(), programs, base=settings.project or Path.cwd(), home=environment.get("HOME")
    )
    return {name: files.digest(path) for name, path in named.items()}
