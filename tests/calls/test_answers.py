"""The one shape of every answer, and what is said of wrong arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, SecretStr

from playrail import catalog
from playrail.ansible.outcome.failures import classify
from playrail.calls.answers import Answer, Meta, Result, parse
from playrail.codes.every import named
from playrail.door.running import INTERNAL
from playrail.errors import InvalidArgument, PlayrailError, Problem
from playrail.tools.tool import DirectTool, Report, Risk, ToolInput
from worlds.envelopes import assert_envelope

META = {"request_id": "r", "duration_ms": 0}
CANARY = "CANARY"
TOOLS = {tool.name: tool for tool in catalog.load().values()}


class Asked(ToolInput):
    word: Annotated[str, Field(pattern=r"^[a-z]+$", max_length=5)]
    count: int = Field(default=1, ge=1, le=10)
    choice: Literal["a", "b"] = "a"
    words: list[str] = Field(default=[])
    secret: SecretStr | None = None
    flag: bool = False


async def _never(*_: object) -> Report:
    raise AssertionError


TOOL = DirectTool(
    name="ask",
    summary="A test's tool.",
    risk=Risk.READ,
    input=Asked,
    toolset="tests",
    output=Report,
    run=_never,
)


def subclasses(of: type[PlayrailError]) -> list[type[PlayrailError]]:
    return [of, *(below for one in of.__subclasses__() for below in subclasses(one))]


ERRORS = subclasses(PlayrailError)


def envelope(result: Result) -> dict[str, Any]:
    return Answer(meta=Meta(request_id="r"), data=result.data, problem=result.problem).envelope()


def test_success() -> None:
    told = envelope(Result(data={"hosts": {"h": {"x": 1}}}))

    assert_envelope(told)
    assert told == {"success": True, "data": {"hosts": {"h": {"x": 1}}}, "_meta": META}


def test_a_failure_may_hold_what_did_succeed() -> None:
    problem = Problem(
        code=named("some_hosts_failed"), error="1 of 2 hosts failed.", hint="Look.", retryable=True
    )

    told = envelope(Result(data={"hosts": {"h": {"x": 1}}}, problem=problem))

    assert_envelope(told)
    assert told == {
        "success": False,
        "error": "1 of 2 hosts failed.",
        "code": "some_hosts_failed",
        "hint": "Look.",
        "retryable": True,
        "data": {"hosts": {"h": {"x": 1}}},
        "_meta": META,
    }


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_the_shape(error: type[PlayrailError]) -> None:
    told = envelope(Result.of(error("It went wrong.", data={"servers": ["a"]})))

    assert_envelope(told)
    assert told["code"] == error.code
    assert told["hint"] == error.code.hint
    assert envelope(Result.of(error("It went wrong.", hint="Do this.")))["hint"] == "Do this."


def test_every_error_has_a_code_of_its_own() -> None:
    assert len({error.code for error in ERRORS}) == len(ERRORS)


@pytest.mark.parametrize(
    "result", [{}, {"msg": "a\nb\x00c"}, {"msg": "x" * 100_000}, {"rc": 1, "msg": None}]
)
def test_a_hosts_problem_has_the_shape(result: dict[str, Any]) -> None:
    for unreachable in (True, False):
        assert_envelope(envelope(Result(problem=classify(result, unreachable=unreachable))))


def test_what_nobody_foresaw_has_the_shape() -> None:
    assert_envelope(envelope(Result(problem=INTERNAL)))


def told_of(arguments: Mapping[str, Any]) -> str:
    with pytest.raises(InvalidArgument) as caught:
        parse(TOOL, arguments)
    assert caught.value.__cause__ is None
    return str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "word: is required"),
        (
            {"word": "ok", "oops": CANARY},
            "oops: unknown argument; this tool takes word, count, choice, words, secret",
        ),
        ({"word": 1.5}, "word: should be a valid string"),
        ({"word": True}, "word: should be a valid string"),
        ({"word": None}, "word: should be a valid string"),
        ({"word": CANARY}, "word: should have at most 5 characters"),
        ({"word": "A{{1"}, "word: should match pattern"),
        ({"word": "ok", "count": "1.5"}, "count: should be a valid integer"),
        ({"word": "ok", "count": True}, "count: should be a valid integer"),
        ({"word": "ok", "count": 1.5}, "count: should be a valid integer"),
        ({"word": "ok", "count": 11}, "count: should be less than or equal to 10"),
        ({"word": "ok", "count": 0}, "count: should be greater than or equal to 1"),
        ({"word": "ok", "choice": CANARY}, "choice: should be 'a' or 'b'"),
        ({"word": "ok", "words": [1.5]}, "words: should be a valid string"),
        ({"word": "ok", "words": f"{CANARY},b"}, "words: should be a valid list"),
        ({"word": "ok", "flag": "yes"}, "flag: should be a valid boolean"),
        ({"word": "ok", "flag": 1}, "flag: should be a valid boolean"),
        ({"word": "ok", "secret": [CANARY]}, "secret: should be a valid string"),
    ],
)
def test_wrong_arguments_are_named_with_their_rule(arguments: dict[str, Any], said: str) -> None:
    told = told_of(arguments)

    assert told.startswith("ask was called with wrong arguments: ")
    assert said in told
    assert CANARY not in told


def test_every_wrong_argument_is_named() -> None:
    told = told_of({"word": True, "count": 11, "oops": 1})

    assert [name for name in ("word: ", "count: ", "oops: ") if name not in told] == []


def test_an_unknown_arguments_name_is_quoted_and_cut() -> None:
    told = told_of({"word": "ok", "a\nb": 1, "x" * 1000: 1})

    assert "'a\\nb': unknown argument" in told
    assert "\n" not in told
    assert "x" * 65 not in told


def test_very_many_wrong_arguments_get_a_short_answer() -> None:
    told = told_of({f"unknown{number}{'x' * 100}": CANARY for number in range(200_000)})

    assert len(told) < 2000
    assert "unknown0" in told
    assert "199990 more are unknown." in told


def test_a_long_list_of_wrong_values_gets_a_short_answer() -> None:
    assert len(told_of({"word": "ok", "words": [None] * 100_000})) < 2000


def test_right_arguments_are_taken_as_they_are() -> None:
    assert parse(TOOL, {"word": "ok", "count": 10}) == Asked(word="ok", count=10)


values = st.recursive(
    st.sampled_from(
        [
            None,
            True,
            10**30,
            -1,
            1.5,
            float("nan"),
            "",
            CANARY,
            f"/{CANARY}/..",
            f"{CANARY}\x00",
            "\ud800",
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from([CANARY, "a"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@pytest.mark.parametrize("name", TOOLS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_tool_repeats_a_wrong_value(name: str, data: st.DataObject) -> None:
    fields = sorted(TOOLS[name].input.model_fields)
    arguments = data.draw(st.dictionaries(st.sampled_from([*fields, "unknown"]), values))
    try:
        parse(TOOLS[name], arguments)
    except InvalidArgument as error:
        told = Result.of(error)
        assert CANARY not in json.dumps(envelope(told))
        assert_envelope(envelope(told))
