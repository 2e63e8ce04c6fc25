"""Where Playrail's own files lie in its state directory."""

from __future__ import annotations

from pathlib import Path

LEDGER = "ledger.sqlite"


def ledger_file(state_dir: Path) -> Path:
    """Where what was done is written down."""
    return state_dir / LEDGER


def claims_directory(state_dir: Path) -> Path:
    """Where each process that works with the ledger has its claim to be alive."""
    return state_dir / "servers"


def pace_directory(state_dir: Path) -> Path:
    """Where all processes of this user keep count of their requests to the mikr.us API."""
    return state_dir / "mikrus"
