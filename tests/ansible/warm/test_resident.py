"""The run that stays: what a play in it sees of others, when it is made anew, what happens
when it is not there.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from playrail.ansible.run.play import Play
from playrail.ansible.run.runner import Runner
from playrail.ansible.warm.resident import Resident
from worlds.local_plays import PATIENCE_S, inventory, made_for, play, playbook, processes

pytestmark = pytest.mark.slow

# Not the whole of it: shims for other Pythons may lie there, which Ansible would take for
# one.
PATH = "/usr/bin:/bin"
# A filter plugin beside a playbook runs in Ansible's process and may do there what it
# likes.
DIRTY = """
import os, sys, tempfile
from ansible import constants
from ansible.module_utils import basic
from ansible.plugins.action import ActionBase
def dirty(_):
    os.environ["DIRT"] = "left"
    os.chdir("/")
    os.umask(0o777)
    constants.DEFAULT_TIMEOUT = 4711
    ActionBase.dirt = sys.modules["dirt"] = basic.dirt = "left"
    sys.path.append("/dirt")
    open(os.path.join(constants.DEFAULT_LOCAL_TMP, "dirt"), "w").close()
    return "done"
class FilterModule:
    def filters(self):
        return {"dirty": dirty}
"""
LOOKING = """
import os, sys
from ansible import constants
from ansible.module_utils import basic
from ansible.plugins.action import ActionBase
def look(_):
    umask = os.umask(0)
    os.umask(umask)
    return {
        "environment": os.environ.get("DIRT"), "elsewhere": os.getcwd() == "/", "umask": umask,
        "timeout": constants.DEFAULT_TIMEOUT, "class": hasattr(ActionBase, "dirt"),
        "module": "dirt" in sys.modules,
        "function": hasattr(basic, "dirt"), "path": "/dirt" in sys.path,
        "files": [name for name in os.listdir(constants.DEFAULT_LOCAL_TMP) if name == "dirt"],
    }
class FilterModule:
    def filters(self):
        return {"look": look}
"""
LOOK = """
- name: Report
  ansible.builtin.debug:
    msg:
      process: "{{ 1 | look }}"
      fact: "{{ dirt | default('none') }}"
      cached: "{{ ansible_facts.cached_dirt | default('none') }}"
      groups: "{{ groups.keys() | sort }}"
      filters: "{{ 'dirty' is filter }}"
      given: "{{ playrail_dirt | default('none') }}"
      serves: "{{ playrail_serves_at | default('none') }}"
      check: "{{ ansible_check_mode }}"
"""
MAKE_DIRT = """
- {name: Set a fact, ansible.builtin.set_fact: {dirt: left}}
- {name: Set a fact that is kept, ansible.builtin.set_fact: {cached_dirt: left, cacheable: true}}
- {name: Make a host, ansible.builtin.add_host: {name: dirty, groups: [dirty]}}
- {name: Make a group, ansible.builtin.group_by: {key: dirty_group}}
- {name: Look, ansible.builtin.debug: {msg: {done: "{{ 1 | dirty }}"}}}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    inventory(tmp_path, "here")
    return tmp_path


@asynccontextmanager
async def warm(
    place: Path, *, idle_s: float = 600, most_bytes: int = 1 << 30
) -> AsyncIterator[tuple[Runner, Resident]]:
    runs_dir, child, known = made_for(place, PLAYRAIL_INVENTORY=str(place / "hosts.yml"), PATH=PATH)
    made = Resident(
        runs_dir=runs_dir, environment=child, inventory=known, idle_s=idle_s, most_bytes=most_bytes
    )
    try:
        yield Runner(runs_dir=runs_dir, environment=child, warm=made), made
    finally:
        await made.close()


def wanted(
    place: Path,
    tasks: str,
    *,
    name: str = "play.yml",
    hosts: Sequence[str] = ("here",),
    **more: Any,
) -> Play:
    return play(playbook(place, tasks, name=name), hosts, [place / "hosts.yml"], **more)


async def report(runner: Runner, what: Play) -> dict[str, Any]:
    ran = await runner.run(what, deadline_s=60, stop=asyncio.Event(), progress=None)
    outcome = ran.hosts[what.hosts[0]]
    assert outcome.problem is None, outcome
    assert outcome.report is not None
    return dict(outcome.report)


