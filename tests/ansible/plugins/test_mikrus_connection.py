"""The connection plugin in real plays, over the simulated API whose server is a directory
of this machine.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from mikrus.execute import on_this_machine
from mikrus.simulator import (
    KEY,
    SRV,
    Current,
    Fault,
    Simulator,
    cut_after_work,
    cut_before_work,
    cut_within_answer,
    delay,
    error,
    html_page,
    running,
    status,
    truncated_json,
    wrong_type,
)
from playrail.ansible.run.runner import RunResult
from playrail.mikrus.pace import Rate
from worlds.checkout import ROOT
from worlds.local_plays import await_work, codes, play, playbook, processes, ready, run

pytestmark = pytest.mark.slow

END_RUN = ROOT / "playbooks" / "runs" / "end_run.yml"


@dataclass
class Ready:
    """An Ansible that stays, and the address of what is served."""

    hosts: Path
    play: Callable[..., RunResult]
    served: Current
    url: str


@dataclass
class World:
    """A place with an inventory of one VPS that the simulator has."""

    place: Path
    simulator: Simulator
    url: str
    ready: Ready
    variables: dict[str, Any] = field(default_factory=dict)

    @property
    def remote(self) -> Path:
        return self.place / "remote"

    @property
    def exec_requests(self) -> int:
        return len(self.simulator.came("/exec"))

    def told(self) -> dict[str, Any]:
        """What is told of the host, but for what is the same in all tests."""
        return {
            "ansible_mikrus_srv": SRV,
            "ansible_mikrus_url": self.url,
            "ansible_mikrus_rate": "1000/60",
            "ansible_mikrus_pace_dir": str(self.place / "pace"),
            "ansible_mikrus_remote_dir": str(self.remote),
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_remote_tmp": str(self.place / "tmp"),
            "ansible_become": False,
            **self.variables,
        }

    def inventory(self) -> Path:
        return listed(self.place, self.told())

    def play(self, tasks: str, **given: str) -> RunResult:
        """With `given` in its environment, which needs an Ansible of its own."""
        book, secrets = playbook(self.place, tasks), {"vps": {"key": SecretStr(KEY)}}
        if given:
            what = play(book, ["vps"], [self.inventory()], secrets=secrets)
            return run(self.place, what, given=given)
        return self.ready.play(
            play(book, ["vps"], [self.ready.hosts], secrets=secrets, variables=self.told())
        )

    def report(self, module: str, **given: str) -> dict[str, Any]:
        """What the one task, YAML text, reports."""
        outcome = self.play(f"- name: Report\n  {module}\n", **given).hosts["vps"]
        assert outcome.problem is None, outcome.problem
        assert outcome.report is not None
        return dict(outcome.report)

    def code(self, module: str = "ansible.builtin.ping:") -> str | None:
        return codes(self.play(f"- name: Report\n  {module}\n"))["vps"]


def listed(place: Path, variables: dict[str, Any]) -> Path:
    same = {
        "ansible_connection": "mikrus_exec",
        "ansible_mikrus_key": "{{ playrail_secrets['vps'].key }}",
    }
    path = place / "hosts.yml"
    path.write_text(
        yaml.safe_dump({"all": {"hosts": {"vps": {**same, **variables}}}}), encoding="utf-8"
    )
    return path


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    place = tmp_path_factory.mktemp("standing")
    hosts, served = listed(place, {}), Current(Simulator())
    with ready(place, hosts) as plays, running(served) as url:
        yield Ready(hosts, plays, served, url)


@pytest.fixture
def world(standing: Ready, tmp_path: Path) -> World:
    return made(standing, tmp_path)


def made(standing: Ready, place: Path) -> World:
    (place / "pace").mkdir(mode=0o700)
    standing.served.simulator = Simulator(execute=on_this_machine())
    return World(place, standing.served.simulator, standing.url, standing)


def test_a_module_takes_one_request_once_its_parts_are_there(world: World) -> None:
    """Also when pipelining is switched off for all, and for a module that was not used
    before.
    """
    assert world.report("ansible.builtin.ping:")["ping"] == "pong"
    assert world.exec_requests == 3

    report = world.report(
        "ansible.builtin.command: {argv: [printf, 'zażółć <&>']}", ANSIBLE_PIPELINING="False"
    )

    assert (report["stdout"], report["rc"], world.exec_requests) == ("zażółć <&>", 0, 4)


def test_escaped_answers(world: World) -> None:
    world.simulator.escapes_html = True
    assert world.report("ansible.builtin.command: {argv: [printf, '<&>']}")["stdout"] == "<&>"


BOTH_WAYS = """
- name: Copy
  ansible.builtin.copy: {{src: "{place}/from", dest: "{place}/to", mode: "0640"}}
