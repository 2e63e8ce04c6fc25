"""systemd's journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from playrail.codes import files, work
from playrail.errors import Problem
from playrail.safe_text.remote_text import sentence
from playrail.settings.content import content_root
from playrail.tools.arguments import More
from playrail.tools.brief import Brief
from playrail.tools.fields import CONTROL, Since, UnitName, moment
from playrail.tools.reading import Reading
from playrail.tools.tool import PlaybookTool, Report, Risk
from playrail.tools.toolset import Toolset
from playrail.tools.troubled import OrTrouble

SINCE_FORMAT = "%Y-%m-%d %H:%M:%S.%f UTC"
HOW_TO_SEE_MORE = (
    "The operator can add Playrail's user to the group systemd-journal, or set become for this "
    "host."
)


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
        description="Only older entries: `older` of the last answer.",
        examples=["s=4720aa27;i=108;b=98c9905e;m=4ec9fa5e;t=660bc2e2f1636;x=d204faab"],
    ),
]
Lines = Annotated[int, Field(ge=1, le=1000, description="Most entries.", examples=[50])]


MessageCharacters = Annotated[
    int,
    More,
    Field(ge=50, le=100_000, description="Most of each message.", examples=[500]),
]


Term = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="Text that a message holds; no pattern.",
        examples=["connection refused"],
    ),
    AfterValidator(_one_line),
]
Priority = Literal["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]
Moment = Annotated[Since, AfterValidator(_as_read)]


class JournalPart(Reading):
    unit: UnitName | None = None
    lines: Lines = 50
    since: Moment | None = None
    until: Annotated[Moment, Field(description="Up to this time.")] | None = None
    term: Term | None = None
    priority: Priority | None = Field(
        default=None, description="This and worse.", examples=["warning"]
    )
    before: Cursor | None = None
    message_characters: MessageCharacters = 500


class ErrorsPart(Reading):
    hours: int = Field(default=1, ge=1, le=168, description="How far to look back.", examples=[1])
    lines: Lines = 50
    before: Cursor | None = None
    message_characters: MessageCharacters = 500


class JournalSearch(Reading):
    term: Term
    lines: Lines = 50
    hours: int = Field(default=24, ge=1, le=720, description="How far to look back.", examples=[24])
    unit: UnitName | None = None
    ignore_case: bool = Field(
        default=True, description="Upper and lower case are alike.", examples=[True]
    )
    before: Cursor | None = None
    message_characters: MessageCharacters = 500


class Entry(Report):
    time: datetime | None = Field(
        default=None,
        description="When it was written, to the second; null for that of the entry before.",
    )
    priority: str | None = Field(
        default=None, description="emerg, alert, crit, err, warning, notice, info or debug."
    )
    unit: str | None = Field(
        default=None, description="The unit that it is about, where that is not the one above."
    )
    user_number: int | None = Field(default=None, description="Of a user's own unit: whose.")
    identifier: str | None = Field(
        default=None, description="The name of the program that wrote it."
    )
    pid: int | None = Field(default=None, description="The process that wrote it.")
    message: str | None = Field(
        default=None,
        description=(
            "The text; of a long one message_characters, with … where something is left out."
        ),
    )
    message_bytes: int | None = Field(
        default=None, description="Of a message that was cut: how long it is."
    )


class Usual(Brief):
    priority: str | None = None
    unit: str | None = None
    user_number: int | None = None
    identifier: str | None = None
    pid: int | None = None


def _told_once(entries: list[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What most of the entries say, where each of them says something, and the entries
    without it, and without a time that is the one of the entry before.
    """
    usual = {}
    for name in Usual.model_fields:
        values = [entry.get(name) for entry in entries]
        most, times = Counter(values).most_common(1)[0] if values else (None, 0)
        if times > 1 and None not in values:
            usual[name] = most
    rest = [
        {name: value for name, value in entry.items() if name not in usual or usual[name] != value}
        for entry in entries
    ]
    for entry, before in zip(rest[1:], entries, strict=False):
        if entry.get("time") == before.get("time"):
            entry.pop("time", None)
    return usual, rest


