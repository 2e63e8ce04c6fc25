"""The ledger as commands read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playrail.ledger.ledger import Ledger
from playrail.settings.settings import Settings
from playrail.settings.state import ledger_file


@contextmanager
def opened_ledger(settings: Settings) -> Iterator[Ledger | None]:
    """The ledger; None where nothing is recorded yet, and nothing is made by looking."""
    path = ledger_file(settings.state_dir)
    if not path.exists():
        yield None
        return
    ledger = Ledger(path)
    try:
        yield ledger
    finally:
        ledger.close()
