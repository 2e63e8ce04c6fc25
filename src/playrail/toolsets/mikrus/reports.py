"""What the API of mikr.us tells of a VPS and does for it. Its dates name no time zone, so
these have none either.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, model_validator

from playrail.errors import ApiRejected, ApiUnexpected, OutcomeUnknown, PlayrailError, Problem
from playrail.mikrus import texts, values
from playrail.tools.tool import Report

MAX_ITEMS = 500  # of a list
MAX_OUTPUT = 64 * 1024  # characters of a task's output; both ends are kept
REFUSALS = ("niepoprawn", "już istnieje", "błąd")  # in what /domain says

Extra = Annotated[
    dict[str, Any],
    Field(description="What else the API tells, and what could not be read, under its own names."),
]
Unread = Annotated[
    dict[str, str], Field(description="Per text of the API the lines that could not be read.")
]
Truncated = Annotated[bool, Field(description="Whether something was left out.")]


class Told(Report):
    """One object of the API, whose fields are known by name."""

    known: ClassVar[values.Fields]

    @model_validator(mode="before")
    @classmethod
    def _of_api(cls, raw: Any) -> Any:
        return values.read(raw, cls.known)


class Listed(Report):
    """A body that is a list, as the one field of the report that is no `truncated`."""

    @model_validator(mode="before")
    @classmethod
    def _of_api(cls, raw: Any) -> Any:
        if not isinstance(raw, list):
            raise ValueError("is no list")  # pydantic collects ValueError only
        (name,) = cls.model_fields.keys() - {"truncated"}
        return {name: raw[:MAX_ITEMS], "truncated": len(raw) > MAX_ITEMS}

    @property
    def cut(self) -> bool:
        items = next(iter(vars(self).values()))
        return super().cut or any(getattr(item, "truncated", False) for item in items)


class ServerInfo(Told):
    known = values.INFO

    server_id: str | None = Field(description="The server's name at mikr.us.")
    imie_id: str | None = Field(description="Its other name, made of a first name and a number.")
    server_name: str | None = Field(description="The name that its owner gave it.")
    expires: datetime | None = Field(description="Until when it is paid.")
    expires_cytrus: datetime | None = Field(description="Until when its Cytrus is paid.")
    expires_storage: datetime | None = Field(description="Until when its storage is paid.")
    ram_mb: int | None = Field(description="Memory, as ordered.")
    disk_gb: int | None = Field(description="Disk space, as ordered.")
    last_panel_login: datetime | None = Field(description="When its owner last used the panel.")
    pro: bool | None = Field(description="Whether it is a Mikrus PRO.")
    extra: Extra
    truncated: Truncated


class OwnedServer(Told):
    known = values.OWNED

    server_id: str | None
    server_name: str | None
    expires: datetime | None = Field(description="Until when it is paid.")
    ram_mb: int | None
    disk_gb: int | None
    extra: Extra
    truncated: Truncated


class OwnedServers(Listed):
    servers: list[OwnedServer]
    truncated: Truncated


class Memory(Report):
    total_bytes: int | None = None
    used_bytes: int | None = None
    free_bytes: int | None = None
    available_bytes: int | None = None
    swap_total_bytes: int | None = None
    swap_used_bytes: int | None = None


class Disk(Report):
    filesystem: str
    mount: str
    size_bytes: int | None
    used_bytes: int | None
    available_bytes: int | None
    used_percent: int | None


class Process(Report):
    pid: int
    user: str
    state: str
    cpu_percent: float
    memory_percent: float
    rss_bytes: int
    command: str


class ServerStats(Report):
    memory: Memory | None = Field(description="To the MiB.")
    disks: list[Disk] | None = Field(
        description="Its file systems; sizes have two digits that count."
    )
    uptime_s: int | None = Field(description="How long it has been up, to the minute.")
    users: int | None = Field(description="How many users are logged in.")
    load: list[float] | None = Field(description="Load averages of 1, 5 and 15 minutes.")
    processes: list[Process] | None = Field(
        description="Those with the most memory first, at most 100."
    )
    process_count: int | None = Field(description="How many processes there are.")
    unread: Unread
    extra: Extra
    truncated: Truncated

    @model_validator(mode="before")
    @classmethod
    def _of_api(cls, raw: Any) -> Any:
        return texts.stats(raw)

    def problem(self) -> Problem | None:
        if any(
            part is not None for part in (self.memory, self.disks, self.uptime_s, self.processes)
        ):
            return None
        return ApiUnexpected(
            "Nothing of what the API tells could be read.", hint="data.hosts has its words."
        ).problem


class StartedTask(Told):
    """The work itself comes later: get_logs tells when it is done."""

    known = values.STARTED

    message: str | None = Field(description="What the API says.")
    task_id: int | None = Field(description="The number of the task that it started.")
    extra: Extra
    truncated: Truncated

    def problem(self) -> Problem | None:
        if self.task_id is not None:
            return None
        hint = (
            "data.hosts has what it says. Look with get_logs whether there is such a task "
            "before you call again."
        )
        return OutcomeUnknown("The API names no task that it started.", hint=hint).problem


class Log(Told):
    known = values.LOG

    id: str | None
    server_id: str | None
    task: str | None = Field(description="What was done, such as restart.")
    created: datetime | None = Field(description="When it was asked for.")
    done: datetime | None = Field(description="When it was done; null when it is not yet.")
    output: str | None = Field(
        description="What it wrote; of more than 64 Ki characters both ends, with a told gap."
    )
    extra: Extra
    truncated: Truncated

    @model_validator(mode="before")
    @classmethod
    def _of_api(cls, raw: Any) -> Any:
        read = values.read(raw, values.LOG)
        output = read["output"] or ""
        if len(output) <= MAX_OUTPUT:
            return read
        half = MAX_OUTPUT // 2
        gap = f"\n[.. {len(output) - 2 * half} characters left out ..]\n"
        return {**read, "output": output[:half] + gap + output[-half:], "truncated": True}


class Logs(Listed):
    logs: list[Log] = Field(description="The last ten or so, newest first.")
    truncated: Truncated


class Database(Report):
    host: str | None = None
    port: int | None = None
    login: str | None = None
    password: str | None = None
    database: str | None = None


class Databases(Report):
    psql: Database | None = Field(description="PostgreSQL; null when there is none.")
    mysql: Database | None = Field(description="MySQL; null when there is none.")
    mongo: Database | None = Field(description="MongoDB; null when there is none.")
    unread: Unread
    extra: Extra
    truncated: Truncated

    @model_validator(mode="before")
    @classmethod
    def _of_api(cls, raw: Any) -> Any:
        return texts.databases(raw)


class Ports(Listed):
    ports: list[Annotated[int, BeforeValidator(values.whole), Field(ge=1, le=65535)]]
    truncated: Truncated


class CloudService(Told):
    known = values.CLOUD

    service_id: str | None
    port: int | None
    status: str | None
    expires: datetime | None
    size: str | None
    disk_used: float | None = Field(description="As the API counts; it names no unit.")
    disk_total: float | None
    cpu_percent: float | None
    ram_used: float | None = Field(description="As the API counts; it names no unit.")
    ram_total: float | None
    extra: Extra
    truncated: Truncated


class CloudServices(Listed):
    services: list[CloudService]
    truncated: Truncated


class AssignedDomain(Told):
    known = values.ASSIGNED

    domain: str | None = Field(description="The name that leads to the server now.")
    port: int | None
    status: str | None = Field(description="What the API says.")
    extra: Extra
    truncated: Truncated

    def problem(self) -> Problem | None:
        status = (self.status or "").lower()
        refused = any(word in status for word in REFUSALS)
        silent = self.status is None and "status" not in self.extra
        if not refused and (
            "gotowe" in status or status == "ok" or (silent and self.domain is not None)
        ):
            return None
        kind: type[PlayrailError] = ApiRejected if refused else OutcomeUnknown
        verb = "refused" if refused else "does not say that the domain was assigned"
        hint = (
            "data.hosts has what it says. Look at the domain, or in the panel, before you call "
            "again."
        )
        return kind(f"The API {verb}.", hint=hint).problem
