"""One JSON for one value, and its hash: what the ledger chains, and what plans are compared
by.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; a number that JSON does not have (NaN) becomes
    its name.
    """
    try:
        text = _dumped(value)
    except ValueError:
        text = _dumped(json.loads(json.dumps(value), parse_constant=str))
    # A lone surrogate becomes JSON's own escape for it
    return text.encode(errors="backslashreplace").decode()


def digest(value: Any) -> str:
    """The SHA-256 of the value's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def _dumped(value: Any) -> str:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
