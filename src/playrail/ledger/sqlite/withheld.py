"""Which contents of files were withheld as secret, by their SHA-256: this outlives the
records that are pruned.
"""

from __future__ import annotations

from sqlalchemy import Connection

from playrail.ledger.entries import Capture, Checkpoint, withheld_in
from playrail.ledger.sqlite.selection import selected


def withheld_up_to(connection: Connection, upto: int) -> list[str]:
    """The hashes that would be gone with the records up to this one. Raises
    LedgerUnavailable for one that cannot be read.
    """
    hashes: set[str] = set()
    for record in selected(connection, kinds=(Capture.KIND, Checkpoint.KIND)):
        if record["seq"] > upto:
            break
        hashes |= withheld_in(record["kind"], record["body"])
    return sorted(hashes)
