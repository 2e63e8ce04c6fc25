"""The process that runs one play: `python -m playrail.ansible.run.child RUN_DIR`.

It is a process of its own because ansible_runner.run() prints to standard output, replaces
signal handlers and may call sys.exit(). It reads its orders from RUN_DIR/orders.json,
writes one JSON object a line to standard output, and takes standard input as its lifeline:
when that closes, whether Playrail closed it or died, it ends Ansible and every process
below it (forks, ssh clients, ssh masters) before it ends itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from playrail.ansible.outcome.events import RESULT_LIMIT, condense
from playrail.ansible.run.ending import adopt_orphans, end_descendants, marked

POLL_S = 1  # how long ansible-runner may wait between two looks at Ansible; its own default is 5 s


def main(run_dir: Path) -> int:
    """Runs the play of `run_dir` and returns 0, whatever became of it: the last line tells."""
    wire = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    os.dup2(2, 1)  # whatever prints from here on must not end up between the events
    adopt_orphans()

    def emit(record: dict[str, Any]) -> None:
        # Playrail may be gone; Ansible is ended all the same.
        with contextlib.suppress(BrokenPipeError):
            wire.write(json.dumps(record) + "\n")
            wire.flush()

    orders = json.loads((run_dir / "orders.json").read_text(encoding="utf-8"))
    with _place(orders["place"]) as place:
        os.environ["ANSIBLE_SSH_CONTROL_PATH_DIR"] = place
        end = _ending(orders)
        threading.Thread(
            target=_watch_lifeline, args=(place, end, orders["patience_s"]), daemon=True
        ).start()
        try:
            status, rc = _run(run_dir, orders, emit)
            emit({"end": {"status": status, "rc": rc}})
        finally:
            end()
    return 0


@contextlib.contextmanager
def _place(given: str | None) -> Iterator[str]:
    """The directory of the sockets of ssh's masters, which are ended with the run: its own,
    or the one that is given.

    It has a short path: the system allows 108 bytes for a socket's, of which ssh takes 17
    for itself.
    """
    place = given or tempfile.mkdtemp(prefix="playrail-")
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _ending(orders: dict[str, Any]) -> Callable[[], None]:
    """What must not be cut short goes on by itself, as it does on a host behind SSH.

    Of the run that serves others that is what those left alone: they end their own work.
    """
    run_id = "" if orders["serves"] else orders["run_id"]
    spare = marked(run_id) if orders["serves"] or not orders["interruptible"] else None
    return lambda: end_descendants(os.getpid(), spare, gently=spare is None)


def _watch_lifeline(place: str, end: Callable[[], None], patience_s: float) -> None:
    # Not sys.stdin: its lock, held by this thread, would break Python's own end
    while os.read(0, 4096):
        pass
    time.sleep(patience_s)
    end()
    shutil.rmtree(place, ignore_errors=True)
    os._exit(1)


def _run(run_dir: Path, orders: dict[str, Any], emit: Any) -> tuple[str, int | None]:
    # costs 0.1 s, and standard output must be safe before it loads
    import ansible_runner  # noqa: PLC0415

    # Read by ansible-runner's callback plugin, inside of Ansible
    os.environ["MAX_EVENT_RES"] = str(RESULT_LIMIT)

    def on_event(event: dict[str, Any]) -> bool:
        if (record := condense(event)) is not None:
            emit(record)
        return False  # not written to disk: results hold file contents

    runner = ansible_runner.run(
        private_data_dir=str(run_dir),
        project_dir=os.environ.get("PWD"),  # the directory that it starts Ansible in
        ident=orders["run_id"],
        playbook=orders["playbook"],
        inventory=orders["inventory"],
        forks=orders["forks"],
        cmdline=orders["modes"],
        settings={
            "pexpect_timeout": POLL_S,
            "suppress_output_file": True,
            "suppress_ansible_output": True,
        },
        event_handler=on_event,
    )
    return runner.status, runner.rc


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
