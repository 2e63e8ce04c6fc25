"""A server as jobs see it: this machine in a directory, with a shell of its own and trouble
on the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from playrail.errors import OutcomeUnknown, PlayrailError
from playrail.mikrus.jobs import COMMAND_LIMIT, Done, Input, JobFailed, Jobs, Place

Answer = Callable[[str], str]


def _as_usual() -> None:
    """Signals as a server's are, whatever whoever runs the tests ignores or blocks."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError):  # those that the C library uses itself
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


@dataclass
class Server:
    """A place with a shell. `faults`: what happens to the next requests instead of an
    answer.
    """

    root: Path
    shell: list[str] = field(default_factory=lambda: ["bash", "-c"])
    path: str = Place.path
    faults: list[Fault | None] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    async def __call__(self, command: str) -> str:
        assert len(command) <= COMMAND_LIMIT
        self.requests.append(command)
        fault = self.faults.pop(0) if self.faults else None
        if fault is None:
            return await asyncio.to_thread(self.execute, command)
        output = await asyncio.to_thread(self.execute, command) if fault.worked else ""
        if fault.error is not None:
            raise fault.error
        assert fault.answer is not None
        return fault.answer(output)

    def execute(self, command: str) -> str:
        done = subprocess.run(
            [*self.shell, command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": self.path, "PLAYRAIL_SECRET": "hunter2"},
            timeout=60,
            check=False,
            preexec_fn=_as_usual,
        )
        return done.stdout.decode(errors="replace")

    def place(self, *, wait_s: float = 10.0, told_bytes: int = 384 * 1024) -> Place:
        home = str(self.root.parent)
        return Place(
            root=str(self.root), home=home, path=self.path, wait_s=wait_s, told_bytes=told_bytes
        )

    def jobs(self, *, wait_s: float = 10.0, told_bytes: int = 384 * 1024) -> Jobs:
        return Jobs(self, self.place(wait_s=wait_s, told_bytes=told_bytes), pause_s=0.01)

    def run(self, command: str, given: Input | None = None, *, wait_s: float = 10.0) -> Done:
        return asyncio.run(self.jobs(wait_s=wait_s).run(command, given))

    def fails(self, command: str, given: Input | None = None) -> str:
        with pytest.raises(JobFailed) as caught:
            self.run(command, given)
        return caught.value.code

    @property
    def kept(self) -> list[Path]:
        return sorted((self.root / "kept").iterdir())

    @property
    def left(self) -> list[Path]:
        """The directories of jobs that are still there."""
        return sorted((self.root / "jobs").iterdir())


@dataclass(frozen=True)
class Fault:
    error: PlayrailError | None = None
    answer: Answer | None = None
    worked: bool = False


LOST = Fault(error=OutcomeUnknown("Nobody knows."), worked=True)
NEVER_CAME = Fault(error=OutcomeUnknown("Nobody knows."))
