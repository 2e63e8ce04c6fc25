"""What a look takes whose answer is short unless more is asked for."""

from __future__ import annotations

from playrail.tools.tool import MaxBytes, Reading


class ShortReading(Reading):
    max_bytes: MaxBytes = 4_000
