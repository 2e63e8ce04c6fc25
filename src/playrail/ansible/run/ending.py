"""Ends the processes below one, whatever they are: forks, ssh clients, ssh masters."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h: orphans below this process become its children
GRACE_S = 2.0  # between SIGTERM and SIGKILL
MARK = b"PLAYRAIL_RUN="  # in the environment of what a play runs on the machine that it manages

Spare = Callable[[int], bool]


def adopt_orphans() -> None:
    """Makes this process the parent of every process below it whose own parent dies, so
    that it can be ended.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants(root: int, spare: Spare | None = None, *, gently: bool = True) -> None:
    """Ends every process below `root`: SIGTERM, then SIGKILL for what is left after the
    grace time.

    Left alone are processes that `spare` names, and what is below them. Not gently is
    SIGKILL at once: Ansible's workers pass a SIGTERM on to all of their process group, to
    those that are to be left alone too.
    """
    deadline = time.monotonic() + GRACE_S
    for number in (signal.SIGTERM, signal.SIGKILL) if gently else (signal.SIGKILL,):
        while pids := list(_descendants(root, spare)):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
            _reap()
            if number == signal.SIGTERM and time.monotonic() > deadline:
                break
            if number == signal.SIGKILL and time.monotonic() > deadline + GRACE_S:
                # In uninterruptible sleep, or another user's: nothing more can be done from
                # here
                break
            time.sleep(0.02)
    _reap()


def marked(run_id: str = "") -> Spare:
    """Names the processes that the play `run_id` started on this machine; without one,
    those of any play.
    """
    mark = MARK + run_id.encode()

    def named(pid: int) -> bool:
        return any(
            entry == mark or (not run_id and entry.startswith(mark))
            for entry in _environment_of(pid)
        )

    return named


def is_ssh_master(pid: int) -> bool:
    """Whether this is a connection that ssh keeps for others.

    It calls itself `ssh: PATH [mux]`, or `[stopped mux]` when it takes no more sessions.
    """
    try:
        name = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0")
    except OSError:
        return False
    return name.startswith(b"ssh: ") and name.endswith((b" [mux]", b" [stopped mux]"))


def is_alive(pid: int) -> bool:
    """Whether the process is there, and more than what its parent has not looked at yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _descendants(root: int, spare: Spare | None) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # proc(5): the fields after the command's closing parenthesis are: state,
                # parent, …
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    children.setdefault(int(parent), []).append(int(entry.name))
    waiting = [root]
    while waiting:
        for pid in children.get(waiting.pop(), []):
            if spare is None or not spare(pid):
                yield pid
                waiting.append(pid)


def _environment_of(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # gone, or another user's
        return []
