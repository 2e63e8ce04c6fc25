"""A first look at a server in trouble."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field, model_validator

from playrail.tools.brief import Brief
from playrail.tools.reading import ShortReading
from playrail.tools.tool import PlaybookTool, Report, Risk, by_field
from playrail.toolsets.disk import MountedFileSystem
from playrail.toolsets.memory import MemoryInfo


class TriageChoice(ShortReading):
    messages: bool = Field(
        default=False, description="Also an example of each unit's errors.", examples=[True]
    )


class Load(Brief):
    load_1m: float | None = None
    load_5m: float | None = None
    load_15m: float | None = None
    cpu_threads: int = Field(description="What runs at the same time.")
    cpu_percent: float | None = Field(
        default=None, description="How busy all processors were, over half a second."
    )
    iowait_percent: float | None = Field(default=None, description="They waited for disks.")
    steal_percent: float | None = Field(
        default=None, description="Other machines of the same hardware had them."
    )
    waiting: int | None = Field(
        default=None, description="How many processes wait for a device (state D); null for 0."
    )
    zombies: int | None = None
    pressure: dict[str, float] | None = Field(
        default=None,
        description=(
            "For cpu, memory and io: percent of the last minute in which something waited for it."
        ),
    )


class OomKilled(Brief):
    time: datetime
    pid: int
    name: str


class BusyProcess(Brief):
    pid: int
    user: str
    command: str = Field(description="Cut to 80 characters; *** is in place of what looks secret.")
    cpu_percent: float | None = Field(
        default=None, description="Of one processor, over half a second; null for 0."
    )
    memory_bytes: int | None = Field(
        default=None, description="Resident memory; null for a thread of the kernel."
    )
    unit: str | None = None
    container: str | None = Field(default=None, description="Its id, as Docker shows it.")


class FailedUnit(Brief):
    unit: str
    since: datetime | None = None
    result: str | None = Field(
        default=None, description="How it failed: exit-code, signal, timeout, oom-kill .."
    )
    exit_code: int | None = None
    exit_signal: int | None = None
    restarts: int | None = Field(
        default=None, description="How often systemd restarted it by itself; null for 0."
    )


class TroubledContainer(Brief):
    container: str
    state: str = Field(description="restarting, unhealthy, dead or exited.")
    status: str = Field(description="In Docker's words, with the exit status.")


class UnitErrors(Brief):
    unit: str = Field(description="A unit, or a program that belongs to none.")
    entries: int
    example: str | None = Field(
        default=None, description="The newest message, cut to 160 characters."
    )


class Clock(Brief):
    synchronised: bool | None = Field(
        default=None,
        description="As the kernel says it; a chronyd without rtcsync does not tell the kernel.",
    )
    keeper: str | None = Field(
        default=None, description="The program that runs to keep it right; null: none known."
    )


class Triage(Report):
    time: datetime = Field(description="What the server's clock says.")
    uptime_s: int = Field(description="Seconds since the start.")
    load: Load | None = None
    memory: MemoryInfo | None = None
    oom_killed: list[OomKilled] | None = Field(
        default=None,
        description="Processes that the kernel ended in the last day as memory ran out.",
    )
    processes: list[BusyProcess] | None = Field(
        default=None,
        description="The busiest, at most 5, then the largest of the others, at most 5.",
    )
    file_systems: list[MountedFileSystem] | None = Field(
        default=None,
        description="Those 80 % full by bytes or inodes, or that do not answer, at most 5; and /.",
    )
    failed_units: list[FailedUnit] | None = Field(
        default=None, description="Those that failed or are started again and again, at most 5."
    )
    containers: list[TroubledContainer] | None = Field(
        default=None,
        description=(
            "Those that restart, are unhealthy or failed within a day, at most 5; null where no "
            "Docker engine runs."
        ),
    )
    errors: list[UnitErrors] | None = Field(
        default=None,
        description="Units with errors in the journal of the last hour, at most 5, most first.",
    )
    reboot_required: bool | None = None
    reboot_reasons: list[str] | None = None
    clock: Clock | None = None
    totals: dict[str, int] = Field(
        description="How many there are of each list; error_entries: all errors, up to 5000."
    )
    not_known: dict[str, str] | None = Field(
        default=None, description="What could not be looked at, or not wholly, and why."
    )
    truncated: bool = Field(description="Whether lists were cut for want of room.")

    @model_validator(mode="before")
    @classmethod
    def _of_module(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or not isinstance(raw.get("memory"), dict):
            return raw
        of_memory = ("memory", "limit_bytes", "limit_used_bytes", "oom_kills")
        known = "MemTotal" in raw["memory"]
        return {**raw, "memory": {key: raw.get(key) for key in of_memory} if known else None}


triage = PlaybookTool(
    name="triage",
    summary=(
        "What is wrong, why is the server slow? Its health: load, processes, memory, full "
        "disks, failed units, containers, errors, reboot."
    ),
    # What was logged may be private; how much, and by whom, is not.
    risk=by_field("messages", {False: Risk.READ}, otherwise=Risk.SENSITIVE),
    input=TriageChoice,
    playbook="system/triage.yml",
    report=Triage,
)
