"""Docker for the lab: a client that works, and an engine, started here when none answers.

An engine the lab started is known by the pid file in the state directory, so `down` ends
that one and never an engine that was there before.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from lab_common import STATE, LabError, MissingError, is_root, last_line, run

PID_FILE = STATE / "dockerd.pid"
LOG_FILE = STATE / "dockerd.log"
_CONTAINERD_PID_FILE = Path("/var/run/docker/containerd/containerd.pid")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Docker:
    """A Docker client whose engine has answered."""

    def __init__(self, client: str) -> None:
        """Remember the client's path."""
        self.client = client

    def __call__(self, *words: str | Path, stdin: str = "", timeout: float = 120) -> str:
        """Run one docker command that must succeed and return what it printed."""
        return run([self.client, *words], stdin=stdin, timeout=timeout).stdout.strip()

    def tries(self, *words: str | Path, timeout: float = 60) -> bool:
        """Run one docker command that may fail, and tell whether it did not."""
        return run([self.client, *words], timeout=timeout, check=False).returncode == 0

    def asks(self, *words: str | Path) -> str:
        """Run one docker command that may fail; return its output, empty on failure."""
        done = run([self.client, *words], timeout=60, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""


def clients() -> list[str]:
    """Return every docker client on PATH, the one that came with an engine first.

    A machine can have a second client of another version; both are tried.
    """
    folders = [*os.environ.get("PATH", "").split(":"), *_SYSTEM_PATH.split(":")]
    found = [str(Path(folder) / "docker") for folder in folders if folder]
    found = [path for path in dict.fromkeys(found) if os.access(path, os.X_OK)]
    engine = engine_program()
    beside = str(Path(engine).parent.parent / "bin" / "docker") if engine else ""
    return sorted(found, key=lambda path: path != beside)


def engine_program() -> str | None:
    """Return the path of dockerd, which is often outside a user's PATH."""
    return _find("dockerd")


def _find(program: str) -> str | None:
    """Return the path of a program on PATH or in a folder of the system's own."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}")


def answering() -> Docker | None:
    """Return a client whose engine answers now, or None."""
    for client in clients():
        done = run([client, "info", "--format", "{{.ServerVersion}}"], timeout=20, check=False)
        if done.returncode == 0 and done.stdout.strip():
            return Docker(client)
    return None


def install(*packages: str) -> None:
    """Install Debian packages, or end with what is missing and how to get it."""
    wanted = " ".join(packages)
    if not is_root() or shutil.which("apt-get") is None:
        raise MissingError(
            f"missing here: {wanted}; run `apt-get install {wanted}` as root on Debian, "
            "or run this as root so that it can"
        )
    quiet = {
        "DEBIAN_FRONTEND": "noninteractive",
        "PATH": f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}",
    }
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    if run(command, environment=quiet, check=False).returncode != 0:
        # Package lists that are absent or old are the usual reason; fetch them and retry.
        run(["apt-get", "update", "-q"], environment=quiet)
        run(command, environment=quiet)


def ensure_commands() -> None:
    """Install the programs the lab and the tests call besides Docker, where they are
    missing.
    """
    wanted = {"ssh": "openssh-client", "ssh-keygen": "openssh-client"}
    if is_root():
        # The latter as one of the shells that servers have
        wanted |= {"ip": "iproute2", "busybox": "busybox"}
    missing = {package for name, package in wanted.items() if not _find(name)}
    if missing:
        install(*sorted(missing))


def ensure_engine() -> Docker:
    """Return a working client, installing and starting the engine where that is needed."""
    found = answering()
    if found is not None:
        return found
    if not is_root():
        raise MissingError(
            "no Docker engine answers and starting one needs root; "
            "run this as root, or start Docker and give this user access to it"
        )
    if engine_program() is None or not clients():
        install("docker.io")
        found = _wait_for_engine(2, None)
        if found is not None:  # the package's own service came up
            return found
    return start_engine()


def start_engine() -> Docker:
    """Start dockerd and wait until it answers.

    A second try helps where the engine before it was still ending, or had left something
    of its own running, when the first one started.
    """
    program = engine_program()
    if program is None:
        raise MissingError("dockerd is not installed; run `apt-get install docker.io` as root")
    found = _wait_while_ending()
    if found is not None:
        return found
    for _ in range(2):
        for path, name in ((PID_FILE, "dockerd"), (_CONTAINERD_PID_FILE, "containerd")):
            if _living(path, name) is None:  # it would be taken for a running one
                path.unlink(missing_ok=True)
        found = _wait_for_engine(40, _launch(program))
        if found is not None:
            return found
    said = last_line(LOG_FILE.read_text(encoding="utf-8", errors="replace"))
    raise LabError(f"dockerd did not come up ({LOG_FILE}): {said}")


def _wait_while_ending() -> Docker | None:
    """Wait for an engine of ours that lives and does not answer: it is starting or ending."""
    until = time.monotonic() + 40
    while started_engine() is not None:
        found = answering()
        if found is not None:
            return found
        if time.monotonic() > until:
            stop_engine()
        time.sleep(0.3)
    return None


def _launch(program: str) -> subprocess.Popen[bytes]:
    """Start dockerd in a session of its own, so that it outlives us."""
    with LOG_FILE.open("ab") as log:
        return subprocess.Popen(
            [program, "--pidfile", str(PID_FILE)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
            env={**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}"},
        )


def _wait_for_engine(seconds: float, process: subprocess.Popen[bytes] | None) -> Docker | None:
    """Ask until an engine answers, the time is over or the process has ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = answering()
        if found is not None:
            return found
        if process is not None and process.poll() is not None:
            return None
        time.sleep(0.3)
    return None


def started_engine() -> int | None:
    """Return the process id of the engine the lab started, if that one still runs."""
    return _living(PID_FILE, "dockerd")


def _living(pid_file: Path, name: str) -> int | None:
    """Return the process id in a file if a process of that name has it and has not ended.

    An ended process stays listed for good where the first process of the machine does not
    collect it, as in many containers; only its state tells.
    """
    try:
        pid = int(pid_file.read_text(encoding="ascii"))
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return None
    found, _, rest = text.partition("(")[2].rpartition(")")
    return pid if found == name and rest.split()[0] not in {"Z", "X"} else None


def stop_engine() -> bool:
    """End the engine the lab started; tell whether there was one."""
    pid = started_engine()
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + 30
    while started_engine() is not None:
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            break
        time.sleep(0.2)
    PID_FILE.unlink(missing_ok=True)
    return True
