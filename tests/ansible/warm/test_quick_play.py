"""A playbook of one task on one host is played without a strategy: the outcome is what it
is with one.

TASKS and WHOLE hold the YAML text of the task named Report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.playbook import Playbook
from ansible.plugins.loader import add_all_plugin_dirs
from ansible.vars.manager import VariableManager

from playrail import catalog
from playrail.ansible.run.play import Play
from playrail.ansible.run.runner import RunResult
from playrail.ansible.warm.quick_play import quick_task
from playrail.settings.content import content_root
from playrail.tools.tool import PlaybookTool
from worlds.ansible_loaded import load_ansible
from worlds.local_plays import inventory, play, playbook, ready, run

NOWHERE = "{ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1}"
TASKS = {
    "ok": "ansible.builtin.stat: {path: /}",
    "changed": "{ansible.builtin.debug: {msg: {a: 1}}, changed_when: true}",
    "failed": "ansible.builtin.fail: {msg: No such file or directory}",
    "failed and changed": "{ansible.builtin.fail: {msg: Half of it}, changed_when: true}",
    "a failure that is ignored": "{ansible.builtin.fail: {msg: Fine}, ignore_errors: true}",
    "failed when": (
        "{ansible.builtin.debug: {msg: {a: 1}}, register: told, failed_when: told.msg.a == 1}"
    ),
    "skipped": "{ansible.builtin.debug: {msg: {a: 1}}, when: false}",
    "undefined": "ansible.builtin.debug: {msg: '{{ nowhere }}'}",
    "unreachable": f"{{ansible.builtin.ping: {{}}, vars: {NOWHERE}}}",
    "unreachable, ignored": (
        f"{{ansible.builtin.ping: {{}}, ignore_unreachable: true, vars: {NOWHERE}}}"
    ),
    "not shown": "{ansible.builtin.debug: {msg: CANARY}, no_log: true}",
    "a module that fails": "ansible.builtin.command: {argv: [/nonexistent/program]}",
    "a command's output": (
        "{ansible.builtin.command: {argv: [echo, '{{ playrail_run }}']}, changed_when: false}"
    ),
    "wrong arguments": "ansible.builtin.stat: {nothing: 1}",
    "a date": "ansible.builtin.debug: {msg: {at: \"{{ '2020-01-01 00:00:00' | to_datetime }}\"}}",
    "the environment": (
        "{ansible.builtin.command: {argv: [printenv, PLAYRAIL_RUN]}, changed_when: false}"
    ),
    "variables": """ansible.builtin.debug:
  msg:
    host: "{{ inventory_hostname }}"
    play: "{{ ansible_play_hosts }}"
    all: "{{ ansible_play_hosts_all }}"
    batch: "{{ ansible_play_batch }}"
    word: "{{ word }}"
    other: "{{ hostvars['other'].word }}"
    name: "{{ ansible_play_name }}"
    dir: "{{ playbook_dir }}"
    check: "{{ ansible_check_mode }}"
    version: "{{ ansible_version.full }}"
    groups: "{{ group_names }}"
