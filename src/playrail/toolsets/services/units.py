"""The list of a server's units: what runs, what failed, what starts at boot."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from playrail.tools.arguments import More
from playrail.tools.brief import Brief
from playrail.tools.reading import ShortReading
from playrail.tools.tool import PlaybookTool, Report, Risk


class UnitsChoice(ShortReading):
    type: Literal["service", "timer", "socket", "mount", "path", "target"] | None = Field(
        default=None, description="Default: all but mounts and targets.", examples=["timer"]
    )
    state: Literal["failed", "active", "inactive", "enabled", "disabled", "masked"] | None = Field(
        default=None, description="Only these.", examples=["failed"]
    )
    name: (
        Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9_.@:\\-]+$")] | None
    ) = Field(default=None, description="A part of the name.", examples=["nginx"])
    limit: Annotated[int, More] = Field(
        default=35, ge=1, le=1000, description="Most units.", examples=[35]
    )


class ListedUnit(Brief):
    unit: str
    description: str | None = Field(
        default=None, description="What it is, cut to 80 characters; null where the name says it."
    )
    load_state: str | None = Field(
        default=None, description="error, bad-setting ..: its file is wrong; null when it is well."
    )
    unit_file_state: str | None = Field(
        default=None,
        description="enabled (starts at boot), disabled, masked, generated ..; null for static.",
    )
    since: datetime | None = Field(
        default=None, description="Since when it is so; of what failed or is on its way."
    )
    result: str | None = Field(
        default=None, description="How it failed: exit-code, signal, timeout, oom-kill .."
    )
    exit_code: int | None = None
    exit_signal: int | None = None
    restarts: int | None = Field(
        default=None, description="How often systemd restarted it by itself; null for 0."
    )
    next_run: datetime | None = Field(default=None, description="Of a timer; null: none is due.")
    last_run: datetime | None = Field(default=None, description="Of a timer.")
    triggers: list[str] = Field(
        default=[], description="What a timer starts, where that is not the service of its name."
    )
    listens: list[str] = Field(default=[], description="Addresses of a socket, at most 5.")
    mount_point: str | None = None
    device: str | None = None


class Units(Report):
    units: dict[str, list[ListedUnit]] = Field(
        description=(
            "By their state (sub_state): failed first, then on their way, running, timers by "
            "their next run, the rest."
        )
    )
    counts: dict[str, int] = Field(description="How many units are in each state.")
    total: int
    system_state: str | None = Field(
        default=None, description="running, degraded (units failed), starting, maintenance .."
    )
    jobs: int | None = Field(
        default=None, description="How many units systemd is about to start or stop; null for 0."
    )
    manager: str | None = Field(
        default=None, description="openrc, where it starts services in place of systemd."
    )
    truncated: bool = Field(
        description="Whether units were left out: type, state, name or a larger limit have them."
    )


list_units = PlaybookTool(
    name="list_units",
    summary=(
        "Which services failed or run, what starts at boot? Lists services, timers, sockets, "
        "mounts."
    ),
    risk=Risk.READ,
    input=UnitsChoice,
    playbook="services/list_units.yml",
    report=Units,
)
