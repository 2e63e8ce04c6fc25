"""Servers under a mixed load are killed at random points: what they acknowledged stays
recorded, once and for good.

Two state directories at once, on each one server after the other. A server takes a second
of a core to import what it needs, so most are forked from a process that has done so; the
rest is what a client starts.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from playrail.ledger.ledger import Ledger

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

KILLS = 50  # other ones every time, see the seed
ANEW = 17  # every how many-th server is started anew
LATER = 7  # every how many-th is killed late enough for plays to have begun, or ended
CALLS = 8
REFUSED = {"unknown_tool", "invalid_argument"}

Message: TypeAlias = dict[str, Any]

FORKS = """
import json, os, signal, socket, sys
import playrail.door.door, playrail.server.schemas, playrail.server.server
from playrail import catalog, cli

catalog.load()
door = socket.socket(fileno=int(sys.argv[1]))
while True:
    message, descriptors, _, _ = socket.recv_fds(door, 65536, 3)
    if not message:
        break
    pid = os.fork()
    if not pid:
        door.close()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
        os.closerange(3, 64)
        asked = json.loads(message)
        os.environ.clear()
        os.environ.update(asked["env"])
        os.chdir(asked["cwd"])
        sys.argv = ["playrail", "serve"]
        cli.main()
        os._exit(0)
    for descriptor in descriptors:
        os.close(descriptor)
    door.send(str(pid).encode())
    os.waitpid(pid, 0)
