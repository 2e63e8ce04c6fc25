"""Runs `playrail` in processes that are forked from one which has imported what commands need.

To import that takes a command a second of a processor, ten times what it then does. Each is a
process all the same, with arguments, environment, directory, streams and an exit status of its
own. What it imports, and how it is started, cannot be seen here.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # it is run as a file, too
from worlds.forks import LONGEST, next_order

sys.path.pop()  # what it starts finds no more than elsewhere

Ended = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Commands:
    """The side of who wants commands to be run."""

    door: socket.socket

    def run(self, *words: str, env: Mapping[str, str], cwd: Path, stdin: str = "") -> Ended:
        asked = json.dumps(
            {"words": words, "environment": dict(env), "directory": str(cwd)}
        ).encode()
        assert len(asked) < LONGEST
        with (
            tempfile.TemporaryFile("w+") as given,
            tempfile.TemporaryFile("w+") as output,
            tempfile.TemporaryFile("w+") as errors,
        ):
            given.write(stdin)
            given.seek(0)
            streams = [given.fileno(), output.fileno(), errors.fileno()]
            socket.send_fds(self.door, [asked], streams)
            status = int(self.door.recv(64))
            output.seek(0)
            errors.seek(0)
            return Ended(words, status, output.read(), errors.read())


@contextmanager
def forked_commands() -> Iterator[Commands]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    command = [sys.executable, "-P", __file__, str(theirs.fileno())]
    with ours, subprocess.Popen(command, env=environ, pass_fds=[theirs.fileno()]) as process:
        theirs.close()
        try:
            yield Commands(ours)
        finally:
            ours.close()
            process.wait(30)


def _import_everything() -> None:
    commands = importlib.import_module("playrail.commands")
    for module in pkgutil.iter_modules(commands.__path__):
        importlib.import_module(f"playrail.commands.{module.name}")
    importlib.import_module("playrail.catalog").load()
    for name in ("playrail.cli", "playrail.door.door", "playrail.ledger.sqlite.schema"):
        importlib.import_module(name)


if __name__ == "__main__":
    _import_everything()
    if order := next_order(socket.socket(fileno=int(sys.argv[1])), awaited=True):
        from playrail import cli

        time.tzset()
        sys.argv = [str(Path(sys.executable).parent / "playrail"), *order["words"]]
        cli.main()
