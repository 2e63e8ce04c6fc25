"""What was done before, as policy counts it, read from the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from playrail.ledger.entries import Refused, Started
from playrail.ledger.ledger import Read
from playrail.policy.limits import Attempt
from playrail.tools.tool import Risk


def attempts(read: Read, since: datetime) -> Iterator[Attempt]:
    """The calls that were begun, or refused, since then."""
    at_least = since.astimezone(UTC).isoformat(timespec="milliseconds")
    for record in read(kinds=(Started.KIND, Refused.KIND), since=at_least):
        yield _attempt(record)


def _attempt(record: dict[str, Any]) -> Attempt:
    is_refused = record["kind"] == Refused.KIND
    began: Started | Refused = (Refused if is_refused else Started).of_body(record["body"])
    return Attempt(
        call=record["call"],
        caller=record["caller"],
        at=datetime.fromisoformat(record["at"]),
        hosts=began.hosts or (),
        changes=isinstance(began, Started) and Risk.of(began.risk).changes and not began.preview,
        inner=began.parent is not None,
        refused=began.outcome if isinstance(began, Refused) else None,
    )
