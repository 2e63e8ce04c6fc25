"""How the door asks who called it whether a plan may be carried out, whatever that one
speaks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum


class Said(Enum):
    """What came of asking the client. It is the client's word; whether a person said it
    cannot be known.
    """

    APPROVED = "approved"
    DECLINED = "declined"
    CANNOT = "cannot"
    """The client has no way to ask, or failed when it did."""
    SILENT = "silent"
    """Nobody has answered in time."""
    UNREADABLE = "unreadable"
    """The client answered with something else than an answer. Nobody has approved."""
    LATER = "later"
    """The question goes out with the answer to this call; the client comes back with what
    was said.
    """


@dataclass(frozen=True, kw_only=True)
class Question:
    """May this plan be carried out? `text` is for a person: the hosts, the risk, and what
    would change.
    """

    plan_id: str
    text: str
    asked: bool = True
    """Whether an answer that a call brings along counts: the question went out before, and
    has no other answer.
    """


Ask = Callable[[Question], Awaitable[Said]]
