"""Everything secret or remembered in the lab: key pairs, certificates, host keys, lab.json.

All of it lives in the state directory, readable by its owner only, and is made once: keys
outlive `down`, so that what a developer configured against the lab goes on working.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab_common import STATE, run, write_private

CLIENT_KEY = STATE / "id_ed25519"
CERTIFICATE = STATE / "id_ed25519-cert.pub"
CERTIFIED_KEY = STATE / "certified_ed25519"
"""In no authorized_keys: it opens a host through its certificate alone."""
EXPIRED_CERTIFICATE = STATE / "expired-cert.pub"
CA_KEY = STATE / "ca_ed25519"
WRONG_KEY = STATE / "wrong_ed25519"
KNOWN_HOSTS = STATE / "known_hosts"
KNOWN_HOSTS_CHANGED = STATE / "known_hosts_changed"
SSH_CONFIG = STATE / "ssh_config"
LAB_JSON = STATE / "lab.json"
_PASSWORD = STATE / "password"
_OTHER_HOST_KEYS = tuple(STATE / f"other_host_{kind}" for kind in ("ed25519", "ecdsa", "rsa"))


def make_keys() -> None:
    """Make whatever key, certificate or password is not there yet."""
    for path in (CLIENT_KEY, CERTIFIED_KEY, CA_KEY, WRONG_KEY, *_OTHER_HOST_KEYS):
        if not (path.exists() and public(path).exists()):
            path.unlink(missing_ok=True)
            kind = path.name.rpartition("_")[2]
            run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", path.name, "-f", str(path)])
    for key in (CLIENT_KEY, CERTIFIED_KEY):
        if not _certificate_of(key).exists():
            _sign(key, "always:forever")
    if not EXPIRED_CERTIFICATE.exists():
        _make_expired()
    if not _PASSWORD.exists():
        write_private(_PASSWORD, secrets.token_urlsafe(15))


def _sign(key: Path, validity: str) -> None:
    """Sign a key for root; ssh-keygen puts the certificate beside the key."""
    named = ("-I", f"playrail-lab-{key.name}", "-n", "root", "-V", validity)
    run(["ssh-keygen", "-q", "-s", CA_KEY, *named, public(key)])


def _make_expired() -> None:
    """Sign the certified key for a day long past, without touching its good certificate."""
    copy = STATE / "expired"
    shutil.copy(public(CERTIFIED_KEY), public(copy))
    _sign(copy, "20200101:20200102")
    public(copy).unlink()


def _certificate_of(key: Path) -> Path:
    """Return where ssh-keygen and ssh keep the certificate of a key."""
    return key.with_name(key.name + "-cert.pub")


def public(key: Path) -> Path:
    """Return the path of a key's public half."""
    return key.with_name(key.name + ".pub")


def password() -> str:
    """Return the lab's password for logging in and for sudo."""
    return _PASSWORD.read_text(encoding="ascii").strip()


def write_known_hosts(keys: Mapping[str, tuple[str, str]]) -> None:
    """Write the right and the wrong host keys; `keys` maps a name to address and keys.

    The right ones were read inside the hosts, so nothing here is trusted on first use.
    """
    right: list[str] = []
    wrong: list[str] = []
    for name, (address, public_keys) in keys.items():
        for line in public_keys.splitlines():
            kind, blob = line.split()[:2]
            right.append(f"{name},{address} {kind} {blob}\n")
        for path in _OTHER_HOST_KEYS:
            kind, blob = public(path).read_text(encoding="ascii").split()[:2]
            wrong.append(f"{name},{address} {kind} {blob}\n")
    write_private(KNOWN_HOSTS, "".join(right))
    write_private(KNOWN_HOSTS_CHANGED, "".join(wrong))


def write_ssh_config(hosts: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a file for `ssh -F`, for a person at a terminal and for our own probes."""
    text = ""
    for name, host in hosts.items():
        text += f"Host {name}\n  HostName {host['address']}\n  Port {host['port']}\n"
        text += f"  User {host['user']}\n"
    text += f'Host *\n  IdentityFile "{CLIENT_KEY}"\n  IdentitiesOnly yes\n'
    text += f'  UserKnownHostsFile "{KNOWN_HOSTS}"\n  GlobalKnownHostsFile /dev/null\n'
    text += "  StrictHostKeyChecking yes\n  ConnectTimeout 5\n"
    write_private(SSH_CONFIG, text)


def write_lab_json(hosts: Mapping[str, Mapping[str, Any]], recipe: str) -> None:
    """Write what tests read: every host and every file, with absolute paths."""
    content = {
        "hosts": hosts,
        "known_hosts": str(KNOWN_HOSTS),
        "known_hosts_changed": str(KNOWN_HOSTS_CHANGED),
        "ssh_config": str(SSH_CONFIG),
        "certificate": str(CERTIFICATE),
        "certified_key": str(CERTIFIED_KEY),
        "certified_certificate": str(_certificate_of(CERTIFIED_KEY)),
        "expired_certificate": str(EXPIRED_CERTIFICATE),
        "ca_key": str(CA_KEY),
        "wrong_key": str(WRONG_KEY),
        "recipe": recipe,
    }
    write_private(LAB_JSON, json.dumps(content, indent=2) + "\n")


def read_lab_json() -> dict[str, Any] | None:
    """Return what lab.json says, or None where no lab was ever raised from here."""
    try:
        content = json.loads(LAB_JSON.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