class JournalEntries(Brief, OrTrouble):
    unit: str | None = Field(
        default=None, description="The real name of the unit that was asked for."
    )
    usual: Usual | None = Field(
        default=None, description="What holds of each entry that says nothing else."
    )
    entries: list[Entry] | None = Field(
        description="The newest ones, oldest first; null when the journal was not read."
    )
    older: str | None = Field(
        description="What to pass as `before` for older entries; null when there are none."
    )
    kept_since: datetime | None = Field(
        default=None,
        description=(
            "Where there are no older ones: the time of the oldest entry of the whole journal."
        ),
    )
    notes: list[str] | None = Field(
        default=None, description="What this journal does not hold, and why."
    )
    by_ansible: int | None = Field(
        default=None,
        description="How many entries were left out in which Ansible tells what it runs.",
    )
    incomplete: bool = Field(
        default=False, description="Whether the user on the host may not see all entries."
    )
    truncated: bool = Field(
        default=False,
        description=(
            "Whether a message was cut, or entries were left out that would make the answer "
            "too long."
        ),
    )
    complete: bool | None = Field(
        default=True,
        description=(
            "False when time was over before all was read: there may be more; null when it was "
            "not read."
        ),
    )

    @model_validator(mode="before")
    @classmethod
    def _of_module(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            # pydantic's way to refuse
            raise ValueError("is no result of read_journal")
        problem = _problem_of(raw)
        if problem is not None:
            return {
                **cls.without_all(problem),
                "incomplete": problem.code == files.PERMISSION_DENIED,
            }
        if "entries" not in raw:
            return raw
        usual, entries = _told_once(raw["entries"][::-1])
        return {
            **raw,
            "usual": usual or None,
            "entries": entries,
            "by_ansible": raw.get("by_ansible") or None,
            "trouble": None,
        }

    def problem(self) -> Problem | None:
        if self.trouble is not None:
            return self.trouble
        if self.complete is False and not self.entries:
            return Problem.of(work.JOURNAL_TIMED_OUT)
        return None

    @property
    def cut(self) -> bool:
        return super().cut or self.complete is False


def _problem_of(raw: Mapping[str, Any]) -> Problem | None:
    """The failures for which this toolset has better words than the module's."""
    match raw.get("playrail_code"):
        case files.PERMISSION_DENIED:
            return Problem.of(
                files.PERMISSION_DENIED,
                "The user that Playrail logs in as may not read these entries of this host's "
                "journal.",
                hint=HOW_TO_SEE_MORE,
            )
        case work.SERVICE_NOT_FOUND:
            return Problem.of(
                work.SERVICE_NOT_FOUND,
                sentence(raw.get("msg")),
                hint=("Ask for a unit that there is, or without `unit` for entries of all."),
            )
    return None


class UnitCount(Report):
    unit: str = Field(description="A unit, or a program that belongs to none.")
    entries: int


class SystemErrors(JournalEntries):
    counts: list[UnitCount] | None = Field(
        description="How many of `counted` each unit has, most first; at most 20."
    )
    counted: int | None = Field(description="How many there are, counted up to 5000.")


get_journal_logs = PlaybookTool(
    name="get_journal_logs",
    summary=(
        "Show the logs (journal) of a service, or what a whole server did log: by text, time, "
        "priority."
    ),
    risk=Risk.SENSITIVE,
    input=JournalPart,
    playbook="journal/get_journal_logs.yml",
    report=JournalEntries,
)

find_system_errors = PlaybookTool(
    name="find_system_errors",
    summary=(
        "What went wrong: errors of the last hours in a server's whole journal, and how many of "
        "each."
    ),
    risk=Risk.SENSITIVE,
    input=ErrorsPart,
    playbook="journal/find_system_errors.yml",
    report=SystemErrors,
    same_as="get_journal_logs",
)

search_journal_logs = PlaybookTool(
    name="search_journal_logs",
    summary=(
        "Find text in the logs: journal entries of the last hours that hold it, of one systemd "
        "unit or all."
    ),
    risk=Risk.SENSITIVE,
    input=JournalSearch,
    playbook="journal/search_journal_logs.yml",
    report=JournalEntries,
    same_as="get_journal_logs",
)

toolset = Toolset(
    name="journal",
    content=content_root(),
    tools=(get_journal_logs, find_system_errors, search_journal_logs),
)
