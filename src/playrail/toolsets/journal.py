"""systemd's journal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from playrail.errors import Problem
from playrail.fields import CONTROL, Since, UnitName, moment
from playrail.tool import OnHosts, PlaybookTool, Report, Risk

PRIORITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")  # syslog(3)
EPOCH = datetime.fromtimestamp(0, UTC)
SINCE_FORMAT = "%Y-%m-%d %H:%M:%S.%f UTC"
HOW_TO_SEE_MORE = "The operator can add Playrail's user to the group systemd-journal, or set become for this host."


def _as_read(since: str) -> str:
    """A time as every journalctl reads it."""
    return moment(since).strftime(SINCE_FORMAT)


def _one_line(term: str) -> str:
    if CONTROL.search(term):
        raise ValueError("must not hold control characters such as a newline")
    return term


Cursor = Annotated[
    str,
    Field(
        pattern=r"^[a-z]=[0-9a-f]+(;[a-z]=[0-9a-f]+){1,9}$",
        max_length=300,
        description="Only entries older than this one: `older` of the answer before.",
        examples=["s=4720aa27;i=108;b=98c9905e;m=4ec9fa5e;t=660bc2e2f1636;x=d204faab"],
    ),
]
Lines = Annotated[int, Field(ge=1, le=1000, description="How many entries at most.", examples=[50])]


class JournalPart(OnHosts):
    unit: UnitName
    lines: Lines = 50
    since: Annotated[Since, AfterValidator(_as_read)] | None = None
    before: Cursor | None = None


class ErrorsPart(OnHosts):
    hours: int = Field(default=1, ge=1, le=168, description="How far to look back.", examples=[1])
    lines: Lines = 100
    before: Cursor | None = None


class JournalSearch(OnHosts):
    term: Annotated[str, AfterValidator(_one_line)] = Field(
        min_length=1,
        max_length=200,
        description="The text that a message must hold; plain, not a pattern.",
        examples=["connection refused"],
    )
    lines: Lines = 50
    hours: int = Field(default=24, ge=1, le=720, description="How far to look back.", examples=[24])
    unit: UnitName | None = None
    ignore_case: bool = Field(default=True, description="Whether upper and lower case are the same.", examples=[True])
    before: Cursor | None = None


class Entry(Report):
    time: datetime = Field(description="When it was written, to the microsecond.")
    priority: str | None = Field(description="emerg, alert, crit, err, warning, notice, info or debug.")
    unit: str | None = Field(description="The unit that it is about.")
    identifier: str | None = Field(description="The name of the program that wrote it.")
    pid: int | None = Field(description="The process that wrote it.")
    message: str | None = Field(description="The text; null when it is longer than 4 KiB.")
    cursor: str = Field(description="The entry's place in the journal.")

    @model_validator(mode="before")
    @classmethod
    def _of_module(cls, raw: Any) -> Any:
        priority = raw["priority"]
        return {
            **raw,
            "time": EPOCH + timedelta(microseconds=raw["time_us"]),
            "priority": None if priority is None else PRIORITIES[priority],
        }


class JournalEntries(Report):
    entries: list[Entry] | None = Field(
        description="The newest ones, oldest first; null when the journal was not read."
    )
    older: str | None = Field(description="What to pass as `before` for older entries; null when there are none.")
    incomplete: bool = Field(description="Whether the user on the host may not see all entries.")
    truncated: bool = Field(
        description="Whether a message was left out, or entries that would make the answer too long."
    )
    complete: bool | None = Field(
        description="False when time was over before all was read: there may be more; null when it was not read."
    )

    trouble: str | None = Field(default=None, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _of_module(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            raise ValueError("is no result of read_journal")  # noqa: TRY004  pydantic's way to refuse
        if raw.get("playrail_code") == "permission_denied":
            return cls.nothing()
        return {**raw, "entries": raw["entries"][::-1], "trouble": None} if "entries" in raw else raw

    @classmethod
    def nothing(cls) -> Mapping[str, Any]:
        """What is told when the user may read no entry."""
        return {
            **dict.fromkeys(cls.model_fields),
            "incomplete": True,
            "truncated": False,
            "trouble": "permission_denied",
        }

    def problem(self) -> Problem | None:
        if self.trouble is not None:
            return Problem(
                code="permission_denied",
                error="The user that Playrail logs in as may not read these entries of this host's journal.",
                hint=HOW_TO_SEE_MORE,
            )
        if self.complete is False and not self.entries:
            return Problem(
                code="journal_timed_out",
                error="Time was over before an entry was found in this host's journal; there may be some.",
                hint="Ask for a shorter time or for a single unit.",
                retryable=True,
            )
        return None

    @property
    def cut(self) -> bool:
        return super().cut or self.complete is False


class UnitCount(Report):
    unit: str = Field(description="A unit, or a program that belongs to none.")
    entries: int


class SystemErrors(JournalEntries):
    counts: list[UnitCount] | None = Field(description="How many of `counted` each unit has, most first; at most 50.")
    counted: int | None = Field(description="How many there are, counted up to 5000.")


get_journal_logs = PlaybookTool(
    name="get_journal_logs",
    summary="Read the newest journal entries of a systemd unit, since a time or before an entry that was already read.",
    risk=Risk.SENSITIVE,
    input=JournalPart,
    playbook="journal/get_journal_logs.yml",
    report=JournalEntries,
)

find_system_errors = PlaybookTool(
    name="find_system_errors",
    summary="See which errors a server's journal holds of the last hours, over all units, and how many of each.",
    risk=Risk.SENSITIVE,
    input=ErrorsPart,
    playbook="journal/find_system_errors.yml",
    report=SystemErrors,
)

search_journal_logs = PlaybookTool(
    name="search_journal_logs",
    summary="Find the newest journal entries of the last hours that hold a text, of one systemd unit or all.",
    risk=Risk.SENSITIVE,
    input=JournalSearch,
    playbook="journal/search_journal_logs.yml",
    report=JournalEntries,
)
