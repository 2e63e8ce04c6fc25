"""Answers fit: of hosts with much to tell, what is left out is told, and how to get it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Wire
from .own_host import NAME, Operator, OwnHost, reported

pytestmark = [pytest.mark.lab]
MOST = 24_576
# What linux-mcp-server 1.7.0 answered on a host like these, in bytes, without its own
# envelope.
PEER = {
    "get_system_info": 352 + 231,
    "get_memory_info": 186,
    "analyze_disk": 1_684,
    "get_process_tree": 2_005,
    "get_network_info": 377 + 1_016,
    "check_port": 1_016,
    "get_journal_logs": 2_301,
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "check_port": {"port": 22},
    "get_journal_logs": {"unit": "ssh", "lines": 20},
}


def told(value: Any) -> Any:
    """Without what is null, as a client gets it."""
    if isinstance(value, dict):
        return {key: told(item) for key, item in value.items() if item is not None}
    return [told(item) for item in value] if isinstance(value, list) else value


def size(living: Operator, tool: str, **arguments: Any) -> int:
    answer = living.call(tool, **arguments)
    assert answer.code == "ok", answer
    return len(
        json.dumps(told(answer.envelope()), ensure_ascii=False, separators=(",", ":")).encode()
    )


def report_size(living: Operator, tool: str, **arguments: Any) -> int:
    answer = living.call(tool, **arguments)
    return len(
        json.dumps(told(reported(answer)), ensure_ascii=False, separators=(",", ":")).encode()
    )


def test_reads_of_a_plain_host_are_about_as_short_as_others(
    host: OwnHost, living: Operator
) -> None:
    for _ in range(5):
        living.works()
    host.sh(
        "for i in $(seq 30); do logger -t sshd[1] 'Accepted publickey for root from 192.0.2.1 "
        "port 40000'; done"
    )
    sizes = {tool: report_size(living, tool, **ARGUMENTS.get(tool, {})) for tool in PEER}
    assert sum(sizes.values()) <= 1.3 * sum(PEER.values()), sizes


def test_much_to_tell(host: OwnHost, living: Operator) -> None:
    host.sh(
        "for i in $(seq 400); do sh -c 'sleep 900 # '$(head -c 300 /dev/zero | tr '\\0' x) & done"
    )
    listener = "held=[socket.create_server(('127.0.0.1', 20000+i)) for i in range(900)]"
    host.sh(f'nohup python3 -c "import socket,time;{listener};time.sleep(900)" >/dev/null 2>&1 &')
    host.sh(
        "for i in $(seq 80); do ip link add v$i type veth peer name w$i; ip address add "
        "192.0.2.$i/32 dev v$i; done"
    )
    host.sh(
        "mkdir -p /srv/many; cd /srv/many; for i in $(seq 150); do touch $(head -c 200 "
        "/dev/zero | tr '\\0' n)$i; done"
    )
    host.sh(
        "for i in $(seq 200); do logger -p user.err $(head -c 2000 /dev/zero | tr '\\0' é); "
        "done; journalctl --sync"
    )
    reads: dict[str, dict[str, Any]] = {
        "get_process_tree": {},
        "get_network_info": {},
        "check_port": {"port": 20001},
        "analyze_disk": {"path": "/srv/many", "limit": 100},
        "find_system_errors": {"lines": 200},
        "search_journal_logs": {"term": "é", "lines": 200},
        "get_system_info": {},
        "get_memory_info": {},
    }
    for tool, arguments in reads.items():
        assert size(living, tool, **arguments) <= MOST, tool
    tree = living.call("get_process_tree")
    assert tree.meta.truncated
    network = living.report("get_network_info")
    assert network["listening_total"] > len(network["listening"]) > 0


def test_processes_that_may_not_be_seen(host: OwnHost, wired: Callable[..., Wire]) -> None:
    host.sh("id eve || useradd -m -s /bin/sh eve; install -d -o eve -m 700 ~eve/.ssh")
    host.sh(
        "install -o eve -m 600 /root/.ssh/authorized_keys ~eve/.ssh; mount -o "
        "remount,hidepid=2 /proc"
    )
    try:
        wire = wired({NAME: {**host.entry(), "user": "eve"}})
        found = wire.report("get_process_tree", server=NAME)
        assert (found["all_visible"], {one["user"] for one in found["processes"]} <= {"eve"}) == (
            False,
            True,
        )
        port = wire.report("check_port", server=NAME, port=22)
        assert (port["listening"], port["processes_known"]) == (True, False)
        assert not any(one.get("process") for one in port["sockets"])
        disk = wire.report("analyze_disk", server=NAME, path="/var")
        assert (disk["processes_known"], disk["unreadable"] > 0) == (False, True)
        assert "/var/lib/private" in disk["unreadable_paths"]
        errors = wire.call("find_system_errors", server=NAME)
        assert errors["code"] == "permission_denied"
    finally:
        host.sh("mount -o remount,hidepid=0 /proc")
