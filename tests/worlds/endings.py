"""Programs that end or go on when modules end them, and modules as another user runs them."""

from __future__ import annotations

import contextlib
import os
import signal
import uuid
from pathlib import Path
from typing import Any

import pytest

from worlds.host_modules import module_answer

NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make processes of two users")

# Runs a module as another user: early, or late, when it has started a program, which so
# belongs to root. What the module and Ansible import, at once or late, is read before, for
# that user may not be able to reach it. `bare`: as the same user, with a Python that has no ctypes.
AS_USER = """
import importlib, os, pkgutil, runpy, selectors, subprocess, sys
import ansible.module_utils.basic
import ansible.module_utils._internal._json._profiles as late
for each in pkgutil.iter_modules(late.__path__, late.__name__ + "."):
    importlib.import_module(each.name)
path, user, when = sys.argv[1], int(sys.argv[2]), sys.argv[3]
del sys.argv[1:]
sys.path.insert(0, path.rpartition("/ansible_collections/")[0])
def become():
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
class Popen(subprocess.Popen):
    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        become()
if when == "bare":
    sys.modules["ctypes"] = None
main = runpy.run_path(path, run_name="loaded")["main"]
if when == "late":
    subprocess.Popen = Popen
elif when == "early":
    become()
os.environ["HOME"] = "/"
os.chdir("/")
main()
"""

# Becomes a marked `sleep` of another user, which may ignore SIGTERM, after starting one of
# root that nothing marks.
TREE = """
import os, signal, sys
user, seconds, deaf = sys.argv[1:4]
if not os.fork():
    os.execve("/bin/sleep", ["sleep", seconds], {})
if deaf == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.setgid(int(user))
os.setuid(int(user))
os.execve("/bin/sleep", ["sleep", seconds], dict(os.environ))
"""


def played(module: Path, when: str | None = None, /, **arguments: Any) -> dict[str, Any]:
    """What the module answers; with `when`, early, late or bare, see AS_USER."""
    arguments_of_python = (
        [str(module)] if when is None else ["-c", AS_USER, str(module), str(NOBODY), when]
    )
    return module_answer(arguments_of_python, arguments, timeout_s=60)


def sleeping(seconds: str) -> list[int]:
    """The living processes `sleep SECONDS`."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if (
                entry.name.isdigit()
                and (entry / "cmdline").read_bytes() == f"sleep\0{seconds}\0".encode()
            ):
                found.append(int(entry.name))
    return found


def unique() -> str:
    return f"10000.{uuid.uuid4().int}"


def end(seconds: str) -> None:
    for pid in sleeping(seconds):
        os.kill(pid, signal.SIGKILL)
