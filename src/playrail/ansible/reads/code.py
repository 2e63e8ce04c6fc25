"""The code that a play runs, as hashes: playbooks and roles, plugins and modules, Ansible,
and collections.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from playrail.ansible.reads.files import files
from playrail.ansible.reads.places import Places, beside_playbooks, installed_collections
from playrail.ansible.reads.variables import texts
from playrail.canonical import digest

DOTTED = re.compile(r"\b[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*(?=\.|\b)")
LISTS = ("MANIFEST.json", "FILES.json", "galaxy.yml")  # of a collection: its version and its files


def playbooks_and_roles(content: Path) -> dict[str, str]:
    """Of the playbooks of a content folder, with all that lies beside them, and roles."""
    return {str(content / name): files.digest(content / name) for name in ("playbooks", "roles")}


def plugins(places: Places, project: Path | None) -> dict[str, str]:
    """Of each directory that Ansible's configuration names for plugins, modules or roles,
    or takes by itself.
    """
    beside = beside_playbooks(project) if project is not None else {}
    return {name: files.digest(path) for name, path in {**places.code(), **beside}.items()}


def libraries(places: Places) -> dict[str, str]:
    """Of Ansible, what it needs most, and Playrail."""
    return {f"the package {name}": files.digest(path) for name, path in places.libraries().items()}


def collections(places: Places, project: Path | None, named: Collection[str]) -> dict[str, str]:
    """Of each collection; `named` are words with a dot that may be names of those that are
    used.

    Those among this Python's packages, of which there may be a hundred, count by what is in
    them where they are named, or needed by such a one, and otherwise by their lists of
    files.
    """
    own, packaged = places.collections()
    found = {
        f"the collection {name}": files.digest(path)
        for name, path in installed_collections(
            [*own, *([project / "collections"] if project else [])]
        ).items()
    }
    packages = installed_collections(packaged)
    used = _with_needed(packages, set(named).intersection(packages))
    lists = []
    for name, path in packages.items():
        if name in used:
            found[f"the collection {name} of Python's packages"] = files.digest(path)
        else:
            lists.append([name, *(files.digest(path / file) for file in LISTS)])
    return {**found, "the other collections of Python's packages": digest(lists)}


def _with_needed(installed: Mapping[str, Path], used: set[str]) -> set[str]:
    waiting = list(used)
    while waiting:
        manifest = installed[waiting.pop()] / "MANIFEST.json"
        new = _needed(manifest, files.digest(manifest)).intersection(installed) - used
        used |= new
        waiting += new
    return used


@lru_cache(maxsize=500)
def _needed(manifest: Path, state: str) -> frozenset[str]:
    """The collections that one needs."""
    del state
    try:
        return frozenset(
            json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["dependencies"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()


@lru_cache(maxsize=50)
def dotted_in(root: Path, state: str) -> frozenset[str]:
    """The words with a dot in all playbooks below a directory, in a state."""
    del state
    return dotted(path.read_text(encoding="utf-8", errors="replace") for path in texts(root))


def dotted(several: Iterable[str]) -> frozenset[str]:
    """The words with a dot in texts."""
    return frozenset(word for text in several for word in DOTTED.findall(text))
