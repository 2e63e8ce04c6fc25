"""Processes: what runs, and how to end it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, computed_field, model_validator

from playrail.codes import files, work
from playrail.errors import Problem
from playrail.safe_text.visible import in_one_line
from playrail.settings.content import content_root
from playrail.tools.arguments import More, Rare
from playrail.tools.fields import CONTROL, OwnerName
from playrail.tools.reading import Reading
from playrail.tools.tool import Changing, PlaybookTool, Report, Risk, by_field, nothing_lasting
from playrail.tools.toolset import Toolset
from playrail.toolsets.inspected_process import inspect_process

Signal = Literal["TERM", "KILL", "INT", "HUP", "QUIT", "USR1", "USR2", "STOP", "CONT"]


def _plain(name: str) -> str:
    if CONTROL.search(name) or "/" in name:
        raise ValueError(
            "must be a process's number or name, without a path and control characters"
        )
    return name


class TreePart(Reading):
    limit: Annotated[int, More] = Field(
        default=200, ge=1, le=1000, description="Most processes.", examples=[200]
    )
    user: OwnerName | None = Field(
        default=None,
        description="Only processes of this user.",
        examples=["www-data"],
    )
    pid: int | None = Field(
        default=None,
        ge=1,
        le=2**22,
        description="Only this process and what it started.",
        examples=[4711],
    )


class RunningProcess(Report):
    pid: int
    parent_pid: int
    user: str
    state: str = Field(
        description="running, sleeping, waiting (for a device), idle, stopped, traced or zombie."
    )
    cpu_percent: float = Field(description="Share of one processor over its whole life.")
    memory_bytes: int = Field(
        description="Resident memory; what processes share is counted for each."
    )
    memory_percent: float
    started: datetime
    unit: str | None = Field(
        default=None, description="Its systemd unit, which may start it again."
    )
    container: str | None = Field(
        default=None, description="Its container, as Docker shows the id."
    )
    listens: list[str] | None = Field(
        default=None, description="Where it listens, at most 5, such as tcp 0.0.0.0:80."
    )
    program_deleted: bool | None = Field(
        default=None, description="True: the file that it runs was replaced or removed since."
    )
    command: str = Field(
        description="With its arguments, cut to 300 characters, then the last is an ellipsis."
    )


class TreeProcess(Report):
    pid: int
    parent_pid: int
    user: str | None = Field(default=None, description="Where that is not its parent's.")
    state: str | None = Field(
        default=None,
        description=(
            "running, waiting (for a device), idle, stopped, traced or zombie; null for "
            "sleeping, the usual."
        ),
    )
    cpu_percent: float | None = Field(
        default=None, description="Share of one processor over its whole life; null for 0."
    )
    memory_bytes: int | None = Field(
        default=None, description="Resident memory; what processes share is counted for each."
    )
    started: datetime | None = Field(
        default=None, description="Where that is not the second in which its parent did."
    )
    unit: str | None = Field(
        default=None, description="Its systemd unit, where that is not its parent's."
    )
    container: str | None = Field(
        default=None,
        description="Its container, as Docker shows the id, where that is not its parent's.",
    )
    listens: list[str] | None = Field(
        default=None, description="Where it listens, at most 5, where that is not its parent's."
    )
    program_deleted: bool | None = Field(
        default=None,
        description=(
            "True: the file that it runs was replaced or removed since; told of the parent alone "
            "where that runs one, too."
        ),
    )
    command: str = Field(
        description="With its arguments, cut to 300 characters, then the last is an ellipsis."
    )


class ProcessTree(Report):
    processes: list[TreeProcess] = Field(
        description=(
            "Each one after its parent, siblings by age. Of too many those that take most, "
            "with their parents."
        )
    )
    total: int = Field(description="How many there are, of the user when one is named.")
    kernel_threads: int = Field(description="Threads of the kernel, which are left out.")
    of_playrail: int | None = Field(
        default=None, description="How many are left out by which Playrail itself is at work there."
    )
    all_visible: bool = Field(
        description="False when the user on the host may only see its own processes."
    )
    not_permitted: list[str] | None = Field(default=None, description="What this user may not see.")
    commands_cut: int = Field(description="How many commands were cut.")
    truncated: bool = Field(
        description=(
            "Whether processes were left out: a larger max_bytes or limit has them, or `user` "
            "or `pid`."
        )
    )


class ProcessAction(Changing):
    action: Literal["list", "kill"] = Field(
        description="list tells the largest processes; kill sends a signal.", examples=["kill"]
    )
    target: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_plain)] | None = (
        Field(
            default=None,
            exclude=True,  # `playrail_target` are the hosts
            description=(
                "For kill: a pid, or an exact name: all of that name but those in containers."
            ),
            examples=["4711", "nginx"],
        )
    )
    signal: Signal = Field(default="TERM", description="For kill.", examples=["TERM"])
    sort: Literal["memory", "cpu"] = Field(
        default="memory", description="For list.", examples=["memory"]
    )
    limit: Annotated[int, More] = Field(
        default=20, ge=1, le=200, description="For list: most processes.", examples=[20]
    )
    wait_s: Annotated[int, Rare] = Field(
        default=5,
        ge=0,
        le=30,
        description="For kill: seconds to wait for the end.",
        examples=[5],
    )

    @model_validator(mode="after")
    def _has_its_target(self) -> ProcessAction:
        if self.action == "kill" and self.target is None:
            raise ValueError("target is needed to kill")
        if self.action == "list" and self.target is not None:
            raise ValueError("target is for kill only")
        return self

    @computed_field
    @property
    def process(self) -> str | None:
        """The target; the playbook's `playrail_process`."""
        return self.target


