"""A crash of Playrail, or of what it starts, leaves no memory with secrets in a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from worlds.local_plays import environ, processes

pytestmark = pytest.mark.slow
SERVE = 'ulimit -S -c "$(ulimit -H -c)" && exec "$0" -m playrail.cli serve'


@pytest.fixture
def serving(place: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server that was started where core dumps are wanted, with its Ansible ready."""
    command = ["sh", "-c", SERVE, sys.executable]
    process = subprocess.Popen(
        command, cwd=place, env=environ(place), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not processes("serve_plays.yml", f"HOME={place}\0"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield process
    process.kill()
    process.communicate()


def test_no_process_leaves_a_core_or_has_memory_in_one(
    serving: subprocess.Popen[bytes], place: Path
) -> None:
    started = [*processes(f"HOME={place}\0")]
    assert serving.pid in started
    assert len(started) >= 3  # the server, the run's process, Ansible
    for pid in started:
        try:
            limits = Path(f"/proc/{pid}/limits").read_text()
            memory = Path(f"/proc/{pid}/coredump_filter").read_text()
        except OSError:  # gone meanwhile
            continue
        assert (
            next(
                line.split()[4] for line in limits.splitlines() if line.startswith("Max core file")
            )
            == "0"
        )
        assert int(memory, 16) == 0

    os.kill(serving.pid, signal.SIGABRT)
    assert serving.wait(timeout=30) == -signal.SIGABRT
    assert [path for path in place.glob("*core*") if path.is_file()] == []
