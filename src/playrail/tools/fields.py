"""Validated words: what a caller may write where a unit, a path, a container.. is asked
for.

Each is a type with its rule, a description and an example, used by every tool that takes
such a thing. The rules refuse what could be read as an option or as something else by the
program that finally gets the word; they are not quoting, which the engine does
(ansible/run/values.py).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from playrail.tools.arguments import OnlyText

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# How a name with this byte would be spelled, see the collection's module_utils/names.py.
NUL_BYTE = "\\x00"
MAX_PATH_BYTES = 4096  # PATH_MAX of Linux
MAX_OWNER = 2**32 - 2  # the number above means to the kernel: leave it as it is
MAX_CONTENT_BYTES = 10 * 1024 * 1024  # of larger files read_file tells no SHA-256
EARLIEST, END = datetime(1970, 1, 1, tzinfo=UTC), datetime(2201, 1, 1, tzinfo=UTC)


def _absolute_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("must be absolute: start with /")
    if path.startswith("//"):
        raise ValueError("must start with a single /")
    if CONTROL.search(path):
        raise ValueError(
            "must not hold control characters; list_directory shows how such a name is given, "
            "as in a\\x0ab"
        )
    if NUL_BYTE in path:
        raise ValueError("must not hold NUL")
    if ".." in path.split("/"):
        raise ValueError("must not hold a .. part")
    if len(path.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES:
        raise ValueError(f"must not be longer than {MAX_PATH_BYTES} bytes")
    return path


def _no_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not hold NUL")
    return text


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode (no lone surrogates)") from None
    return text


def _small_enough(text: str) -> str:
    if len(text.encode()) > MAX_CONTENT_BYTES:
        raise ValueError(f"must not be longer than {MAX_CONTENT_BYTES} bytes of UTF-8")
    return text


def _possible_owner(name: str) -> str:
    if name.isdecimal() and int(name) > MAX_OWNER:
        raise ValueError(f"must not be a number above {MAX_OWNER}")
    if name.startswith(("-", "+")) or name != name.strip():
        raise ValueError("must not begin with - or +, nor begin or end with a blank")
    return name


AbsolutePath = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_PATH_BYTES,
        description="An absolute path.",
        examples=["/etc/hosts"],
    ),
    AfterValidator(_absolute_path),
    AfterValidator(_encodable),
]

UnitName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_@][A-Za-z0-9_.@:\\-]{0,254}$",
        description="A systemd unit, such as nginx.",
        examples=["nginx", "ssh.service"],
    ),
]

HostName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_\u0080-\uffff:][A-Za-z0-9_.:\u0080-\uffff-]{0,252}$",
        description="A host's name or address.",
        examples=["db.example.org", "192.0.2.7"],
    ),
    AfterValidator(_encodable),
]

# What the host's lists of users know is a name, and the host is asked: `john.doe`,
# `DOM\\ann`, `ann@example.org`, `domain users`. Refused is what can stand in no such list,
# or only by mistake.
OwnerName = Annotated[
    str,
    Field(
        pattern=r"^[^\x00-\x1f\x7f:]{1,256}$",
        description="A user's or group's name or number.",
        examples=["www-data"],
    ),
    AfterValidator(_possible_owner),
    AfterValidator(_encodable),
]

LinkTarget = Annotated[
    str,
    Field(min_length=1, max_length=MAX_PATH_BYTES, pattern=r"^[^\x00-\x1f\x7f]+$"),
    AfterValidator(_encodable),
]

FileMode = Annotated[
    str,
    Field(pattern=r"^[0-7]{3,4}$", description="Permissions in octal.", examples=["0644"]),
    OnlyText(),
]

CommandLine = Annotated[
    str,
    Field(min_length=1, max_length=10_000),
    AfterValidator(_no_nul),
    AfterValidator(_encodable),
]

FileContent = Annotated[
    str,
    Field(max_length=MAX_CONTENT_BYTES),
    AfterValidator(_encodable),
    AfterValidator(_small_enough),
]

Sha256 = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]{64}$",
        description="A SHA-256 in hexadecimal.",
        examples=["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    ),
]


def _one_line(text: str) -> str:
    if "\n" in text:
        raise ValueError("must not hold a newline: files are searched line by line")
    return text


SearchPattern = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1000,
        description="What a line has to hold.",
        examples=["listen 443"],
    ),
    AfterValidator(_no_nul),
    AfterValidator(_one_line),
    AfterValidator(_encodable),
]

FileNames = Annotated[
    str,
    Field(
        pattern=r"^[^/\x00-\x1f\x7f]{1,255}$",
        description="A glob pattern of file names, not of paths.",
        examples=["*.conf"],
    ),
    AfterValidator(_encodable),
]


def moment(text: str) -> datetime:
    """The time in UTC. Without an offset it is UTC; a date is its first moment. Raises
    ValueError.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be an ISO 8601 date or time, such as 2026-01-31T12:00:00Z") from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    # Not every host reads other years, nor can they all be told in UTC
    if not EARLIEST <= found < END:
        raise ValueError("must be between 1970 and 2200")
    return found.astimezone(UTC)


def _is_moment(text: str) -> str:
    moment(text)
    return text


Since = Annotated[
    str,
    Field(
        description="From this ISO 8601 time on; UTC without offset.",
        examples=["2026-01-31", "2026-01-31T12:00:00+01:00"],
    ),
    AfterValidator(_is_moment),
]
