"""Starts host modules in forks of a Python that has loaded what they import: each in a
process of its own, without the time that loading takes.

`python module_server.py NUMBER`, NUMBER being that of a socket; see host_modules.py.
"""

from __future__ import annotations

import runpy
import signal
import socket
import sys
from pathlib import Path
from types import ModuleType

import ansible.module_utils.basic

sys.path.append(str(Path(__file__).parents[1]))  # it is run as a file
from worlds.forks import next_order

sys.path.pop()  # what it starts finds no more than elsewhere

PRELOADED = (ansible.module_utils.basic,)


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
    if order := next_order(socket.socket(fileno=int(sys.argv[1])), awaited=False):
        obey(order["words"])
