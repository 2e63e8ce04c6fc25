"""Which contents of files were withheld as secret, by their SHA-256: this outlives the
records that are pruned.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from playrail.ledger.sqlite.tables import records

LEFT_OUT = "secret"  # why a content is not in a state
NOTHING = hashlib.sha256(b"").hexdigest()  # no secret is in an empty file


def withheld_in(kind: str, body: Mapping[str, Any]) -> set[str]:
    """The hashes that a `capture` or `checkpoint` tells of."""
    if kind == "checkpoint":
        return set(body.get("withheld", ()))
    effects = [one for found in body["effects"].values() for one in found]
    states = [
        state for one in effects for state in (one["before"], one["after"]) if state is not None
    ]
    hashes = {state.get("sha256") for state in states if state.get("left_out") == LEFT_OUT}
    return {found for found in hashes if isinstance(found, str)} - {NOTHING}


def withheld_up_to(connection: Connection, upto: int) -> list[str]:
    """The hashes that would be gone with the records up to this one."""
    kinds = ("capture", "checkpoint")
    found = select(records.c.kind, records.c.body).where(
        records.c.seq <= upto, records.c.kind.in_(kinds)
    )
    hashes: set[str] = set()
    for kind, body in connection.execute(found):
        hashes |= withheld_in(kind, json.loads(body))
    return sorted(hashes)