- name: Fetch
  ansible.builtin.fetch: {{src: "{place}/to", dest: "{place}/back", flat: true}}
- name: Run a script
  ansible.builtin.script: {{cmd: "{place}/script one 'two words'"}}
- name: Work in the background
  ansible.builtin.command: {{argv: [printf, later]}}
  async: 20
  poll: 1
- name: Run without a module
  ansible.builtin.raw: test "$HOME" = /root
- name: Report
  ansible.builtin.stat: {{path: "{place}/to"}}
"""


@pytest.mark.slow
def test_files_go_both_ways(world: World) -> None:
    """And what else is not a module alone."""
    data = os.urandom(100_000) + bytes(range(256))
    (world.place / "from").write_bytes(data)
    (world.place / "script").write_text("#!/bin/sh\ntest \"$2\" = 'two words'\n")

    outcome = world.play(BOTH_WAYS.format(place=world.place)).hosts["vps"]

    assert (outcome.problem, outcome.report is not None) == (None, True)
    assert (outcome.report or {})["stat"]["mode"] == "0640"
    assert (world.place / "back").read_bytes() == data
    deadline = time.monotonic() + 20  # what runs in the background cleans up by itself
    while list((world.place / "tmp").iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_work_that_takes_longer_than_a_request(world: World) -> None:
    world.variables["ansible_mikrus_wait"] = 1
    assert (
        world.report("ansible.builtin.command: {argv: [sh, -c, 'sleep 3; echo late']}")["stdout"]
        == "late"
    )
    assert world.exec_requests >= 3 + 2


def counted(world: World) -> str:
    return f"ansible.builtin.shell: {{cmd: 'echo ran >>{world.place}/ran'}}"


FAULTS = {
    "cut before": cut_before_work(),
    "cut after": cut_after_work(),
    "cut within": cut_within_answer(),
    "truncated": truncated_json(),
    "wrong type": wrong_type(),
    "page": html_page(),
    "page 502": html_page(502),
    "500": status(500),
    "words 504": error("upstream timed out", 504, worked=True),
    "429": status(429, Retry_After="1"),
    "delay": delay(1.0),
}
QUICK = {"cut after", "words 504"}


@pytest.fixture(scope="module")
def parts(standing: Ready, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a server has kept after the first module that it ran."""
    world = made(standing, tmp_path_factory.mktemp("parts"))
    world.report("ansible.builtin.ping:")
    return world.remote


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=name, marks=[] if name in QUICK else pytest.mark.slow)
        for name, fault in FAULTS.items()
    ],
)
def test_the_work_is_done_once_whatever_happens_to_its_answer(
    parts: Path, world: World, fault: Fault
) -> None:
    shutil.copytree(parts, world.remote)
    world.simulator.faults = [fault]

    assert world.code(counted(world)) is None

    assert world.simulator.faults == []
    assert (world.place / "ran").read_text() == "ran\n"


