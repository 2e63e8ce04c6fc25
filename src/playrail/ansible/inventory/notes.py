"""What the listing notes beside the hosts: what could not be read, in Ansible's own words
and with the way out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playrail.ansible.outcome.refusals import VAULT_REMEDY

UNREAD_REMEDY = (
    "Mend or rename it (a plugin's configuration has to end in .yml or .yaml), take it out of "
    "the directory, or "
    "leave it out with [defaults] inventory_ignore_patterns in ansible.cfg."
)
TEXT_LIMIT = 1000  # characters of Ansible's own words
# Where Ansible repeats a piece of the file
_QUOTES_CONTENT = re.compile(r"(, got:|, found|and got:)( .*|$)")
_ADVICE = "Deprecation warnings can be disabled"  # about Ansible's own output
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, kw_only=True)
class Notes:
    """What of the sources was not read, each with the reason."""

    unread: Mapping[str, str] = field(default_factory=dict)
    """Files that no inventory plugin reads."""
    empty: Mapping[str, str] = field(default_factory=dict)
    """Whole sources of which nothing was read."""
    empty_is_fine: bool = False
    """Whether the user's own configuration says so."""
    broken: Mapping[str, str] = field(default_factory=dict)
    """Hosts whose variables cannot be read."""
    mends: Mapping[str, str] = field(default_factory=dict)
    """What the operator has to do about those hosts."""


def notes_of(listing: Mapping[str, Any]) -> Notes:
    """Read them; a listing of another program has none."""
    told = listing.get("_meta", {}).get("playrail", {})
    broken = told.get("broken", {})
    return Notes(
        unread={path: _why_unread(path, said) for path, said in told.get("unread", {}).items()},
        empty={path: _why_unread(path, said) for path, said in told.get("empty", {}).items()},
        empty_is_fine=told.get("empty_is_fine", False),
        broken={host: _why_broken(one) for host, one in broken.items()},
        mends={host: _mend_of(one) for host, one in broken.items()},
    )


def own_words(errors: str) -> str:
    """Ansible's errors and then its warnings, bounded, without the lines of the file that
    it quotes below them.
    """
    lines = [
        _QUOTES_CONTENT.sub(r"\1 (not shown)", line)
        for line in errors.splitlines()
        if _ADVICE not in line
    ]
    found = [
        line
        for mark in ("[ERROR]", "ERROR", "[WARNING]")
        for line in lines
        if line.startswith(mark)
    ]
    words = (line.removeprefix("[WARNING]: ").removeprefix("[ERROR]: ") for line in found)
    return " ".join(dict.fromkeys(words))[:TEXT_LIMIT] or "it gave no reason"


def _why_unread(path: str, said: str) -> str:
    return f"{_MARKED} {own_words(said)}" if _begins_with_mark(Path(path)) else own_words(said)


_MARKED = (
    "It begins with a byte order mark (BOM), which Ansible does not read: save it as UTF-8 "
    "without one."
)


def _begins_with_mark(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(3).startswith(_BYTE_ORDER_MARKS)
    except OSError:
        return False


def _why_broken(one: Mapping[str, Any]) -> str:
    where = f" ({one['where']})" if one["where"] else ""
    why = " ".join(_QUOTES_CONTENT.sub(r"\1 (not shown)", one["why"].partition("\n")[0]).split())[
        :TEXT_LIMIT
    ]
    if one["vault"]:
        return f"Its variables are encrypted, and no vault password opens them{where}: {why}"
    return f"Ansible cannot read its variables{where}: {why}"


def _mend_of(one: Mapping[str, Any]) -> str:
    if one["vault"]:
        return VAULT_REMEDY
    return f"The operator has to mend {one['where'] or 'the variables of this host'}."