class Signalled(Report):
    pid: int
    name: str
    user: str
    ended: bool
    how: str = Field(
        description=(
            "ended, stopped, continued, running (no effect yet), delivered (not waited for), "
            "gone (before the "
            "signal), zombie (ended before), not_permitted, or of a preview would_be_signalled."
        )
    )


class ProcessOutcome(Report):
    processes: list[RunningProcess] = Field(description="Of list: the largest first.")
    total: int = Field(description="How many processes there are, or were chosen to kill.")
    signalled: list[Signalled] = Field(
        description="Of kill: what came of the signal, the failures first."
    )
    started_again: list[int] | None = Field(
        default=None,
        description=(
            "Of kill: new processes like those that ended. Something starts them again, such as a "
            "service (manage_service stops it)."
        ),
    )
    all_visible: bool = Field(
        description="False when the user on the host may only see its own processes."
    )
    not_permitted: list[str] | None = Field(default=None, description="What this user may not see.")
    truncated: bool = Field(description="Whether processes were left out.")

    sent: str = Field(default="TERM", exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _with_what_was_asked(cls, raw: Any, info: ValidationInfo) -> Any:
        given = (info.context or {}).get("given")
        if not isinstance(raw, dict) or not isinstance(given, ProcessAction):
            return raw
        return {**raw, "sent": given.signal, "started_again": raw.get("started_again") or None}

    def problem(self) -> Problem | None:
        denied = [one for one in self.signalled if one.how == "not_permitted"]
        left = [one for one in self.signalled if one.how == "running"]
        if denied:
            return Problem.of(
                files.PERMISSION_DENIED,
                f"The user that Playrail logs in as may not send a signal to {_named(denied)}.",
                hint=(
                    "data.hosts tells what came of each; the operator can set become for this host."
                ),
            )
        if left:
            return Problem.of(
                work.PROCESS_NOT_ENDED,
                f"The signal was sent, but nothing has come of it yet for {_named(left)}.",
            )
        return None

    def unforeseen(self) -> Sequence[str]:
        """Names each process: a plan is then outdated once others have the name."""
        chosen = [one for one in self.signalled if one.how not in ("gone", "zombie")]
        by_name: dict[str, list[int]] = {}
        for one in sorted(chosen, key=lambda one: (one.name, one.pid)):
            by_name.setdefault(one.name, []).append(one.pid)
        named = [
            f"{in_one_line(name)} ({', '.join(map(str, pids))})" for name, pids in by_name.items()
        ]
        more = f" and {self.total - len(self.signalled)} more" if self.truncated else ""
        told = (
            f"What {self.sent} brings about for {', '.join(named)}{more} is known only when it "
            "is sent."
        )
        return (told,) if chosen else ()


def _named(some: list[Signalled]) -> str:
    first = f"{some[0].name} ({some[0].pid})"
    return first if len(some) == 1 else f"{first} and {len(some) - 1} more"


get_process_tree = PlaybookTool(
    name="get_process_tree",
    summary=(
        "What runs on a server (ps): all processes, who started whom, CPU and memory of each."
    ),
    risk=Risk.READ,
    input=TreePart,
    playbook="processes/get_process_tree.yml",
    report=ProcessTree,
)

manage_process = PlaybookTool(
    name="manage_process",
    summary="Kill a process, or list those that take most memory or CPU (top).",
    risk=by_field("action", {"list": Risk.READ}, otherwise=Risk.DESTRUCTIVE),
    input=ProcessAction,
    playbook="processes/manage_process.yml",
    report=ProcessOutcome,
    intents=nothing_lasting,
)

toolset = Toolset(
    name="processes",
    content=content_root(),
    tools=(get_process_tree, inspect_process, manage_process),
)
