"""Where Playrail's own playbooks, roles and inventory are."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2]


def content_root() -> Path:
    """The directory that holds playbooks/, roles/ and inventory/: inside the installed
    package, else the checkout.
    """
    installed = PACKAGE / "content"
    return installed if installed.is_dir() else PACKAGE.parent.parent
