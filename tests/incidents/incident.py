"""An incident: faults that a script plants on real hosts, the looks that a solver takes, and
the facts that the answers have to tell.

A case is a file of `cases/`:

    request: what the user says
    hosts: [deb12]       # where it happens; the first is asked where a look names none
    draw:                # values that are drawn for each run
      name: word
      size_mb: [60, 90]  # a whole number from .. to
      user: {one of: [anna, bert]}
    plant: |             # for /bin/sh on the first host, as root; the values are its variables
      …                  # what it prints as `told NAME VALUE` are values for what follows
    mend: |              # so that the host is as before
      …
    looks:
      - tool: get_disk_usage
        arguments: {path: /srv/$name}
        tells: {file_systems: [{mount_point: /srv/$name, used_percent: ">= 90"}]}

Of `tells`, a mapping is held by one that has all of it, a list by one that has each of its
items somewhere; a text may be `>= NUMBER`, `~ PART` of a text, or `*` for anything but null.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import yaml

CASES = sorted((Path(__file__).parent / "cases").glob("*.yml"))
LETTERS = "bcdfghjklmnpqrstvwxz"
SECOND = "aeiou"


@dataclass(frozen=True, kw_only=True)
class Look:
    """A call, and what its answer has to tell of the host."""

    tool: str
    tells: Any
    arguments: Mapping[str, Any] = field(default_factory=dict)
    server: str | None = None


@dataclass(frozen=True, kw_only=True)
class Incident:
    """An incident whose values are drawn."""

    request: str
    hosts: Sequence[str]
    plant: Mapping[str, str]
    mend: Mapping[str, str]
    looks: Sequence[Mapping[str, Any]]
    values: dict[str, str]

    @classmethod
    def drawn(cls, path: Path, seed: int) -> Incident:
        """The incident of the file, the same for the same seed."""
        case = yaml.safe_load(path.read_text())
        dice = random.Random(f"{path.stem} {seed}")
        values = {name: _drawn(how, dice) for name, how in case.get("draw", {}).items()}
        hosts = case.get("hosts", ["deb12"])
        return cls(
            request=case["request"],
            hosts=hosts,
            plant=_by_host(case["plant"], hosts),
            mend=_by_host(case.get("mend", ""), hosts),
            looks=case["looks"],
            values=values,
        )

    def taken(self) -> Iterator[Look]:
        """The looks, with the values that are known by now."""
        for look in self.looks:
            yield Look(**_with(look, self.values))

    def learn(self, printed: str) -> None:
        """Takes the values that `plant` has told."""
        for line in printed.splitlines():
            word, _, rest = line.partition(" ")
            if word == "told":
                name, _, value = rest.partition(" ")
                self.values[name] = value


def lacking(found: Any, wanted: Any, at: str = "") -> Iterator[str]:
    """What of the wanted facts an answer does not tell, each with its place."""
    match wanted:
        case dict():
            for name, value in wanted.items():
                of_it = found.get(name) if isinstance(found, dict) else None
                yield from lacking(of_it, value, f"{at}.{name}")
        case list():
            items = found if isinstance(found, list) else []
            for value in wanted:
                if not any(next(lacking(item, value), None) is None for item in items):
                    yield f"{at}: nothing like {value}"
        case _:
            if not _is(found, str(wanted)):
                yield f"{at}: {found!r} is not {wanted}"


def _is(found: Any, wanted: str) -> bool:
    operator, _, operand = wanted.partition(" ")
    if operator == ">=":
        return isinstance(found, int | float) and found >= float(operand)
    if operator == "~":
        return isinstance(found, str) and operand in found
    return found is not None and wanted in ("*", str(found))


def _drawn(how: Any, dice: random.Random) -> str:
    match how:
        case "word":
            return "".join(dice.choice(LETTERS) + dice.choice(SECOND) for _ in range(4))
        case [int() as low, int() as high]:
            return str(dice.randint(low, high))
        case {"one of": [*choices]}:
            return str(dice.choice(choices))
    raise ValueError(f"cannot be drawn: {how}")


def _by_host(script: str | Mapping[str, str], hosts: Sequence[str]) -> Mapping[str, str]:
    return {hosts[0]: script} if isinstance(script, str) else script


def _with(node: Any, values: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {_with(key, values): _with(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [_with(value, values) for value in node]
    return Template(node).safe_substitute(values) if isinstance(node, str) else node
