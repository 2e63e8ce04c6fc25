"""Validated words: what a caller may write where a unit, a path, a container.. is asked for.

Each is a type with its rule, a description and an example, used by every tool that takes such a thing. The rules refuse
what could be read as an option or as something else by the program that finally gets the word; they are not quoting,
which the engine does (ansible/values.py).
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
MAX_PATH_BYTES = 4096  # PATH_MAX of Linux


def _absolute_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("must be absolute: start with /")
    if path.startswith("//"):
        raise ValueError("must start with a single /")
    if CONTROL.search(path):
        raise ValueError("must not hold control characters such as NUL or a newline")
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


AbsolutePath = Annotated[
    str,
    Field(
        min_length=1, max_length=MAX_PATH_BYTES, description="An absolute path on the server.", examples=["/etc/hosts"]
    ),
    AfterValidator(_absolute_path),
    AfterValidator(_encodable),
]

UnitName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_@][A-Za-z0-9_.@:\\-]{0,254}$",
        description="A systemd unit; .service may be left out.",
        examples=["nginx", "ssh.service"],
    ),
]

OwnerName = Annotated[
    str,
    Field(
        pattern=r"^[a-z_][a-z0-9_-]{0,31}$|^[0-9]{1,10}$",
        description="A user's or group's name or number.",
        examples=["www-data"],
    ),
]

FileMode = Annotated[
    str,
    Field(pattern=r"^[0-7]{3,4}$", description="Permissions in octal.", examples=["0644"]),
]

CommandLine = Annotated[
    str,
    Field(min_length=1, max_length=10_000),
    AfterValidator(_no_nul),
    AfterValidator(_encodable),
]

FileContent = Annotated[str, Field(max_length=10 * 1024 * 1024), AfterValidator(_encodable)]
