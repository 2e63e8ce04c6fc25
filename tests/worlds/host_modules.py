"""Runs the modules of the collection playrail.host as Ansible does on a host: a process,
its arguments as JSON.

The process is a fork of one that has loaded what modules import (module_server.py).

`loaded` is for tests of their functions.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from playrail.settings.content import collection, collections_root
from worlds.ansible_loaded import load_ansible

MODULES = collection() / "plugins" / "modules"
SHARED = collection() / "plugins" / "module_utils"
WITH_COLLECTION = (
    f"import runpy, sys; sys.path.insert(0, {str(collections_root())!r}); del sys.argv[0];"
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)
PLAIN = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}


def module_answer(
    words: Sequence[str],
    arguments: Mapping[str, Any],
    *,
    timeout_s: float,
    programs: Path | None = None,
) -> dict[str, Any]:
    """What Python answers with these words, the module's path among them. Raises
    TimeoutExpired.

    A module alone finds what the collection's modules share, as Ansible sees to on a host.
    Programs that a test puts into the folder `programs` are found first.
    """
    if len(words) == 1:
        words = ["-c", WITH_COLLECTION, *words]
    order = {
        "words": [str(word) for word in words],
        "environment": PLAIN
        | ({"PATH": f"{programs}{os.pathsep}{PLAIN['PATH']}"} if programs else {}),
        "directory": str(Path.cwd()),
    }
    output, errors = _started(order, {"ANSIBLE_MODULE_ARGS": arguments}, timeout_s)
    assert output, errors
    answer: dict[str, Any] = json.loads(output)
    return answer


_ORDERING = threading.Lock()


@functools.cache
def _server() -> socket.socket:
    """A socket whose other end takes orders. The server ends when this process does."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    script = Path(__file__).with_name("module_server.py")
    with its:
        command = [sys.executable, "-P", str(script), str(its.fileno())]
        server = subprocess.Popen(command, env=PLAIN, pass_fds=[its.fileno()])
    atexit.register(server.wait)
    atexit.register(ours.close)
    return ours


def _started(
    order: Mapping[str, Any], given: Mapping[str, Any], timeout_s: float
) -> tuple[str, str]:
    """What the process wrote to its two outputs until nobody held them any more."""
    deadline = time.monotonic() + timeout_s
    with contextlib.ExitStack() as files:
        stdin = files.enter_context(tempfile.TemporaryFile())
        stdin.write(json.dumps(given).encode())
        stdin.seek(0)
        pipes = [os.pipe() for _ in range(2)]
        outputs = [files.enter_context(os.fdopen(reading, "rb", 0)) for reading, _ in pipes]
        theirs = [stdin.fileno(), *(writing for _, writing in pipes)]
        with _ORDERING:
            socket.send_fds(_server(), [json.dumps(order).encode()], theirs)
            pid = int(_server().recv(64))
        for _, writing in pipes:
            os.close(writing)
        written: dict[Any, list[bytes]] = {output: [] for output in outputs}
        watched = files.enter_context(selectors.DefaultSelector())
        for output in outputs:
            watched.register(output, selectors.EVENT_READ)
        while watched.get_map():
            ready = watched.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(order["words"], timeout_s)
            for key, _ in ready:
                if piece := os.read(key.fd, 1 << 16):
                    written[key.fileobj].append(piece)
                else:
                    watched.unregister(key.fileobj)
        told, complained = (b"".join(written[output]).decode() for output in outputs)
    return told, complained


def loaded(path: Path) -> ModuleType:
    """The file of a module, or of what modules share, as Python imports it."""
    load_ansible()  # what it imports of the collection: found by Ansible, as on a controller
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
