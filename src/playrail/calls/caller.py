"""Who calls, and what that one may do beyond its own plans and runs."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from playrail.errors import SettingsInvalid

Way = Literal["stdio", "cli", "terminal", "http"]

TOKEN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class Grant(Enum):
    """A right that a caller has besides what policy says of its calls."""

    OPERATE = "operate"
    """Has the rights of the state directory: may take back the runs of every caller."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """`name` is how records and policies name the caller, `way` is how its calls arrive.

    A name makes a caller's plans and runs its own, and gives no right.
    """

    name: str
    way: Way
    grants: frozenset[Grant] = frozenset()

    def may(self, grant: Grant) -> bool:
        return grant in self.grants


LOCAL = Caller(name="local", way="stdio")
"""Whoever started `playrail serve`."""
CLI = Caller(name="cli", way="cli", grants=frozenset({Grant.OPERATE}))
"""Whoever runs `playrail call`."""
OPERATOR = Caller(name="operator", way="terminal", grants=frozenset({Grant.OPERATE}))
"""Whoever approves plans on a terminal."""

RESERVED = frozenset(caller.name for caller in (LOCAL, CLI, OPERATOR))


def token_caller(name: str, *, grants: Collection[Grant] = ()) -> Caller:
    """The caller that a token stands for; nothing gives out tokens yet.

    Raises SettingsInvalid for a name that records would confuse with another caller.
    """
    if not TOKEN_NAME.fullmatch(name):
        raise SettingsInvalid(
            f"A token cannot be named {name[:64]!r}: a name has 1 to 64 letters, digits, "
            "and any of . _ @ - after the first of them."
        )
    if name.casefold() in RESERVED:
        raise SettingsInvalid(
            f"A token cannot be named {name!r}: {', '.join(sorted(RESERVED))} are callers "
            "without a token."
        )
    return Caller(name=name, way="http", grants=frozenset(grants))