"""


@contextlib.contextmanager
def forks() -> Iterator[socket.socket]:
    """A process that forks a server when it is told, and waits for its death."""
    ours, theirs = socket.socketpair()
    number = theirs.fileno()
    with (
        ours,
        subprocess.Popen([sys.executable, "-c", FORKS, str(number)], pass_fds=[number]) as process,
    ):
        theirs.close()
        try:
            yield ours
        finally:
            ours.close()
            process.wait(30)


@dataclass(kw_only=True)
class Server:
    """A server that runs, and what its client sends and gets."""

    pid: int
    stdin: int
    said: Path
    process: subprocess.Popen[bytes] | None

    def send(self, **message: Any) -> None:
        os.write(self.stdin, json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def answers(self) -> dict[int, Message]:
        """What it said in whole lines."""
        lines = self.said.read_bytes().split(b"\n")[:-1]
        return {
            message["id"]: message["result"]
            for message in map(json.loads, lines)
            if "id" in message
        }

    def wait_for(self, *numbers: int) -> None:
        """Until it has answered one of these."""
        until = time.monotonic() + 60
        while self.answers().keys().isdisjoint(numbers):
            assert time.monotonic() < until, self.said.with_suffix(".log").read_text()
            time.sleep(0.002)

    def kill(self) -> None:
        handle = os.pidfd_open(self.pid)
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        select.select([handle], [], [])
        os.close(handle)
        os.close(self.stdin)
        if self.process is not None:
            self.process.wait()


@dataclass(kw_only=True)
class Lane:
    """One state directory, and the servers on it."""

    place: Path
    door: socket.socket
    chance: random.Random
    answered: dict[str, tuple[str, Message]] = field(default_factory=dict)
    """By request id, what was asked and the answer's envelope."""

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.place / "state" / "ledger.sqlite")

    def start(self, name: str, *, anew: bool, warm: bool) -> Server:
        said, log = self.place / f"{name}.out", self.place / f"{name}.log"
        env = {
            "HOME": str(self.place),
            "PATH": os.environ["PATH"],
            "PLAYRAIL_STATE_DIR": str(self.place / "state"),
            "ENABLE_WRITE_OPERATIONS": "1",
            "PLAYRAIL_WARM": str(int(warm)),
        }
        theirs, ours = os.pipe()
        process = None
        with said.open("wb") as stdout, log.open("wb") as stderr:
            if anew:
                command = [sys.executable, "-m", "playrail.cli", "serve"]
                process = subprocess.Popen(
                    command, stdin=theirs, stdout=stdout, stderr=stderr, env=env, cwd=self.place
                )
                pid = process.pid
            else:
                asked = json.dumps({"env": env, "cwd": str(self.place)}).encode()
                socket.send_fds(self.door, [asked], [theirs, stdout.fileno(), stderr.fileno()])
                pid = int(self.door.recv(64))
        os.close(theirs)
        server = Server(pid=pid, stdin=ours, said=said, process=process)
        client = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        }
        server.send(id=0, method="initialize", params=client)
        server.send(method="notifications/initialized")
        return server

    def asked(self, name: str) -> tuple[str, Mapping[str, Any]]:
        return self.chance.choice(
            [
                ("list_configured_servers", {}),
                ("describe_capabilities", {}),
                ("describe_capabilities", {}),
                ("no_such_tool", {}),
                ("read_file", {"path": "relative"}),
                ("read_file", {"path": "/etc/hostname"}),
                ("write_file", {"path": str(self.place / name), "content": name}),
            ]
        )

    def let_live(self, turn: int) -> None:
        """Starts a server, gives it work, kills it, and checks what it has left."""
        server = self.start(str(turn), anew=turn % ANEW == 0, warm=bool(turn % 2))
        server.wait_for(0)
        asked = {number: self.asked(f"{turn}-{number}") for number in range(1, CALLS + 1)}
        for number, (tool, arguments) in asked.items():
            server.send(
                id=number, method="tools/call", params={"name": tool, "arguments": arguments}
            )
        if turn % LATER == 1:
            server.wait_for(*asked)
        time.sleep(self.chance.uniform(0.01, 0.6))
        server.kill()
        self.take(server, asked)
        self.check()

    def take(self, server: Server, asked: Mapping[int, tuple[str, Mapping[str, Any]]]) -> None:
        for number, (tool, arguments) in asked.items():
            if number in (answers := server.answers()):
                envelope = answers[number]["structuredContent"]
                self.answered[envelope["_meta"]["request_id"]] = (tool, envelope)
                if tool == "write_file" and envelope["success"]:
                    assert Path(arguments["path"]).read_text() == arguments["content"]

    def check(self) -> Counter[str]:
        """No acknowledged record is missing, and the chain holds. Returns how many records
        of each kind there are.
        """
        ledger = self.ledger
        try:
            assert ledger.verify().problem is None
            records = list(ledger.read())
        finally:
            ledger.close()
        kinds: dict[str, Counter[str]] = {}
        for record in records:
            kinds.setdefault(record["call"], Counter())[record["kind"]] += 1
        for call, (tool, envelope) in self.answered.items():
            found = kinds.get(call, Counter())
            expected = (
                {"refused": 1} if envelope.get("code") in REFUSED else {"started": 1, "ended": 1}
            )
            assert {kind: found[kind] for kind in (*expected, "interrupted")} == {
                **expected,
                "interrupted": 0,
            }, tool
        assert all(
            counts["ended"] + counts["interrupted"] <= counts["started"] <= 1
            for counts in kinds.values()
        )
        return Counter(record["kind"] for record in records)

    def settle(self) -> Counter[str]:
        """A last server, which ends in order: every call that was started has then ended or
        was interrupted.
        """
        server = self.start("last", anew=True, warm=False)
        server.send(
            id=1, method="tools/call", params={"name": "describe_capabilities", "arguments": {}}
        )
        server.wait_for(1)
        os.close(server.stdin)
        assert server.process is not None
        assert server.process.wait(60) == 0
        kinds = self.check()
        assert kinds["started"] == kinds["ended"] + kinds["interrupted"]
        assert list((self.place / "state" / "servers").iterdir()) == []
        return kinds


def living(place: Path) -> list[str]:
    """The processes that work there, or were told of the place."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            about = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            if str(place).encode() in about or (process / "cwd").readlink().is_relative_to(place):
                found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


def test_no_acknowledged_record_is_lost_when_servers_are_killed(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")  # noqa: T201  pytest shows it when this fails

    def lane(number: int) -> tuple[Counter[str], int]:
        place = tmp_path / str(number)
        place.mkdir()
        with forks() as door:
            made = Lane(place=place, door=door, chance=random.Random(f"{seed}-{number}"))
            for turn in range(KILLS // 2):
                made.let_live(turn)
            return made.settle(), len(made.answered)

    with ThreadPoolExecutor(2) as lanes:
        kinds, answered = zip(*lanes.map(lane, range(2)), strict=True)

    print(kinds, answered)  # noqa: T201
    for counted in kinds:
        assert min(counted[kind] for kind in ("refused", "started", "ended", "interrupted")) > 0
    assert min(answered) > 0
    until = time.monotonic() + 20
    while (left := living(tmp_path)) and time.monotonic() < until:
        time.sleep(0.1)
    assert left == []
