"""The clock, and how much and how long is enough: one record for a whole door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Operators do not set these. Times that end in `_s` are in seconds."""

    now: Callable[[], datetime] = utc_now
    """The clock of policy and of plans."""
    runs_at_once: int = 8
    """Each is an Ansible of its own. More calls wait for their turn."""
    close_grace_s: float = 60.0
    """For running calls to end their work on the hosts when Playrail stops."""
    end_run_s: float = 20.0
    """For a play that ends on the hosts what an interrupted one left there."""
    ask_patience_s: float = 900.0
    """For the answer of a client's user."""
    plans_held: int = 100
    """Plans whose secrets wait in memory."""
    ledger_busy_s: float = 10.0
    """To wait for another process that writes to the ledger."""
    end_patience_s: float = 300.0
    """To try to record an end while others write: its work is done already."""
    end_pause_s: float = 0.5
    event_characters: int = 4_000_000
    """Of all results and diffs of one run in its record."""
