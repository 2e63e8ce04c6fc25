"""One test per trap: what Ansible and ansible-runner do by themselves, and must not do
here.

Numbers are those of the measured list: 1-15 of ansible-runner, A1-A17 of what callers and
hosts may send. Those of callers are in test_callers_traps.py. Others hold for a playbook's text
(A11, A13: test_catalog_playbooks.py) or for what is kept of an event (A14: test_outcome.py).
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from playrail.ansible.judgements import held
from playrail.ansible.run.runner import Runner, RunResult
from playrail.calls.answers import Answer
from playrail.errors import AnsibleFailed
from playrail.tools.tool import Risk
from worlds.callers import ANN
from worlds.hostile_words import CANARY, MARK, TEMPLATE
from worlds.local_plays import (
    NAP,
    answered,
    await_nap,
    below,
    codes,
    environ,
    gone,
    inventory,
    naps,
    play,
    playbook,
    playrail,
    processes,
    run,
    runner,
    tool,
)

pytestmark = pytest.mark.slow

TELLING = """
- name: Print a template, as a hostile program could
  ansible.builtin.command: {argv: [printf, "%s", "{{ playrail_word }}"]}
  register: printed
  changed_when: false
- name: Hand it on
  ansible.builtin.set_fact: {again: "{{ printed.stdout }}"}
- name: Say a word, as a noisy play would
  ansible.builtin.debug: {msg: "{{ again }}"}
- name: Report
  ansible.builtin.debug:
    msg:
      word: "{{ playrail_word }}"
      nested: "{{ playrail_nested }}"
      printed: "{{ again }}"
      left_over: "{{ playrail_left_over | default('nothing') }}"
      environment: "{{ lookup('env', 'ANSIBLE_HOST_KEY_CHECKING') }}"
      checking: >-
        {{ lookup('config', 'host_key_checking', plugin_type='connection', plugin_name='ssh') }}
      names: "{{ lookup('pipe', 'env') }}"
      big: "{{ 'x' * 1000000 if playrail_left_over is defined else '' }}"
"""
MIXED = """
- name: Fail and be rescued
  when: inventory_hostname == "rescued"
  block:
    - {name: Fail, ansible.builtin.fail: {msg: No such file or directory}}
  rescue:
    - {name: Go on, ansible.builtin.debug: {msg: fine}}
- name: Fail and be ignored
  ansible.builtin.fail: {msg: No such file or directory}
  ignore_errors: true
  when: inventory_hostname == "ignored"
- name: Fail
  ansible.builtin.fail: {msg: No such file or directory}
  when: inventory_hostname == "failing"
