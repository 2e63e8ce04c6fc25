"""How many requests each tool takes on a server that only the mikr.us API reaches; prints a
table at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from mikrus.requests import Cost, requests_of, table
from mikrus.simulator import Simulator
from playrail import catalog
from playrail.tools.tool import PlaybookTool

from .conftest import Wire, on_host

pytestmark = pytest.mark.lab

# Of one server: what compares several asks each of them alike
PLAYED = {
    tool.name
    for tool in catalog.load().values()
    if isinstance(tool, PlaybookTool) and tool.together is None
}
CALLS: Mapping[str, Mapping[str, Any]] = {
    "get_memory_info": {},
    "get_system_info": {},
    "get_network_info": {},
    "get_process_tree": {},
    "manage_process": {"action": "list"},
    "check_port": {"port": 22},
    "check_dns": {"name": "localhost"},
    "check_http": {"url": "http://127.0.0.1:8080/"},
    "check_certificate": {"path": "/etc/ssl/certs/ca-certificates.crt"},
    "get_firewall": {},
    "list_logins": {},
    "list_packages": {},
    "get_disk_usage": {},
    "get_mounts": {},
    "get_sysctl": {},
    "inspect_process": {"pid": 1},
    "inspect_container": {"container": "hello"},
    "analyze_disk": {},
    "list_directory": {"path": "/etc"},
    "write_file": {"path": "/srv/requests", "content": "one\n"},
    "read_file": {"path": "/srv/requests"},
    "tail_file": {"path": "/srv/requests"},
    "search_in_files": {"path": "/srv/requests", "pattern": "one"},
    "execute_command": {"cmd": "id"},
    "execute_on_multiple": {"cmd": "id"},
    "check_service_status": {"name": "ssh"},
    "manage_service": {"name": "ssh", "action": "status"},
    "list_units": {},
    "list_schedules": {},
    "triage": {},
    "get_journal_logs": {"unit": "ssh"},
    "find_system_errors": {},
    "search_journal_logs": {"term": "no such text"},
    "list_docker_containers": {},
    "get_docker_logs": {"container": "hello"},
    "get_docker_stats": {},
    "install_package": {"name": "bash"},
    "update_system": {},
    "remove_file": {"path": "/srv/requests"},
}
# Of which each is a request; others have one
TASKS = {"install_package": 3, "update_system": 4, "manage_service": 1}
MODULES = 2  # requests that bring what modules share to a server that has none of it
MORE = 2  # at most, that bring what one tool needs beside


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_what_each_tool_costs(
    vps: Wire, simulator: Simulator, record_property: Callable[[str, object], None]
) -> None:
    """A task takes one request when the server has what modules share."""
    assert set(CALLS) == PLAYED, "a tool is missing here, or gone"

    def calling(tool: str) -> Callable[[], Any]:
        return lambda: vps.report(tool, server="vps", **CALLS[tool])

    try:
        first = {tool: requests_of(simulator, calling(tool)) for tool in CALLS}
        # The others had all that they need, so their first call tells of the next
        brought = [tool for tool, cost in first.items() if cost.requests > tasks(tool)]
        again = {tool: requests_of(simulator, calling(tool)) for tool in brought}
    finally:
        on_host("deb12", "rm", "-f", "/srv/requests")
    record_property("requests per tool over mikr.us", table(first, again))

    assert again
    assert first["get_memory_info"].requests <= 1 + MODULES
    assert too_many(again, 0) == {}
    assert too_many(first, MORE) == {}


def tasks(tool: str) -> int:
    return TASKS.get(tool, 1)


def too_many(costs: Mapping[str, Cost], more: int) -> dict[str, int]:
    """Tools that took more requests than their tasks and `more`."""
    return {
        tool: cost.requests for tool, cost in costs.items() if cost.requests > tasks(tool) + more
    }
