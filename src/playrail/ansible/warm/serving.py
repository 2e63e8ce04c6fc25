"""Serves plays from a run that stays: each in a fork of its process, which has Ansible
loaded and the inventory read.

A fork costs two milliseconds, and a play in it has a process of its own as every other:
what one play leaves behind ends with its process. This module runs inside of Ansible (see
playbooks/resident/serve_plays.yml), resident.py is the other end. Who connects sends one
line of JSON with the orders, gets a line of JSON for each event, and holds the play's
lifeline: when the connection closes, the play is ended. The first connection is the
lifeline of all.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ansible.cli import CLI
from ansible.errors import AnsibleError

from playrail.ansible import internals
from playrail.ansible.run.play import CALLS
from playrail.ansible.warm.memory import LEARNED_LIMIT, Warm
from playrail.ansible.warm.served_play import play_for_nothing, wait_and_serve

CHANNELS = "channels.sock"
PAUSE_S = 0.1  # after what went wrong, which may do so again at once
END_S = 2.0  # for the broker of channels to end
AT_LEISURE = 2  # plays; when fewer go on, the fork that waits gets ready for the next
LOOK_S = 5.0  # how often ended processes are looked for when nothing happens


def serve(play: Any, place: Path) -> None:
    """Serve until the first that connects is gone, and all plays have ended."""
    os.environ["PLAYRAIL_CHANNELS"] = str(place / CHANNELS)
    variables: Any = play.get_variable_manager()
    version = CLI.version_info(gitinfo=False)
    warm = Warm(
        loader=internals.loader_of(variables),
        inventory=internals.inventory_of(variables),
        version=version,
        place=place,
    )
    if warm.plain:  # the user's callbacks would hear of it
        play_for_nothing(warm)
    _Server(place, warm).run()


class _Server:
    def __init__(self, place: Path, warm: Warm) -> None:
        self._place = place
        self._warm = warm
        self._plays: set[int] = set()  # process ids
        self._listener = socket.socket(socket.AF_UNIX)
        self._selector = selectors.DefaultSelector()
        self._learned, warm.learned = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._channels: subprocess.Popen[bytes] | None = None
        self._first: socket.socket | None = None
        self._spare: tuple[int, socket.socket] | None = None
        self._serving = True

    def run(self) -> None:
        self._start_channels()
        gc.collect()
        gc.freeze()  # a collection in a fork would write to, and so copy, every page that is shared
        self._listener.bind(str(self._place / CALLS))
        self._listener.listen(128)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._learned, selectors.EVENT_READ)
        self._make_spare()
        while self._serving or self._plays:
            try:
                for key, _ in self._selector.select(LOOK_S if self._serving else 0.02):
                    self._attend(key.fileobj)
                self._reap()
            # out of files, memory, disk: that must not end the plays that go on
            except Exception:  # noqa: BLE001
                time.sleep(PAUSE_S)
        self._end_channels()

    def _attend(self, source: Any) -> None:
        if source is self._listener:
            connection, _ = self._listener.accept()
            if self._first is None:
                self._first = connection
                connection.sendall(json.dumps({"pid": os.getpid()}).encode() + b"\n")
                self._selector.register(connection, selectors.EVENT_READ)
                return
            self._hand_over(connection)
        elif source == self._learned:
            with contextlib.suppress(ValueError, OSError, AnsibleError):  # then it is not known
                self._warm.learn(os.read(self._learned, LEARNED_LIMIT))
        else:
            self._serving = False
            self._selector.unregister(self._listener)
            self._listener.close()
            self._selector.unregister(source)
            self._drop_spare()

    def _hand_over(self, connection: socket.socket) -> None:
        """Give the connection to the fork that waits for one, and have another wait."""
        # No fork can be made: who connected starts cold
        with connection, contextlib.suppress(OSError):
            for _ in range(2):  # the one that waits may have died
                pid, way = self._spare or self._make_spare()
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    socket.send_fds(way, [b"."], [connection.fileno()])
                    self._plays.add(pid)
                    break
                self._drop_spare()
        self._drop_spare()
        with contextlib.suppress(OSError):
            self._make_spare()

    def _make_spare(self) -> tuple[int, socket.socket]:
        here, there = socket.socketpair()

        def wait() -> None:
            here.close()
            wait_and_serve(there, self._warm, at_leisure=len(self._plays) < AT_LEISURE)

        self._spare = self._fork(wait), here
        there.close()
        return self._spare

    def _drop_spare(self) -> None:
        if self._spare is not None:
            self._spare[1].close()
            self._spare = None

    def _fork(self, work: Any) -> int:
        pid = os.fork()
        if pid:
            return pid
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.setsid()
            self._forget()
            work()
        finally:
            os._exit(0)  # not by an exception: this process would go on as its parent

    def _forget(self) -> None:
        """Close what is the parent's: as long as a fork holds it open, nobody learns that
        the parent is gone.
        """
        self._selector.close()
        self._listener.close()
        if self._first is not None:
            self._first.close()
        os.close(self._learned)
        if self._channels is not None and self._channels.stdin is not None:
            self._channels.stdin.close()

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                self._plays.discard(pid)
                shutil.rmtree(self._place / str(pid), ignore_errors=True)
                if self._serving and self._channels is not None and pid == self._channels.pid:
                    self._start_channels()

    def _start_channels(self) -> None:
        self._channels = None
        with contextlib.suppress(OSError):  # without it, modules go by plain ssh
            self._channels = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "playrail.ansible.kept.broker",
                    os.environ["PLAYRAIL_CHANNELS"],
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
            )

    def _end_channels(self) -> None:
        if self._channels is None or self._channels.stdin is None:
            return
        self._channels.stdin.close()
        try:
            self._channels.wait(END_S)
        except subprocess.TimeoutExpired:
            self._channels.kill()
