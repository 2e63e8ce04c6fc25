"""Hashes of what decides what a play does, so that a plan can be held to it."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

CACHES = frozenset({"__pycache__", ".git"})


def digest(value: Any) -> str:
    """The SHA-256 of JSON data, in hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def content_digest(playbook: Path, roles: Path) -> str:
    """The hash of a playbook with all that lies beside it (modules, variables, tasks), and of all roles."""
    found = hashlib.sha256(version("playrail").encode())
    for root in (playbook.parent, roles):
        for path in _files(root):
            found.update(f"{path.relative_to(root)}\0".encode())
            found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def collections_digest() -> str:
    """The hash of the versions of ansible-core and of every collection that is installed where Ansible looks."""
    manifests = [path for place in _places() for path in sorted(place.glob("ansible_collections/*/*/MANIFEST.json"))]
    versions = [[str(path), _version(path)] for path in manifests]
    return digest([version("ansible-core"), versions])


def _places() -> list[Path]:
    """Where Ansible looks for collections, but for what its configuration adds, which is a part of its own."""
    return [Path.home() / ".ansible/collections", Path("/usr/share/ansible/collections"), *map(Path, sys.path)]


def _version(manifest: Path) -> str | None:
    try:
        return str(json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"])
    except (OSError, ValueError, KeyError):
        return None


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and CACHES.isdisjoint(path.parts):
            yield path
