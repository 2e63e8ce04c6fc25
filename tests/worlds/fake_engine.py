"""An engine of Docker that says what a test wants, and the host modules of playbooks/docker, run
for real against it.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from worlds.host_modules import MODULES, module_answer

ABOUT = {
    "Id": "c1",
    "Name": "/web",
    "Config": {"Tty": False},
    "State": {"Status": "running", "Running": True},
}

Answer = bytes | Mapping[str, Any] | list[Any] | int
Run = Callable[..., dict[str, Any]]


class Asked(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = cast("FakeEngine", self.server)
        server.asked.append(self.path)
        path = self.path.partition("?")[0]
        if path.endswith("/stats"):
            server.measure()
        answers = server.answers | (server.since_answers if "since=" in self.path else {})
        answer = answers.get(path, 404)
        status = answer if isinstance(answer, int) else server.statuses.get(path, 200)
        told = {"message": f"status {answer}"} if isinstance(answer, int) else answer
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: Any) -> None:
        pass


class FakeEngine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """`answers` are by path; a number is a failure's status."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: str) -> None:
        super().__init__(path, Asked)
        self.answers: dict[str, Answer] = {}
        self.since_answers: dict[str, Answer] = {}  # to those that ask since a time
        self.statuses: dict[str, int] = {}
        self.asked: list[str] = []
        self.delay_s = 0.0
        self.most_at_once = 0
        self._at_once: set[int] = set()

    def measure(self) -> None:
        """What takes `delay_s`; counts how many are at it."""
        self._at_once.add(threading.get_ident())
        self.most_at_once = max(self.most_at_once, len(self._at_once))
        time.sleep(self.delay_s)
        self._at_once.discard(threading.get_ident())


def size(answer: Mapping[str, Any]) -> int:
    told = {
        key: value
        for key, value in answer.items()
        if key not in ("changed", "invocation") and value is not None
    }
    return len(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode())


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[FakeEngine]:
    """An engine at a socket in `directory`."""
    with FakeEngine(str(directory / "docker.sock")) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def asking(engine: FakeEngine) -> Run:
    """Runs the module docker_MODULE, which asks this engine."""

    def answer(module: str, **arguments: Any) -> dict[str, Any]:
        given = {"sockets": [str(engine.server_address)], **arguments}
        return module_answer([str(MODULES / f"docker_{module}.py")], given, timeout_s=20)

    return answer
