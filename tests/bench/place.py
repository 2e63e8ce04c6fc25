"""Where the bench works: the lab's host, its own directory, and the contenders'
environment.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
BENCH = ROOT / ".bench"
"""The contenders' environment and the servers' logs; ignored by git."""

VENV = BENCH / "venv"
REQUIREMENTS = HERE / "requirements.txt"
INSTALL_S = 300


class NotMeasured(Exception):
    """Something could not be measured; the message says why in one line."""


@dataclass(frozen=True, kw_only=True)
class Host:
    """A host as every contender reaches it, with nothing but what is told here."""

    name: str
    address: str
    port: int
    user: str
    key: str
    known_hosts: str

    @property
    def ssh_options(self) -> list[str]:
        """The arguments with which ssh logs in there; host keys are verified."""
        return [
            *("-F", "none", "-p", str(self.port), "-i", self.key),
            *("-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "StrictHostKeyChecking=yes"),
            *("-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=10"),
        ]

    @property
    def server(self) -> dict[str, Any]:
        """The entry of Playrail's MCP_SERVERS."""
        return {
            "type": "ssh",
            "host": self.address,
            "port": self.port,
            "user": self.user,
            "ssh_key": self.key,
            "known_hosts_file": self.known_hosts,
        }

    @property
    def inventory_line(self) -> str:
        """The line of an Ansible inventory."""
        extra = f"-o UserKnownHostsFile={self.known_hosts} -o IdentitiesOnly=yes"
        return (
            f"{self.name} ansible_host={self.address} ansible_port={self.port} "
            f"ansible_user={self.user} "
            f"ansible_ssh_private_key_file={self.key} ansible_ssh_extra_args='{extra}'"
        )


def lab_host(name: str) -> Host:
    """A host of the lab. Raises NotMeasured when the lab is not up."""
    try:
        lab = json.loads((ROOT / ".lab" / "lab.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise NotMeasured("the lab is not up; run `make lab-up`") from error
    entry = lab["hosts"][name]
    fields = {key: entry[key] for key in ("address", "port", "user", "key")}
    return Host(name=name, known_hosts=lab["known_hosts"], **fields)


@contextmanager
def scratch() -> Iterator[Path]:
    """A private directory with a short path: sockets lie in it, whose paths the system
    limits to 108 bytes.
    """
    path = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def directory(path: Path) -> Path:
    """Makes a private directory and returns it."""
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def ansible_environment(sockets: Path) -> dict[str, str]:
    """What Ansible's documentation says to set for speed, and where its ssh masters'
    sockets lie.
    """
    return {
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(directory(sockets)),
        "ANSIBLE_NOCOLOR": "True",
    }


def end_masters(sockets: Path) -> None:
    """Ends the ssh masters whose sockets lie in a directory."""
    for socket in sockets.iterdir():
        subprocess.run(
            ["ssh", "-O", "exit", "-o", f"ControlPath={socket}", "-"],
            capture_output=True,
            check=False,
        )


def own_environment(**more: str) -> dict[str, str]:
    """The environment of a started server: what any has, and what it is told."""
    return {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ
    } | more


def contenders_python() -> Path:
    """The interpreter that has the contenders' packages, installed when they are not or are
    others.

    Raises NotMeasured when they cannot be installed.
    """
    python, stamp = VENV / "bin" / "python", VENV / REQUIREMENTS.name
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    sys.stderr.write(f"bench: making {VENV.relative_to(ROOT)}, some seconds\n")
    _install([sys.executable, "-m", "venv", "--clear", str(VENV)])
    _install([str(python), "-m", "pip", "install", "--quiet", "--requirement", str(REQUIREMENTS)])
    stamp.write_text(wanted, encoding="utf-8")
    return python


def _install(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NotMeasured("the contenders' packages could not be installed in time") from error
    if done.returncode != 0:
        raise NotMeasured(
            f"the contenders' packages could not be installed: {last_line(done.stderr)}"
        )


def last_line(text: str) -> str:
    """The last line that says something: where programs put their reason."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no reason given"


def versions(python: Path | None) -> Mapping[str, str]:
    """The versions of what is compared, read from the environments themselves."""
    mine = {"ansible-core", "ansible-runner", "mcp", "playrail"}
    theirs = {"asyncssh", "paramiko", "linux-mcp-server"}
    code = (
        "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in "
        "sys.argv[1:]}))"
    )
    found: dict[str, str] = {}
    for interpreter, names in ((sys.executable, mine), (python, theirs)):
        if interpreter is not None:
            done = subprocess.run(
                [str(interpreter), "-c", code, *sorted(names)],
                capture_output=True,
                text=True,
                check=True,
            )
            found |= json.loads(done.stdout)
    return found
