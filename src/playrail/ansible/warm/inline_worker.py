"""Ansible's worker without a fork."""

from __future__ import annotations

import copy
import importlib
import signal
from typing import Any

from ansible.executor.process.worker import WorkerProcess
from ansible.plugins import strategy
from ansible.utils.display import Display

# Since ansible-core 2.21 a worker may ask the process that it was forked from to do
# something meanwhile
try:
    _asked: Any = importlib.import_module("ansible._internal._rpc_host")
except ImportError:
    _asked = None


def leave_parents_server() -> None:
    """In a fork: have whom workers ask be this process, when it plays, and not the one that
    it was forked from.
    """
    if _asked is not None:
        _asked.LocalManager._shared_instance = None
        _asked._server_ready.clear()


def choose_worker(*, alone: bool) -> None:
    """Have the tasks of this process's play, on one host alone, run in it; else each in a
    fork, as Ansible does.

    Where a worker may ask this process meanwhile, nobody would answer it.
    """
    strategy.WorkerProcess = InlineWorker if alone and _asked is None else WorkerProcess


class InlineWorker(WorkerProcess):
    """Runs its task where it is made, for a play on one host: that play has a process of
    its own already.

    A worker is a fork that changes its copies of task and host and tells what came out; so
    it is given copies.
    """

    pid = None
    _host: Any
    _task: Any

    def start(self) -> None:
        self._host = copy.copy(self._host)
        given = self._task
        self._task = given.copy(exclude_parent=True, exclude_tasks=True)
        self._task._parent = given._parent
        handlers = [
            (number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)
        ]
        display = Display()
        display.set_queue = lambda _: None  # what it displays need not go to another process
        try:
            self.run()
        finally:
            del display.set_queue
            for number, handler in handlers:
                signal.signal(number, handler)

    def _term(self, number: int, _: Any) -> None:
        """End as a process does that is told to; a worker would end its process group,
        which is not this one's.
        """
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    def _detach(self) -> None:
        """It stays where it is."""

    def is_alive(self) -> bool:
        return False

    def close(self) -> None:
        """There is no process."""

    @property
    def exitcode(self) -> int:
        return 0
