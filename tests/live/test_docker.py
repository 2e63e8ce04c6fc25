"""Docker on real hosts: what is told is what Docker's own program says."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import Wire, on_host
from .own_host import Operator, OwnHost
from .waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.over_ssh]
HOST = "deb12"


def docker(*words: str) -> str:
    return on_host(HOST, "docker", *words)


def run(name: str, script: str, *options: str) -> None:
    image = docker("inspect", "-f", "{{.Config.Image}}", "hello").strip()
    docker("run", "-d", "--name", name, *options, "--entrypoint", "/bin/sh", image, "-c", script)


@pytest.fixture
def name() -> Iterator[str]:
    """The name of a container that does not outlive the test."""
    found = f"probe-{uuid.uuid4().hex}"
    yield found
    on_host(HOST, "docker", "rm", "-f", found, check=False)


def test_log_of_both_outputs(wire: Wire, name: str) -> None:
    run(name, "echo 'žluťoučký {{ 7 * 7 }}'; sleep 0.2; echo oops >&2; sleep 0.2; printf end")
    docker("wait", name)
    found = wire.report("get_docker_logs", server=HOST, container=name)
    assert [(one["stream"], one["text"]) for one in found["entries"]] == [
        ("stdout", "žluťoučký {{ 7 * 7 }}"),
        ("stderr", "oops"),
        ("stdout", "end"),
    ]
    assert (found["state"], found["older"], found.get("truncated")) == ("exited", False, None)
    since = wire.report(
        "get_docker_logs", server=HOST, container=name, since=found["entries"][1]["time"]
    )
    assert [one["text"] for one in since["entries"]] == ["oops", "end"]


def test_newest_lines_of_a_terminal_and_a_long_one(wire: Wire, name: str) -> None:
    run(name, "seq 5; head -c 40000 /dev/zero | tr '\\0' x; echo; sleep 600", "-t")
    entries: list[dict[str, Any]] = []
    for _ in range(20):
        found = wire.report("get_docker_logs", server=HOST, container=name, lines=2)
        entries = found["entries"]
        if entries and entries[-1]["text"].startswith("x"):
            break
    assert (entries[-1]["text"], entries[-1]["text_bytes"]) == ("x" * 500 + "\u2026", 40_000)
    assert (found["older"], found["truncated"], found["state"]) == (True, True, "running")


def test_newest_lines(wire: Wire) -> None:
    until(lambda: len(docker("logs", "hello").splitlines()) > 3)
    found = wire.report("get_docker_logs", server=HOST, container="hello", lines=3)
    assert len(found["entries"]) == 3
    assert found["entries"][0]["text"] in docker("logs", "--tail", "20", "hello").splitlines()
    assert found["older"] is True


def test_stats(wire: Wire, name: str) -> None:
    run(name, "while :; do :; done", "--memory", "64m", "--network", "none")
    found = wire.report("get_docker_stats", server=HOST)
    told = {one["name"]: one for one in found["containers"]}
    assert set(told) == set(docker("ps", "--format", "{{.Names}}").split())
    assert told[name]["memory_limit_bytes"] == 64 * 1024 * 1024
    assert told[name]["cpu_percent"] > 1  # however much the machine has to do besides
    assert told[name].get("net_rx_bytes") is None
    shown = json.loads(docker("stats", "--no-stream", "--format", "{{json .}}", "hello"))
    assert abs(told["hello"]["pids"] - int(shown["PIDs"])) <= 2
    assert told["hello"]["net_rx_bytes"] is not None
    (one,) = wire.report("get_docker_stats", server=HOST, container="hello")["containers"]
    assert one["id"] == told["hello"]["id"]


def test_what_cannot_be_told(wire: Wire, name: str) -> None:
    run(name, "true")
    silent = f"{name}-silent"
    run(silent, "echo unheard", "--log-driver", "none")
    docker("wait", name, silent)
    for tool, server, container, code in (
        ("get_docker_logs", HOST, "nosuch", "container_not_found"),
        ("get_docker_stats", HOST, "nosuch", "container_not_found"),
        ("get_docker_stats", HOST, name, "container_not_running"),
        ("get_docker_logs", HOST, silent, "log_not_kept"),
        ("get_docker_logs", "deb13", "web", "no_docker"),
    ):
        answer = wire.call(tool, server=server, container=container)
        assert (answer["success"], answer["code"]) == (False, code)
        assert answer["hint"]
    docker("rm", silent)


def test_an_engine_of_a_user(host: OwnHost, living: Operator) -> None:
    """A second engine, which listens where a rootless one does."""
    place = "/run/user/1000"
    host.sh(
        f"mkdir -p {place}; systemd-run --quiet --unit=second dockerd "
        f"--host=unix://{place}/docker.sock"
        " --data-root=/var/lib/second --exec-root=/run/second --pidfile=/run/second.pid "
        "--bridge=none --iptables=false;"
        f"for i in $(seq 100); do docker -H unix://{place}/docker.sock ps >/dev/null 2>&1 && "
        "exit; sleep 0.2; done;"
        "exit 1"
    )
    try:
        beside = living.report("list_docker_containers")
        assert beside["other_engines"] == [{"socket": f"{place}/docker.sock"}]
        chosen = living.report("list_docker_containers", engine=f"{place}/docker.sock")
        assert (chosen["engine"], chosen["containers"]) == (f"{place}/docker.sock", [])
        host.sh("systemctl stop docker.socket docker")
        alone = living.report("get_docker_stats")
        assert (alone["engine"], alone["containers"]) == (f"{place}/docker.sock", [])
        host.sh(f"systemctl stop second; rm -f {place}/docker.sock")
        answer = living.call("list_docker_containers")
        assert answer.code == "docker_unavailable"
    finally:
        host.sh(
            f"systemctl stop second; rm -rf {place}/docker.sock; systemctl start docker.socket "
            "docker"
        )