@pytest.mark.slow
def test_an_outcome_that_nobody_knows(world: World, parts: Path) -> None:
    shutil.copytree(parts, world.remote)
    world.simulator.faults = [cut_after_work()] * 4

    outcome = world.play(f"- name: Report\n  {counted(world)}\n").hosts["vps"]

    assert outcome.problem is not None
    assert (outcome.problem.code, outcome.lost) == ("connection_lost", True)
    assert (world.place / "ran").read_text() == "ran\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("told", "faults"),
    [
        ("4/6", []),  # a second more than the API wants: the way takes its time too
        ("1000/60", [status(429, Retry_After="1")]),
    ],
    ids=["as the API has it", "another one"],
)
def test_the_pace_of_the_api_is_kept(world: World, told: str, faults: list[Fault]) -> None:
    """And when another one is told to it, the plugin waits as the API wants it."""
    world.simulator.rate = Rate(requests=4, window_s=5)
    world.simulator.tells_retry_after = True
    world.simulator.faults = [*faults]
    world.variables["ansible_mikrus_rate"] = told

    assert (
        codes(
            world.play(
                f"- name: Before\n  {counted(world)}\n" * 2
                + f"- name: Report\n  {counted(world)}\n"
            )
        )["vps"]
        is None
    )

    assert (world.place / "ran").read_text() == "ran\n" * 3
    refused = world.exec_requests - 5
    assert refused == 0 if told == "4/6" else refused >= 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (status(401), "api_unauthorized"),
        (error("Niepoprawny klucz", 400), "api_rejected"),
        (status(429, Retry_After="700"), "rate_limited"),
    ],
)
def test_what_the_api_refuses(world: World, fault: Fault, code: str) -> None:
    world.simulator.faults = [fault]
    assert (world.code(), world.exec_requests) == (code, 1)


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"ansible_mikrus_url": "http://127.0.0.1:1"}, "api_connect_failed"),
        ({"ansible_mikrus_url": "https://api.invalid"}, "api_dns_failed"),
        ({"ansible_mikrus_url": "ftp://api.invalid"}, "server_misconfigured"),
        ({"ansible_mikrus_rate": "often"}, "server_misconfigured"),
        ({"ansible_mikrus_remote_dir": "/tmp/$(id)"}, "server_misconfigured"),
    ],
)
def test_what_cannot_be_reached(world: World, variables: dict[str, str], code: str) -> None:
    world.variables |= variables
    assert (world.code(), world.exec_requests) == (code, 0)


def test_the_key_stays_here(world: World) -> None:
    """It is in no file of the server, and in no process."""
    seen: list[bytes] = []

    def look() -> None:
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if b"MARKED" in (
                    told := b"".join((path / name).read_bytes() for name in ("cmdline", "environ"))
                ):
                    seen.append(told)
            except OSError:
                continue

    ran = threading.Thread(
        target=world.report,
        args=("ansible.builtin.command: {argv: [sh, -c, ': MARKED; sleep 1.5']}",),
    )
    ran.start()
    while ran.is_alive():
        look()
        time.sleep(0.1)
    files = [path.read_bytes() for path in world.remote.rglob("*") if path.is_file()]

    assert seen
    assert [told for told in (*seen, *files) if KEY.encode() in told] == []


@pytest.mark.slow
def test_a_run_that_was_cut_is_ended_over_the_same_connection(world: World) -> None:
    """And the next job finds the one that was ended, which so does not stay for ever."""
    world.report("ansible.builtin.ping:")
    seconds = "4242.75"
    tasks = f"- name: Report\n  ansible.builtin.command: {{argv: [sleep, '{seconds}']}}\n"
    secrets = {"vps": {"key": SecretStr(KEY)}}
    hosts, told = world.ready.hosts, world.told()
    what = play(playbook(world.place, tasks), ["vps"], [hosts], secrets=secrets, variables=told)
    world.ready.play(what, partial(await_work, seconds))
    assert processes(f"sleep\0{seconds}\0") != []
    ended = {"playrail_ended_run": what.run_id}
    ending = play(END_RUN, ["vps"], [hosts], secrets=secrets, variables=told | ended)
    before = world.exec_requests

    outcome = world.ready.play(ending).hosts["vps"]

    assert outcome.report is not None
    assert "sleep" in outcome.report["ended"]
    assert (outcome.report["left"], world.exec_requests - before) == ([], 1)
    assert processes(f"sleep\0{seconds}\0") == []
    jobs = [job for job in (world.remote / "jobs").iterdir() if not list(job.glob("exit.0"))]
    assert [len(list(job.glob("exit.*"))) for job in jobs] == [1]
