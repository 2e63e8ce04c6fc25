"""What the simulator's /exec runs commands with: this machine, or a host of the lab.

Each takes a command line and returns what it wrote, outputs and errors together. After
`limit_s` the command is ended and TooLong raised, as the API has a limit of 60 s; what has
left the command's process group lives on.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

LIMIT_S = 60.0
LAB_JSON = Path(__file__).resolve().parents[2] / ".lab" / "lab.json"

Execute = Callable[[str], bytes]


class TooLong(Exception):
    """The command did not end in time; `output` is what it wrote until then."""

    def __init__(self, output: bytes) -> None:
        super().__init__("the command took too long")
        self.output = output


def on_this_machine(
    *, limit_s: float = LIMIT_S, shell: tuple[str, ...] = ("bash", "-c")
) -> Execute:
    """Runs commands here, as the user of the tests. `shell` is what the command is the last
    argument of.
    """

    def execute(cmd: str) -> bytes:
        return _output([*shell, cmd], limit_s=limit_s)

    return execute


@contextlib.contextmanager
def on_lab_host(
    name: str = "deb12", *, limit_s: float = LIMIT_S, lab: Path = LAB_JSON
) -> Iterator[Execute]:
    """Runs commands as root on a host of the lab, over one SSH connection that is kept
    until the end.
    """
    told = json.loads(lab.read_text(encoding="utf-8"))
    # Short, since the path of a socket has to be
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        ssh = [
            "ssh",
            "-F",
            told["ssh_config"],
            "-o",
            f"ControlPath={directory}/c",
            "-o",
            "LogLevel=ERROR",
        ]
        master = [*ssh, "-o", "ControlMaster=yes", "-o", "ControlPersist=yes", "-N", "-f", name]
        subprocess.run(
            master, check=True, timeout=30, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )

        def execute(cmd: str) -> bytes:
            # Ending ssh does not end what it started, so the host itself has to.
            remote = f"timeout --signal=KILL {limit_s:g} bash -c {shlex.quote(cmd)} 2>&1"
            return _output([*ssh, name, remote], limit_s=limit_s + 10, killed_status=137)

        try:
            yield execute
        finally:
            subprocess.run([*ssh, "-O", "exit", name], check=False, timeout=30, capture_output=True)


def _output(argv: list[str], *, limit_s: float, killed_status: int | None = None) -> bytes:
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        # What left the group may hold the pipe open.
        with contextlib.suppress(subprocess.TimeoutExpired):
            output, _ = process.communicate(timeout=1)
            raise TooLong(output) from None
        raise TooLong(b"") from None
    if killed_status is not None and process.returncode == killed_status:
        raise TooLong(output)
    return output
