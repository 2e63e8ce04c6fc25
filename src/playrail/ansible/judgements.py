"""What Playrail does with each setting of Ansible. The table is judgements.yml;
environment.py acts by it.

`python -m playrail.ansible.judgements docs/ansible-settings.md` writes the page for
readers.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

TABLE = Path(__file__).with_suffix(".yml")
# The C parser needs 6 ms for the table, the other one 80.
_NEXT = re.compile(r"\n(?! )")  # a setting's first line is not indented
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Verdict(StrEnum):
    """What becomes of the user's own value."""

    TAKEN = "taken"
    PRESET = "preset"
    ADDED_TO = "added to"
    DECIDED = "decided"
    REFUSED = "refused"


MEANINGS = {
    Verdict.TAKEN: "your own value counts",
    Verdict.PRESET: "your own value counts, and where there is none, Playrail's",
    Verdict.ADDED_TO: "your own value counts, with what the last column says",
    Verdict.DECIDED: "Playrail's value counts, whatever you say",
    Verdict.REFUSED: "Ansible does not get your own value",
}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A setting by all its names: in Ansible's list, `section/key`, environment,
    inventories.
    """

    name: str
    ini: tuple[str, ...]
    env: tuple[str, ...]
    variables: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What is done with some settings, and why. See the head of the table for `held` and
    `where`.
    """

    verdict: Verdict
    why: str
    value: str | None
    held: bool
    where: str | None
    settings: tuple[Setting, ...]

    @property
    def env(self) -> dict[str, str]:
        """The environment that sets the value: of each setting its first name."""
        assert self.value is not None  # where a value is asked for, the table has one
        return {setting.env[0]: self.value for setting in self.settings if setting.env}


@functools.cache
def judgements() -> tuple[Judgement, ...]:
    """Return the table."""
    entries = yaml.load(TABLE.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506  a safe one
    return tuple(map(_judgement, entries))


def decided(where: str | None = None) -> dict[str, str]:
    """Return the environment that decides settings everywhere, or at one place."""
    found = (each for each in judgements() if each.verdict is Verdict.DECIDED)
    return {
        name: value for each in found if each.where == where for name, value in each.env.items()
    }


@functools.cache
def held() -> dict[str, Any]:
    """Return the variables for every play by which a value holds against an inventory's."""
    return {
        variable: yaml.safe_load(each.value or "")
        for each in judgements()
        if each.held
        for setting in each.settings
        for variable in setting.variables
    }


@functools.cache
def dropped() -> frozenset[str]:
    """Return the environment variables that would have a part in what is decided or
    refused.
    """
    ours = (Verdict.DECIDED, Verdict.REFUSED)
    found = (
        each for each in judgements() if each.verdict in ours and each.where in (None, "given")
    )
    return frozenset(name for each in found for setting in each.settings for name in setting.env)


@functools.cache
def setting_of(name: str) -> Setting:
    """Return the setting that Ansible's list has by this name."""
    found = (setting for each in judgements() for setting in each.settings)
    return next(setting for setting in found if setting.name == name)


def _judgement(entry: dict[str, Any]) -> Judgement:
    return Judgement(
        verdict=Verdict(entry["judged"]),
        why=entry["why"],
        value=entry.get("value"),
        held=entry.get("held", False),
        where=entry.get("where"),
        settings=tuple(
            _setting(*names.split()) for names in _NEXT.split(entry["settings"].strip())
        ),
    )


def _setting(name: str, *names: str) -> Setting:
    ini = tuple(each for each in names if "/" in each)
    return Setting(
        name=name,
        ini=ini,
        env=tuple(each for each in names if each.isupper() and each not in ini),
        variables=tuple(each for each in names if not each.isupper() and each not in ini),
    )


def page() -> str:
    """Return the table as a page for readers."""
    return "\n".join([*_head(), *(line for verdict in _ORDER for line in _section(verdict))]) + "\n"


_ORDER = (Verdict.DECIDED, Verdict.ADDED_TO, Verdict.PRESET, Verdict.REFUSED, Verdict.TAKEN)


def _head() -> Iterator[str]:
    yield "# Ansible's settings, and what Playrail does with each"
    yield ""
    yield (
        "Playrail runs Ansible with your `ansible.cfg`, your `ANSIBLE_*` variables and your "
        "inventories. This page says of every setting whether yours counts. Its names are those of "
        "`ansible-config list`; an option of a plugin has the plugin before it. Settings that your "
        "version of Ansible does not have mean nothing to it."
    )
    yield ""
    yield (
        "It is made by `python -m playrail.ansible.judgements docs/ansible-settings.md` from "
        "`src/playrail/ansible/judgements.yml`, and a test fails when it is not, or when Ansible "
        "has a setting that is not here."
    )
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    for verdict in _ORDER:
        yield f"| [{verdict}](#{verdict.replace(' ', '-')}) | {MEANINGS[verdict]} |"
    yield ""
    yield (
        "Variables that begin with `ANSIBLE_` and are not here, such as those of collections, "
        "reach "
        "Ansible as they are; others only when `PLAYRAIL_PASS_ENV` names them."
    )


def _section(verdict: Verdict) -> Iterator[str]:
    yield ""
    yield f"## {verdict.capitalize()}"
    yield ""
    meaning = MEANINGS[verdict]
    yield f"{meaning[0].upper()}{meaning[1:]}."
    valued = verdict in (Verdict.DECIDED, Verdict.PRESET)
    yield ""
    yield (
        "| setting | ansible.cfg | environment | inventories |"
        + (" Playrail's |" if valued else "")
        + " why |"
    )
    yield "| --- | --- | --- | --- | --- |" + (" --- |" if valued else "")
    for each in (each for each in judgements() if each.verdict is verdict):
        value = f" {_value(each)} |" if valued else ""
        for setting in each.settings:
            names = " | ".join(map(_words, (setting.ini, setting.env, setting.variables)))
            yield f"| `{setting.name}` | {names} |{value} {each.why} |"


def _value(each: Judgement) -> str:
    if each.where == "run":
        return str(each.value)
    value = f"`{each.value}`" if each.value else "nothing"
    notes = ["where it was given"] if each.where == "given" else []
    notes += ["where inventories are read"] if each.where == "inventory" else []
    notes += ["against variables of inventories too"] if each.held else []
    return f"{value}, {', '.join(notes)}" if notes else value


def _words(names: Iterable[str]) -> str:
    return ", ".join(f"`{_readable(name)}`" for name in names)


def _readable(name: str) -> str:
    section, slash, key = name.partition("/")
    return f"[{section}] {key}" if slash else name


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
