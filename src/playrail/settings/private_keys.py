"""Whether OpenSSH can use a file as a private key, as far as the file itself tells: no
secret of it is repeated.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from pathlib import Path

LONGEST = 64 * 1024  # characters; a key of 16384 bits has a fifth of that
_BEGIN = "-----BEGIN OPENSSH PRIVATE KEY-----\n"
_END = "\n-----END OPENSSH PRIVATE KEY-----\n"
_MAGIC = b"openssh-key-v1\0"
_PUBLIC = re.compile(
    r"\s*(?:ssh-[a-z0-9-]+|ecdsa-sha2-\S+|sk-\S+@openssh\.com|---- BEGIN SSH2 PUBLIC"
    r"|-----BEGIN [A-Z ]*PUBLIC)"
)
_PEM = re.compile(r"-----BEGIN ((?:RSA |EC |DSA )?PRIVATE KEY)-----\r?\n")
_CONVERT = "it has to be written anew as an OpenSSH key"


def key_problem(path: Path, *, agent: bool) -> str | None:
    """Why ssh cannot use the key, as a part of a sentence; None when it can. With an agent
    it may have a passphrase.
    """
    with path.open("rb") as file:
        text = file.read(LONGEST + 1).decode("latin-1")
    return _wrong_kind(text) or _damage(text) or (None if agent else _passphrase(text))


def has_agent(environ: Mapping[str, str]) -> bool:
    """Whether keys may be held by an agent: that of the environment, Ansible's own, or one
    that ssh is told of.
    """
    if environ.get("SSH_AUTH_SOCK") or environ.get("ANSIBLE_SSH_AGENT", "none") != "none":
        return True
    places = (
        [Path("/etc/ssh")]
        if environ.get("HOME") is None
        else [Path(environ["HOME"], ".ssh"), Path("/etc/ssh")]
    )
    return any(
        _names_agent(file)
        for place in places
        for file in place.glob("**/*config*")
        if file.is_file()
    )


def _names_agent(config: Path) -> bool:
    try:
        with config.open("rb") as file:
            return (
                re.search(rb"^\s*identityagent", file.read(LONGEST), re.IGNORECASE | re.MULTILINE)
                is not None
            )
    except OSError:
        return False


def is_public(path: Path) -> bool:
    with path.open("rb") as file:
        return _PUBLIC.match(file.read(256).decode("latin-1")) is not None


def _wrong_kind(text: str) -> str | None:
    if not text.strip():
        return "the file is empty"
    if _PUBLIC.match(text):
        return (
            "this is a public key; name the private one, which most often has the same name "
            "without .pub"
        )
    if text.lstrip().startswith("PuTTY-User-Key-File-"):
        return f"this is a key of PuTTY, {_CONVERT} (puttygen KEY.ppk -O private-openssh -o KEY)"
    if text.lstrip().startswith("---- BEGIN SSH2"):
        return f"this is a key in the format of ssh.com (SSH2), {_CONVERT} (ssh-keygen -i -f FILE)"
    if "PRIVATE KEY-----" not in text:
        return "this is no private key that OpenSSH knows"
    return None


def _damage(text: str) -> str | None:
    if text.startswith(_BEGIN):
        if text.endswith(_END.rstrip("\n")):
            return (
                "its last newline is missing, so OpenSSH cannot read it: put one at the end of "
                "the file"
            )
        if "\r" in text:
            return "its lines end as in Windows (CR LF), so OpenSSH cannot read it"
        if _END not in text:
            return "the end of the key is missing"
        return None if _unpacked(text) else "the key is damaged"
    if text.lstrip().startswith("-----BEGIN OPENSSH PRIVATE KEY-----"):
        return (
            "what stands before or in its first line keeps OpenSSH from reading it (a blank, "
            "or CR LF line ends?)"
        )
    found = _PEM.search(text)
    return (
        "the end of the key is missing"
        if found and f"-----END {found[1]}-----" not in text
        else None
    )


def _passphrase(text: str) -> str | None:
    cipher = _unpacked(text)[len(_MAGIC) + 4 :][:4] if text.startswith(_BEGIN) else b"none"
    if (
        cipher == b"none"
        and "Proc-Type: 4,ENCRYPTED" not in text
        and "-----BEGIN ENCRYPTED PRIVATE KEY" not in text
    ):
        return None
    return (
        "it has a passphrase, and there is no ssh-agent (SSH_AUTH_SOCK): load it into one, or "
        "name a key without"
    )


def _unpacked(text: str) -> bytes:
    """What the key's armour holds; nothing when it holds no key."""
    inner = text.removeprefix(_BEGIN).partition(_END)[0]
    try:
        data = base64.b64decode(inner)
    except binascii.Error:
        return b""
    return data if data.startswith(_MAGIC) else b""
