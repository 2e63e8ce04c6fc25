"""Processes on real hosts: what is told is what the host says, and what is said to have
ended has ended.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from .conftest import Wire, entry, on_host
from .waiting import until

pytestmark = pytest.mark.lab
BOTH = pytest.mark.parametrize("host", ["deb12", "deb13"])


@pytest.fixture
def name() -> Iterator[str]:
    """A name that no other process has; none of it outlives the test."""
    found = f"probe-{uuid.uuid4().hex}"
    yield found
    for host in ("deb12", "deb13"):
        on_host(host, "pkill", "-KILL", "-f", f"^{found}", check=False)


def start(host: str, name: str, script: str = "while :; do sleep 1; done") -> int:
    """Starts a shell of that name on the host, in a session of its own. Returns its number."""
    on_host(
        host,
        "setsid",
        "--fork",
        "bash",
        "-c",
        'exec -a "$0" bash -c "$1" <&- >&- 2>&-',
        name,
        script,
    )
    found = until(lambda: on_host(host, "pgrep", "-o", "-f", f"^{name}", check=False).strip())
    time.sleep(0.2)  # for its trap
    return int(found)


def lives(host: str, pid: int) -> bool:
    state = on_host(host, "ps", "-o", "state=", "-p", str(pid), check=False).strip()
    return state not in ("", "Z")


@BOTH
def test_tree(wire: Wire, host: str, name: str) -> None:
    pid = start(host, name)
    before = set(on_host(host, "ps", "-eo", "pid=").split())
    found = wire.report("get_process_tree", server=host, limit=1000, max_bytes=200_000)
    lasting = before & set(on_host(host, "ps", "-eo", "pid=").split())
    one = next(item for item in found["processes"] if item["pid"] == pid)
    user, parent, seconds = on_host(host, "ps", "-o", "user=,ppid=,etimes=", "-p", str(pid)).split()
    above = {item["pid"]: item for item in found["processes"]}
    while "user" not in one:  # it is told where that is not its parent's
        one = above[one["parent_pid"]]
    assert one["user"] == user
    one = above[pid]
    assert one["parent_pid"] == int(parent)
    assert one["command"].startswith(f"{name} -c while")
    assert int(seconds) < 60
    left_out = lasting - {str(item["pid"]) for item in found["processes"]}
    kept = {
        pid
        for pid in left_out
        if "zlib.decompress" in on_host(host, "cat", f"/proc/{pid}/cmdline", check=False)
    }
    assert left_out == kept  # Playrail's own
    assert found["of_playrail"] >= len(kept)
    assert found["total"] == len(found["processes"])
    first = found["processes"][0]
    assert (first["pid"], first["user"]) == (1, "root")
    assert found["all_visible"] is True


def test_largest(wire: Wire) -> None:
    found = wire.report("manage_process", server="deb12", action="list", limit=3)
    pid, kib = on_host("deb12", "ps", "-eo", "pid=,rss=", "--sort=-rss").split()[:2]
    assert found["processes"][0]["pid"] == int(pid)
    assert abs(found["processes"][0]["memory_bytes"] - int(kib) * 1024) < 0.2 * int(kib) * 1024


@BOTH
def test_all_of_a_name_end(wire: Wire, host: str, name: str) -> None:
    pid, other = start(host, name), start(host, f"{name}x")
    answer = wire.call("manage_process", server=host, action="kill", target=name)
    assert answer["success"], answer
    assert answer["data"]["changed"] == [host]
    assert [one["pid"] for one in answer["data"]["hosts"][host]["signalled"]] == [pid]
    assert (lives(host, pid), lives(host, other)) == (False, True)
    on_host(host, "kill", "-KILL", str(other))


def test_what_ignores_the_signal(wire: Wire, name: str) -> None:
    pid = start("deb12", name, "trap '' TERM; while :; do sleep 1; done")
    answer = wire.call("manage_process", server="deb12", action="kill", target=str(pid), wait_s=1)
    assert (answer["code"], lives("deb12", pid)) == ("process_not_ended", True)
    assert answer["data"]["hosts"]["deb12"]["signalled"][0]["how"] == "running"
    report = wire.report(
        "manage_process", server="deb12", action="kill", target=str(pid), signal="KILL"
    )
    assert (report["signalled"][0]["ended"], lives("deb12", pid)) == (True, False)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("1", "protected_process"),
        # The way by which it came
        pytest.param("sshd", "protected_process", marks=pytest.mark.over_ssh),
        ("nosuchprogram", "process_not_found"),
    ],
)
def test_what_is_refused(wire: Wire, target: str, code: str) -> None:
    answer = wire.call(
        "manage_process", server="deb12", action="kill", target=target, signal="KILL"
    )
    assert (answer["success"], answer["code"]) == (False, code)
    assert answer["data"].get("changed", []) == []


def test_a_name_does_not_mean_processes_in_containers(wire: Wire) -> None:
    answer = wire.call("manage_process", server="deb12", action="kill", target="hello.sh")
    assert answer["code"] == "process_not_found"
    assert "container" in answer["error"]
    assert (
        on_host("deb12", "docker", "inspect", "-f", "{{.State.Running}}", "hello").strip() == "true"
    )


def test_another_users_process(
    hosts: Mapping[str, Any], wired: Callable[..., Wire], name: str
) -> None:
    pid = start("deb13", name)
    wire = wired({"deb13": entry(hosts, "deb13", sudo_password=None)})
    answer = wire.call("manage_process", server="deb13", action="kill", target=name)
    assert (answer["code"], lives("deb13", pid)) == ("permission_denied", True)
    assert answer["data"].get("changed", []) == []
