"""Every name of ansible-core, ansible-runner and multiprocessing that Playrail touches and
that is nobody's promise. The rest of the code knows none of them but through this module.

A new version of ansible-core may rename or reword each. tests/test_internals.py has a test
per name, and CI runs them with the oldest and the newest version that is supported. This
module is loaded inside of Ansible's processes only.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing.process
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.executor.process.worker import WorkerProcess
from ansible.executor.task_result import CallbackTaskResult
from ansible.plugins import strategy
from ansible.plugins.loader import callback_loader
from ansible.utils.context_objects import CLIArgs
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars, load_options_vars
from ansible.vars.manager import VariableManager

# Since ansible-core 2.21 a worker may ask the process that it was forked from to do
# something meanwhile
try:
    _asked: Any = importlib.import_module("ansible._internal._rpc_host")
except ImportError:
    _asked = None

WORKERS_ASK = _asked is not None
OVERRIDDEN: Mapping[str, tuple[str, ...]] = {
    "ansible.plugins.connection.ssh:Connection": (
        *("_build_command", "_bare_run", "_is_tty_requested"),
    ),
    "ansible.executor.process.worker:WorkerProcess": ("_term", "_detach"),
    "ansible.cli.inventory:InventoryCLI": ("_get_host_variables", "_remove_internal"),
}
"""What our classes override, or call of the class that they extend."""
ARGUMENTS = (
    *("final_q", "task_vars", "host", "task", "play_context", "loader", "variable_manager"),
    *("shared_loader_obj", "worker_id", "cliargs"),
)
"""What a WorkerProcess is made with."""


# What a play begins with


def loader_of(manager: VariableManager) -> Any:
    """The DataLoader of a variable manager."""
    return manager._loader


def inventory_of(manager: VariableManager) -> Any:
    """The InventoryManager of a variable manager."""
    return manager._inventory


def keep_facts_in_memory() -> None:
    """Have variable managers made from now on write no facts to files."""
    constants.CACHE_PLUGIN = "ansible.builtin.memory"


def forget_file(loader: Any, path: Path) -> None:
    """Have the DataLoader read the file anew when it is wanted again."""
    loader._FILE_CACHE.pop(str(path), None)


def command_line() -> Mapping[str, Any]:
    """The options of this process's command line, as Ansible sees them."""
    options: Mapping[str, Any] = context.CLIARGS
    return options


def set_command_line(options: Mapping[str, Any]) -> None:
    """Have Ansible see these options in this process."""
    context.CLIARGS = CLIArgs(options)


def read_variables(manager: VariableManager, loader: Any, version: Any) -> None:
    """Give the manager the extra variables and options of the command line, as a new
    process reads them.
    """
    load_extra_vars.extra_vars = None  # both keep what they read for the life of a process
    load_options_vars.options_vars = None
    manager._extra_vars = load_extra_vars(loader)
    manager._options_vars = load_options_vars(version)


@contextlib.contextmanager
def as_it_was() -> Iterator[None]:
    """Afterwards the command line, the outputs and the temporary directory are as before."""
    before = context.CLIARGS, sys.stdout, sys.stderr, constants.DEFAULT_LOCAL_TMP
    try:
        yield
    finally:
        context.CLIARGS, sys.stdout, sys.stderr, constants.DEFAULT_LOCAL_TMP = before


def set_temporary_directory(path: Path) -> None:
    """Where this process's Ansible, and its own server for workers, if it has one, make
    files.
    """
    constants.DEFAULT_LOCAL_TMP = str(path)
    process: Any = multiprocessing.process.current_process()
    process._config["tempdir"] = str(path)


def forget_what_was_displayed() -> None:
    """Have warnings that were displayed once in this process be displayed again."""
    display = Display()
    for shown in ("_warns", "_errors", "_deprecations"):
        getattr(display, shown, {}).clear()


# Processes


def leave_parent() -> None:
    """In a fork: be no fork in Python's eyes, and have workers ask this process, not the one
    that it was forked from.

    Only from a process that is no fork does ansible-runner's callback plugin tell what
    Ansible displays.
    """
    multiprocessing.process._parent_process = None  # type: ignore[attr-defined]
    if _asked is not None:
        _asked.LocalManager._shared_instance = None
        _asked._server_ready.clear()


def set_worker(worker: type[WorkerProcess]) -> None:
    """Have Ansible's strategies run each task in one of these."""
    strategy.WorkerProcess = worker


def copy_for_worker(task: Any) -> Any:
    """A task of its own for a worker, with the same parent."""
    copied = task.copy(exclude_parent=True, exclude_tasks=True)
    copied._parent = task._parent
    return copied


@contextlib.contextmanager
def displaying_here() -> Iterator[None]:
    """Meanwhile what a worker displays does not go to another process."""
    display = Display()
    display.set_queue = lambda _: None
    try:
        yield
    finally:
        del display.set_queue


# Results


def read_result(sent: tuple[Any, ...]) -> tuple[Any, dict[str, Any]]:
    """Ansible's result, which says what became of the task, and what of it may be shown, of
    what a worker sends.
    """
    if len(sent) > 1:  # since ansible-core 2.20
        made = CallbackTaskResult(*sent)
        return made, made.result
    # Of which the status was taken out
    return sent[0], sent[0].as_callback_task_result().result


def raw_of(result: Any) -> Mapping[str, Any]:
    """A result as callbacks have it, the status taken out."""
    raw: Mapping[str, Any] = result._result
    return raw


def id_of(task: Any) -> object:
    """What a task is known by, in its play and on each host."""
    return task._uuid


def fields_of(result: Any) -> Mapping[str, Any]:
    """The task's keywords as they were on the host."""
    fields: Mapping[str, Any] = result._task_fields
    return fields


def identity_of(become: Any) -> str:
    """What a become plugin made up for its last command alone."""
    return str(become._id)


# ansible-runner


def runners_plugin() -> Any:
    """The module of ansible-runner's callback plugin, in whose process it is loaded."""
    return sys.modules[
        callback_loader.get(constants.DEFAULT_STDOUT_CALLBACK, class_only=True).__module__
    ]


def take_events(begin: Callable[[Any], None], end: Callable[[Any], None]) -> Any:
    """Have ansible-runner's plugin call these where it would write an event's beginning and
    end; the plugin's context, of which `event_begun` reads.
    """
    events = runners_plugin().event_context
    events.dump_begin = begin
    events.dump_end = end
    return events


def event_begun(events: Any) -> dict[str, Any]:
    """The event that begins."""
    event: dict[str, Any] = events.get_begin_dict()
    return event


def json_encoder() -> Any:
    """The class by which ansible-runner writes results as JSON."""
    return runners_plugin().AnsibleJSONEncoderLocal
