"""The host module that tells all about one process, run for real on processes of this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from worlds.host_modules import MODULES, module_answer

SCRIPT = """
import os, socket, sys, threading, time
server = socket.socket(); server.bind(("127.0.0.1", 0)); server.listen()
client = socket.create_connection(server.getsockname())
gone = open("gone", "wb"); gone.write(b"x" * 5000); gone.flush(); os.remove("gone")
kept = open("kept", "wb")
for _ in range(2): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
print(server.getsockname()[1], flush=True)
time.sleep(600)
"""


def details(pid: int, **more: Any) -> dict[str, Any]:
    return module_answer([str(MODULES / "process_details.py")], {"pid": pid, **more}, timeout_s=30)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as started:
        yield started
        started.kill()


def test_what_it_is_and_has_open(process: subprocess.Popen[str], tmp_path: Path) -> None:
    assert process.stdout is not None
    port = int(process.stdout.readline())
    answer = details(process.pid)
    told = answer["process"]
    assert (told["pid"], told["parent_pid"]) == (process.pid, os.getpid())
    assert (told["folder"], told["threads"]) == (str(tmp_path), 3)
    assert told["program"] == os.path.realpath(f"/proc/{process.pid}/exe")
    assert "program_deleted" not in told
    assert told["listens"] == [f"tcp 127.0.0.1:{port}"]
    assert told["connections_by_state"] == {"established": 1}
    assert told["connections"][0]["remote"] == f"127.0.0.1:{port}"
    assert told["deleted_files"][0] == {"path": str(tmp_path / "gone"), "size_bytes": 5000}
    assert str(tmp_path / "kept") in told["files"]
    assert told["open_files"] == len([*Path(f"/proc/{process.pid}/fd").iterdir()])
    assert told["memory"]["peak_bytes"] >= told["memory"]["anonymous_bytes"] > 0
    assert (answer["changed"], answer["truncated"]) == (False, False)


def test_a_program_that_was_replaced(tmp_path: Path) -> None:
    program = tmp_path / "nap"
    shutil.copy("/bin/sleep", program)
    started = subprocess.Popen([str(program), "600"])
    try:
        program.unlink()
        told = details(started.pid)["process"]
        assert (told["program"], told["program_deleted"]) == (str(program), True)
        tree = module_answer([str(MODULES / "process_tree.py")], {"pid": started.pid}, timeout_s=30)
        assert tree["processes"][0]["program_deleted"] is True
    finally:
        started.kill()
        started.wait()


def test_lists_tell_where_it_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        tree = module_answer([str(MODULES / "process_tree.py")], {"pid": os.getpid()}, timeout_s=30)
        own = next(one for one in tree["processes"] if one["pid"] == os.getpid())
        assert f"tcp 127.0.0.1:{server.getsockname()[1]}" in own["listens"]


def test_what_has_no_room_is_counted(tmp_path: Path) -> None:
    script = "import time; f = [open(f'{n:060}', 'w') for n in range(200)]; print(1, flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{script}; time.sleep(600)"], cwd=tmp_path, stdout=subprocess.PIPE
    ) as started:
        assert started.stdout is not None
        started.stdout.readline()
        answer = details(started.pid, max_bytes=4000)
        started.kill()
    assert answer["truncated"] is True
    assert answer["left_out"]["files"] + len(answer["process"]["files"]) == 200
    assert answer["process"]["open_files"] >= 200


def test_a_zombie_and_none() -> None:
    started = subprocess.Popen(["true"])
    os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)
    answer = details(started.pid)
    assert answer["process"]["state"] == "zombie"
    assert answer["not_permitted"] is None
    started.wait()
    assert details(started.pid)["playrail_code"] == "process_not_found"
