"""The kept interpreter: it waits on a host, and forks for every module that it is to run.

opening.py sends this file and interpreter_files.py as source, so nothing of it lies on the
host's disk. It runs there with any Python from 3.8 on and imports nothing but the standard
library. It reads frames from what was its standard input and writes frames to what was its
standard output; when the input ends it exits at once, and modules still at work end by
themselves.

What makes a module fast: its payload is run unmodified, but what the payload imports from
its archive is found here, compiled already, and files of Ansible's own `module_utils` are
loaded already. Only files whose bytes are those of the archive at hand are used, and a
module's process is a fork that ends with it, so nothing passes from one to the next.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import json
import os
import select
import signal
import struct
import sys
import tempfile
import threading
import time
import types
from pathlib import Path
from typing import Any

from playrail.ansible.kept.interpreter_files import Archive, Loaded, Payload

SIZES = struct.Struct(">II")  # bytes of a frame's header, which is JSON, and of the data after it
# The value of PLAYRAIL_RUN at the start, over which a module's run is written
PLACEHOLDER = "kept" + "-" * 60
# What the interpreter says first; before it may stand what a login prints
READY = "playrail-kept-is-ready"
# The program that it is started with, python -c START. It reads the source, which is one
# line, and runs it.
START = (
    "import sys;sys.path[:]=filter(None,sys.path);import "
    f'base64,zlib;sys.stdout.write("\\n{READY}\\n");'
    "sys.stdout.flush();exec(zlib.decompress(base64.b64decode(sys.stdin.buffer.readline())))"
)
CHUNK = 1 << 16  # bytes read at once
# For the rest of a module's output after its end; something it started may hold its pipes
# for ever
GRACE_S = 1.0
# What decides how a login or an interpreter begins. Once one has changed, this interpreter
# is no longer as a new one.
ORIGINS = (
    "/etc/environment",
    "/etc/default/locale",
    "/etc/group",
    "/etc/passwd",
    "/etc/sudoers",
    "/etc/sudoers.d",
)
LIMITS = ("/etc/security/limits.conf", "/etc/security/limits.d", "/etc/selinux/config")
SHELLS = ("/etc/bashrc", "/etc/bash.bashrc", "/etc/zshenv", "/etc/profile.d")
HOME = [str(Path.home() / name) for name in (".ssh/environment", ".bashrc", ".zshenv", ".profile")]


def frame(header: dict[str, object], data: bytes = b"") -> bytes:
    """A header and data as they are sent."""
    text = json.dumps(header).encode()
    return SIZES.pack(len(text), len(data)) + text + data


class Mark:
    """Where in this process's first environment PLAYRAIL_RUN stands, by which a run's
    processes are found and ended.
    """

    def __init__(self) -> None:
        self.address = 0
        with contextlib.suppress(OSError, ValueError, IndexError):
            environment = Path("/proc/self/environ").read_bytes()
            place = environment.find(b"PLAYRAIL_RUN=" + PLACEHOLDER.encode() + b"\0")
            with Path("/proc/self/stat").open("rb") as stat:
                # proc(5): field 50, env_start
                began = int(stat.read().rpartition(b")")[2].split()[47])
            if place >= 0 and began > 0:
                self.address = began + place + len(b"PLAYRAIL_RUN=")

    def write(self, run: str) -> bool:
        """In a fork: says whose process this is, also to those who read /proc. Returns
        whether that worked.
        """
        text = run.encode()
        if not self.address or len(text) > len(PLACEHOLDER):
            return False
        try:
            with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
                memory.seek(self.address)
                return memory.write(text.ljust(len(PLACEHOLDER), b"\0")) == len(PLACEHOLDER)
        except OSError:
            return False


class Module:
    """A module at work: its process, the pipes of its output, and when to stop waiting for
    more of that.
    """

    def __init__(self, number: int, pid: int, pipes: dict[int, int]) -> None:
        self.number = number
        self.pid = pid
        self.pipes = pipes  # 1 or 2, by the file descriptor
        self.status: int | None = None
        self.until = 0.0


class Kept:
    """The loop: takes orders, forks, passes output on."""

    def __init__(self) -> None:
        self.orders = os.dup(0)
        self.answers = os.dup(1)
        with Path(os.devnull).open("r+b", buffering=0) as nothing:
            os.dup2(nothing.fileno(), 0)
            os.dup2(nothing.fileno(), 1)
        self.woken, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.own = (self.orders, self.answers, self.woken, waker)
        self.poll = select.poll()
        self.poll.register(self.orders, select.POLLIN)
        self.poll.register(self.woken, select.POLLIN)
        self.inbox = bytearray()
        self.archives: dict[str, Archive] = {}
        self.loaded = Loaded()
        self.modules: dict[int, Module] = {}  # by process
        self.pipes: dict[int, Module] = {}  # by file descriptor, also of modules that have ended
        self.mark = Mark()
        self.origin = _origin()

    def serve(self) -> None:
        """Works until the input ends."""
        self.answer({"is": "hello", "python": sys.version.split()[0]})
        while True:
            waits = [
                module.until - time.monotonic() for module in self.modules.values() if module.until
            ]
            for file, _ in self.poll.poll(max(0, min(waits)) * 1000 if waits else None):
                if file == self.orders:
                    self._read_orders()
                elif file == self.woken:
                    os.read(self.woken, CHUNK)
                else:
                    self._pass_on(file)
            self._reap()

    def answer(self, header: dict[str, object], data: bytes = b"") -> None:
        left = memoryview(frame(header, data))
        while left:
            left = left[os.write(self.answers, left) :]

    def _read_orders(self) -> None:
        data = os.read(self.orders, CHUNK)
        if not data:
            os._exit(0)
        self.inbox += data
        while len(self.inbox) >= SIZES.size:
            header, more = SIZES.unpack_from(self.inbox)
            begin, end = SIZES.size + header, SIZES.size + header + more
            if len(self.inbox) < end:
                return
            order, data = (
                json.loads(bytes(self.inbox[SIZES.size : begin])),
                bytes(self.inbox[begin:end]),
            )
            del self.inbox[:end]
            self._obey(order, data)

    def _obey(self, order: dict[str, Any], data: bytes) -> None:
        if order["do"] == "ping":
            self.answer({"is": "pong"})
        elif order["do"] == "archive":
            for dropped in order["drop"]:
                del self.archives[dropped]
            archive = self.archives[order["hash"]] = Archive(data, order["own"])
            self.loaded.take(archive)
            self.loaded.forget(self.archives)
            self.answer({"is": "ready", "hash": order["hash"]})
        elif _origin() != self.origin:
            self.answer({"is": "stale", "id": order["id"]})
        else:
            self._start(order, data)

    def _start(self, order: dict[str, Any], data: bytes) -> None:
        out, err = os.pipe(), os.pipe()
        try:
            pid = os.fork()
        except OSError:  # too many processes, or no memory: it may be better elsewhere or later
            for file in (*out, *err):
                os.close(file)
            self.answer({"is": "stale", "id": order["id"]})
            return
        if pid == 0:
            status = 1
            try:
                self._stand_apart(out, err)
                status = run_payload(self, order, data)
            except BaseException as error:  # nobody else would tell
                sys.excepthook(type(error), error, error.__traceback__)
                sys.stderr.flush()
            finally:
                os._exit(status)
        os.close(out[1])
        os.close(err[1])
        module = self.modules[pid] = Module(order["id"], pid, {out[0]: 1, err[0]: 2})
        for file in module.pipes:
            self.pipes[file] = module
            self.poll.register(file, select.POLLIN)

    def _stand_apart(self, out: tuple[int, int], err: tuple[int, int]) -> None:
        """In a fork: leaves the session, and holds nothing of the parent's."""
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(out[1], 1)
        os.dup2(err[1], 2)
        for file in (*out, *err, *self.own, *self.pipes):
            os.close(file)

    def _pass_on(self, file: int) -> None:
        module = self.pipes[file]
        data = os.read(file, CHUNK)
        if (
            data and self.modules.get(module.pid) is module
        ):  # of one that has ended, it is read and thrown away: no broken pipes
            self.answer({"is": "out", "id": module.number, "stream": module.pipes[file]}, data)
        elif not data:
            self.poll.unregister(file)
            os.close(file)
            del self.pipes[file], module.pipes[file]

    def _reap(self) -> None:
        for pid, module in list(self.modules.items()):
            if module.status is None:
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    module.status = (
                        -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
                    )
                    module.until = time.monotonic() + GRACE_S
            if module.status is not None and (not module.pipes or time.monotonic() >= module.until):
                del self.modules[pid]
                self.answer({"is": "end", "id": module.number, "status": module.status})


