"""Whether work takes time as its input grows, or as the square of it: a ratio within one
run tells, and no clock.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

TRIES = 5  # for what else the machine does may fall on one of the two
TIMES = 4
MOST = 10.0  # times as long for four times the input; the square would be 16
NOISE_S = 0.02  # less than this says nothing


def grows_with_its_input(work: Callable[[int], object], size: int) -> bool:
    """Whether `work(size)` takes at most some four times the processor time of `work(size
    // 4)`.
    """
    small = large = math.inf
    for _ in range(TRIES):
        small, large = min(small, _s(work, size // TIMES)), min(large, _s(work, size))
        if large <= MOST * small + NOISE_S:
            return True
    return False


def _s(work: Callable[[int], object], size: int) -> float:
    began = time.process_time()
    work(size)
    return time.process_time() - began


def lines_run(work: Callable[[], object]) -> int:
    """How many lines of Python `work` runs: the same on a machine that is busy."""
    lines = 0

    def count(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        work()
    finally:
        sys.settrace(before)
    return lines
