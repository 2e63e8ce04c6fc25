"""Compares the bytes of answers, Playrail's and linux-mcp-server's: `python -m
tests.bench.sizes [--python PATH]`.

Each read is done by both on the lab's deb12, with default arguments where there are any.
What is counted is what a model gets once: the text of the peer, and the structured content
of Playrail. --python names a Python that has linux-mcp-server; without it one is made as
for `make bench`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from mcp import Client
from mcp.types import TextContent

from . import place
from .mcp_client import linux_mcp_server, playrail

HOST = "deb12"
Call = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Read:
    """The same question to both; where one needs several calls, the sum counts."""

    name: str
    ours: Sequence[Call]
    theirs: Sequence[Call]


READS = (
    Read(
        name="system",
        ours=[("get_system_info", {})],
        theirs=[("get_system_information", {}), ("get_cpu_information", {})],
    ),
    Read(name="memory", ours=[("get_memory_info", {})], theirs=[("get_memory_information", {})]),
    Read(name="file systems", ours=[("get_disk_usage", {})], theirs=[("get_disk_usage", {})]),
    Read(name="processes", ours=[("get_process_tree", {})], theirs=[("list_processes", {})]),
    Read(
        name="interfaces and ports",
        ours=[("get_network_info", {})],
        theirs=[("get_network_interfaces", {}), ("get_listening_ports", {})],
    ),
    Read(
        name="service",
        ours=[("check_service_status", {"name": "ssh"})],
        theirs=[("get_service_status", {"service_name": "ssh"})],
    ),
    Read(
        name="services, all",
        ours=[("list_units", {"type": "service", "limit": 200, "max_bytes": 24_000})],
        theirs=[("list_services", {})],
    ),
    Read(
        name="journal, 20 lines",
        ours=[("get_journal_logs", {"unit": "ssh", "lines": 20})],
        theirs=[("get_journal_logs", {"unit": "ssh", "last_lines": 20})],
    ),
    Read(
        name="directory /etc",
        ours=[("list_directory", {"path": "/etc"})],
        theirs=[("list_directories", {"path": "/etc"}), ("list_files", {"path": "/etc"})],
    ),
    Read(
        name="file",
        ours=[("read_file", {"path": "/etc/hosts"})],
        theirs=[("read_file", {"path": "/etc/hosts"})],
    ),
    Read(
        name="log, last 20 lines",
        ours=[("tail_file", {"path": "/var/log/dpkg.log", "lines": 20})],
        theirs=[("read_log_file", {"log_path": "/var/log/dpkg.log", "last_lines": 20})],
    ),
    Read(
        name="one process",
        ours=[("inspect_process", {"pid": 1})],
        theirs=[("get_process_info", {"pid": 1})],
    ),
    Read(
        name="what listens on a port",
        ours=[("check_port", {"port": 22})],
        theirs=[("get_listening_ports", {})],
    ),
    Read(
        name="connections",
        ours=[("execute_command", {"cmd": "ss -tunp"})],
        theirs=[("get_network_connections", {})],
    ),
    Read(
        name="block devices",
        ours=[("execute_command", {"cmd": "lsblk -o NAME,SIZE,TYPE,MOUNTPOINTS,FSTYPE"})],
        theirs=[("list_block_devices", {})],
    ),
    Read(
        name="hardware",
        ours=[("execute_command", {"cmd": "lscpu"})],
        theirs=[("get_hardware_information", {})],
    ),
    Read(
        name="a service's log, 50 lines",
        ours=[("get_journal_logs", {"unit": "docker"})],
        theirs=[("get_service_logs", {"service_name": "docker"})],
    ),
    Read(
        name="errors of the journal",
        ours=[("get_journal_logs", {"priority": "err", "lines": 20})],
        theirs=[("get_journal_logs", {"priority": "err", "last_lines": 20})],
    ),
    Read(
        name="service that failed",
        ours=[("check_service_status", {"name": "docker", "messages": True})],
        theirs=[("get_service_status", {"service_name": "docker"})],
    ),
    Read(
        name="largest directories below /var",
        ours=[("analyze_disk", {"path": "/var"})],
        theirs=[("list_directories", {"path": "/var", "order_by": "size", "sort": "descending"})],
    ),
)


def answer_bytes(result: Any) -> int:
    """Bytes of what a model gets once."""
    if result.is_error:
        said = " ".join(block.text for block in result.content if isinstance(block, TextContent))
        raise place.NotMeasured(" ".join(said.split())[:200])
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    content = result.structured_content
    if content is not None and "_meta" in content:  # ours
        return len(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())
    return sum(len(text.encode()) for text in texts)


async def asked(client: Client, calls: Sequence[Call], **host: str) -> int | str:
    """The bytes of all answers, or why there are none."""
    try:
        return sum(
            [answer_bytes(await client.call_tool(tool, {**given, **host})) for tool, given in calls]
        )
    except Exception as error:  # noqa: BLE001  a row that cannot be measured says why
        return f"{type(error).__name__}: {error}"


async def compare(python: Path) -> int:
    """Prints the table; exit status 1 when a read could not be measured, or ours have more
    bytes in sum.
    """
    host = place.lab_host(HOST)
    rows: list[tuple[str, int | str, int | str]] = []
    with place.scratch() as scratch:
        ours = playrail([host], scratch / "ours", warm=True)
        theirs = linux_mcp_server(python, host, place.directory(scratch / "theirs"))
        async with ours.started() as one, theirs.started() as other:
            for read in READS:
                mine = await asked(one, read.ours, server=host.name)
                rows.append((read.name, mine, await asked(other, read.theirs, host=host.address)))
    write = sys.stdout.write
    write(f"{'read':24}{'Playrail':>10}{'peer':>10}{'ratio':>8}\n")
    both = [
        (mine, peer) for _, mine, peer in rows if isinstance(mine, int) and isinstance(peer, int)
    ]
    for name, mine, peer in rows:
        ratio = (
            f"{mine / peer:8.2f}" if isinstance(mine, int) and isinstance(peer, int) else "       -"
        )
        write(f"{name:24}{mine!s:>10}{peer!s:>10}{ratio}\n")
    total, their_total = sum(mine for mine, _ in both), sum(peer for _, peer in both)
    if both:
        write(f"{f'sum of {len(both)}':24}{total:>10}{their_total:>10}{total / their_total:8.2f}\n")
    return int(len(both) < len(rows) or total > their_total)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, help="a Python that has linux-mcp-server")
    given = parser.parse_args()
    try:
        return anyio.run(compare, given.python or place.contenders_python())
    except place.NotMeasured as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
