"""Decides whether a call may run. Pure: what it needs to know is passed."""

from __future__ import annotations

from playrail.errors import WritesDisabled
from playrail.settings import Settings
from playrail.tool import Risk


def decide(*, tool: str, risk: Risk, settings: Settings) -> None:
    """Raises Denied when policy says no. Reads run, sensitive ones too; changes need the operator's switch."""
    if risk.changes and not settings.enable_write_operations:
        raise WritesDisabled(f"{tool} would make a change ({risk.name}), and write operations are disabled here.")
