"""What a process does that forks for each order which comes over a socket.

An order is JSON with `words`, `environment` and `directory`; the three streams come with it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Mapping
from typing import Any

LONGEST = 1 << 20  # bytes of an order


def next_order(door: socket.socket, *, awaited: bool) -> Mapping[str, Any] | None:
    """In a fork, which has the order's streams, environment and directory, the order; None
    when nobody asks any more. Who ordered is told the fork's number, or with `awaited` its exit
    status at its end.
    """
    while True:
        message, streams, _, _ = socket.recv_fds(door, LONGEST, 3)
        if not message:
            return None
        pid = os.fork()
        if not pid:
            return _become(door, json.loads(message), streams)
        for stream in streams:
            os.close(stream)
        told = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if awaited else pid
        door.send(str(told).encode())


def _become(door: socket.socket, order: dict[str, Any], streams: list[int]) -> Mapping[str, Any]:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    door.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["directory"])
    return order