""",
}
WHOLE = {
    "loop": "{ansible.builtin.debug: {msg: '{{ item }}'}, loop: [1, 2]}",
    "facts": "ansible.builtin.set_fact: {a: 1}",
    "hosts": "ansible.builtin.add_host: {name: new}",
    "delegated": "{ansible.builtin.stat: {path: /}, delegate_to: localhost}",
    "once": "{ansible.builtin.stat: {path: /}, run_once: true}",
    "meta": "ansible.builtin.meta: noop",
    "a word of nobody": "{ansible.builtin.stat: {path: /}, throttle: 1}",
}


def book(place: Path, task: str) -> Path:
    return playbook(place, yaml.safe_dump([{"name": "Look", **yaml.safe_load(task)}]))


@pytest.fixture(scope="module", autouse=True)
def _ansible_is_loaded() -> None:
    load_ansible()


def is_quick(path: Path) -> bool:
    add_all_plugin_dirs(str(path.parent))
    loader = DataLoader()
    manager = VariableManager(loader=loader, inventory=InventoryManager(loader=loader))
    return quick_task(Playbook.load(str(path), manager, loader)) is not None


@pytest.mark.parametrize("name", TASKS)
def test_what_is_quick(name: str, tmp_path: Path) -> None:
    assert is_quick(book(tmp_path, TASKS[name]))


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_not(name: str, tmp_path: Path) -> None:
    assert not is_quick(book(tmp_path, WHOLE[name]))


@pytest.mark.parametrize(
    "change",
    [
        {"hosts": "all"},
        {"gather_facts": True},
        {"roles": []},
        {"become": True},
        {"strategy": "free"},
        {"handlers": []},
        {"tasks": []},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_play_that_is_not(change: dict[str, Any], tmp_path: Path) -> None:
    path = book(tmp_path, TASKS["ok"])
    (written,) = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump([{**written, **change}]))

    assert not is_quick(path)


def test_most_tools_are_quick() -> None:
    paths = {tool.playbook for tool in catalog.load().values() if isinstance(tool, PlaybookTool)}
    whole = {path for path in paths if not is_quick(content_root() / "playbooks" / path)}

    assert whole == {"packages/install_package.yml", "packages/update_system.yml"}


class Ways:
    """Plays on the same hosts: warm, which is quick where it can be, whole, which is warm with
    a strategy, and cold.
    """

    def __init__(self, place: Path, warm: Callable[[Play], RunResult]) -> None:
        self.place = place
        self._warm = warm

    def play(self, way: str, path: Path, **more: Any) -> RunResult:
        if way == "whole":
            (written,) = yaml.safe_load(path.read_text())
            path = path.with_name("whole.yml")
            path.write_text(yaml.safe_dump([{**written, "strategy": "linear"}]))
        assert way != "whole" or not is_quick(path)
        what = play(
            path, ["here"], [self.place / "hosts.yml"], run_id="20260101-000000-00000000", **more
        )
        return run(self.place, what) if way == "cold" else self._warm(what)


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    place = tmp_path_factory.mktemp("ways")
    hosts = inventory(place, "here", "other", variables={"word": "said"})
    with ready(place, hosts) as warm:
        yield Ways(place, warm)


COLD = {"ok", "failed and changed", "unreachable", "the environment", "variables"}


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_the_outcome_is_the_same(name: str, ways: Ways, tmp_path: Path) -> None:
    """As with a strategy; and where most could differ, as in an Ansible of its own."""
    path = book(tmp_path, TASKS[name])
    warm = told(ways.play("warm", path))

    assert warm == told(ways.play("whole", path))
    if name in COLD:
        assert warm == told(ways.play("cold", path))


CHANGES = {
    "a command": "ansible.builtin.command: {argv: [touch, PLACE]}",
    "a module with check mode": (
        "ansible.builtin.lineinfile: {path: PLACE, line: new, create: true, mode: '0600'}"
    ),
    "an action with a diff": "ansible.builtin.copy: {content: new, dest: PLACE, mode: '0600'}",
    "a loop": "{ansible.builtin.command: {argv: [touch, PLACE]}, loop: [1, 2]}",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_check_mode_is_one_plays_own_and_changes_nothing(
    name: str, ways: Ways, tmp_path: Path
) -> None:
    place = tmp_path / "made"
    path = book(tmp_path, CHANGES[name].replace("PLACE", str(place)))
    runs, made = [], []
    for way in ("whole", "warm"):
        for check in (True, False, True):
            place.unlink(missing_ok=True)
            ran = told(ways.play(way, path, check=check, diff=True))
            runs.append({key: ran[key] for key in ("changed", "problem", "tasks", "unpreviewed")})
            made.append(place.exists())

    assert made == [False, True, False] * 2
    assert runs[:3] == runs[3:]
    assert runs[0] == runs[2] != runs[1]
    assert bool(runs[0]["unpreviewed"]) is (
        name not in {"a module with check mode", "an action with a diff"}
    )
    assert runs[1]["unpreviewed"] == {}


@pytest.mark.slow
@pytest.mark.parametrize("way", ["cold", "whole", "warm"])
def test_what_runs_for_real_in_check_mode_is_told(way: str, ways: Ways, tmp_path: Path) -> None:
    path = book(
        tmp_path,
        "{ansible.builtin.command: {argv: [touch, PLACE]}, check_mode: false}".replace(
            "PLACE", str(tmp_path / "x")
        ),
    )

    ran = ways.play(way, path, check=True)

    assert (tmp_path / "x").exists()
    assert ran.unpreviewed == {
        "here": [
            ("Task Look: ansible.builtin.command was run for real, for it has check_mode: false.")
        ]
    }


def told(ran: RunResult) -> dict[str, Any]:
    """What a run said, without the times in it."""
    outcome = ran.hosts["here"]
    report = {
        key: value
        for key, value in (outcome.report or {}).items()
        if key not in {"start", "end", "delta"}
    }
    return {
        "ended": ran.ended,
        "report": None
        if outcome.report is None
        else {key: report[key] for key in report if key != "stat"},
        "changed": outcome.changed,
        "problem": outcome.problem,
        "lost": outcome.lost,
        "tasks": [
            (task.task, task.action, task.status, task.diff, {*(task.result or ())} - {"changed"})
            for task in ran.tasks
        ],
        "unpreviewed": ran.unpreviewed,
    }