- {name: Report, ansible.builtin.stat: {path: /}}
"""


@pytest.fixture(autouse=True)
def place(cwd: Path) -> Path:
    return cwd


@dataclass(frozen=True, kw_only=True)
class Plays:
    """A runner of this way for several tests, where the user says no to the check of host
    keys, in ansible.cfg and in two variables.
    """

    place: Path
    hosts: Path
    runner: Runner
    portal: BlockingPortal

    def run(self, tasks: str, *hosts: str, deadline_s: float = 60, **more: Any) -> RunResult:
        what = play(playbook(self.place, tasks), hosts, [self.hosts], **more)

        async def running() -> RunResult:
            return await self.runner.run(
                what, deadline_s=deadline_s, stop=asyncio.Event(), progress=None
            )

        return self.portal.call(running)

    def directories(self) -> set[Path]:
        """Those of runs that are going on; that of the run that stays too."""
        return set((self.place / "run" / "test").iterdir())


@pytest.fixture(scope="module")
def plays(way: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plays]:
    place = tmp_path_factory.mktemp(f"plays-{way}")
    config = place / "ansible.cfg"
    config.write_text(
        "[defaults]\nhost_key_checking = False\n[ssh_connection]\nhost_key_checking = False\n"
    )
    more = {
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_SSH_HOST_KEY_CHECKING": "False",
        "MIKRUS_SECRET": CANARY,
    }
    hosts = inventory(place, "here", "plain", "rescued", "ignored", "failing")
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(runner(place, [str(hosts)], **more)) as made,
    ):
        yield Plays(place=place, hosts=hosts, runner=made, portal=portal)


@dataclass(frozen=True)
class Told:
    """Two runs of one play, one after the other: the first has a variable more than the
    second.
    """

    place: Path
    first: dict[str, Any]
    second: dict[str, Any]


@pytest.fixture(scope="module")
def told(plays: Plays) -> Told:
    given = {"playrail_word": TEMPLATE, "playrail_nested": {"a": [TEMPLATE, {"b": TEMPLATE}]}}
    first = {**given, "playrail_left_over": TEMPLATE}
    outcomes = [plays.run(TELLING, "here", variables=each).hosts["here"] for each in (first, given)]
    assert [outcome.problem for outcome in outcomes] == [None, None]
    return Told(plays.place, *(dict(outcome.report or {}) for outcome in outcomes))


@pytest.fixture(scope="module")
def mixed(plays: Plays) -> RunResult:
    return plays.run(MIXED, "plain", "rescued", "ignored", "failing", "left")


def test_trap_01_a_template_in_a_string_stays_text(told: Told) -> None:
    """1, A1-A4: a string in extra variables is a template that runs on the controller."""
    assert told.first["word"] == TEMPLATE
    assert told.first["nested"] == {"a": [TEMPLATE, {"b": TEMPLATE}]}
    assert list(told.place.rglob(MARK)) == []


def test_trap_a05_a_template_that_a_host_prints_stays_text(told: Told) -> None:
    """A5: output of a program on a host, registered and handed on."""
    assert told.first["printed"] == TEMPLATE


def test_trap_02_the_servers_environment_is_not_the_plays(told: Told) -> None:
    """2: ansible-runner seeds Ansible with everything in os.environ."""
    assert "ANSIBLE_HOST_KEY_CHECKING" in told.first["names"]
    assert CANARY not in told.first["names"]
    assert "MIKRUS" not in told.first["names"]


def test_trap_03_host_keys_are_checked(told: Told) -> None:
    """3: ansible-runner switches it off unless the variable is set; here ansible.cfg and
    two variables say no.
    """
    assert (told.first["environment"], told.first["checking"]) == ("True", True)


def test_trap_05_a_run_knows_nothing_of_the_one_before(told: Told) -> None:
    """5: a reused private directory keeps the extra variables."""
    assert (told.first["left_over"], told.second["left_over"]) == (TEMPLATE, "nothing")


def test_trap_10_an_event_may_be_large(told: Told) -> None:
    """10: asyncio reads lines of at most 64 KiB unless told otherwise."""
    assert told.first["big"] == "x" * 1_000_000


def test_trap_07_a_host_that_was_not_played_on_has_failed(plays: Plays, mixed: RunResult) -> None:
    """7: a pattern that matches nothing is a success for Ansible, with some hosts left or
    none.
    """
    assert codes(mixed)["left"] == "no_report"
    assert codes(plays.run(NAP % "0", "left")) == {"left": "no_report"}


def test_trap_09_a_rescued_or_ignored_failure_is_none(mixed: RunResult) -> None:
    """9: both emit the same event as a failure."""
    assert {host: code for host, code in codes(mixed).items() if code} == {
        "failing": "not_found",
        "left": "no_report",
    }


@pytest.fixture(scope="module")
def watched(way: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a call leaves where, while its play sleeps and after it: with secrets of a
    server and of the environment.
    """
    place = tmp_path_factory.mktemp(f"watched-{way}")
    entry = {"type": "ssh", "host": "192.0.2.1", "password": CANARY, "sudo_password": CANARY}
    more = {"MCP_SERVERS": json.dumps({"web1": entry}), "AWS_SECRET_ACCESS_KEY": CANARY}
    here = "delegate_to: localhost, become: false, vars: {held: '{{ playrail_secrets }}'}"
    made = tool(
        place, f"- {{name: Report, ansible.builtin.command: {{argv: [sleep, '2.25']}}, {here}}}"
    )
    seen: dict[str, Any] = {}

    def look() -> None:
        await_nap(place, "2.25")
        seen["processes"] = processes(str(place)), processes(CANARY, str(place))
        seen["files"] = below(place / "run", place / "state")
        seen["modes"] = {
            path: Path(path).stat().st_mode & 0o777 for path in seen["files"] if Path(path).exists()
        }
        runs = (place / "run").glob("*/*/")
        seen["directories"] = {
            path.stat().st_mode & 0o777 for run in runs for path in (run, run / "env")
        }

    async def calling() -> Answer:
        async with playrail(place, made, **more) as server:
            running = asyncio.create_task(server.call("probe", {"server": "web1"}, caller=ANN))
            await asyncio.to_thread(look)
            answer = await running
            seen["kept"] = below(place / "run", place / "state")
            return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
        before = handlers()
        seen["answer"] = asyncio.run(calling())
    seen["handlers"] = before, handlers()
    seen["after"] = below(place / "run", place / "state")
    return seen