def plugin(place: Path, text: str) -> Path:
    directory = place / "filter_plugins"
    directory.mkdir(parents=True)
    (directory / "own.py").write_text(text)
    return place


async def stays(resident: Resident) -> int:
    """The process of which plays are forks."""
    stay = await resident.ready()
    assert stay is not None
    return stay.pid


def residents(place: Path) -> list[int]:
    return processes("serve_plays.yml", f"HOME={place}\0")


def eventually(so: Callable[[], bool]) -> bool:
    """Whether it is so, at the latest after a while."""
    until = time.monotonic() + PATIENCE_S
    while not so():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A run that stays for several tests. It knows the hosts `here` and `found`."""

    place: Path
    runner: Runner
    resident: Resident
    portal: BlockingPortal

    def play(self, directory: Path, tasks: str, *, host: str = "here", **more: Any) -> Play:
        """A play whose playbook lies in the directory."""
        return play(playbook(directory, tasks), [host], [self.place / "hosts.yml"], **more)

    def report(self, what: Play) -> dict[str, Any]:
        return self.portal.call(report, self.runner, what)

    def pid(self) -> int:
        return self.portal.call(stays, self.resident)

    def gone(self, *pids: int) -> bool:
        """Whether these processes are, at the latest after a while."""
        return eventually(lambda: not set(pids) & set(self.processes()))

    def processes(self) -> list[int]:
        return processes(f"HOME={self.place}\0")


def hosts_of_shared(place: Path, **variables: str) -> None:
    variables = {"ansible_python_interpreter": "auto_silent", **variables}
    inventory(place, "here", "found", variables=variables)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    place = tmp_path_factory.mktemp("shared")
    hosts_of_shared(place)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(warm(place)) as (runner, resident),
    ):
        yield Shared(place=place, runner=runner, resident=resident, portal=portal)
    assert processes(f"HOME={place}\0") == []


def test_a_play_sees_what_it_would_in_a_process_of_its_own(shared: Shared, tmp_path: Path) -> None:
    """And so nothing that another left: in the process, among variables, facts, hosts,
    plugins and files.
    """
    dirt = shared.play(
        plugin(tmp_path / "a", DIRTY), MAKE_DIRT, variables={"playrail_dirt": "left"}
    )
    look = shared.play(plugin(tmp_path / "b", LOOKING), LOOK)
    runs_dir, child, _ = made_for(shared.place, PLAYRAIL_INVENTORY=look.inventory[0], PATH=PATH)

    cold = asyncio.run(report(Runner(runs_dir=runs_dir, environment=child), look))
    first = shared.report(look)
    shared.report(dirt)
    second = shared.report(look)

    assert cold["serves"] == "none"
    assert first == cold
    assert second == cold


def test_what_changed_on_disk_is_seen_by_the_next_play(shared: Shared, tmp_path: Path) -> None:
    module = tmp_path / "library" / "own.py"
    module.parent.mkdir()
    text = (
        "from ansible.module_utils.basic import AnsibleModule\n"
        "AnsibleModule(argument_spec={}).exit_json(told='%s', changed=False)\n"
    )
    told = []
    for word in ("one", "another"):
        module.write_text(text % word)
        what = shared.play(tmp_path, "- {name: Look, ansible.legacy.own: {}}")
        told.append(shared.report(what)["told"])
    assert told == ["one", "another"]


def test_an_inventory_that_changed_is_seen_by_the_next_play(shared: Shared, tmp_path: Path) -> None:
    asked = "- {name: Look, ansible.builtin.debug: {msg: {word: \"{{ word | default('none') }}\"}}}"
    before = shared.pid()
    assert shared.report(shared.play(tmp_path, asked))["word"] == "none"

    hosts_of_shared(shared.place, word="new")

    assert shared.report(shared.play(tmp_path, asked))["word"] == "new"
    assert shared.pid() != before


PING = "- {name: Look, ansible.builtin.debug: {msg: {pong: true}}}"


@pytest.mark.parametrize(
    ("idle_s", "most_bytes"), [(0.5, 1 << 30), (600.0, 1)], ids=["idle", "too much memory"]
)
def test_it_ends_and_is_made_anew(place: Path, idle_s: float, most_bytes: int) -> None:
    async def playing() -> tuple[int, int]:
        async with warm(place, idle_s=idle_s, most_bytes=most_bytes) as (runner, resident):
            first = await stays(resident)
            await report(runner, wanted(place, PING))
            deadline = time.monotonic() + 20
            # it has no event
            while idle_s < 1 and residents(place) and time.monotonic() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            await report(runner, wanted(place, PING))
            if idle_s < 1:
                return first, await stays(resident)
            assert resident._stay is not None
            return first, resident._stay.pid  # asked for, it would be made anew again

    first, second = asyncio.run(playing())
    assert first != second
    assert residents(place) == []
    assert processes(f"HOME={place}\0") == []


def test_when_it_is_killed_the_next_play_has_another(shared: Shared, tmp_path: Path) -> None:
    shared.report(shared.play(tmp_path, PING))
    first = shared.processes()
    for pid in residents(shared.place):
        os.kill(pid, signal.SIGKILL)

    shared.report(shared.play(tmp_path, PING))

    assert shared.gone(*first)


def test_a_fork_that_dies_before_it_begins_is_replaced(shared: Shared, tmp_path: Path) -> None:
    """It had the play's connection already. The run that stays goes on."""
    stays = shared.pid()

    def waiting() -> set[int]:
        return {*residents(shared.place)} - {stays}

    assert eventually(lambda: len(waiting()) == 1)
    (fork,) = waiting()
    os.kill(fork, signal.SIGSTOP)
    playing = shared.portal.start_task_soon(report, shared.runner, shared.play(tmp_path, PING))
    assert eventually(lambda: len(waiting()) == 2)  # another one waits for the next play
    os.kill(fork, signal.SIGKILL)

    assert playing.result() == {"pong": True}
    assert shared.pid() == stays


