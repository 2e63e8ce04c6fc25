"""Whether work grows with its input, or with the square of it: a ratio within one run tells."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

TRIES = 5
TIMES = 4
MOST = 10.0  # times as long for four times the input; the square would be 16
NOISE_S = 0.02  # less than this says nothing


def grows_with_its_input(work: Callable[[int], object], size: int) -> bool:
    """Whether `work(size)` takes at most some four times the processor time of `work(size
    // 4)`.
    """
    return _least_s(work, size) <= MOST * _least_s(work, size // TIMES) + NOISE_S


def _least_s(work: Callable[[int], object], size: int) -> float:
    def once() -> float:
        began = time.process_time()
        work(size)
        return time.process_time() - began

    return min(once() for _ in range(TRIES))


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
