"""How long an answer may be, and what a tool takes whose answer may be long."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from playrail.tools.arguments import More
from playrail.tools.tool import OnHosts, ToolInput

ANSWER_BYTES = 24_000  # of all servers' parts of an answer together, unless more is asked for
ENVELOPE_BYTES = 400  # of these for what is around the reports
HOST_BYTES = 100  # and for each host's name, and what tells of it
LEAST_SHARE_BYTES = 1_000  # that each of many servers has of them
SHORT_BYTES = 4_000  # where a look fits into them

MaxBytes = Annotated[
    int,
    More,
    Field(ge=LEAST_SHARE_BYTES, le=1_000_000, description="Most bytes.", examples=[ANSWER_BYTES]),
]


class Reading(OnHosts):
    """Arguments of a tool whose answer may be long.

    The play gets its host's share as `playrail_max_bytes`, and tells what it left out and
    how to go on.
    """

    max_bytes: MaxBytes = ANSWER_BYTES


class ShortReading(Reading):
    """Arguments of a look whose answer is short unless more is asked for."""

    max_bytes: MaxBytes = SHORT_BYTES


def most_bytes(given: ToolInput) -> int:
    """Bytes that the answer to this call may have."""
    return given.max_bytes if isinstance(given, Reading) else ANSWER_BYTES


def share_bytes(given: ToolInput, *, hosts: int) -> int:
    """Bytes that the report of each of so many hosts has of the answer to this call."""
    return max(
        LEAST_SHARE_BYTES, (most_bytes(given) - ENVELOPE_BYTES) // max(1, hosts) - HOST_BYTES
    )
