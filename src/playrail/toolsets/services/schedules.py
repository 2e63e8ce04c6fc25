"""What a server runs by itself at set times."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from playrail.tools.arguments import More
from playrail.tools.brief import Brief
from playrail.tools.reading import ShortReading
from playrail.tools.tool import PlaybookTool, Report, Risk


class SchedulesChoice(ShortReading):
    limit: Annotated[int, More] = Field(
        default=25, ge=1, le=1000, description="Most schedules.", examples=[25]
    )


class Schedule(Brief):
    source: str = Field(description="A timer, an at job, a folder of scripts, or a file:line.")
    when: str | None = Field(default=None, description="In the words of its source.")
    next_run: datetime | None = Field(default=None, description="Null where none is due or known.")
    last_run: datetime | None = Field(default=None, description="As timers and anacron note it.")
    user: str | None = None
    command: str | None = Field(
        default=None,
        description="Cut to 200 characters; *** is in place of what looks like a password.",
    )
    unit: str | None = Field(
        default=None, description="What a timer starts, where that is not the service of its name."
    )
    inactive: bool = Field(default=False, description="Of a timer that was not started.")
    time_zone: str | None = Field(default=None, description="Where the crontab sets its own.")
    scripts: list[str] = Field(default=[], description="What the folder has, at most 20.")
    left_out: list[str] = Field(
        default=[], description="Files of it that do not run, for their names or modes."
    )
    run_by: str | None = Field(default=None, description="The line that runs the folder.")
    problem: str | None = Field(default=None, description="Why it does not run.")


class Schedules(Report):
    schedules: list[Schedule] = Field(
        description="What cannot run first, then by the next run; inactive timers last."
    )
    total: int
    cron_runs: bool | None = Field(
        default=None, description="False: a daemon of cron is needed and none runs."
    )
    at_runs: bool | None = Field(
        default=None, description="False: there are at jobs and no atd runs."
    )
    time_zone: str = Field(description="The server's own, by which cron goes.")
    not_known: dict[str, str] | None = Field(
        default=None, description="What could not be looked at, and why."
    )
    truncated: bool = Field(description="Whether some were left out: a larger limit has them.")


list_schedules = PlaybookTool(
    name="list_schedules",
    summary=(
        "What runs when and next, as whom? Scheduled jobs: cron, crontabs of users, timers, "
        "anacron, at."
    ),
    risk=Risk.SENSITIVE,
    input=SchedulesChoice,
    playbook="services/list_schedules.yml",
    report=Schedules,
)
