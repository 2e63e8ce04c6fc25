"""What a line of a client says, and what answers a line that says nothing."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import mcp_types as types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playrail.server.messages import (
    DEEPEST,
    Refusal,
    Unreadable,
    id_in,
    message_of,
    parsed,
    too_long,
)

CALL = {"jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": {"name": "x", "arguments": {}}}


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in CALL.items() if name != key}


def refusal_of(line: bytes) -> Refusal:
    with pytest.raises(Unreadable) as caught:
        parsed(line)
    return caught.value.refusal


def test_what_is_json_is_read() -> None:
    text = json.dumps(CALL)
    assert parsed(text.encode()) == CALL
    assert parsed(b"\xef\xbb\xbf" + text.encode() + b"\r\n") == CALL


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (b"hello", None),
        (b'{"id": 8, "method": "x"', 8),
        (b'{"id": "8" "method": "x"}', "8"),
        (b'{"method": "x", oops, "id": 8}', None),  # what follows the fault could mean anything
        (b'{"params": {"id": 7}, "x": nul', None),
        (b'{"id": 8, "method": "caf\xe9"}', 8),
        (b'{"method": "caf\xe9", "params": {"id": 7}, "jsonrpc": "2.0", "id": 8}', 8),
        (b'{"id": 8, "method": "x\x00"}', 8),
        (b'{"id": 8, "limit": NaN}', 8),
        (b'{"id": 8, "limit": -Infinity}', 8),
        (b'{"id": 8, "limit": ' + b"7" * 10_000 + b"}", 8),
        (b'{"limit": ' + b"7" * 10_000 + b', "id": 8}', 8),
        (b'{"id": ' + b"7" * 10_000 + b"}", None),
        (b'{"id": 8, "x": ' + b"[" * 5000 + b"]" * 5000 + b"}", 8),
        (b'{"x": ' + b'{"id":' * 5000 + b"7" + b"}" * 5000 + b', "id": 8}', 8),
        (b"[" * 5000 + b"]" * 5000, None),
        (b'{"id": 8, "x": "' + b'\\"' * 1_000_000, 8),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else None,
)
def test_what_is_not_json_is_answered_with_its_id(line: bytes, named: Any) -> None:
    refusal = refusal_of(line)

    assert (refusal.code, refusal.id) == (types.PARSE_ERROR, named)
    assert json.loads(refusal.line())["error"]["message"].startswith("Parse error: ")


@pytest.mark.parametrize("depth", [2, DEEPEST - 1])
def test_lists_may_lie_within_each_other(depth: int) -> None:
    assert parsed(b"[" * depth + b"]" * depth) is not None


@pytest.mark.parametrize(
    ("message", "code", "named"),
    [
        ({**CALL, "id": 1.5}, types.INVALID_REQUEST, 1.5),
        ({**CALL, "id": True}, types.INVALID_REQUEST, None),
        ({**CALL, "id": None}, types.INVALID_REQUEST, None),
        ({**CALL, "id": [8]}, types.INVALID_REQUEST, None),
        ({**CALL, "params": []}, types.INVALID_PARAMS, 8),
        ({**CALL, "params": "x"}, types.INVALID_REQUEST, 8),
        ({**CALL, "method": 5}, types.INVALID_REQUEST, 8),
        ({**CALL, "jsonrpc": "1.0"}, types.INVALID_REQUEST, 8),
        (without("jsonrpc"), types.INVALID_REQUEST, 8),
        ({"jsonrpc": "2.0", "id": 8}, types.INVALID_REQUEST, 8),
        ({}, types.INVALID_REQUEST, None),
        (None, types.INVALID_REQUEST, None),
        ("text", types.INVALID_REQUEST, None),
        (5, types.INVALID_REQUEST, None),
    ],
    ids=str,
)
def test_what_is_no_request_is_answered(message: Any, code: int, named: Any) -> None:
    refusal = message_of(message, is_asked=False)

    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.id, refusal.answered) == (code, named, True)
    assert json.loads(refusal.line())["id"] == named


@pytest.mark.parametrize("named", ["", "x" * 100_000, "\ud800", 0, -1, 2**80])
def test_any_text_and_any_integer_is_an_id(named: Any) -> None:
    message = message_of({**CALL, "id": named}, is_asked=False)

    assert isinstance(message, types.JSONRPCRequest)
    assert message.id == named


def test_an_integer_may_be_written_with_a_point() -> None:
    message = message_of({**CALL, "id": 8.0}, is_asked=False)

    assert isinstance(message, types.JSONRPCRequest)
    assert (message.id, type(message.id)) == (8, int)


def test_half_a_surrogate_pair_in_a_value_is_for_the_tool_to_judge() -> None:
    message = message_of(
        parsed(
            json.dumps({**CALL, "params": {"name": "x", "arguments": {"path": "/\ud800"}}}).encode()
        ),
        is_asked=False,
    )

    assert isinstance(message, types.JSONRPCRequest)
    assert message.params == {"name": "x", "arguments": {"path": "/\ud800"}}


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ('{"path": "/a"}', {"path": "/a"}),
        ("{}", {}),
        ([], {}),
        ("[]", {}),
        (None, {}),
        ({"a": 1}, {"a": 1}),
    ],
    ids=str,
)
def test_arguments_as_a_text_or_as_an_empty_list_are_what_they_say(sent: Any, meant: Any) -> None:
    message = message_of({**CALL, "params": {"name": "x", "arguments": sent}}, is_asked=False)

    assert isinstance(message, types.JSONRPCRequest)
    assert message.params == {"name": "x", "arguments": meant}


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"name": "x", "arguments": ["a"]}, "arguments is not an object"),
        ({"name": "x", "arguments": "5"}, "arguments is not an object"),
        ({"name": "x", "arguments": "path=/a"}, "arguments is a text that is not JSON"),
        ({"name": "x", "arguments": "{" * 5000}, "arguments is a text that is not JSON"),
        ({"arguments": {}}, "name is not the name of a tool"),
        ({"name": None}, "name is not the name of a tool"),
        ({}, "name is not the name of a tool"),
    ],
)
def test_what_is_wrong_with_a_call_is_told(params: dict[str, Any], why: str) -> None:
    refusal = message_of({**CALL, "params": params}, is_asked=False)

    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.why, refusal.id) == (
        types.INVALID_PARAMS,
        f"Invalid params: {why}",
        8,
    )


@pytest.mark.parametrize(
    "change", [{"params": []}, {"params": 5}, {"method": 5}, {"jsonrpc": "1"}], ids=str
)
def test_a_malformed_notification_is_not_answered(change: dict[str, Any]) -> None:
    refusal = message_of({**without("id"), **change}, is_asked=False)

    assert isinstance(refusal, Refusal)
    assert not refusal.answered


@pytest.mark.parametrize(
    "said",
    [
        {"result": None},
        {"result": []},
        {"result": "yes"},
        {"result": True},
        {"error": None},
        {"error": "no"},
        {"error": {"code": "x"}},
        {"result": {"action": "accept"}, "error": {"code": 1, "message": "x"}},
        {},
    ],
    ids=str,
)
@pytest.mark.parametrize("named", [3, 3.0, "3"])
def test_a_malformed_answer_to_a_question_is_an_error_to_who_waits(
    said: dict[str, Any], named: Any
) -> None:
    message = message_of({"jsonrpc": "2.0", "id": named, **said}, is_asked=True)

    assert isinstance(message, types.JSONRPCError)
    assert message.id == (named if isinstance(named, str) else 3)


def test_an_answer_to_a_question_is_passed_on() -> None:
    right = message_of({"jsonrpc": "2.0", "id": 3, "result": {"action": "accept"}}, is_asked=True)
    wrong = message_of(
        {"jsonrpc": "2.0", "id": 3, "error": {"code": -1, "message": "no"}}, is_asked=True
    )

    assert isinstance(right, types.JSONRPCResponse)
    assert isinstance(wrong, types.JSONRPCError)
    assert wrong.error.message == "no"


@pytest.mark.parametrize(
    ("head", "tail", "named"),
    [
        (b'{"jsonrpc":"2.0","id":8,"params":{"content":"aaa', b'aaa"}}\n', 8),
        (b'{"method":"x","params":{"id":7,"content":"aaa', b'aaa"},"jsonrpc":"2.0","id":8}\n', 8),
        (b'{"method":"x","params":{"content":"aaa', b'aaa","id":7}}\n', None),
        (b'{"method":"x","params":{"content":"aaa', b'aaa"},"id":"a\\"b"}', 'a"b'),
        (b"aaa", b"aaa", None),
    ],
)
def test_the_id_of_a_line_that_is_too_long(head: bytes, tail: bytes, named: Any) -> None:
    refusal = too_long(head, tail, most=10)

    assert (refusal.code, refusal.id) == (types.INVALID_REQUEST, named)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("id"), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    members=st.dictionaries(st.text(), anything, max_size=4),
    named=st.text() | st.integers(-(10**9), 10**9),
)
def test_the_id_is_found_wherever_it_stands(members: dict[str, Any], named: Any) -> None:
    members.pop("id", None)
    assert id_in(json.dumps({**members, "id": named})) == named
    assert id_in(json.dumps(members)) is None


@given(anything)
def test_whatever_comes_is_a_message_or_a_refusal(value: Any) -> None:
    for asked in (True, False):
        assert message_of(value, is_asked=asked) is not None


@given(st.binary(max_size=60))
def test_whatever_bytes_come_are_read_or_refused(line: bytes) -> None:
    with contextlib.suppress(Unreadable):
        parsed(line)
