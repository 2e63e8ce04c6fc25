"""One stock `ansible_runner.run` in a process of its own: `python asked_runner.py ORDERS`.

ORDERS is JSON: the keyword arguments of ansible_runner.run. What it writes is {"seconds",
"status", "changed"}, where `seconds` is the time of that call alone, without the start of
this process and its imports.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import ansible_runner


def main(orders: dict[str, Any]) -> None:
    """Runs and tells."""
    started = time.perf_counter()
    runner = ansible_runner.run(quiet=True, **orders)
    seconds = time.perf_counter() - started
    changed = bool((runner.stats or {}).get("changed"))
    sys.stdout.write(
        json.dumps({"seconds": seconds, "status": runner.status, "changed": changed}) + "\n"
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
