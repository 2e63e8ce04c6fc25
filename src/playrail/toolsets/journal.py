"""systemd's journal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from playrail.errors import Problem
from playrail.fields import UnitName
from playrail.tool import OnHosts, PlaybookTool, Report, Risk

PRIORITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")  # syslog(3)
EPOCH = datetime.fromtimestamp(0, UTC)
UNREADABLE = re.compile(r"Failed to open journal (?:file|directory) .*: Permission denied")
SINCE_FORMAT = "%Y-%m-%d %H:%M:%S.%f UTC"
MAX_ANSWER_BYTES = 256 * 1024  # of messages; journalctl itself leaves out a message of more than 4 KiB
HOW_TO_SEE_MORE = "The operator can add Playrail's user to the group systemd-journal, or set become for this host."


def _since(text: str) -> str:
    """A time as every journalctl reads it. Without an offset it is UTC; a date is its first moment."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be an ISO 8601 date or time, such as 2026-01-31T12:00:00Z") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.strftime(SINCE_FORMAT)


def _moment(since: str) -> datetime:
    return datetime.strptime(since, SINCE_FORMAT).replace(tzinfo=UTC)


Since = Annotated[str, AfterValidator(_since)]
Cursor = Annotated[str, Field(pattern=r"^[a-z]=[0-9a-f]+(;[a-z]=[0-9a-f]+){1,9}$", max_length=300)]


class JournalPart(OnHosts):
    unit: UnitName
    lines: int = Field(default=50, ge=1, le=1000, description="How many entries at most.", examples=[50])
    since: Since | None = Field(
        default=None,
        description="Only entries from this date or time on, ISO 8601; UTC when it has no offset.",
        examples=["2026-01-31", "2026-01-31T12:00:00+01:00"],
    )
    before: Cursor | None = Field(
        default=None,
        description="Only entries older than this one: `older` of the answer before.",
        examples=["s=4720aa27;i=108;b=98c9905e;m=4ec9fa5e;t=660bc2e2f1636;x=d204faab"],
    )


class Entry(Report):
    time: datetime = Field(description="When it was written, to the microsecond.")
    priority: str | None = Field(description="emerg, alert, crit, err, warning, notice, info or debug.")
    unit: str | None = Field(description="The unit that it is about.")
    identifier: str | None = Field(description="The name of the program that wrote it.")
    pid: int | None = Field(description="The process that wrote it.")
    message: str | None = Field(description="The text; null when it is longer than 4 KiB.")
    cursor: str = Field(description="The entry's place in the journal.")


class JournalEntries(Report):
    entries: list[Entry] | None = Field(
        description="The newest ones, oldest first; null when the journal was not read."
    )
    older: str | None = Field(description="What to pass as `before` for older entries; null when there are none.")
    incomplete: bool = Field(description="Whether the user on the host may not see all entries.")
    truncated: bool = Field(
        description="Whether a message was left out, or entries that would make the answer too long."
    )

    trouble: str | None = Field(default=None, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _of_journalctl(cls, raw: Any, info: ValidationInfo) -> Any:
        if not isinstance(raw, dict) or "stdout" not in raw:
            raise ValueError("is no result of journalctl")
        incomplete = UNREADABLE.search(raw["stderr"]) is not None
        if raw["rc"] != 0:
            nothing = {"entries": None, "older": None, "truncated": False}
            return {**nothing, "incomplete": incomplete, "trouble": raw["stderr"] or raw.get("msg")}
        return {**_part(raw["stdout"], (info.context or {})["given"]), "incomplete": incomplete}

    def problem(self) -> Problem | None:
        trouble = self.trouble or ""
        if "insufficient permissions" in trouble:
            return Problem(
                code="permission_denied",
                error="The user that Playrail logs in as may not read the journal of this host.",
                hint=HOW_TO_SEE_MORE,
            )
        if "seek to cursor" in trouble:
            return Problem(
                code="invalid_argument",
                error="before: is no place in this host's journal.",
                hint="Pass `older` of an answer from the same host, or leave it out.",
            )
        return None


def _part(stdout: str, given: JournalPart) -> dict[str, Any]:
    """What of journalctl's entries, newest first and one more than asked for, makes the answer."""
    found = [_entry(json.loads(line)) for line in stdout.split("\n") if line.startswith("{")]
    if given.since is not None:  # journalctl takes either a time or a cursor
        found = [entry for entry in found if entry["time"] >= _moment(given.since)]
    asked = found[: given.lines]
    kept = list(_within_bounds(asked))
    return {
        "entries": kept[::-1],
        "older": kept[-1]["cursor"] if len(kept) < len(found) else None,
        "truncated": len(kept) < len(asked) or any(entry["message"] is None for entry in kept),
    }


def _within_bounds(entries: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    left = MAX_ANSWER_BYTES
    for entry in entries:
        left -= len((entry["message"] or "").encode())
        if left < 0:
            return
        yield entry


def _entry(raw: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of `journalctl --output=json`, whose fields systemd.journal-fields(7) lists."""
    priority = _text(raw.get("PRIORITY"))
    return {
        "time": EPOCH + timedelta(microseconds=int(raw["__REALTIME_TIMESTAMP"])),
        "priority": PRIORITIES[int(priority)] if priority and priority in "01234567" else None,
        "unit": _text(raw.get("UNIT")) or _text(raw.get("_SYSTEMD_UNIT")),
        "identifier": _text(raw.get("SYSLOG_IDENTIFIER")) or _text(raw.get("_COMM")),
        "pid": _text(raw.get("_PID")),
        "message": _text(raw.get("MESSAGE")),
        "cursor": raw["__CURSOR"],
    }


def _text(value: Any) -> str | None:
    """A field's text. journalctl gives the bytes of what is not printable text, and a list when a field comes twice."""
    if isinstance(value, list) and all(isinstance(one, int) for one in value):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, list):
        return "\n".join(_text(one) or "" for one in value)
    return None if value is None else str(value)


get_journal_logs = PlaybookTool(
    name="get_journal_logs",
    summary="Read the newest journal entries of a systemd unit, since a time or before an entry that was already read.",
    risk=Risk.SENSITIVE,
    input=JournalPart,
    playbook="journal/get_journal_logs.yml",
    report=JournalEntries,
)
