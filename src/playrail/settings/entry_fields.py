"""What fields of a server's entry may hold. Messages say nothing about the value of a secret."""

from __future__ import annotations

import ipaddress
import os
import re
import stat
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, SecretStr, ValidationInfo

from playrail.settings.private_keys import is_public, key_problem

# What Ansible itself takes for the machine it runs on
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}")
_USER = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]{0,62}\\)?[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,63}")
# OpenSSH expands or unquotes these in the paths it is given
_SSH_EXPANDS = re.compile(r'["\\%$\x00-\x1f\x7f]')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SECRET_LIMIT = 1024  # characters; Ansible hands a password to ssh through 16 KiB of shared memory


def expand_user(text: str, home: str | None) -> Path:
    """`text` with a leading `~` replaced: by `home` when that is known, otherwise as the
    system's user list says.
    """
    if home and (text == "~" or text.startswith("~/")):
        return Path(home + text[1:])
    # (Path.expanduser raises for an unknown ~user)
    return Path(os.path.expanduser(text))  # noqa: PTH111


def _file(value: object, info: ValidationInfo) -> object:
    """Find an existing file that this user may read, as an absolute path; an empty text is
    no file.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str | Path):
        # (pydantic collects ValueError only)
        raise ValueError("must be a text, the path of a file")
    home = info.context.get("home") if info.context else None
    path = expand_user(str(value), home).absolute()
    if _SSH_EXPANDS.search(str(path)):
        raise ValueError(
            'the path holds a quote, a backslash, "%", "$" or a control character, which ssh '
            "would expand"
        )
    if not path.is_file():
        raise ValueError("no such file")
    if not os.access(path, os.R_OK):
        raise ValueError("the file cannot be read by this user")
    return path


def _private_key(value: object, info: ValidationInfo) -> object:
    path = _file(value, info)
    if isinstance(path, Path):
        status = path.stat()
        # OpenSSH's own rule: it looks at the mode of a key only when the key belongs to who
        # runs it.
        open_to_others = status.st_uid == os.getuid() and stat.S_IMODE(status.st_mode) & 0o077
        if open_to_others and not is_public(path):
            raise ValueError(
                "others can read this private key and OpenSSH refuses it: run chmod 600 on the file"
            )
        if problem := key_problem(path, agent=bool(info.context and info.context.get("agent"))):
            raise ValueError(problem)
    return path


def _host(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        zone = ipaddress.ip_address(value) and value.partition("%")[2]
        if zone and not _HOST.fullmatch(zone):  # ipaddress takes anything for a zone
            raise ValueError("zone")  # noqa: TRY301
    except ValueError:
        if not _HOST.fullmatch(value):
            raise ValueError(
                "must be a host name or an IP address (an IPv6 address without brackets)"
            ) from None
    return value


def _user(value: object) -> object:
    if isinstance(value, str) and not _USER.fullmatch(value):
        raise ValueError(
            "must be a user name: at most 64 letters, digits, or _ . @ + - (a letter, a digit "
            "or _ first), "
            "after a domain and a backslash where it has one"
        )
    return value


def _secret(value: object) -> object:
    """Check a secret; an empty one is None. The messages say nothing about the value."""
    if value is None or value == "":
        return None
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        raise ValueError("must be a text")
    if len(text) > _SECRET_LIMIT or _CONTROL.search(text):
        raise ValueError(
            f"must be one line of at most {_SECRET_LIMIT} characters, without control characters"
        )
    return value


def _api_url(value: object) -> object:
    """Demand https, because the key travels in every request; plain http to this machine
    only, for stand-ins.
    """
    if not isinstance(value, str):
        return value
    problem = ValueError("must be an https:// address without user, query or fragment")
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise problem from None
    local = parts.scheme == "http" and host in LOOPBACK
    if (
        not host
        or not (parts.scheme == "https" or local)
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        raise problem
    return value.rstrip("/")


def _tags(value: object) -> object:
    if not isinstance(value, list) or len(good_tags(value)) != len(value):
        raise ValueError(
            "must be a list of words of at most 63 letters, digits, or _ . - (neither . nor - "
            "first)"
        )
    return tuple(dict.fromkeys(value))


def good_tags(value: object) -> tuple[str, ...]:
    """Those among the tags of an entry that are ones."""
    if not isinstance(value, list):
        return ()
    return tuple(tag for tag in value if isinstance(tag, str) and _TAG.fullmatch(tag))


Tags = Annotated[tuple[str, ...], BeforeValidator(_tags)]
ApiUrl = Annotated[str, BeforeValidator(_api_url)]
HostAddress = Annotated[str, BeforeValidator(_host)]
UserName = Annotated[str, BeforeValidator(_user)]
Secret = Annotated[SecretStr, BeforeValidator(_secret)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_secret)]
OptionalFile = Annotated[Path | None, BeforeValidator(_file)]
PrivateKey = Annotated[Path | None, BeforeValidator(_private_key)]
