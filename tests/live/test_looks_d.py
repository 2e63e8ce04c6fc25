"""Looks at containers and processes on real hosts: what is told is what the host itself says."""

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
