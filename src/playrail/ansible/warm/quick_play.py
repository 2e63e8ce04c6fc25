"""Plays a playbook that is one task on one host, without what Ansible needs for many of
both.

What a task does is Ansible's own: its variables, templates, conditions, connection, module,
and what of its result may be shown. Left out is what stands around it: the strategy that
hands tasks out and waits for workers, and its callbacks, which are loaded for each play.
For a read of one module that is two thirds of what a play costs on the controller.
"""

from __future__ import annotations

import tempfile
import time
from typing import Any, Protocol

from ansible.playbook import Playbook
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.loader import get_plugin_loader_namespace
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from playrail.ansible.internals import command_line, fields_of, read_result
from playrail.ansible.outcome.events import RESULT_LIMIT
from playrail.ansible.outcome.remarks import remark_line
from playrail.ansible.warm.captured_events import CapturedEvents
from playrail.ansible.warm.inline_worker import InlineWorker

# With other keywords than these, a playbook is played whole: they are the strategy's
# business, or may be.
PLAY_WORDS = {"name", "hosts", "gather_facts", "environment", "tasks"}
TASK_WORDS = {
    *(
        "name",
        "register",
        "when",
        "vars",
        "changed_when",
        "failed_when",
        "ignore_errors",
        "ignore_unreachable",
    ),
    *("environment", "no_log", "check_mode", "diff", "become"),
}
HOSTS = "{{ playrail_target }}"
# Actions whose results the strategy takes up, and what is no task at all.
TAKEN_UP = frozenset(
    prefix + name
    for prefix in ("", "ansible.builtin.", "ansible.legacy.")
    for name in ("meta", "add_host", "group_by", "set_fact", "include_vars", "pause")
)


def quick_task(playbook: Playbook) -> Task | None:
    """The one task of a playbook that can be played here; None when it has to be played
    whole.
    """
    plays = playbook.get_plays()
    written = plays[0].get_ds() if len(plays) == 1 else {}
    if (
        not PLAY_WORDS.issuperset(written)
        or written.get("hosts") != HOSTS
        or written.get("gather_facts") is not False
    ):
        return None
    tasks = [task for block in plays[0].tasks for task in block.block]
    if len(tasks) != 1 or type(tasks[0]) is not Task or tasks[0].action in TAKEN_UP:
        return None
    # Which is the action
    return tasks[0] if len(set(tasks[0].get_ds()) - TASK_WORDS) == 1 else None


class Ready(Protocol):
    """As much as is needed here of what the run that stays has ready, see memory.py."""

    loader: Any
    inventory: Any
    passwords: dict[str, str | None]


class _Told:
    """In the place of the queue to Ansible's main process."""

    def __init__(self) -> None:
        self.result: tuple[Any, ...] = ()

    def send_task_result(self, *result: Any) -> None:
        self.result = result

    def send_callback(self, *_: Any, **__: Any) -> None:
        """Of what happens within a task nothing is told."""


def play_quickly(
    task: Any, host_name: str, manager: VariableManager, warm: Ready, events: CapturedEvents
) -> int:
    """Play the task on the host, and tell its events. Returns what `ansible-playbook`
    would.
    """
    inventory, loader = warm.inventory, warm.loader
    host = inventory.get_host(host_name)
    play = task.play
    play.hosts = [host_name]
    HostVars(inventory=inventory, variable_manager=manager, loader=loader)
    alone = [host_name]
    variables = manager.get_vars(play=play, host=host, task=task, _hosts=alone, _hosts_all=alone)
    variables.update(ansible_current_hosts=alone, ansible_failed_hosts=[])
    events.tell({"event": "playbook_on_task_start", "event_data": {"task": task.get_name()}})
    began = time.monotonic()
    told = _Told()
    with tempfile.TemporaryFile() as lock:
        InlineWorker(
            final_q=told,
            task_vars=variables,
            host=host,
            task=task,
            play_context=PlayContext(play, warm.passwords, lock.fileno()),
            loader=loader,
            variable_manager=manager,
            shared_loader_obj=get_plugin_loader_namespace(),
            worker_id=0,
            cliargs={},
        ).start()
    return _tell(*read_result(told.result), host_name, events, duration_s=time.monotonic() - began)


def _tell(
    result: Any, shown: dict[str, Any], host: str, events: CapturedEvents, *, duration_s: float
) -> int:
    """Tell what became of the task, and the play's statistics, as the strategy counts."""
    task: Any = result.task
    status, ignored = _status(result)
    data = {
        "task": task.get_name(),
        "task_action": task.action,
        "resolved_action": task.resolved_action,
        "host": host,
        "ignore_errors": ignored,
        "duration": duration_s,
        "res": {} if status == "skipped" or len(str(shown)) > RESULT_LIMIT else shown,
    }
    text = remark_line(
        {**shown, "skipped": status == "skipped"},
        fields_of(result),
        checked=bool(command_line().get("check")),
        last=True,
    )
    events.tell({"event": f"runner_on_{status}", "event_data": data, "stdout": text})
    counted = {"failed": "failures", "unreachable": "dark"}.get(status) if not ignored else "ok"
    statistics: dict[str, dict[str, int]] = {counted or status: {host: 1}, "processed": {host: 1}}
    if counted not in {"failures", "dark"} and status != "skipped" and result.is_changed():
        statistics["changed"] = {host: 1}
    events.tell({"event": "playbook_on_stats", "event_data": statistics})
    return {"failures": 2, "dark": 4}.get(counted or "", 0)


def _status(result: Any) -> tuple[str, bool]:
    """The event's name for what became of the task, and whether that is to be ignored."""
    task: Any = result.task
    if result.is_failed():
        return "failed", bool(task.ignore_errors)
    if result.is_unreachable():
        return "unreachable", bool(task.ignore_unreachable)
    return ("skipped" if result.is_skipped() else "ok"), False
