"""The bench's arithmetic: ratios, verdicts, and that what was not measured is never shown
as a figure.
"""

from __future__ import annotations

import pytest

from bench.place import NotMeasured
from bench.table import Results, Target, p95, shown, summary, targets_table

TARGET = Target(
    title="a read",
    value=lambda found: found.p50("read", "mine") / found.p50("read", "stock"),
    must=0.5,
    aim=0.25,
)


def results(mine: float, stock: float) -> Results:
    made = Results()
    for factor in (1.0, 1.0, 9.0):
        made.add("read", "mine", mine * factor)
        made.add("read", "stock", stock * factor)
    return made


@pytest.mark.parametrize(
    ("mine", "value", "verdict"),
    [(1, 0.125, "pass (aim)"), (2, 0.25, "pass (aim)"), (4, 0.5, "pass"), (8, 1.0, "FAIL")],
)
def test_a_ratio_is_of_medians_and_judged_by_its_bounds(
    mine: float, value: float, verdict: str
) -> None:
    judged = TARGET.judged(results(mine, 8))

    assert (judged["value"], judged["verdict"]) == (value, verdict)


@pytest.mark.parametrize(("value", "verdict"), [(1.4, "FAIL"), (1.5, "pass"), (1.9, "pass (aim)")])
def test_a_gain_must_be_at_least_its_bounds(value: float, verdict: str) -> None:
    target = Target(title="calls/s", value=lambda _found: value, must=1.5, aim=1.9, greater=True)

    assert target.judged(Results())["verdict"] == verdict


def test_p95_is_the_smallest_sample_that_95_of_100_do_not_exceed() -> None:
    assert p95([float(number) for number in range(100, 0, -1)]) == 95
    assert p95([3.0]) == 3


def test_what_failed_once_has_no_figure_and_is_named() -> None:
    found = results(1, 8)
    found.drop("read", "stock", "it broke")
    judged = [TARGET.judged(found)]

    assert (judged[0]["value"], judged[0]["verdict"]) == (None, "not measured")
    assert targets_table(judged)[-1] == "| a read | - | ≤ 0.5 | ≤ 0.25 | not measured |"
    assert summary(judged, found.missing) == [
        "0 pass (aim), 0 pass, 0 FAIL, 1 not measured, of 1 lines",
        "NOT MEASURED stock: read: it broke",
    ]


def test_memory_that_was_not_sampled_is_not_measured() -> None:
    with pytest.raises(NotMeasured, match="idle"):
        Results().mib("idle", "pss")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.04, "", "1/25"), (0.6, "", "0.6"), (151.26, "MiB", "151 MiB"), (0.1, "s", "0.1 s")],
)
def test_figures_are_shown_as_the_targets_are_written(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text
