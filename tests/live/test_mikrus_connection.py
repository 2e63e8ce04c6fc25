"""Playrail's tools on a real host over the simulated mikr.us API, which runs commands there
as root.
"""

from __future__ import annotations

import contextlib
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mikrus.simulator import (
    Fault,
    Simulator,
    cut_after_work,
    cut_before_work,
    delay,
    html_page,
    status,
)

from .conftest import MIKRUS_REMOTE, Wire, client_of, on_host
from .test_interruptions import sleeping
from .waiting import PATIENCE_S, until

pytestmark = pytest.mark.lab

HOST = "deb12"


def test_a_file_is_written(vps: Wire) -> None:
    try:
        vps.report("write_file", server="vps", path="/srv/over-api", content="zażółć\n" * 20_000)
        assert on_host(HOST, "cat", "/srv/over-api") == "zażółć\n" * 20_000
    finally:
        on_host(HOST, "rm", "-f", "/srv/over-api")


@pytest.mark.parametrize(
    "fault",
    [
        cut_before_work(),
        cut_after_work(),
        delay(2.0),
        status(500),
        status(429, Retry_After="1"),
        html_page(),
    ],
    ids=["cut before", "cut after", "delay", "500", "429", "page"],
)
def test_a_command_runs_once_whatever_happens(
    vps: Wire, simulator: Simulator, fault: Fault
) -> None:
    file = f"/srv/runs-{random.randrange(10**9)}"
    simulator.faults = [fault, fault]
    try:
        vps.report(
            "execute_command",
            server="vps",
            cmd=f"dd if=/dev/zero of={file} bs=1 count=1 oflag=append conv=notrunc",
        )
        assert on_host(HOST, "stat", "-c", "%s", file) == "1\n"
    finally:
        simulator.faults = []
        on_host(HOST, "rm", "-f", file)


def test_what_a_server_lacks_is_brought_whatever_happens(
    simulator: Simulator, tmp_path: Path
) -> None:
    on_host(HOST, "rm", "-rf", MIKRUS_REMOTE)
    simulator.faults = [cut_after_work(), html_page()]
    with client_of(simulator, tmp_path) as wire:
        assert wire.report("execute_command", server="vps", cmd="id -un")["stdout"] == "root\n"
    assert simulator.faults == []


@pytest.mark.slow
def test_longer_than_the_api_lets_a_request_take(vps: Wire) -> None:
    report = vps.report("execute_command", server="vps", cmd="sleep 70", timeout_s=100)
    assert (report["exit_code"], report["duration_s"] >= 70) == (0, True)


def test_the_deadline_ends_the_work_on_the_host(vps: Wire) -> None:
    seconds = random.randrange(10_000, 10_000_000)
    answer = vps.call("execute_command", server="vps", cmd=f"sleep {seconds}", timeout_s=3)
    assert answer["code"] == "command_timed_out"
    assert not sleeping(HOST, seconds)


def test_stopping_playrail_ends_its_work_over_the_api(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The SDK's client kills a server that has not ended after two seconds
    monkeypatch.setattr("mcp.client.stdio.PROCESS_TERMINATION_TIMEOUT", PATIENCE_S)
    seconds = random.randrange(10_000, 10_000_000)
    jobs = f"{MIKRUS_REMOTE}/jobs"
    before = {*on_host(HOST, "ls", jobs, check=False).split()}
    with ThreadPoolExecutor() as pool:
        with client_of(simulator, tmp_path) as wire:
            calling = pool.submit(
                wire.call, "execute_command", server="vps", cmd=f"sleep {seconds}", timeout_s=300
            )
            until(lambda: sleeping(HOST, seconds))
        with contextlib.suppress(Exception):
            calling.result(timeout=60)
    until(lambda: not sleeping(HOST, seconds))
    made = {*on_host(HOST, "ls", jobs).split()} - before
    assert len(made) == 2
    ended = f"cd {jobs}; ls -d {' '.join(f'{job}/exit.*' for job in made)} | wc -l"
    until(lambda: on_host(HOST, "sh", "-c", ended).strip() == "2")  # each job notes its end itself
