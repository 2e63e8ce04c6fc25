"""Starts host modules in forks of a Python that has loaded what they import: each in a
process of its own, without the time that loading takes.

`python module_server.py NUMBER`, NUMBER being that of a socket; see host_modules.py.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import sys
from types import ModuleType

import ansible.module_utils.basic

LONGEST = 1 << 20  # bytes of an order
PRELOADED = (ansible.module_utils.basic,)


def next_order(control: socket.socket) -> list[str] | None:
    """In a fork, the words with which Python is to be started; None when nobody asks any
    more.
    """
    while True:
        message, files, _, _ = socket.recv_fds(control, LONGEST, 3)
        if not message:
            return None
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            for number, file in enumerate(files):
                os.dup2(file, number)
                os.close(file)
            order = json.loads(message)
            os.environ.clear()
            os.environ.update(order["environment"])
            os.chdir(order["directory"])
            words: list[str] = order["words"]
            return words
        for file in files:
            os.close(file)
        control.send(str(pid).encode())


def obey(words: list[str]) -> None:
    """Does what `python WORDS` does."""
    if words[0] != "-c":
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")
        return
    sys.argv = ["-c", *words[2:]]
    main = sys.modules["__main__"] = ModuleType("__main__")
    exec(compile(words[1], "<string>", "exec"), main.__dict__)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for what has ended
    if ordered := next_order(socket.socket(fileno=int(sys.argv[1]))):
        obey(ordered)
