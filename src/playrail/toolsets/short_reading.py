"""What tools take whose answer is short unless more is asked for."""

from __future__ import annotations

from pydantic import Field

from playrail.tools.tool import LEAST_SHARE_BYTES, Reading

SHORT_BYTES = 4_000


class ShortReading(Reading):
    max_bytes: int = Field(
        default=SHORT_BYTES,
        ge=LEAST_SHARE_BYTES,
        le=1_000_000,
        description="Most bytes of the answer.",
        examples=[SHORT_BYTES],
    )
