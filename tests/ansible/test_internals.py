"""Every private name of Ansible and ansible-runner that Playrail touches is there, with the
versions that are installed.
"""

from __future__ import annotations

import importlib
import inspect
import json
import multiprocessing.process
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import ansible
import ansible_runner
import pytest
from ansible import constants, context
from ansible.cli import CLI
from ansible.executor import task_result
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.plugins import strategy
from ansible.plugins.loader import become_loader
from ansible.utils.context_objects import CLIArgs
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars
from ansible.vars.manager import VariableManager

from playrail.ansible import internals
from worlds.ansible_loaded import load_ansible

SRC = Path(__file__).resolve().parents[2] / "src" / "playrail"
RUNNERS = Path(ansible_runner.__file__).parent / "display_callback" / "callback"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    cache = constants.CACHE_PLUGIN
    with internals.as_it_was():
        yield
    constants.CACHE_PLUGIN = cache


@pytest.fixture
def plugins() -> None:
    load_ansible()


@pytest.fixture
def manager(plugins: None) -> VariableManager:
    del plugins
    loader = DataLoader()
    return VariableManager(
        loader=loader,
        inventory=InventoryManager(loader=loader, sources=["localhost,"]),
        version_info=CLI.version_info(gitinfo=False),
    )


def test_a_variable_manager_has_its_loader_and_inventory(manager: VariableManager) -> None:
    assert isinstance(internals.loader_of(manager), DataLoader)
    assert isinstance(internals.inventory_of(manager), InventoryManager)


def test_variables_are_those_of_the_command_line_that_is_set(manager: VariableManager) -> None:
    for value in ("one", "two"):
        given = {"extra_vars": (json.dumps({"told": value}),), "check": True}
        internals.set_command_line({**given, "forks": 7, "tags": (), "skip_tags": ()})
        internals.read_variables(
            manager, internals.loader_of(manager), CLI.version_info(gitinfo=False)
        )
        variables = manager.get_vars()

        assert (variables["told"], variables["ansible_forks"]) == (value, 7)
    assert internals.command_line()["check"] is True
    assert hasattr(load_extra_vars, "extra_vars")  # what it keeps, and is to forget


def test_a_file_that_was_read_is_forgotten(tmp_path: Path) -> None:
    path, loader = tmp_path / "a.yml", DataLoader()
    path.write_text("a: 1\n")
    assert loader.load_from_file(str(path), cache="all") == {"a": 1}
    path.write_text("a: 2\n")

    assert loader.load_from_file(str(path), cache="all") == {"a": 1}
    internals.forget_file(loader, path)
    assert loader.load_from_file(str(path), cache="all") == {"a": 2}


def test_facts_stay_in_memory(manager: VariableManager) -> None:
    constants.CACHE_PLUGIN = "jsonfile"
    internals.keep_facts_in_memory()
    loader = internals.loader_of(manager)
    made = VariableManager(loader=loader, inventory=internals.inventory_of(manager))

    made.set_host_facts("localhost", {"a": 1})
    assert "memory" in type(made._fact_cache).__module__


def test_what_is_set_is_as_before_afterwards(tmp_path: Path) -> None:
    before = context.CLIARGS, constants.DEFAULT_LOCAL_TMP
    with internals.as_it_was():
        context.CLIARGS = CLIArgs({"check": True})
        internals.set_temporary_directory(tmp_path)
        assert str(tmp_path) == constants.DEFAULT_LOCAL_TMP
    assert before == (context.CLIARGS, constants.DEFAULT_LOCAL_TMP)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (multiprocessing.process, "_parent_process"),
        (multiprocessing.process.current_process(), "_config"),
    ],
    ids=["parent", "directory"],
)
def test_what_a_fork_sets_is_there(owner: object, name: str) -> None:
    assert hasattr(owner, name)


def test_a_warning_is_displayed_again() -> None:
    display = Display()
    display.warning("said once")
    assert any("said once" in str(kept) for kept in vars(display)["_warns"])

    internals.forget_what_was_displayed()

    assert not vars(display)["_warns"]


def test_workers_are_those_that_strategies_start() -> None:
    assert strategy.WorkerProcess.__name__ == "WorkerProcess"
    assert "WorkerProcess(" in inspect.getsource(strategy)
    parameters = inspect.signature(strategy.WorkerProcess.__init__).parameters
    assert set(internals.ARGUMENTS) <= set(parameters)


def test_workers_ask_since_ansible_core_2_21() -> None:
    assert internals.WORKERS_ASK is (tuple(map(int, ansible.__version__.split(".")[:2])) >= (2, 21))
    if internals.WORKERS_ASK:
        asked = importlib.import_module("ansible._internal._rpc_host")
        assert hasattr(asked.LocalManager, "_shared_instance")
        assert hasattr(asked._server_ready, "clear")


@pytest.mark.parametrize(
    ("name", "method"),
    [(name, method) for name, methods in internals.OVERRIDDEN.items() for method in methods],
)
def test_what_is_overridden_is_there(name: str, method: str) -> None:
    module, _, of = name.partition(":")
    assert callable(getattr(getattr(importlib.import_module(module), of), method))


def test_a_task_is_copied_with_its_parent() -> None:
    task = Task()
    task._parent = SimpleNamespace(name="a block")
    copied = internals.copy_for_worker(task)

    assert copied is not task
    assert copied._parent is task._parent


def test_a_worker_tells_its_display_where_to() -> None:
    assert callable(Display.set_queue)
    with internals.displaying_here():
        Display().set_queue("nowhere")
    assert "set_queue" not in vars(Display())


@pytest.mark.parametrize("name", ["_result", "_task_fields"])
def test_a_result_that_callbacks_are_given_has_its_parts(name: str) -> None:
    """What becomes of one that a worker sends, test_quick_play.py holds."""
    assert hasattr(task_result.CallbackTaskResult, name)


@pytest.mark.usefixtures("plugins")
def test_become_plugins_have_an_identity() -> None:
    become = become_loader.get("sudo")
    become.set_options(direct={"become_user": "root"})
    shell = SimpleNamespace(SHELL_FAMILY="sh", ECHO="echo", COMMAND_SEP=";", executable="/bin/sh")
    become.build_become_command("true", shell)

    assert internals.identity_of(become) in become.success


@pytest.mark.parametrize(
    "name", ["dump_begin", "dump_end", "get_begin_dict", "AnsibleJSONEncoderLocal", "MAX_EVENT_RES"]
)
def test_ansible_runners_plugin_has_what_is_used_of_it(name: str) -> None:
    texts = [path.read_text(encoding="utf-8") for path in RUNNERS.parent.rglob("*.py")]
    assert any(re.search(rf"\b{name}\b", text) for text in texts)


NAMES = (
    *("_FILE_CACHE", "_extra_vars", "_options_vars", "CACHE_PLUGIN", "CLIARGS", "_parent_process"),
    *("_shared_instance", "_server_ready", "_task_fields", "get_begin_dict"),
    *("AnsibleJSONEncoderLocal", r"(?:manager|variables)\._(?:loader|inventory)", r"become\._id"),
)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_else_knows_the_name(name: str) -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in SRC.rglob("*.py")}
    knows = [path for path, text in texts.items() if re.search(rf"\b{name}\b", text)]

    assert [str(path.relative_to(SRC)) for path in knows] == ["ansible/internals.py"]
