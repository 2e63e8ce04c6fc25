"""What was measured, what that is against the targets, and how both are shown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .place import NotMeasured


@dataclass
class Results:
    """`samples` holds seconds by what was done and by whom, `memory` MiB by moment and by
    kind.

    `missing` says of what could not be measured why.
    """

    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    memory: dict[str, dict[str, float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def add(self, done: str, by: str, seconds: float) -> None:
        """Adds one sample."""
        self.samples.setdefault(done, {}).setdefault(by, []).append(seconds)

    def drop(self, done: str, by: str, why: object) -> None:
        """Forgets the samples of what then failed: they would not be of what they seem to
        be.
        """
        self.samples.get(done, {}).pop(by, None)
        self.miss(f"{by}: {done}", why)

    def miss(self, what: str, why: object) -> None:
        """Notes that something could not be measured. The first reason stays: others mostly
        follow from it.
        """
        self.missing.setdefault(what, str(why))

    def of(self, done: str, by: str) -> list[float]:
        """The samples, at least one. Raises NotMeasured."""
        found = self.samples.get(done, {}).get(by)
        if not found:
            raise NotMeasured(f"no figure of {by}: {done}")
        return found

    def p50(self, done: str, by: str) -> float:
        """The median in seconds. Raises NotMeasured."""
        return statistics.median(self.of(done, by))

    def p95(self, done: str, by: str) -> float:
        """The 95th percentile in seconds: the smallest sample that 95 % do not exceed.
        Raises NotMeasured.
        """
        return p95(self.of(done, by))

    def mib(self, moment: str, kind: str) -> float:
        """Memory in MiB. Raises NotMeasured."""
        if moment not in self.memory:
            raise NotMeasured(f"no figure of the memory {moment}")
        return self.memory[moment][kind]


def p95(samples: Sequence[float]) -> float:
    return sorted(samples)[math.ceil(0.95 * len(samples)) - 1]


@dataclass(frozen=True, kw_only=True)
class Target:
    """One line of the targets. `value` computes the figure; with `greater` it must be at
    least `must`.
    """

    title: str
    value: Callable[[Results], float]
    must: float
    aim: float
    unit: str = ""
    greater: bool = False

    def judged(self, results: Results) -> dict[str, Any]:
        """The figure and what it is against the target, or why there is none."""
        told = {
            "title": self.title,
            "must": self.must,
            "aim": self.aim,
            "unit": self.unit,
            "greater": self.greater,
        }
        try:
            value = self.value(results)
        except NotMeasured as error:
            return {**told, "value": None, "verdict": "not measured", "why": str(error)}
        return {**told, "value": value, "verdict": self._verdict(value)}

    def _verdict(self, value: float) -> str:
        for bound, verdict in ((self.aim, "pass (aim)"), (self.must, "pass")):
            if value >= bound if self.greater else value <= bound:
                return verdict
        return "FAIL"


def times_table(samples: Mapping[str, Mapping[str, Sequence[float]]]) -> list[str]:
    """Rows per thing done and contender: median, 95th percentile and number of samples, in
    ms.
    """
    lines = ["| what | by | p50 ms | p95 ms | n |", "| --- | --- | ---: | ---: | ---: |"]
    for done, contenders in samples.items():
        for by, taken in contenders.items():
            middle, high = statistics.median(taken), p95(taken)
            lines.append(
                f"| {done} | {by} | {middle * 1000:,.1f} | {high * 1000:,.1f} | {len(taken)} |"
            )
    return lines


def memory_table(memory: Mapping[str, Mapping[str, float]]) -> list[str]:
    lines = ["| memory of the warm server and all below it | PSS MiB | RSS MiB | processes |"]
    lines.append("| --- | ---: | ---: | ---: |")
    for moment, found in memory.items():
        lines.append(
            f"| {moment} | {found['pss']:,.1f} | {found['rss']:,.1f} | {found['processes']:.0f} |"
        )
    return lines


def targets_table(judged: Iterable[Mapping[str, Any]]) -> list[str]:
    """Rows per target. Small ratios are shown as one over something, as the targets are
    written.
    """
    lines = ["| target | measured | must | aim | |", "| --- | ---: | ---: | ---: | --- |"]
    for line in judged:
        sign = "≥" if line["greater"] else "≤"
        figures = [shown(line[name], line["unit"]) for name in ("value", "must", "aim")]
        lines.append(
            f"| {line['title']} | {figures[0]} | {sign} {figures[1]} | {sign} {figures[2]} | "
            f"{line['verdict']} |"
        )
    return lines


def shown(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if not unit and 0 < value < 0.2:
        return f"1/{1 / value:.3g}"
    return f"{value:.3g} {unit}".strip()


def summary(judged: Sequence[Mapping[str, Any]], missing: Mapping[str, str]) -> list[str]:
    """What a reader must not overlook: how many lines hold, and everything that was not
    measured.
    """
    count = dict.fromkeys(("pass (aim)", "pass", "FAIL", "not measured"), 0)
    for line in judged:
        count[line["verdict"]] += 1
    lines = [
        ", ".join(f"{number} {verdict}" for verdict, number in count.items())
        + f", of {len(judged)} lines"
    ]
    lines += [f"NOT MEASURED {what}: {why}" for what, why in missing.items()]
    return lines
