"""Whatever a tool answers with, the answer fits, and tells what it leaves out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playrail.engines.fitting import fitted, size

MOST = 24_000


def test_what_fits_stays() -> None:
    data = {"hosts": {"a": {"x": 1}}}
    assert fitted(data, MOST) == (data, False)


def test_whole_hosts_are_left_out_first() -> None:
    hosts = {f"h{number}": {"content": "x" * 1000} for number in range(100)}

    told, cut = fitted({"hosts": hosts, "failed": {"z": {"code": "x"}}}, MOST)

    assert cut
    assert size(told) <= MOST
    assert all(report == hosts[host] for host, report in told["hosts"].items())
    assert len(told["hosts"]) + told["left_out_count"] == 100
    assert told["left_out"] == [
        f"h{number}" for number in range(len(told["hosts"]), len(told["hosts"]) + 20)
    ]
    assert "cut" not in told


def test_a_few_that_are_left_out_are_named_all() -> None:
    told, _ = fitted(
        {"hosts": {"a": {"x": "x" * 20_000}, "b": {"x": "x" * 20_000}, "c": {"x": "x" * 100}}}, MOST
    )

    assert (list(told["hosts"]), told["left_out"]) == (["a", "c"], ["b"])
    assert "left_out_count" not in told


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"hosts": {"a": {"content": "x" * 300_000}}}, "hosts.a.content"),
        ({"hosts": {"a": {"content": "ż" * 300_000}}}, "hosts.a.content"),
        (
            {"hosts": {"a": {"entries": [{"message": "y" * 500}] * 1000, "older": "c"}}},
            "hosts.a.entries",
        ),
        ({"plans": [{"id": number, "hosts": ["h" * 10] * 200} for number in range(100)]}, "plans"),
        ({"plan": {"changes": {"h": [{"diff": "d" * 157_000}]}}}, "plan.changes.h.0.diff"),
        (
            {
                "hosts": {},
                "failed": {f"h{number}": {"code": "x", "error": "e" * 90} for number in range(999)},
            },
            "failed",
        ),
        ({"servers": [f"server{number}" for number in range(9_999)]}, "servers"),
    ],
)
def test_what_is_largest_is_cut_with_counts(data: dict[str, Any], place: str) -> None:
    told, cut = fitted(data, MOST)

    assert cut
    assert MOST // 3 < size(told) <= MOST
    assert list(told["cut"]) == [place]
    assert " of " in told["cut"][place]


def test_the_largest_of_several_is_cut_first() -> None:
    told, _ = fitted(
        {"hosts": {"a": {"small": ["s"] * 100, "large": [{"m": "y" * 100}] * 10_000}}}, MOST
    )

    assert told["hosts"]["a"]["small"] == ["s"] * 100
    assert list(told["cut"]) == ["hosts.a.large"]


def test_the_data_that_was_given_is_not_changed() -> None:
    data = {"hosts": {"a": {"entries": [["x" * 1000] * 100]}}}
    fitted(data, 2000)

    assert data == {"hosts": {"a": {"entries": [["x" * 1000] * 100]}}}


def test_many_small_things_fit_too() -> None:
    told, cut = fitted(
        {"a": {f"k{k}": {f"n{n}": {"x": "y" * 99} for n in range(19)} for k in range(19)}}, MOST
    )

    assert cut
    assert size(told) <= MOST


anything = st.recursive(
    st.none() | st.integers() | st.text(max_size=2000),
    lambda inner: (
        st.lists(inner, max_size=40) | st.dictionaries(st.text(max_size=9), inner, max_size=40)
    ),
    max_leaves=60,
)


@settings(deadline=None, max_examples=60)
@given(data=st.dictionaries(st.sampled_from(["hosts", "failed", "plan", "x"]), anything))
def test_whatever_it_is_it_fits(data: dict[str, Any]) -> None:
    told, cut = fitted(data, 2000)

    assert size(told) <= 2000
    assert cut == (size(data) > 2000)
