"""Looks at containers, processes and what was done before, on real hosts: what is told is what
the host itself says.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import Wire, on_host
from .waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.over_ssh]
HOST = "deb12"


def docker(*words: str) -> str:
    return on_host(HOST, "docker", *words)


@pytest.fixture
def name() -> Iterator[str]:
    """The name of a container that does not outlive the test."""
    found = f"look-{uuid.uuid4().hex}"
    yield found
    on_host(HOST, "docker", "rm", "-f", "-v", found, check=False)


def inspected(name: str) -> dict[str, Any]:
    (found,) = json.loads(docker("inspect", name))
    return dict(found)


def test_a_container_that_ran_out_of_memory(wire: Wire, name: str) -> None:
    options = ("--memory", "16m", "--restart", "on-failure:1", "-e", "TOKEN=canary-value")
    docker(
        *("run", "-d", "--name", name, *options, "-v", "/srv:/data:ro", "-p", "127.0.0.1:8081:80"),
        *("hello:1", "/bin/sh", "-c", "tail /dev/zero"),
    )
    until(
        lambda: (
            (about := inspected(name))["RestartCount"] == 1 and about["State"]["Status"] == "exited"
        )
    )
    answer = wire.call("inspect_container", server=HOST, container=name)
    found, about = answer["data"]["hosts"][HOST], inspected(name)
    assert (found["exit_code"], found["out_of_memory"]) == (137, True)
    assert (found["restarts"], found["restart_policy"]) == (1, "on-failure:1")
    assert found["limits"]["memory_bytes"] == 16 * 1024 * 1024
    assert found["finished"][:19] == about["State"]["FinishedAt"][:19]
    assert found["image_id"] == about["Image"].partition(":")[2][:12]
    assert found["environment"] == ["TOKEN"]
    assert found["mounts"] == [
        {"type": "bind", "source": "/srv", "destination": "/data", "read_only": True}
    ]
    assert found["ports"] == [{"private": 80, "protocol": "tcp", "public": 8081, "ip": "127.0.0.1"}]
    assert "canary-value" not in json.dumps(answer)
    assert len(json.dumps(answer)) < 4000


def test_a_container_that_is_unhealthy(wire: Wire, name: str) -> None:
    check = ("--health-cmd", "echo so ill; false", "--health-interval", "1s")
    docker("run", "-d", "--name", name, *check, "--health-retries", "1", "hello:1", "/hello.sh")
    until(lambda: inspected(name)["State"]["Health"]["Status"] == "unhealthy")
    found = wire.report("inspect_container", server=HOST, container=name)
    health, about = found["health"], inspected(name)
    assert (found["state"], found["pid"]) == ("running", about["State"]["Pid"])
    assert health["status"] == "unhealthy"
    assert (health["checks"][0]["exit_code"], health["checks"][0]["output"]) == (1, "so ill")
    (network,) = found["networks"]
    assert network["address"] == about["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    assert found["log"]["driver"] == "json-file"


def test_containers_that_cannot_be_told(wire: Wire) -> None:
    for server, code in ((HOST, "container_not_found"), ("deb13", "no_docker")):
        answer = wire.call("inspect_container", server=server, container="nosuch")
        assert (answer["success"], answer["code"]) == (False, code)


PROGRAM = (
    "cp /bin/sleep /tmp/look-nap; cd /srv; exec 7>/tmp/look-gone; head -c 500000 /dev/zero >&7;"
    "rm /tmp/look-gone; (sleep 1; rm /tmp/look-nap) & exec /tmp/look-nap 600"
)


def test_a_process_with_a_deleted_program_and_file(wire: Wire) -> None:
    on_host(HOST, "systemd-run", "--quiet", "--unit=look-nap", "bash", "-c", PROGRAM)
    try:
        pid = int(until(lambda: on_host(HOST, "pgrep", "-f", "^/tmp/look-nap", check=False)))
        until(lambda: "(deleted)" in on_host(HOST, "readlink", f"/proc/{pid}/exe"))
        answer = wire.call("inspect_process", server=HOST, pid=pid)
        found = answer["data"]["hosts"][HOST]
        assert (found["unit"], found["folder"]) == ("look-nap.service", "/srv")
        assert (found["program"], found["program_deleted"]) == ("/tmp/look-nap", True)
        assert found["deleted_files"] == [{"path": "/tmp/look-gone", "size_bytes": 500000}]
        assert found["open_files"] == len(on_host(HOST, "ls", f"/proc/{pid}/fd").split())
        assert len(json.dumps(answer)) < 4000
        tree = wire.report("get_process_tree", server=HOST, pid=pid)
        assert tree["processes"][0]["program_deleted"] is True
    finally:
        on_host(HOST, "systemctl", "stop", "look-nap", check=False)


def test_a_process_that_listens(wire: Wire) -> None:
    pid = int(on_host(HOST, "pgrep", "-o", "-x", "sshd"))
    found = wire.report("inspect_process", server=HOST, pid=pid)
    said = on_host(HOST, "ss", "-tlnpH")
    assert "tcp 0.0.0.0:22" in found["listens"]
    assert f"pid={pid}," in next(line for line in said.splitlines() if "0.0.0.0:22 " in line)
    status = on_host(HOST, "cat", f"/proc/{pid}/status")
    assert f"Threads:\t{found.get('threads', 1)}\n" in status
    listed = wire.report("manage_process", server=HOST, action="list", limit=200)
    one = next(one for one in listed["processes"] if one["pid"] == pid)
    assert one["listens"] == found["listens"]


def test_a_new_conversation_finds_what_to_take_back(wire: Wire) -> None:
    path = f"/srv/{uuid.uuid4().hex}"
    on_host(HOST, "sh", "-c", f"echo old >{path}")
    wire.call("write_file", server=HOST, path=path, content="new\n")
    wire.call("execute_command", server=HOST, cmd="df -h")
    answer = wire.call("list_runs", server=HOST, limit=5)
    newest = answer["data"]["runs"][0]
    assert (newest["tool"], newest["undoable"]) == ("write_file", True)
    assert newest["did"][0].startswith(f"file {path}: +1 -1 lines")
    assert len(json.dumps(answer)) < 4000
    run = wire.call("get_run", run_id=newest["run_id"])["data"]["run"]
    (change,) = run["changes"][HOST]
    assert "-old\n+new\n" in change["diff"]
    plan = wire.call("undo_run", run_id=newest["run_id"])["data"]["plan"]
    wire.call("apply_plan", plan_id=plan["plan_id"])
    assert on_host(HOST, "cat", path) == "old\n"
    undone = wire.call("list_runs", server=HOST, tool="write_file")["data"]["runs"]
    found = next(one for one in undone if one["run_id"] == newest["run_id"])
    assert found["undone_by"] == plan["plan_id"]
