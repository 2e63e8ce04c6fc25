"""Waits for what comes by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 180.0  # the machine may be slow: that it takes longer means it never comes


def until(what: Callable[[], Any]) -> Any:
    """What `what` returns once it is true; fails where that never comes."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := what()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found
