"""Copies into an export what its playbooks are made of: roles, and Playrail's collection."""

from __future__ import annotations

import shutil
from pathlib import Path

from playrail.ansible.content.named_content import named_roles
from playrail.settings.content import collection, content_root

NOT_COPIED = shutil.ignore_patterns("__pycache__", "molecule")


def carry(playbook: Path, directory: Path) -> None:
    """Copy the playbook into the directory, with the roles that it names."""
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(playbook, directory)
    for role in named_roles(playbook):
        _copy_folder(content_root() / "roles" / role, directory / "roles" / role)


def carry_collection(directory: Path) -> None:
    """Copy the collection to where Ansible finds it for a playbook in the directory."""
    own = collection()
    place = Path("collections", "ansible_collections", own.parent.name, own.name)
    _copy_folder(own, directory / place)


def _copy_folder(folder: Path, copy: Path) -> None:
    shutil.copytree(folder, copy, ignore=NOT_COPIED, dirs_exist_ok=True)
