"""Ansible's worker without a fork."""

from __future__ import annotations

import copy
import signal
from typing import Any

from ansible.executor.process.worker import WorkerProcess

from playrail.ansible.internals import (
    WORKERS_ASK,
    copy_for_worker,
    displaying_here,
    set_worker,
)


def choose_worker(*, alone: bool) -> None:
    """Have the tasks of this process's play, on one host alone, run in it; else each in a
    fork, as Ansible does.

    Where a worker may ask this process meanwhile, nobody would answer it.
    """
    set_worker(InlineWorker if alone and not WORKERS_ASK else WorkerProcess)


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
        self._task = copy_for_worker(self._task)
        handlers = [
            (number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)
        ]
        try:
            with displaying_here():
                self.run()
        finally:
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
