"""The memory of a warm server with everything that it started: idle, and after many calls."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from .cases import CASES
from .mcp_client import Playrail, playrail
from .measure import WARM_UP_S
from .place import Host
from .table import Results
from .targets import AFTER_100, AFTER_1000, IDLE

REST_S = 2.0  # after the last call, until processes that only served that one are gone
MOMENTS = ((IDLE, 0), (AFTER_100, 100), (AFTER_1000, 1000))


async def measure_memory(results: Results, host: Host, scratch: Path, *, most_calls: int) -> None:
    """Samples the memory; the calls are all reads of one module, in turn. Raises
    NotMeasured.
    """
    tasks = itertools.cycle([case.task(0) for case in CASES if case.one_module])
    async with playrail([host], scratch / "memory", warm=True).started() as client:
        server = Playrail(client=client, host=host)
        await asyncio.sleep(WARM_UP_S)
        made = 0
        for moment, calls in MOMENTS:
            if calls > most_calls:
                results.miss(f"memory {moment}", f"no more than {most_calls} calls were asked for")
                return
            for _ in range(calls - made):
                await server.ask(next(tasks))
            made = calls
            await asyncio.sleep(REST_S)
            results.memory[moment] = sampled(os.getpid())


def sampled(root: int) -> dict[str, float]:
    """MiB of all processes below `root`, itself left out: proportional and resident set
    sizes; and how many they are.

    The bench is the parent of orphans (PR_SET_CHILD_SUBREAPER), so ssh masters that became
    daemons are among them.
    """
    found = [sizes for pid in below(root) if (sizes := _sizes(pid))]
    return {
        "pss": sum(sizes["Pss"] for sizes in found) / 1024,
        "rss": sum(sizes["Rss"] for sizes in found) / 1024,
        "processes": float(len(found)),
    }


def below(root: int) -> Iterator[int]:
    """The processes that have `root` for an ancestor."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name, in parentheses, may hold anything.
                fields = (
                    (entry / "stat")
                    .read_text(encoding="utf-8", errors="replace")
                    .rpartition(")")[2]
                    .split()
                )
            except OSError:
                continue  # it has just ended
            parents[int(entry.name)] = int(fields[1])
    for pid, parent in parents.items():
        ancestor = parent
        while ancestor not in (0, root):
            ancestor = parents.get(ancestor, 0)
        if ancestor == root:
            yield pid


def _sizes(pid: int) -> dict[str, int]:
    """KiB by name, as the kernel tells them; nothing of a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return {}
    return {line.split(":")[0]: int(line.split()[1]) for line in lines}
