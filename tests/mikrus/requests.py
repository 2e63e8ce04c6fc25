"""How many requests of /exec a call takes: what the API counts, and so what a caller waits
for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mikrus.simulator import Simulator


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one call: its requests, their commands' bytes together, and how long it took."""

    requests: int
    sent_bytes: int
    seconds: float


def requests_of(simulator: Simulator, call: Callable[[], Any]) -> Cost:
    """Makes the call, and tells what it cost."""
    before, started = len(simulator.came("/exec")), time.monotonic()
    call()
    came = simulator.came("/exec")[before:]
    sent_bytes = sum(len(request.form.get("cmd", "")) for request in came)
    return Cost(requests=len(came), sent_bytes=sent_bytes, seconds=time.monotonic() - started)


def table(first: Mapping[str, Cost], again: Mapping[str, Cost]) -> str:
    """What each call cost the first time and, where it was done, again, as lines for people."""
    width = max(map(len, first), default=0)
    return "\n".join(
        [
            f"{'':<{width}}  first                        again",
            *(
                f"{name:<{width}}  {_told(cost)}   {_told(again.get(name))}".rstrip()
                for name, cost in first.items()
            ),
        ]
    )


def _told(cost: Cost | None) -> str:
    if cost is None:
        return ""
    return f"{cost.requests} requests {cost.sent_bytes / 1000:5.0f} kB {cost.seconds:4.1f} s"
