"""What tools tell of plans: in short, whole, of their steps, and of what no longer holds."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from playrail.tools.brief import Brief
from playrail.tools.tool import Report

State = dict[str, Any]  # its keys depend on the kind of thing


class PlanShort(Brief, Report):
    """A plan in a list."""

    plan_id: str
    tools: list[str]
    hosts: list[str]
    would_change: list[str] = Field(description="The hosts on which something would change.")
    needs_approval_by: str | None = Field(default=None, description="client or operator.")
    made_at: str
    expires_at: str


class Change(Brief, Report):
    """One thing that would change on a host."""

    kind: str = Field(description="Such as file, service or package.")
    name: str
    before: State | None = Field(description="None: it is not there.")
    after: State | None = Field(description="None: it would go.")
    diff: str | None = Field(default=None, description="Of a file: a unified diff.")
    diff_cut: bool = Field(default=False, description="Whether the diff is not whole.")


class PlannedCall(Brief, Report):
    """One call of a plan."""

    tool: str
    arguments: dict[str, Any] = Field(description="A long one is told by its size and SHA-256.")
    hosts: list[str]
    risk: str
    would_run: str | dict[str, Any] | None = Field(
        default=None, description="What would be run, where no change is told."
    )


class Grant(Report):
    """An approval of a plan."""

    how: str = Field(description="client or operator.")
    by: str
    expires_at: str | None
    proves: str | None


class PlanView(Brief, Report):
    """A plan, whole."""

    plan_id: str
    hash: str = Field(description="Over all that the plan was made for.")
    expires_at: str
    needs_approval_by: str | None = Field(default=None, description="client or operator.")
    hosts: list[str]
    steps: list[PlannedCall]
    would_change: list[str] = Field(description="The hosts on which something would change.")
    changes: dict[str, list[Change]] = Field(description="Per host what would change.")
    not_previewed: dict[str, list[str]] = Field(
        description="Per host what only carrying it out would tell."
    )
    undoes: str | None = Field(default=None, description="The run that it takes back.")
    not_undone: list[str] | None = Field(default=None, description="What it does not take back.")
    state: str | None = Field(
        default=None, description="open, expired, used, cancelled or rejected."
    )
    approvals: list[Grant] | None = None


class StepDone(Brief, Report):
    """What came of a step."""

    tool: str
    hosts: list[str]
    run_id: str | None = None
    code: str = Field(description="ok, the failure's code, or not_run after one that failed.")
    data: dict[str, Any] | None = Field(default=None, description="As the tool's own.")


class Drifted(Brief, Report):
    """One thing that is not as it was set."""

    kind: str
    name: str
    now: State | None = Field(description="None: it is not there.")
    wanted: State | None = Field(description="None: it was removed.")
    diff: str | None = Field(default=None, description="Of a file: from now to wanted.")
    diff_cut: bool = Field(default=False, description="Whether the diff is not whole.")
    because: str | None = Field(default=None, description="Why it is known to be gone.")
    set_by: str | None = Field(default=None, description="The run that set it.")
    set_at: str


class HostDrift(Report):
    """What became of what Playrail set on a host."""

    set_by_playrail: int = Field(description="How many things.")
    drifted: list[Drifted]
    not_checked: dict[str, str] = Field(description="Per thing why nobody knows.")