def _origin() -> list[tuple[str, int, int]]:
    """What tells that a new login or a new interpreter would be another: when its sources
    changed.
    """
    found = []
    for path in (os.path.realpath(sys.executable), *sys.path, *ORIGINS, *LIMITS, *SHELLS, *HOME):
        with contextlib.suppress(OSError):
            stat = os.stat(path)  # it is done for each module
            found.append((path, stat.st_ino, stat.st_mtime_ns))
    return found


def run_payload(kept: Kept, order: dict[str, Any], data: bytes) -> int:
    """In a fork: is the interpreter that reads this payload. Returns its exit status."""
    archive = kept.archives[order["hash"]]
    variables = order["env"]
    os.environ.pop("PLAYRAIL_RUN", None)
    os.environ.update(variables)
    time.tzset()
    head, tail = data[: order["head"]], data[order["head"] :]
    if "PLAYRAIL_RUN" in variables and not kept.mark.write(variables["PLAYRAIL_RUN"]):
        _run_afresh(head + archive.text.encode() + tail)
    sys.argv = [""]
    sys.path_hooks.insert(0, Payload(kept.loaded, archive, variables))
    main = sys.modules["__main__"].__dict__
    main.clear()
    main.update(
        __name__="__main__", __builtins__=builtins, __file__="<stdin>", __doc__=None, __spec__=None
    )
    status = _run(_compiled(head, archive.text, tail, stand_in=order["hash"]), main)
    # what an interpreter does at its end, but for tearing itself down
    getattr(threading, "_shutdown")()
    getattr(atexit, "_run_exitfuncs")()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = status or 120
    return status


def _compiled(head: bytes, text: str, tail: bytes, stand_in: str) -> types.CodeType:
    """The code of head + text + tail. The text is a long literal, which costs time, so it
    is put in afterwards.
    """
    code = compile(head + stand_in.encode() + tail, "<stdin>", "exec", dont_inherit=True)
    return code.replace(
        co_consts=tuple(text if constant == stand_in else constant for constant in code.co_consts)
    )


def _run(payload: types.CodeType, main: dict[str, Any]) -> int:
    try:
        exec(payload, main)  # it is what was sent for that
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return (ended.code or 0) & 0xFF
        sys.stderr.write(str(ended.code) + "\n")
        return 1
    except BaseException as error:  # as the interpreter does, without this frame
        traceback = error.__traceback__
        error.with_traceback(traceback and traceback.tb_next)
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


def _run_afresh(payload: bytes) -> None:
    """In a fork: becomes a new interpreter, whose environment names the run from its
    beginning.
    """
    with tempfile.TemporaryFile() as file:
        file.write(payload)
        file.seek(0)
        os.dup2(file.fileno(), 0)
        os.execv(sys.executable, [sys.executable])  # noqa: S606


def main() -> None:
    """Is called by what starts this program, see opening.py."""
    Kept().serve()
