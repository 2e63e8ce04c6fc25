"""The servers that the environment names: MCP_SERVERS, MIKRUS_SERVERS, or one mikr.us
server in three variables.

Every entry is read by itself: one that is wrong becomes a `FailedServer` and leaves the
others alone.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from playrail.settings.private_keys import is_public, key_problem

GENERATED_GROUP = "playrail_servers"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_RESERVED_NAMES = frozenset({"all", "ungrouped", GENERATED_GROUP})
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
# What Ansible itself takes for the machine it runs on
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}")
_USER = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]{0,62}\\)?[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,63}")
# OpenSSH expands or unquotes these in the paths it is given
_SSH_EXPANDS = re.compile(r'["\\%$\x00-\x1f\x7f]')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SECRET_LIMIT = 1024  # characters; Ansible hands a password to ssh through 16 KiB of shared memory
_SHOWN = 40  # characters of a name that a message repeats
_MIKRUS_URL = "https://api.mikr.us"


@dataclass(frozen=True, kw_only=True)
class FailedServer:
    """An entry that cannot be used: its `kind` (ssh, mikrus, unknown) and one sentence that
    holds no value of it.
    """

    kind: str
    reason: str
    tags: tuple[str, ...] = ()
    """Those that it has all the same: whoever chooses by them must know that it is missing.
    """


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
        raise ValueError("must be a text")  # pydantic collects ValueError only
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
    local = parts.scheme == "http" and host in _LOOPBACK
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
    if not isinstance(value, list) or not all(
        isinstance(tag, str) and _TAG.fullmatch(tag) for tag in value
    ):
        raise ValueError(
            "must be a list of words of at most 63 letters, digits, or _ . - (neither . nor - "
            "first)"
        )
    return tuple(dict.fromkeys(value))


_OptionalFile = Annotated[Path | None, BeforeValidator(_file)]
_OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_secret)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)

    tags: Annotated[tuple[str, ...], BeforeValidator(_tags)] = ()
    """Words by which a caller can choose servers: `tag:web`."""
    tier: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}\z")
    """What a policy may mean it by, such as staging; left out counts as production."""


class SshServer(_Entry):
    """A server that is reached over SSH. `become` left out means: with sudo when a sudo
    password is given.
    """

    host: Annotated[str, BeforeValidator(_host)]
    port: int = Field(default=22, ge=1, le=65535)
    user: Annotated[str, BeforeValidator(_user)] = "root"
    ssh_key: Annotated[Path | None, BeforeValidator(_private_key)] = None
    ssh_cert: _OptionalFile = None
    password: _OptionalSecret = None
    sudo_password: _OptionalSecret = None
    become: bool | None = None
    timeout: int = Field(default=30, ge=1, le=3600)  # seconds until a connection counts as failed
    verify_host_key: bool = True
    known_hosts_file: _OptionalFile = None

    @property
    def becomes(self) -> bool | None:
        """Whether Ansible uses sudo on this server; None leaves it to the playbook."""
        return True if self.become is None and self.sudo_password else self.become


class MikrusServer(_Entry):
    """A VPS of mikr.us; `srv` is its name there. An entry that has an SSH server's fields
    as well is reached over SSH for all that is not a matter of the API.
    """

    key: Annotated[SecretStr, BeforeValidator(_secret)]
    srv: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}\z")
    api_url: Annotated[str, BeforeValidator(_api_url)] = _MIKRUS_URL
    ssh: SshServer | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_ssh(cls, fields: dict[str, object]) -> dict[str, object]:
        if "ssh" in fields:
            raise ValueError("the fields of SSH stand beside key and srv, not in a field ssh")
        own = set(cls.model_fields)
        ssh = {
            name: value
            for name, value in fields.items()
            if name in SshServer.model_fields and name not in own
        }
        rest = {name: value for name, value in fields.items() if name not in ssh}
        return {**rest, "ssh": ssh} if ssh else rest


Server = SshServer | MikrusServer


def ssh_of(server: Server | None) -> SshServer | None:
    """How a server is reached over SSH; None when it is not."""
    return server.ssh if isinstance(server, MikrusServer) else server


def secrets_of(server: Server | None) -> dict[str, SecretStr]:
    """Return the secrets that the variables of this server refer to."""
    ssh = ssh_of(server)
    if ssh is not None:
        pair = {"password": ssh.password, "sudo_password": ssh.sudo_password}
        return {kind: secret for kind, secret in pair.items() if secret is not None}
    return {"key": server.key} if isinstance(server, MikrusServer) else {}


_KINDS: Mapping[str, type[SshServer | MikrusServer]] = {"ssh": SshServer, "mikrus": MikrusServer}


def shown(name: str) -> str:
    """Return a name as a message may repeat it: quoted, on one line, cut."""
    return repr(name if len(name) <= _SHOWN else name[:_SHOWN] + "…")


def parse_servers(text: str) -> dict[str, Any]:
    """Return the entries of MCP_SERVERS, unread. Raises ValueError with a sentence that
    holds no value of the text.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"names {shown(twice)} twice")
        return dict(pairs)

    try:
        entries = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        # `from None`: the exception carries the whole text, passwords and all.
        raise ValueError(
            f"is not JSON ({error.msg} at line {error.lineno}, column {error.colno})"
        ) from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if not isinstance(entries, dict):
        raise ValueError("is not a JSON object")  # one error type for one caller
    if not entries:
        raise ValueError("names no server")
    return entries


