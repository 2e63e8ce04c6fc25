"""Where Playrail's playbooks, roles, inventory and collection lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
COLLECTION = "playrail.host"
_COLLECTION_PATH = "ansible_collections/playrail/host"


def content_root() -> Path:
    """The directory that holds playbooks/, roles/ and inventory/: inside the installed
    package, else the checkout.
    """
    installed = PACKAGE / "content"
    return installed if installed.is_dir() else PACKAGE.parent.parent


def collections_root() -> Path:
    """The directory whose `ansible_collections` holds Playrail's own collection and no other,
    so that Ansible may look there first.
    """
    installed = PACKAGE / "content"
    return installed if installed.is_dir() else PACKAGE.parent


def collection() -> Path:
    """The directory of Playrail's own collection, `playrail.host`."""
    return collections_root() / _COLLECTION_PATH


def collections_in(path: Path) -> Mapping[str, Path]:
    """The collections in the directory `ansible_collections` of this one, by their names."""
    found = sorted(path.glob("ansible_collections/*/*/"))
    return {f"{each.parent.name}.{each.name}": each for each in found if each.name[0] not in "._"}
