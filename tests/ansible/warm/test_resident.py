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
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from playrail.ansible.run.play import Play
from playrail.ansible.run.runner import Runner
from playrail.ansible.warm.resident import Resident
from worlds.local_plays import inventory, made_for, play, playbook, processes

pytestmark = pytest.mark.slow

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
    # Not the whole PATH: shims for other Pythons may lie there, which Ansible would take
    # for one.
    runs_dir, child, known = made_for(
        place, PLAYRAIL_INVENTORY=str(place / "hosts.yml"), PATH="/usr/bin:/bin"
    )
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
    outcome = ran.hosts["here"]
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


def test_a_play_sees_what_it_would_in_a_process_of_its_own(place: Path) -> None:
    """And so nothing that another left: in the process, among variables, facts, hosts,
    plugins and files.
    """
    hosts = [place / "hosts.yml"]
    dirt = play(
        playbook(plugin(place / "a", DIRTY), MAKE_DIRT),
        ["here"],
        hosts,
        variables={"playrail_dirt": "left"},
    )
    look = play(playbook(plugin(place / "b", LOOKING), LOOK), ["here"], hosts)

    async def playing() -> list[dict[str, Any]]:
        async with warm(place) as (runner, _):
            runs_dir, child, _ = made_for(
                place, PLAYRAIL_INVENTORY=str(hosts[0]), PATH="/usr/bin:/bin"
            )
            cold = Runner(runs_dir=runs_dir, environment=child)
            seen = [await report(cold, look), await report(runner, look)]
            await report(runner, dirt)
            return [*seen, await report(runner, look)]

    cold, first, second = asyncio.run(playing())
    assert cold["serves"] == "none"
    assert first == cold
    assert second == cold


def test_what_changed_on_disk_is_seen_by_the_next_play(place: Path) -> None:
    tasks = "- {name: Look, ansible.legacy.own: {}}"
    library = place / "library"
    library.mkdir()
    module = library / "own.py"
    text = (
        "from ansible.module_utils.basic import AnsibleModule\n"
        "AnsibleModule(argument_spec={}).exit_json(told='%s', changed=False)\n"
    )

    async def playing() -> list[Any]:
        async with warm(place) as (runner, resident):
            module.write_text(text % "one")
            seen: list[Any] = [(await report(runner, wanted(place, tasks)))["told"]]
            module.write_text(text % "another")
            seen.append((await report(runner, wanted(place, tasks)))["told"])
            asked = (
                '- {name: Look, ansible.builtin.debug: {msg: {word: "{{ word | '
                "default('none') }}\"}}}"
            )
            seen.append((await report(runner, wanted(place, asked)))["word"])
            before = await stays(resident)
            inventory(place, "here", variables={"word": "new"})
            seen.append((await report(runner, wanted(place, asked)))["word"])
            return [*seen, await stays(resident) == before]

    assert asyncio.run(playing()) == ["one", "another", "none", "new", False]


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
            return first, await stays(resident)

    first, second = asyncio.run(playing())
    assert first != second
    assert residents(place) == []
    assert processes(f"HOME={place}\0") == []


def test_when_it_is_killed_the_next_play_has_another(place: Path) -> None:
    async def playing() -> None:
        async with warm(place) as (runner, _):
            await report(runner, wanted(place, PING))
            for pid in residents(place):
                os.kill(pid, signal.SIGKILL)
            await report(runner, wanted(place, PING))

    asyncio.run(playing())
    assert processes(f"HOME={place}\0") == []


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


def test_a_play_that_was_given_up_on_does_nothing(place: Path) -> None:
    """It may have been started cold by then."""
    mark = place / "mark"
    what = wanted(
        place,
        (f"- {{name: Look, ansible.builtin.file: {{path: {mark}, state: touch, mode: '0600'}}}}"),
    )

    async def playing() -> None:
        async with warm(place) as (_, resident):
            stay = await resident.ready()
            assert stay is not None
            orders = json.dumps({**what.orders(), "extravars": what.extravars()}).encode() + b"\n"
            for word in (b"", b"no\n"):
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.connect(str(stay.place / "calls.sock"))
                    connection.sendall(orders)
                    assert b"begun" in await asyncio.to_thread(connection.recv, 4096)
                    connection.sendall(word)
            await asyncio.sleep(1)

    asyncio.run(playing())
    assert not mark.exists()


def test_many_plays_at_once(place: Path) -> None:
    async def playing() -> list[dict[str, Any]]:
        async with warm(place) as (runner, _):
            plays = [wanted(place, PING, variables={"playrail_n": number}) for number in range(60)]
            return list(await asyncio.gather(*(report(runner, each) for each in plays)))

    assert asyncio.run(playing()) == [{"pong": True}] * 60
    assert processes(f"HOME={place}\0") == []


def test_which_python_a_host_has_is_known_to_the_next_play(place: Path) -> None:
    """The one thing that plays tell each other, so that not every one of them has to look
    for it.
    """
    inventory(place, "here", variables={"ansible_python_interpreter": "auto_silent"})
    asked = (
        "- {name: Look, ansible.builtin.debug: {msg: "
        "{python: \"{{ ansible_facts.discovered_interpreter_python | default('unknown') }}\"}}}"
    )

    async def playing() -> list[str]:
        async with warm(place) as (runner, _):
            seen = [(await report(runner, wanted(place, asked)))["python"]]
            await report(runner, wanted(place, "- {name: Look, ansible.builtin.ping: {}}"))
            await asyncio.sleep(0.2)
            seen.append((await report(runner, wanted(place, asked)))["python"])
            await runner.run(
                wanted(place, "- {name: Fail, ansible.builtin.fail: {msg: no}}"),
                deadline_s=60,
                stop=asyncio.Event(),
                progress=None,
            )
            await asyncio.sleep(0.2)
            return [*seen, (await report(runner, wanted(place, asked)))["python"]]

    before, after, forgotten = asyncio.run(playing())
    assert (before, forgotten) == ("unknown", "unknown")
    assert "python" in after
