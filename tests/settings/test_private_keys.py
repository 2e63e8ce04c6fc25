"""Files that are named as a private key: what cannot be one is told at the start, as ssh
itself would judge it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from playrail.settings.private_keys import has_agent, key_problem
from playrail.settings.settings import Settings

PUTTY = "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: x\nPublic-Lines: 2\n"
SSH2 = (
    "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nP2/56wAAAi4A\n---- END SSH2 ENCRYPTED PRIVATE "
    "KEY ----\n"
)


def made(place: Path, *options: str, phrase: str = "") -> Path:
    path = place / "id"
    subprocess.run(
        ["ssh-keygen", "-q", "-N", phrase, "-f", path, *(options or ("-t", "ed25519"))], check=True
    )
    return path


def rewritten(change: Callable[[str], str]) -> Callable[[Path], Path]:
    def make(place: Path) -> Path:
        path = made(place)
        path.write_bytes(change(path.read_text()).encode())
        return path

    return make


def taken(path: Path) -> bool:
    """Whether OpenSSH itself reads the key without a passphrase."""
    command = ["ssh-keygen", "-y", "-P", "", "-f", str(path)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


GOOD = [
    ("-t", "ed25519"),
    ("-t", "ecdsa"),
    ("-t", "rsa", "-b", "2048"),
    ("-t", "rsa", "-b", "2048", "-m", "PEM"),
    ("-t", "rsa", "-b", "2048", "-m", "PKCS8"),
    ("-t", "ecdsa", "-m", "PEM"),
]
BAD = {
    "no newline": (rewritten(lambda text: text.rstrip("\n")), "newline"),
    "CR LF": (rewritten(lambda text: text.replace("\n", "\r\n")), "CR LF"),
    "cut": (rewritten(lambda text: text[: len(text) // 2]), "end of the key"),
    "blank before": (rewritten(lambda text: f"  {text}"), "first line"),
    "damaged": (rewritten(lambda text: text.replace("b3BlbnNzaC", "b3BlbnNzaB")), "damaged"),
    "empty": (rewritten(lambda _: ""), "empty"),
    "certificate": (
        rewritten(lambda _: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
        "no priv",
    ),
    "PuTTY": (rewritten(lambda _: PUTTY), "puttygen"),
    "SSH2": (rewritten(lambda _: SSH2), "ssh-keygen -i"),
    "public": (lambda place: made(place).with_name("id.pub"), "public key"),
    "passphrase": (lambda place: made(place, phrase="a passphrase"), "passphrase"),
    "passphrase, PEM": (
        lambda place: made(place, "-t", "rsa", "-m", "PEM", phrase="a passphrase"),
        "passphrase",
    ),
    "passphrase, PKCS8": (
        lambda place: made(place, "-t", "rsa", "-m", "PKCS8", phrase="a passphrase"),
        "passphrase",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("options", GOOD, ids=" ".join)
def test_a_key_that_ssh_takes_is_taken(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = made(tmp_path, *options)
    assert taken(path)
    assert key_problem(path, agent=False) is None


@pytest.mark.slow
@pytest.mark.parametrize(("make", "says"), BAD.values(), ids=list(BAD))
def test_a_key_that_ssh_refuses_is_told(
    tmp_path: Path, make: Callable[[Path], Path], says: str
) -> None:
    path = make(tmp_path)
    if says != "public key":
        path.chmod(0o600)
    assert not taken(path)
    problem = key_problem(path, agent=False)
    assert problem is not None
    assert says in problem
    settings = Settings.load(
        {
            "HOME": str(tmp_path),
            "MCP_SERVERS": json.dumps({"web": {"type": "ssh", "host": "h", "ssh_key": str(path)}}),
        },
        dotenv=None,
    )
    assert says in settings.failed_servers["web"].reason
    assert not settings.servers


@pytest.mark.parametrize(
    "how",
    [{"SSH_AUTH_SOCK": "/run/agent"}, {"ANSIBLE_SSH_AGENT": "auto"}, {}],
    ids=["socket", "ansible", "config"],
)
def test_with_an_agent_a_key_may_have_a_passphrase(tmp_path: Path, how: dict[str, str]) -> None:
    path = made(tmp_path, phrase="a passphrase")
    (tmp_path / ".ssh").mkdir()
    assert not has_agent({"HOME": str(tmp_path)})
    if not how:
        (tmp_path / ".ssh" / "config").write_text("Host *\n  IdentityAgent ~/agent.sock\n")
    entry = {"web": {"type": "ssh", "host": "h", "ssh_key": str(path)}}
    settings = Settings.load(
        {"HOME": str(tmp_path), "MCP_SERVERS": json.dumps(entry), **how}, dotenv=None
    )
    assert "web" in settings.servers
