"""What the run that stays has ready for its plays, and what these may tell each other
through it.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.cli import CLI
from ansible.playbook import Playbook
from ansible.plugins.loader import callback_loader
from ansible.vars.manager import VariableManager

from playrail.ansible import internals
from playrail.ansible.warm.quick_play import quick_task
from playrail.settings.content import content_root

# Bytes that a pipe takes whole (PIPE_BUF), so what two processes tell is not mixed
LEARNED_LIMIT = 4096
KNOWN_S = 600.0  # which Python a host has
OURS = content_root() / "playbooks"
STRATEGIES = ("linear", "free", "host_pinned")


@dataclass(kw_only=True)
class Warm:
    """What every play begins with. `learned` is the pipe in which plays tell what later
    ones may know.
    """

    loader: Any
    inventory: Any
    version: Any
    place: Path
    others: str = field(default_factory=lambda: _others())  # noqa: PLW0108  it stands below
    """What beside Ansible's own strategies, and ansible-runner's callback, has a part in
    plays, the end of a sentence; empty when nothing has.
    """
    # as above
    passwords: dict[str, str | None] = field(default_factory=lambda: _passwords())  # noqa: PLW0108
    """Those that ansible.cfg names the files of."""
    learned: int = -1
    unread: bytes = b""
    """The beginning of a line of that pipe, the rest of which is to come."""
    interpreters: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Per host the Python that Ansible found there, and when. In a file too, for a fork
    that waits already.
    """
    tasks: dict[Path, tuple[object, Any]] = field(default_factory=dict)
    """Of our own playbooks that are one task: their file's state, and the task."""

    @property
    def plain(self) -> bool:
        """Whether nothing else has a part in plays."""
        return not self.others

    def variables(self) -> VariableManager:
        """A variable manager that knows nothing yet of any play."""
        # ansible-runner's files of facts are those of the run that stays.
        internals.keep_facts_in_memory()
        return VariableManager(
            loader=self.loader, inventory=self.inventory, version_info=self.version
        )

    def quick_task(self, playbook: Path, manager: VariableManager) -> Any:
        """The playbook's one task, if it is to be played quickly; None otherwise. See
        quick_play.py.
        """
        state, task = self.tasks.get(playbook, (None, None))
        if task is None or state != _state(playbook):
            task = quick_task(
                Playbook.load(str(playbook), variable_manager=manager, loader=self.loader)
            )
            if task is not None and playbook.is_relative_to(OURS):
                self.tell({"playbook": str(playbook)})
        return task

    def tell(self, fact: dict[str, str | None]) -> None:
        """Say what later plays may know: a host's Python, which None says is not known any
        more; a playbook.
        """
        line = json.dumps(fact).encode() + b"\n"
        if len(line) <= LEARNED_LIMIT:
            with contextlib.suppress(OSError):
                os.write(self.learned, line)

    def learn(self, data: bytes) -> None:
        *lines, self.unread = (self.unread + data).split(b"\n")
        for fact in map(json.loads, lines):
            if "playbook" in fact:
                self._keep(Path(fact["playbook"]))
            else:
                self._keep_interpreter(fact["host"], fact["python"])

    def _keep(self, playbook: Path) -> None:
        """Reads a playbook of ours for all plays to come."""
        self.loader.set_basedir(str(playbook.parent))
        state = _state(playbook)
        task = quick_task(
            Playbook.load(str(playbook), variable_manager=self.variables(), loader=self.loader)
        )
        # A play that finds the file changed has to read it
        internals.forget_file(self.loader, playbook)
        self.tasks[playbook] = state, task

    def _keep_interpreter(self, host: str, found: str | None) -> None:
        if found is None:
            self.interpreters.pop(host, None)
        else:
            self.interpreters[host] = (found, time.monotonic())
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self.interpreters))
        new.replace(self._file)

    def known_interpreters(self) -> dict[str, str]:
        oldest = time.monotonic() - KNOWN_S
        try:
            known = json.loads(self._file.read_text())
        except FileNotFoundError:
            return {}
        return {host: found for host, (found, at) in known.items() if at > oldest}

    @property
    def _file(self) -> Path:
        return self.place / "interpreters.json"


def _others() -> str:
    """As Ansible decides which callbacks it uses; ours serves plays, and has no part in
    them.
    """
    if constants.DEFAULT_STRATEGY not in STRATEGIES:
        return f"the strategy {constants.DEFAULT_STRATEGY} is not Ansible's own"
    if constants.CALLBACKS_ENABLED:
        return f"callbacks are enabled: {', '.join(constants.CALLBACKS_ENABLED)}"
    used = [
        plugin.ansible_name
        for plugin in callback_loader.all(class_only=True)
        if getattr(plugin, "CALLBACK_TYPE", "") != "stdout"
        and not getattr(
            plugin, "CALLBACK_NEEDS_ENABLED", getattr(plugin, "CALLBACK_NEEDS_WHITELIST", False)
        )
    ]
    named = [name for name in used if name.rpartition(".")[2] != "serve_plays"]
    return f"callbacks have a part in it: {', '.join(named)}" if named else ""


def _passwords() -> dict[str, str | None]:
    connection, become = CLI.ask_passwords()  # it asks nobody: environment.py decides that
    return {"conn_pass": connection, "become_pass": become}


def _state(path: Path) -> object:
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino
