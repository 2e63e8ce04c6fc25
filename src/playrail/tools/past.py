"""What tools tell of calls that were made before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from playrail.tools.brief import Brief
from playrail.tools.planned import Change
from playrail.tools.tool import Report


@dataclass(frozen=True, kw_only=True)
class RunsWanted:
    """Which calls to tell of. None does not matter; `reads`: also those that changed nothing."""

    server: str | None
    """A server or a group."""
    tool: str | None
    since: str | None
    reads: bool
    limit: int
    offset: int
    max_bytes: int
    """Of the answer."""


class RunShort(Brief, Report):
    """A call in a list. What is not said of it is as usual: it ended well, was the caller's
    own, and cannot be taken back.
    """

    run_id: str
    at: str
    tool: str
    hosts: list[str]
    more_hosts: int | None = Field(default=None, description="How many are not named.")
    caller: str | None = Field(default=None, description="Where it was another one.")
    outcome: str = Field(default="ok", description="ok, running, or the failure's code.")
    did: list[str] | None = Field(default=None, description="What changed, a line each.")
    more_changes: int | None = Field(default=None, description="How many more there are.")
    undoable: bool = Field(default=False, description="Whether undo_run may take it back.")
    undone_by: str | None = Field(default=None, description="The plan that took it back.")


class Approved(Brief, Report):
    answer: str
    by: str
    how: str = Field(description="client or operator.")


class RunWhole(Brief, Report):
    """One call with what is recorded of it."""

    run_id: str
    at: str
    tool: str
    risk: str | None = None
    preview: bool = False
    hosts: list[str]
    caller: str | None = None
    outcome: str = Field(description="ok, running, interrupted, or the failure's code.")
    error: str | None = None
    duration_ms: int | None = None
    arguments: dict[str, Any] = Field(description="Long texts are cut.")
    changed: list[str] = Field(default=[], description="The hosts on which something changed.")
    failed: dict[str, str] = Field(default={}, description="Per host that failed the code.")
    changes: dict[str, list[Change]] = Field(default={}, description="Per host, as captured.")
    changes_left_out: int | None = Field(
        default=None, description="How many had no room: ask for more max_bytes."
    )
    plan: str | None = Field(default=None, description="The plan that it carried out.")
    approvals: list[Approved] = Field(default=[], description="Of that plan.")
    undo: str = Field(description="How it can be taken back, or why it cannot.")
    undone_by: str | None = Field(default=None, description="The plan that took it back.")
    truncated: bool = False
