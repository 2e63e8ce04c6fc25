"""The text that belongs to ansible-runner's events. It begins with what remarks.py says of
a task.

It is also what Playrail has in every Ansible process when a play begins, so it has the play
look beside the user's playbooks.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from ansible.playbook.block import Block
from ansible.plugins.callback.default import CallbackModule as Default
from ansible.plugins.loader import connection_loader

from playrail.ansible.internals import command_line, fields_of, id_of, loader_of, raw_of
from playrail.ansible.outcome.remarks import remark_line
from playrail.ansible.run.adjacent import look_beside_playbooks

DOCUMENTATION = """
name: playrail_text
type: stdout
short_description: Ansible's own text, and what check mode cannot tell of a task
description:
  - Stands in the place of Ansible's default callback below the one of ansible-runner.
extends_documentation_fragment: [default_callback]
author: Playrail
"""


class CallbackModule(Default):
    """Writes past Ansible's display, which has a log file where it would be of no use."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "playrail_text"

    def __init__(self) -> None:
        super().__init__()
        # Before anything is forked: our plugin also answers to the full name of the stock
        # one, once it is loaded.
        connection_loader.get("ssh", class_only=True)
        self._last_task: object = None

    def v2_playbook_on_play_start(self, play: Any) -> None:
        look_beside_playbooks(loader_of(play.get_variable_manager()))
        self._last_task = _last(play.post_tasks or play.tasks)
        super().v2_playbook_on_play_start(play)

    def v2_runner_on_ok(self, result: Any) -> None:
        self._tell(result, skipped=False)
        super().v2_runner_on_ok(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._tell(result, skipped=False)
        super().v2_runner_on_failed(result, ignore_errors)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._tell(result, skipped=True)
        super().v2_runner_on_skipped(result)

    def v2_on_file_diff(self, result: Any) -> None:
        """Diffs are in the results; to compare large files line by line may take long."""

    def _tell(self, result: Any, *, skipped: bool) -> None:
        # The status has been taken out of what callbacks are given.
        raw = {**raw_of(result), "skipped": skipped}
        checked = bool(command_line().get("check"))
        last = id_of(result.task) == self._last_task
        sys.stdout.write(remark_line(raw, fields_of(result), checked=checked, last=last))


def _last(tasks: Sequence[Any]) -> object:
    """The id of the last of these tasks, which may be in blocks."""
    if not tasks:
        return None
    last = tasks[-1]
    return _last(last.always or last.block) if isinstance(last, Block) else id_of(last)
