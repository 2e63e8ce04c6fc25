"""The variables that decide one thing each, and what is allowed in them.

They are checked by pydantic, as servers are. pydantic-settings would read them too, but takes
as long to import as all else that the start needs, and MCP clients wait for the start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo

from playrail.errors import SettingsInvalid
from playrail.settings.entry_fields import expand_user

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
TEXTS = ("auto", "full", "short")
# Stands for the rules that the host modules for files have built in
BUILT_IN_RULES = "default"
_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off", ""})
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NEVER_PASSED = ("MCP_", "MIKRUS_", "PLAYRAIL_")  # these hold Playrail's own secrets


def _switch(text: str) -> bool:
    word = text.strip().lower()
    if word not in _YES | _NO:
        raise ValueError(
            "is neither yes nor no; allowed are 1, true, yes, on and 0, false, no, off"
        )
    return word in _YES


def _number(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,5}", text):
        raise ValueError("is no number; allowed are whole ones from 1 to 999999")
    return int(text)


def _rate(text: str) -> tuple[int, int]:
    rate = re.fullmatch(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})", text)
    if rate is None:
        raise ValueError(
            "is no rate; allowed is REQUESTS/SECONDS such as 5/60, both from 1 to 9999"
        )
    return int(rate[1]), int(rate[2])


def _log_level(text: str) -> str:
    level = text.strip().upper()
    if level not in LOG_LEVELS:
        raise ValueError(f"no such level; allowed are {', '.join(LOG_LEVELS)}")
    return level


def _text(text: str) -> str:
    word = text.strip().lower()
    if word not in TEXTS:
        raise ValueError(f"no such word; allowed are {', '.join(TEXTS)}")
    return word


def _words(text: str) -> tuple[str, ...]:
    """A list with commas, each word once."""
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def _rules(text: str) -> tuple[str, ...]:
    rules = _words(text)
    if not all(rule == BUILT_IN_RULES or rule.removeprefix("!").startswith("/") for rule in rules):
        raise ValueError(
            "holds something else; allowed are patterns that begin with / (exceptions with !/), "
            f"and the word {BUILT_IN_RULES} for the built-in ones, with commas"
        )
    return rules or (BUILT_IN_RULES,)


def _names(text: str) -> tuple[str, ...]:
    """Names of variables that a play may read."""
    names = _words(text)
    for name in names:
        if not _VARIABLE.fullmatch(name):
            raise ValueError("holds something else; allowed are names of variables, with commas")
        if name.startswith(_NEVER_PASSED):
            raise ValueError(f"{name} is never passed; allowed are variables of your own")
    return names


def _path(text: str, info: ValidationInfo) -> Path:
    return expand_user(text, (info.context or {}).get("home")).absolute()


def _directory(text: str, info: ValidationInfo) -> Path:
    path = _path(text, info)
    if path.exists() and not path.is_dir():
        raise ValueError(
            f"{str(path)!r} is not a directory; allowed is a directory or a path to make one"
        )
    return path


Switch = Annotated[bool, BeforeValidator(_switch)]
Number = Annotated[int, BeforeValidator(_number)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Rules = Annotated[tuple[str, ...], BeforeValidator(_rules)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Directory = Annotated[Path, BeforeValidator(_directory)]
AnyPath = Annotated[Path, BeforeValidator(_path)]


class Variables(BaseModel):
    """A field of Settings each, by its name there; None: the variable is not set."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state_dir: Directory | None = Field(None, alias="PLAYRAIL_STATE_DIR")
    runtime_dir: Directory | None = Field(None, alias="PLAYRAIL_RUNTIME_DIR")
    enable_write_operations: Switch | None = Field(None, alias="ENABLE_WRITE_OPERATIONS")
    policy_file: AnyPath | None = Field(None, alias="PLAYRAIL_POLICY")
    looks_file: AnyPath | None = Field(None, alias="PLAYRAIL_LOOKS")
    log_level: Annotated[str, BeforeValidator(_log_level)] | None = Field(None, alias="LOG_LEVEL")
    allow_inventory_scripts: Switch | None = Field(None, alias="PLAYRAIL_ALLOW_INVENTORY_SCRIPTS")
    pass_env: Names | None = Field(None, alias="PLAYRAIL_PASS_ENV")
    toolsets: Words | None = Field(None, alias="PLAYRAIL_TOOLSETS")
    aliases: Switch | None = Field(None, alias="PLAYRAIL_ALIASES")
    protect_read: Rules | None = Field(None, alias="PLAYRAIL_PROTECT_READ")
    protect_write: Rules | None = Field(None, alias="PLAYRAIL_PROTECT_WRITE")
    mikrus_rate: Annotated[tuple[int, int], BeforeValidator(_rate)] | None = Field(
        None, alias="PLAYRAIL_MIKRUS_RATE"
    )
    text: Annotated[str, BeforeValidator(_text)] | None = Field(None, alias="PLAYRAIL_TEXT")
    output_schemas: Switch | None = Field(None, alias="PLAYRAIL_OUTPUT_SCHEMAS")
    warm: Switch | None = Field(None, alias="PLAYRAIL_WARM")
    warm_idle_s: Number | None = Field(None, alias="PLAYRAIL_WARM_IDLE_S")
    warm_memory_mb: Number | None = Field(None, alias="PLAYRAIL_WARM_MEMORY_MB")


_READ_ELSEWHERE = ("PLAYRAIL_INVENTORY", "PLAYRAIL_PROJECT")  # by project.py
PLAYRAIL_VARIABLES = sorted(
    name
    for name in (
        *(field.alias or "" for field in Variables.model_fields.values()),
        *_READ_ELSEWHERE,
    )
    if name.startswith("PLAYRAIL_")
)


def decided(values: Mapping[str, str], *, home: str | None) -> dict[str, Any]:
    """The fields of Settings that variables decide. Raises SettingsInvalid, with the
    variable's name, what is wrong and what is allowed.
    """
    try:
        variables = Variables.model_validate(dict(values), context={"home": home})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise SettingsInvalid(f"{first['loc'][0]}: {first['ctx']['error']}") from None
    return {name: value for name, value in variables if value is not None}
