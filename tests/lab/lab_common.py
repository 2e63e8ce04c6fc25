"""What every part of the lab shares: its paths, its errors and how it runs commands.

The lab is started with the system's own Python before anything is installed, so all of
its modules use nothing but the standard library.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
STATE = HERE.parents[1] / ".lab"
"""Keys, known hosts, lab.json and the engine's log; ignored by git."""

PREFIX = "playrail-lab"
"""Name of the Docker network, and the start of every name the lab gives."""


class LabError(Exception):
    """The lab could not be raised; the message says why in one line."""

    exit_status = 1


class MissingError(LabError):
    """Something the lab needs is not here and may not be installed."""

    exit_status = 3


def run(
    command: Sequence[str | Path],
    *,
    stdin: str = "",
    timeout: float = 600,
    check: bool = True,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; with `check`, a failure becomes a one-line LabError.

    Standard input is always ours, so that nothing waits for a terminal.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            text=True,
            errors="replace",
            capture_output=True,
            timeout=timeout,
            check=False,
            env={**os.environ, **(environment or {})},
        )
    except FileNotFoundError as error:
        raise MissingError(f"the command {words[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        if not check:
            return subprocess.CompletedProcess(words, 124, "", "timed out")
        raise LabError(f"no end after {timeout:.0f} s: {shown(words)}") from error
    if check and done.returncode != 0:
        said = last_line(done.stderr) or last_line(done.stdout)
        raise LabError(f"exit status {done.returncode} from {shown(words)}: {said}")
    return done


def shown(words: Sequence[str]) -> str:
    """Return the start of a command line, short enough for a message."""
    line = " ".join(words)
    return line if len(line) <= 120 else line[:117] + "..."


def last_line(text: str) -> str:
    """Return the last line that says something: where programs put their reason."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def is_root() -> bool:
    """Tell whether we may install packages and start an engine."""
    return os.geteuid() == 0


@contextmanager
def stage(title: str) -> Iterator[None]:
    """Print one line with the seconds a stage took, once it has succeeded."""
    started = time.monotonic()
    yield
    print(f"lab: {title:<34} {time.monotonic() - started:6.1f} s", flush=True)


def write_private(path: Path, text: str) -> None:
    """Write a file only its owner may read, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.touch(mode=0o600)
    draft.chmod(0o600)
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
