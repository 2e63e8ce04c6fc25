"""What may stand in a policy file: its parts as models, and what is told of a part that is
wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, time, tzinfo
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from playrail.policy.rules import OTHERS, TIERS, Decision, LimitsOfCaller, LimitsOfHost
from playrail.settings.servers import shown
from playrail.tools.tool import Risk

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
KINDS = ("group", "tag", "tier")

_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
# Most of them are the mark of somebody who expects patterns
_NO_NAME = re.compile(r"[*?\[\]!&,~\s]")

Place = tuple[str | int, ...]
"""Where something stands in the file: keys, and numbers in lists."""

T = TypeVar("T")


def _one_of(kind: str, allowed: Mapping[str, T]) -> Callable[[object], T]:
    def read(word: object) -> T:
        if not isinstance(word, str) or word not in allowed:
            raise ValueError(f"unknown {kind} {_quoted(word)}; allowed are {', '.join(allowed)}")
        return allowed[word]

    return read


def _time(text: object) -> time:
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{_quoted(text)} is no time; allowed are times from 00:00 to 23:59")
    return time(int(found[1]), int(found[2]))


def _zone(name: object) -> tzinfo:
    if name == "UTC":
        return UTC  # also where the machine has no database of time zones
    try:
        return ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"unknown time zone {_quoted(name)}; allowed are UTC and those that this machine "
            "has (package tzdata), "
            "such as Europe/Warsaw"
        ) from None


def _name(text: object) -> str:
    if not isinstance(text, str) or not text or _NO_NAME.search(text):
        raise ValueError(
            f"{_quoted(text)} is no name; patterns are not known, and what is left out means any"
        )
    return text


def _host(text: object) -> str:
    kind, colon, _ = _name(text).partition(":")
    if colon and kind not in KINDS:
        raise ValueError(
            f"unknown kind {_quoted(kind)}; allowed are NAME, group:NAME, tag:NAME and tier:NAME"
        )
    return str(text)


def _limited_host(text: object) -> str:
    return OTHERS if text == OTHERS else _host(text)


def _limited_caller(text: object) -> str:
    return OTHERS if text == OTHERS else _name(text)


def _words(value: object) -> object:
    """A single word is a list of one. A tuple, since the models are strict."""
    return tuple(value) if isinstance(value, list) else (value,)


Name = Annotated[str, BeforeValidator(_name)]
HostWord = Annotated[str, BeforeValidator(_host)]
Clock = Annotated[time, BeforeValidator(_time)]
RiskWord = Annotated[Risk, BeforeValidator(_one_of("risk", Risk.__members__))]
Then = Annotated[
    Decision,
    BeforeValidator(_one_of("decision", {decision.word: decision for decision in Decision})),
]
Day = Annotated[
    int, BeforeValidator(_one_of("day", {day: number for number, day in enumerate(DAYS)}))
]


class Entry(BaseModel):
    """A part of the file."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True
    )


class WindowEntry(Entry):
    days: Annotated[tuple[Day, ...], BeforeValidator(_words)] = tuple(range(7))
    start: Clock = Field(default=time.min, alias="from")
    end: Clock = Field(default=time.min, alias="to")
    timezone: Annotated[tzinfo, BeforeValidator(_zone)]


class LimitsEntry(Entry):
    callers: dict[Annotated[str, BeforeValidator(_limited_caller)], LimitsOfCaller] = Field(
        default_factory=dict
    )
    hosts: dict[Annotated[str, BeforeValidator(_limited_host)], LimitsOfHost] = Field(
        default_factory=dict
    )


class RuleEntry(Entry):
    name: Annotated[str, Field(min_length=1, max_length=100)]
    callers: Annotated[tuple[Name, ...], BeforeValidator(_words)] = ()
    hosts: Annotated[tuple[HostWord, ...], BeforeValidator(_words)] = ()
    tools: Annotated[tuple[Name, ...], BeforeValidator(_words)] = ()
    risk: Annotated[tuple[RiskWord, ...], BeforeValidator(_words)] = ()
    during: Name = ""
    then: Then


class PolicyEntry(Entry):
    tiers: Annotated[tuple[Name, ...], BeforeValidator(_words)] = TIERS
    windows: dict[Name, WindowEntry] = Field(default_factory=dict)
    limits: LimitsEntry = LimitsEntry()
    rules: list[RuleEntry]


def place_of(loc: tuple[int | str, ...]) -> Place:
    # pydantic's mark that the key itself is wrong
    return tuple(part for part in loc if part != "[key]")


def told(place: Place, kind: str, message: str) -> str:
    """What is wrong with what stands there, and what is allowed."""
    key = next((str(part) for part in reversed(place) if isinstance(part, str)), "the file")
    if kind == "extra_forbidden":
        return f"unknown key {_quoted(key)}; allowed are {', '.join(_keys_beside(place))}"
    if kind == "missing":
        return f"{key}: is required"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return (
            f"{key}: should be keys with values; allowed are "
            f"{', '.join(_keys_beside((*place, '')) or ('names',))}"
        )
    return f"{key}: {message.removeprefix('Value error, ').replace('Input should be', 'should be')}"


def _keys_beside(place: Place) -> Sequence[str]:
    """The keys that the part of the file has in which `place` is."""
    match place:
        case ("windows", _, _):
            part: type[BaseModel] = WindowEntry
        case ("limits", _):
            part = LimitsEntry
        case ("limits", "callers", _, _):
            part = LimitsOfCaller
        case ("limits", "hosts", _, _):
            part = LimitsOfHost
        case ("rules", _, _):
            part = RuleEntry
        case (_,):
            part = PolicyEntry
        case _:
            return ()
    return [field.alias or name for name, field in part.model_fields.items()]


def _quoted(value: object) -> str:
    return shown(value if isinstance(value, str) else str(value))
