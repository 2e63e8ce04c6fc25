"""Copies into an export what its playbooks are made of: roles and collections."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from playrail.ansible.content.named_content import named_roles
from playrail.tools.tool import PlaybookTool

NOT_COPIED = shutil.ignore_patterns("__pycache__", "molecule")


def carry(tool: PlaybookTool[Any, Any], directory: Path) -> None:
    """Copy the tool's playbook into the directory, and where it names roles those of its
    toolset: one may need another.
    """
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(tool.path, directory)
    if named_roles(tool.path) and (roles := tool.content / "roles").is_dir():
        _copy_folder(roles, directory / "roles")


def carry_collection(collection: Path, directory: Path) -> None:
    """Copy the collection to where Ansible finds it for a playbook in the directory."""
    place = Path("collections", "ansible_collections", collection.parent.name, collection.name)
    _copy_folder(collection, directory / place)


def _copy_folder(folder: Path, copy: Path) -> None:
    shutil.copytree(folder, copy, ignore=NOT_COPIED, dirs_exist_ok=True)
