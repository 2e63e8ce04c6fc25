"""A plan is held to everything that its play can read on this machine, started cold or
warm; and to nothing else.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from worlds.local_plays import LOCAL
from worlds.plan_world import World, world

pytestmark = pytest.mark.slow

# An action plugin in place of our module: what it writes is what nobody approved.
PLUGIN = """
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        with open({path!r}, "w") as file:
            file.write("NOT APPROVED")
        return {{"changed": True}}
"""


def place(
    tmp_path: Path, config: str = "", variables: dict[str, Any] | None = None
) -> dict[str, str]:
    """A project with ansible.cfg and an inventory of one host."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "ansible.cfg").write_text(f"[defaults]\n{config}\n")
    listed = {"all": {"hosts": {"web1": {**LOCAL, **(variables or {})}}}}
    (project / "hosts.yml").write_text(json.dumps(listed))
    return {
        "ANSIBLE_CONFIG": str(project / "ansible.cfg"),
        "PLAYRAIL_INVENTORY": str(project / "hosts.yml"),
    }


def put(path: Path, text: str = "") -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def linked_plugins(project: Path, target: Path) -> None:
    (project / "real").mkdir()
    (project / "linked").symlink_to(project / "real")
    (project / "real" / "write_text.py").write_text(PLUGIN.format(path=str(target)))


CONFIG = "action_plugins = ./plugins:./linked\nlibrary = ./mine"
# What is put there, and as what it is named
CHANGES: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "an action plugin": (
        lambda project, target: put(
            project / "plugins" / "write_text.py", PLUGIN.format(path=str(target))
        ),
        "plugins",
    ),
    "one in a linked directory": (linked_plugins, "linked"),
    "a module": (lambda project, _: put(project / "mine" / "write_text.py", "raise"), "mine"),
    "ansible.cfg itself": (
        lambda project, _: put(project / "ansible.cfg", f"[defaults]\n{CONFIG}\nforks = 3\n"),
        "ansible.cfg",
    ),
    "group_vars": (
        lambda project, _: put(
            project / "group_vars" / "all.yml", "x: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n"
        ),
        "group_vars",
    ),
    "a filter beside the playbooks": (
        lambda project, _: put(project / "filter_plugins/x.py"),
        "filter_plugins",
    ),
}


@dataclass(frozen=True)
class Held:
    """A plan to write the file `target`, of a play that reads `project`."""

    made: World
    project: Path
    target: Path
    plan: dict[str, Any]


@pytest.fixture(scope="module", params=["cold", "warm"])
def planned(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Held]:
    above = tmp_path_factory.mktemp(request.param)
    warm = "1" if request.param == "warm" else "0"
    target = above / "target"
    with world(above / "place", PLAYRAIL_WARM=warm, **place(above, CONFIG)) as made:
        plan = made.plan("write_file", path=str(target), content="approved")
        yield Held(made, above / "project", target, plan)


@pytest.fixture
def held(planned: Held, tmp_path: Path) -> Iterator[Held]:
    """The plan, that is never applied: what a test puts there goes again."""
    shutil.copytree(planned.project, tmp_path / "before")
    yield planned
    shutil.rmtree(planned.project)
    shutil.copytree(tmp_path / "before", planned.project)


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_put_where_the_play_reads_keeps_the_plan_from_being_applied(
    change: str, held: Held
) -> None:
    put_there, named = CHANGES[change]
    put_there(held.project, held.target)

    answer = held.made.apply(held.plan)

    assert (answer.code, held.target.exists()) == ("plan_outdated", False)
    assert answer.problem is not None
    assert str(held.project / named) in answer.problem.error


def test_a_file_of_ssh_that_a_text_without_templates_names(tmp_path: Path) -> None:
    given = place(tmp_path)
    project = tmp_path / "project"
    put(project / "host_vars" / "web1.yml", 'ansible_ssh_common_args: !unsafe "-F ./ssh.cfg"\n')
    with world(tmp_path / "place", PLAYRAIL_WARM="0", **given) as made:
        plan = made.plan("execute_command", cmd=f"touch {tmp_path}/target")
        put(project / "ssh.cfg", "ProxyCommand ./elsewhere\n")
        answer = made.apply(plan)

    assert (answer.code, (tmp_path / "target").exists()) == ("plan_outdated", False)
    assert answer.problem is not None
    assert "ssh.cfg" in answer.problem.error


