"""How long a server needs from the start of its process until `initialize`, and until its
first tool, are answered.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .mcp_client import PEER, Program, called, linux_mcp_server, playrail
from .place import Host, NotMeasured
from .table import Results
from .targets import ANSWERED, INITIALIZED


async def measure_starts(
    results: Results, host: Host, python: Path | None, scratch: Path, *, rounds: int
) -> None:
    """Starts the servers in turn; each is asked for the host's memory as soon as it has
    answered `initialize`.
    """
    own: Mapping[str, Any] = {"server": host.name}
    programs: list[tuple[Program, str, Mapping[str, Any]]] = [
        (playrail([host], scratch / "start-warm", warm=True), "get_memory_info", own),
        (playrail([host], scratch / "start-cold", warm=False), "get_memory_info", own),
    ]
    if python is not None:
        peer = linux_mcp_server(python, host, scratch / PEER)
        programs.append((peer, "get_memory_information", {"host": host.address}))
    for _ in range(rounds):
        for program, tool, arguments in programs:
            if program.name in results.missing:
                continue
            try:
                started = time.perf_counter()
                async with program.started() as client:
                    initialized = time.perf_counter() - started
                    await called(client, tool, arguments)
                    answered = time.perf_counter() - started
            except NotMeasured as error:
                results.miss(program.name, error)
                continue
            results.add(INITIALIZED, program.name, initialized)
            results.add(ANSWERED, program.name, answered)