def test_where_it_cannot_be_plays_start_cold(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Here the place of its sockets has a longer path than the system allows for one."""
    long = place / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))

    async def playing() -> bool:
        async with warm(place) as (runner, resident):
            await report(runner, wanted(place, PING))
            return await resident.ready() is None  # it is not tried with every play

    assert asyncio.run(playing())
    assert (
        len([record.message for record in caplog.records if "plays start cold" in record.message])
        == 1
    )
    assert list(long.iterdir()) == []


def test_a_play_that_was_given_up_on_does_nothing(shared: Shared, tmp_path: Path) -> None:
    """It may have been started cold by then."""
    mark = tmp_path / "mark"
    what = shared.play(
        tmp_path,
        (f"- {{name: Look, ansible.builtin.file: {{path: {mark}, state: touch, mode: '0600'}}}}"),
    )
    orders = json.dumps({**what.orders(), "extravars": what.extravars()}).encode() + b"\n"
    stay = shared.portal.call(shared.resident.ready)
    assert stay is not None
    for word in (b"", b"no\n"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(stay.place / "calls.sock"))
            connection.sendall(orders)
            begun = json.loads(connection.recv(4096))["begun"]
            connection.sendall(word)
        assert shared.gone(begun)
    assert not mark.exists()


def test_many_plays_at_once(shared: Shared, tmp_path: Path) -> None:
    shared.report(shared.play(tmp_path, PING))
    before = len(shared.processes())  # with the fork that waits for the next play
    plays = [shared.play(tmp_path, PING, variables={"playrail_n": n}) for n in range(60)]

    async def playing() -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(report(shared.runner, each) for each in plays)))

    assert shared.portal.call(playing) == [{"pong": True}] * 60
    assert eventually(lambda: len(shared.processes()) <= before)


def test_which_python_a_host_has_is_known_to_the_next_play(shared: Shared, tmp_path: Path) -> None:
    """The one thing that plays tell each other, so that not every one of them has to look
    for it.
    """
    asked = (
        "- {name: Look, ansible.builtin.debug: {msg: "
        "{python: \"{{ ansible_facts.discovered_interpreter_python | default('unknown') }}\"}}}"
    )

    def known() -> str:
        return str(shared.report(shared.play(tmp_path, asked, host="found"))["python"])

    before = known()
    shared.report(shared.play(tmp_path, "- {name: Look, ansible.builtin.ping: {}}", host="found"))
    time.sleep(0.2)
    after = known()
    fails = "- {name: Fail, ansible.builtin.fail: {msg: no}}"
    with pytest.raises(AssertionError, match="no"):
        shared.report(shared.play(tmp_path, fails, host="found"))
    time.sleep(0.2)

    assert (before, known()) == ("unknown", "unknown")
    assert "python" in after