def handlers() -> list[Any]:
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_trap_02_and_13_a_secret_is_in_one_private_file_at_most(
    way: str, watched: dict[str, Any]
) -> None:
    """2, 13, A16: ansible-runner writes variables and environment to files, and can put
    them on the command line.
    """
    assert watched["answer"].code == "ok"
    children, exposed = watched["processes"]
    assert children != []
    assert exposed == []  # neither command line nor environment
    holding = [path for path, content in watched["files"].items() if CANARY.encode() in content]
    if way == "warm":
        assert holding == []  # it goes over a socket
        return
    assert [path.rpartition("/run/")[2].split("/", 2)[2] for path in holding] == ["env/extravars"]
    assert watched["modes"][holding[0]] == 0o600
    # But for what Playrail decides itself
    names = json.loads(watched["files"][holding[0]]).keys() - held().keys()
    assert [name for name in names if not name.startswith("playrail_")] == []  # A8
    assert watched["directories"] == {0o700}


def test_trap_08_signal_handlers_stay(watched: dict[str, Any]) -> None:
    """8: run() in the main thread replaces those for SIGINT and SIGTERM."""
    before, after = watched["handlers"]
    assert before == after


def test_trap_14_and_a16_no_file_keeps_a_secret(way: str, watched: dict[str, Any]) -> None:
    """14, A16: events, artifacts and extra variables stay on disk."""
    for files in (watched["kept"], watched["after"]):
        assert [path for path, content in files.items() if CANARY.encode() in content] == []
    # The run that stays has its own
    for files in [watched["after"]] + [watched["kept"]] * (way == "cold"):
        assert [path for path in files if "/env/" in path or "/artifacts/" in path] == []
    assert any(path.endswith("ledger.sqlite") for path in watched["after"])


def test_trap_04_standard_output_is_the_protocols(place: Path) -> None:
    """4: ansible-runner prints the play to standard output, which is the wire."""
    called = {"name": "get_memory_info", "arguments": {}}
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    messages: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": called},
    ]
    command = [str(Path(sys.executable).with_name("playrail")), "serve"]
    with subprocess.Popen(
        command, env=environ(place, LOG_LEVEL="DEBUG"), stdin=-1, stdout=-1, stderr=-3, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.writelines(
            json.dumps({"jsonrpc": "2.0", **message}) + "\n" for message in messages
        )
        server.stdin.flush()
        lines = [json.loads(server.stdout.readline()) for _ in range(2)]
        server.stdin.close()
        lines += [json.loads(line) for line in server.stdout.read().splitlines()]

    assert {line["jsonrpc"] for line in lines} == {"2.0"}
    assert server.returncode == 0
    (answer,) = [line for line in lines if line.get("id") == 2]
    assert answer["result"]["structuredContent"]["success"] is True
    assert gone(place, within_s=5)


@pytest.mark.usefixtures("way")
def test_trap_06_an_inventory_that_is_gone_is_an_error_and_is_not_made(place: Path) -> None:
    """6: ansible-runner takes a path that does not exist for the inventory's text, and
    writes it to a file.
    """
    hosts, book = place / "gone" / "hosts.yml", playbook(place, NAP % "0")
    with pytest.raises(AnsibleFailed):
        run(place, play(book, ["localhost"], [hosts]))
    assert not hosts.parent.exists()

    hosts.parent.mkdir()
    made = inventory(hosts.parent, "here")
    server = playrail(place, PLAYRAIL_INVENTORY=str(made))
    made.unlink()
    answer = answered(server, "get_memory_info")
    assert answer.code == "inventory_invalid"
    assert list(hosts.parent.iterdir()) == []


@pytest.mark.usefixtures("way")
def test_trap_11_and_12_a_deadline_is_met_and_ends_the_work(place: Path) -> None:
    """11, 12: limits are polled every 5 s, and ending Ansible does not end what runs on the
    host.
    """
    made = [
        tool(place, NAP % f"98{risk:d}3.5", name=risk.name, risk=risk, timeout_s=2)
        for risk in (Risk.READ, Risk.WRITE)
    ]
    server = playrail(place, *made, ENABLE_WRITE_OPERATIONS="1")

    async def calling() -> list[Answer]:
        async with server:
            await server.inventory.hosts()
            return await asyncio.gather(*(server.call(each.name, {}, caller=ANN) for each in made))

    answers = asyncio.run(calling())

    assert [answer.code for answer in answers] == ["deadline_exceeded", "outcome_unknown"]
    told = {answer.problem.error for answer in answers if answer.problem}
    assert told == {"The call did not finish within 2 s on localhost; its work was ended there."}
    assert gone(place, within_s=0)
    assert [answer for answer in answers if answer.meta.duration_ms < 2000] == []


def test_trap_11_the_run_itself_ends_soon_after_its_deadline(plays: Plays) -> None:
    """11: a limit of 3 s used to fire at 5.1 s."""
    before = plays.directories()

    ran = plays.run(NAP % "9874.5", "here", deadline_s=2)

    assert (ran.ended.value, codes(ran)) == ("at_deadline", {"here": "no_report"})
    assert naps(plays.place, "9874.5") == []
    assert plays.directories() == before