SCRIPT = """#!{python}
import json, time
variables = {variables!r}
print(json.dumps({{"all": {{"hosts": ["web1"]}}, "_meta": {{"hostvars": {{"web1": {{
    **variables, "uptime_seconds": time.time_ns(), "token": open({token!r}).read()}}}}}}}}))
"""


def moving(tmp_path: Path, **variables: str) -> dict[str, str]:
    """An inventory that is another one each time that it is asked."""
    (tmp_path / "token").write_text("a")
    script = tmp_path / "inventory.py"
    text = SCRIPT.format(
        python=sys.executable, variables={**LOCAL, **variables}, token=str(tmp_path / "token")
    )
    script.write_text(text)
    script.chmod(0o755)
    return {"PLAYRAIL_INVENTORY": str(script), "PLAYRAIL_ALLOW_INVENTORY_SCRIPTS": "1"}


def applied_by_another_process(
    tmp_path: Path, given: dict[str, str], meanwhile: Callable[[], object]
) -> Any:
    def opened() -> Any:
        return world(tmp_path / "place", PLAYRAIL_WARM="0", **given)

    with opened() as first:
        plan = first.plan("execute_command", cmd=f"touch {tmp_path}/target")
    meanwhile()
    with opened() as second:
        return second.apply(plan)


def test_an_inventory_that_tells_of_uptimes_outdates_no_plan(tmp_path: Path) -> None:
    answer = applied_by_another_process(tmp_path, moving(tmp_path), lambda: None)

    assert (answer.code, (tmp_path / "target").exists()) == ("ok", True)


def test_a_variable_that_plays_go_by_is_named_and_not_its_value(tmp_path: Path) -> None:
    given = moving(tmp_path, ansible_remote_tmp="/tmp/{{ token }}")
    answer = applied_by_another_process(
        tmp_path, given, lambda: (tmp_path / "token").write_text("CANARY")
    )

    assert answer.code == "plan_outdated"
    assert answer.problem is not None
    assert answer.problem.error.endswith(
        "was made for something else: the inventory (the variable token) differs now."
    )
    recorded = (tmp_path / "place").rglob("ledger.sqlite*")
    assert [path.name for path in recorded if b"CANARY" in path.read_bytes()] == []


def test_what_was_recorded_of_a_password_tells_nothing_without_the_key(tmp_path: Path) -> None:
    def items(place_: Path) -> Any:
        given = place(place_, variables={"ansible_become_password": "abc"})
        with world(place_ / "place", PLAYRAIL_WARM="0", **given) as made:
            made.plan("execute_command", cmd=f"touch {place_}/target")
            (plan,) = made.kinds("plan")
            return plan["items"]["inventory"]["the variable ansible_become_password"]

    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    assert items(one) != items(two)


def test_code_that_was_changed_before_the_plan_is_what_runs(tmp_path: Path) -> None:
    """Also by a run that stays, and has loaded what was there before."""
    given = place(
        tmp_path, "filter_plugins = ./filters", {"ansible_remote_tmp": "{{ '/tmp' | mine }}"}
    )
    filters = tmp_path / "project" / "filters"
    filters.mkdir()
    text = "class FilterModule:\n    def filters(self):\n        return {'mine': lambda _: '%s'}\n"
    (filters / "mine.py").write_text(text % f"{tmp_path}/one")

    with world(tmp_path / "place", **given) as made:
        assert made.call("execute_command", cmd="true").code == "ok"
        (filters / "mine.py").write_text(text % f"{tmp_path}/two")
        assert made.apply(made.plan("execute_command", cmd="true")).code == "ok"
        stays = made.portal.call(made.server.open).resident
        assert stays is not None
        assert stays._stay is None or stays._stay.code == stays._code()
