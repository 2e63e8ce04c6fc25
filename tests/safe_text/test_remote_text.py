"""Text from servers reaches the caller without what a terminal would obey; all else of it
stays.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from playrail.codes.every import named
from playrail.engines.results import HostResult, combined
from playrail.errors import Problem
from playrail.safe_text.remote_text import cleaned
from playrail.tools.tool import Report
from worlds.growth import grows_with_its_input


class Said(Report):
    text: str = ""
    labels: dict[str, str] = Field(default={})
    lines: list[str] = Field(default=[])


@pytest.mark.parametrize(
    ("text", "left", "count"),
    [
        ("plain\ttext\r\n żółć 🙂\n", "plain\ttext\r\n żółć 🙂\n", 0),
        ("\x1b[31mred\x1b[0m", "red", 2),
        ("\x1b[2J\x1b[1;1Hgone", "gone", 2),
        ("\x1b]0;a title\x07after", "after", 1),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link", 2),
        ("\x1bP+q544e\x1b\\x", "x", 1),
        ("\x1b]52;c;cm0gLXJm\x07", "", 1),
        ("\x1b]0;never ends", "0;never ends", 1),
        ("\x1b(B\x1b=x", "x", 2),
        ("\x9b31mred\x9dtitle\x9cafter", "redafter", 2),
        ("bell\x07 back\x08 null\x00 del\x7f nel\x85", "bell back null del nel", 5),
        ("\x1b", "", 1),
    ],
)
def test_what_a_terminal_would_obey_is_gone(text: str, left: str, count: int) -> None:
    assert cleaned(text) == (left, count)


@given(st.text())
def test_nothing_is_left_that_is_obeyed(text: str) -> None:
    left, count = cleaned(text)

    assert not [char for char in left if ord(char) < 32 and char not in "\t\n\r"]
    assert not [char for char in left if 0x7F <= ord(char) <= 0x9F]
    assert (left == text) == (count == 0)


def _cleaned(unit: str, times: int) -> object:
    return cleaned("\x1b[" + unit * times)


def test_a_long_text_takes_no_long_time() -> None:
    for unit in ("\x1b]", "\x1b[", "1;", "\x9d"):
        assert grows_with_its_input(partial(_cleaned, unit), 100_000)


def test_an_answer_is_cleaned_and_tells_of_it() -> None:
    told = Said(text="\x1b[1mbold", labels={"k\x1b[0m": "v\x07"}, lines=["fine"])

    result = combined(
        {"a": HostResult(report=told), "b": HostResult(report=Said(text="fine"))}, again=True
    )

    assert result.data is not None
    assert result.data["hosts"]["a"] == {"text": "bold", "labels": {"k": "v"}, "lines": ["fine"]}
    assert result.data["control_sequences_removed"] == {"a": 3}
    assert result.remote_text


def test_a_failure_is_cleaned_too() -> None:
    said = Problem(code=named("task_failed"), error="no\x1b[31mway", hint="Look.", retry_after_s=9)

    result = combined({"a": HostResult(problem=said)}, again=True)

    assert result.problem == Problem(
        code=named("task_failed"), error="a: noway", hint="Look.", retry_after_s=9
    )
    failed = {"a": {**vars(said), "error": "noway"}}
    removed = {"control_sequences_removed": {"a": 1}}
    assert result.data == {"hosts": {}, "changed": [], "failed": failed, **removed}
    assert result.remote_text


@pytest.mark.parametrize(
    ("cached", "together"),
    [([True, True], True), ([True, False], False), ([False], False)],
    ids=str,
)
def test_an_answer_is_cached_when_all_of_it_is(cached: list[bool], together: bool) -> None:
    results: dict[str, Any] = {
        str(n): HostResult(report=Said(), cached=one) for n, one in enumerate(cached)
    }

    assert combined(results, again=True).cached is together
