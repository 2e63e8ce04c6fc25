"""Measures Playrail against stock Ansible, SSH libraries and a peer: `python -m tests.bench
[--quick] [--only PART]`.

All runs on the lab's deb12, all contenders in one interleaved run; only ratios within one
run count. Writes the tables to standard output and everything, each sample too, to
bench.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playrail.ansible.run.ending import adopt_orphans

from . import place, table
from .fanout import measure_fanout
from .measure import measure_cases, measure_throughput
from .memory import measure_memory
from .start import measure_starts
from .targets import targets

BENCH_JSON = place.ROOT / "bench.json"
HOST = "deb12"
ROUNDS, QUICK_ROUNDS = 30, 8
STARTS, FANOUTS = 5, 6  # by how much fewer of these, which take many seconds a round
CALLS, QUICK_CALLS = 1000, 100
PARTS = ("cases", "throughput", "fanout", "memory", "start")

Part = Callable[[], Awaitable[None]]


async def measure(
    results: table.Results, python: Path | None, *, quick: bool, only: Sequence[str]
) -> None:
    """Does the parts one after the other. A part that cannot be done is noted, and the next
    one is done.
    """
    host = place.lab_host(HOST)
    rounds = QUICK_ROUNDS if quick else ROUNDS
    calls = QUICK_CALLS if quick else CALLS
    with place.scratch() as scratch:
        parts: Mapping[str, Part] = {
            "cases": lambda: measure_cases(results, host, python, scratch, rounds=rounds),
            "throughput": lambda: measure_throughput(results, host, scratch),
            "fanout": lambda: measure_fanout(
                results, host.key, python, scratch, rounds=max(2, rounds // FANOUTS)
            ),
            "memory": lambda: measure_memory(results, host, scratch, most_calls=calls),
            "start": lambda: measure_starts(
                results, host, python, scratch, rounds=max(2, rounds // STARTS)
            ),
        }
        for name, part in parts.items():
            if name not in only:
                results.miss(name, "it was left out with --only")
                continue
            started = time.monotonic()
            try:
                await part()
            except place.NotMeasured as error:
                results.miss(name, error)
            sys.stderr.write(f"bench: {name}, {time.monotonic() - started:.0f} s\n")


def report(results: table.Results, machine: Mapping[str, Any]) -> str:
    """All tables, as Markdown."""
    judged = [target.judged(results) for target in targets()]
    lines = [", ".join(f"{name} {value}" for name, value in machine.items())]
    lines += ["", *table.times_table(results.samples)]
    if results.memory:
        lines += ["", *table.memory_table(results.memory)]
    lines += ["", *table.targets_table(judged), "", *table.summary(judged, results.missing)]
    told = {
        "machine": machine,
        "samples": results.samples,
        "memory": results.memory,
        "targets": judged,
        "not_measured": results.missing,
    }
    BENCH_JSON.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Exit status 1 only when nothing could be measured: the targets are shown, not
    enforced.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Measure Playrail against others."
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_ROUNDS} calls instead of {ROUNDS}"
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="only these parts")
    asked = parser.parse_args()
    adopt_orphans()  # so that a server's daemons are found below this process
    results = table.Results()
    python: Path | None = None
    try:
        python = place.contenders_python()
    except place.NotMeasured as error:
        results.miss("the contenders from PyPI", error)
    try:
        asyncio.run(measure(results, python, quick=asked.quick, only=asked.only))
    except place.NotMeasured as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    machine = {"date": datetime.now(UTC).date().isoformat(), "cores": os.cpu_count()}
    machine |= {"Python": platform.python_version(), **place.versions(python)}
    sys.stdout.write(report(results, machine))
    return 0


if __name__ == "__main__":
    sys.exit(main())