def read_servers(
    entries: Mapping[str, Any], *, home: str | None, agent: bool = False
) -> tuple[dict[str, SshServer | MikrusServer], dict[str, FailedServer]]:
    """Return the entries that can be used and the ones that cannot, each under its name and
    in the order given.

    `agent`: there is an ssh-agent, which may hold keys whose files have a passphrase.
    """
    good: dict[str, SshServer | MikrusServer] = {}
    failed: dict[str, FailedServer] = {}
    for name, entry in entries.items():
        outcome = _read_server(name, entry, context={"home": home, "agent": agent})
        if isinstance(outcome, FailedServer):
            failed[name] = outcome
        else:
            good[name] = outcome
    return good, failed


def _read_server(
    name: str, entry: object, *, context: Mapping[str, Any]
) -> SshServer | MikrusServer | FailedServer:
    if not isinstance(entry, dict):
        return FailedServer(kind="unknown", reason="The entry is not a JSON object.")
    kind = entry.get("type", "mikrus")
    model = _KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        return FailedServer(kind="unknown", reason='type: is neither "ssh" nor "mikrus".')
    fields = {field: value for field, value in entry.items() if field != "type"}
    try:
        server = model.model_validate(fields, context=dict(context))
    except ValidationError as error:
        reason = _reason(error, kind=kind, typed="type" in entry, model=model)
        told = fields.get("tags")
        tags = (
            tuple(tag for tag in told if isinstance(tag, str) and _TAG.fullmatch(tag))
            if isinstance(told, list)
            else ()
        )
        return FailedServer(kind=kind, reason=reason, tags=tags)
    problem = _name_problem(name, server)
    return FailedServer(kind=kind, reason=problem, tags=server.tags) if problem else server


def _tags_of(fields: Mapping[str, object]) -> tuple[str, ...]:
    """The good ones among the tags of an entry that is wrong."""
    told = fields.get("tags")
    return (
        tuple(tag for tag in told if isinstance(tag, str) and _TAG.fullmatch(tag))
        if isinstance(told, list)
        else ()
    )


def _name_problem(name: str, server: SshServer | MikrusServer) -> str | None:
    """Why a server cannot have this name in an Ansible inventory, or None."""
    if not _NAME.fullmatch(name):
        return "The name must be 1 to 63 letters, digits, or _ . - (neither . nor - first)."
    if name in _RESERVED_NAMES:
        return f"The name {name!r} is a group in every inventory; choose another."
    ssh = ssh_of(server)
    if name in _LOOPBACK and not (ssh is not None and ssh.host in _LOOPBACK):
        return (
            f"The name {name!r} means the machine that Playrail runs on, and this entry is "
            "another one."
        )
    return None


def _field_names(model: type[BaseModel]) -> list[str]:
    """What an entry may hold."""
    if model is MikrusServer:
        return [*(name for name in model.model_fields if name != "ssh"), "and those of type ssh"]
    return list(model.model_fields)


def _reason(error: ValidationError, *, kind: str, typed: bool, model: type[BaseModel]) -> str:
    """One sentence that names the fields and the rules; no value is in it."""
    parts = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        field = shown(str(problem["loc"][-1])).strip("'") if problem["loc"] else "entry"
        match problem["type"]:
            case "missing":
                parts.append(f"{field}: is required")
            case "extra_forbidden":
                parts.append(
                    f"{field}: is not a field of an entry of type {kind} "
                    f"({', '.join(_field_names(model))})"
                )
            case "string_pattern_mismatch":
                parts.append(
                    f"{field}: must be 1 to 63 letters, digits, or _ . - (neither . nor - first)"
                )
            case _:
                what = problem["msg"].removeprefix("Value error, ")
                parts.append(f"{field}: {what[:1].lower()}{what[1:]}")
    if not typed and kind == "mikrus":
        parts.append('an entry without "type" is a mikrus one; an SSH server needs "type": "ssh"')
    return "; ".join(parts[:4]) + "."
