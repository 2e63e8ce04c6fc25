"""The process that runs one play: `python -m playrail.ansible.child RUN_DIR`.

It is a process of its own because ansible_runner.run() prints to standard output, replaces signal handlers and may call
sys.exit(). It reads its orders from RUN_DIR/orders.json, writes one JSON object a line to standard output, and takes
standard input as its lifeline: when that closes, whether Playrail closed it or died, it ends Ansible and every process
below it (forks, ssh clients, ssh masters) before it ends itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h: orphans below this process become its children
GRACE_S = 2.0  # between SIGTERM and SIGKILL
POLL_S = 1  # how long ansible-runner may wait between two looks at Ansible; its own default is 5 s
RESULT_LIMIT = 8_000_000  # characters; a longer result ansible-runner replaces by {}, its own limit is 700,000
TEXT_LIMIT = 4000  # characters of a message, or of a result that is not the report
REPORT_TASK = "Report"
EXPLAINING = ("msg", "rc", "stderr", "module_stderr", "module_stdout", "exception", "reason", "playrail_code")


def main(run_dir: Path) -> int:
    """Runs the play of `run_dir` and returns 0, whatever became of it: the last line tells."""
    wire = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    os.dup2(2, 1)  # whatever prints from here on must not end up between the events
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def emit(record: dict[str, Any]) -> None:
        # Playrail may be gone; Ansible is ended all the same.
        with contextlib.suppress(BrokenPipeError):
            wire.write(json.dumps(record) + "\n")
            wire.flush()

    orders = json.loads((run_dir / "orders.json").read_text(encoding="utf-8"))
    # Masters of a run are ended with it, so their sockets are its own. They lie in a place with a short path: the
    # system allows 108 bytes for a socket's, of which ssh takes 17 for itself.
    with tempfile.TemporaryDirectory(prefix="playrail-", ignore_cleanup_errors=True) as sockets:
        os.environ["ANSIBLE_SSH_CONTROL_PATH_DIR"] = sockets
        # What must not be cut short goes on by itself, as it does on a host behind SSH.
        spared = None if orders["interruptible"] else f"PLAYRAIL_RUN={orders['run_id']}".encode()
        threading.Thread(target=_watch_lifeline, args=(sockets, spared), daemon=True).start()
        try:
            status, rc = _run(run_dir, orders, emit)
            emit({"end": {"status": status, "rc": rc}})
        finally:
            end_descendants(os.getpid(), spared)
    return 0


def _watch_lifeline(sockets: str, spared: bytes | None) -> None:
    sys.stdin.buffer.read()
    end_descendants(os.getpid(), spared)
    shutil.rmtree(sockets, ignore_errors=True)
    os._exit(1)


def _run(run_dir: Path, orders: dict[str, Any], emit: Any) -> tuple[str, int | None]:
    import ansible_runner  # noqa: PLC0415  costs 0.1 s, and standard output must be safe before it loads

    os.environ["MAX_EVENT_RES"] = str(RESULT_LIMIT)  # read by ansible-runner's callback plugin, inside of Ansible

    def on_event(event: dict[str, Any]) -> bool:
        if (record := condense(event)) is not None:
            emit(record)
        return False  # not written to disk: results hold file contents

    runner = ansible_runner.run(
        private_data_dir=str(run_dir),
        ident=orders["run_id"],
        playbook=orders["playbook"],
        inventory=orders["inventory"],
        forks=orders["forks"],
        settings={"pexpect_timeout": POLL_S, "suppress_output_file": True, "suppress_ansible_output": True},
        event_handler=on_event,
    )
    return runner.status, runner.rc


def condense(event: dict[str, Any]) -> dict[str, Any] | None:
    """What Playrail needs of one of ansible-runner's events, or None. The report is whole, other results are cut."""
    name = event["event"]
    data = event.get("event_data") or {}
    if name in {"runner_on_ok", "runner_on_failed", "runner_on_unreachable", "runner_on_skipped"}:
        return {
            "event": name,
            "task": data.get("task"),
            "action": data.get("resolved_action") or data.get("task_action"),
            "host": data.get("host"),
            "ignored": bool(data.get("ignore_errors")),
            "duration_s": data.get("duration"),
            "result": _result(data),
        }
    if name == "playbook_on_task_start":
        return {"event": name, "task": data.get("task")}
    if name == "playbook_on_stats":
        return {
            "event": name,
            **{key: data.get(key) or {} for key in ("ok", "changed", "failures", "dark", "processed")},
        }
    if name in {"verbose", "error", "warning"} and (text := event.get("stdout", "").strip()):
        return {"event": "text", "text": text[:TEXT_LIMIT]}
    return None


def _result(data: dict[str, Any]) -> dict[str, Any]:
    result = data.get("res")
    if not isinstance(result, dict):
        return {}
    if data.get("task") == REPORT_TASK:
        return {
            key: value for key, value in result.items() if key not in {"invocation", "stdout_lines", "stderr_lines"}
        }
    kept: dict[str, Any] = {"changed": bool(result.get("changed"))}
    for key in EXPLAINING:
        if key in result:
            value = result[key]
            kept[key] = value[:TEXT_LIMIT] if isinstance(value, str) else value
    return kept


def end_descendants(root: int, spared: bytes | None) -> None:
    """Ends every process below `root`: SIGTERM, then SIGKILL for what is left after the grace time.

    Left alone are processes with the variable `spared` (NAME=value) in their environment, and what is below them.
    """
    deadline = time.monotonic() + GRACE_S
    # On SIGTERM, Ansible's workers pass it on to all of their process group, to those that are to be left alone too.
    for number in (signal.SIGTERM, signal.SIGKILL) if spared is None else (signal.SIGKILL,):
        while pids := list(_descendants(root, spared)):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
            _reap()
            if number == signal.SIGTERM and time.monotonic() > deadline:
                break
            if number == signal.SIGKILL and time.monotonic() > deadline + GRACE_S:
                break  # in uninterruptible sleep, or another user's: nothing more can be done from here
            time.sleep(0.02)
    _reap()


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _descendants(root: int, spared: bytes | None) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # proc(5): the fields after the command's closing parenthesis are: state, parent, …
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    children.setdefault(int(parent), []).append(int(entry.name))
    waiting = [root]
    while waiting:
        for pid in children.get(waiting.pop(), []):
            if spared is None or spared not in _environment_of(pid):
                yield pid
                waiting.append(pid)


def _environment_of(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # gone, or another user's
        return []


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
