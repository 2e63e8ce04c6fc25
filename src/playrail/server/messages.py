"""What a line of a client says: a message for the server, or the error that answers it
(JSON-RPC 2.0, section 5.1).

The SDK drops what it cannot read, and its client then waits for nothing. So lines are read
here first. What can be answered with the id that the client looks for is answered with it,
even where the rest cannot be read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from pydantic import ValidationError

# Of a number; no double has more, and Python takes long over numbers of many thousands
MOST_DIGITS = 300
DEEPEST = 200  # lists and objects within each other: all that handles a message later goes as deep
MARK = b"\xef\xbb\xbf"  # a byte order mark, which some editors and shells put in front
REFUSED = "the client's answer is no JSON-RPC response"

# A text that is not closed goes to the end: so each character is looked at once.
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[{}\[\],:]|[^\s"{}\[\],:]+', re.DOTALL)
LAST_ID = re.compile(r'"id"\s*:\s*("(?:[^"\\]|\\.)*+"|-?[0-9.eE+-]{1,40})\s*\}\s*$')
OPEN, CLOSED = frozenset("{["), frozenset("}]")


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An error in place of a result. `answered` False: it was no request, so it is told to
    the log alone.
    """

    code: int
    why: str
    id: Any = None
    answered: bool = True

    def line(self) -> str:
        """The answer as JSON. In ASCII: an id that is no Unicode can be repeated as it
        came.
        """
        return json.dumps(
            {"jsonrpc": "2.0", "id": self.id, "error": {"code": self.code, "message": self.why}}
        )


class Unreadable(Exception):
    def __init__(self, why: str, *, id: Any = None) -> None:  # noqa: A002  the word of JSON-RPC
        super().__init__(why)
        self.refusal = Refusal(code=types.PARSE_ERROR, why=f"Parse error: {why}", id=id)


def parsed(line: bytes) -> Any:
    """The line as JSON data. Raises Unreadable."""
    try:
        text = line.removeprefix(MARK).decode()
    except UnicodeDecodeError:
        text = line.decode(errors="replace")
        raise Unreadable("the line is not UTF-8", id=id_in(text)) from None
    try:
        value = json.loads(text, parse_int=_integer, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        why = f"the line is not JSON (at character {error.pos + 1})"
        raise Unreadable(why, id=id_in(text[: error.pos])) from None
    except RecursionError:
        raise Unreadable(
            "lists and objects lie too deep within each other", id=id_in(text)
        ) from None
    except ValueError as error:
        raise Unreadable(str(error), id=id_in(text)) from None
    if _is_deep(value):
        raise Unreadable("lists and objects lie too deep within each other", id=id_in(text))
    return value


def too_long(head: bytes, tail: bytes, *, most: int) -> Refusal:
    """The answer to a line of which only the head and the tail were kept."""
    found = id_in(head.decode(errors="replace"))
    if found is None and (last := LAST_ID.search(tail.decode(errors="replace"))):
        found = _id_of(last[1])
    why = f"Invalid request: a line may have at most {most} bytes"
    return Refusal(code=types.INVALID_REQUEST, why=why, id=found)


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number has more than {MOST_DIGITS} digits")
    return int(digits)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        inner = [
            item.values() if isinstance(item, dict) else item
            for item in level
            if isinstance(item, dict | list)
        ]
        if not inner:
            return False
        level = [item for items in inner for item in items]
    return True


def id_in(text: str) -> Any:
    """The id of the message that begins like this, where it stands in the outermost object;
    otherwise None.
    """
    depth, before = 0, ""
    tokens: Iterator[str] = (found[0] for found in TOKEN.finditer(text))
    for part in tokens:
        if part in OPEN:
            depth += 1
        elif part in CLOSED:
            depth -= 1
        elif depth == 1 and part == '"id"' and before in ("{", ","):
            return (
                _id_of(next(tokens, ""))
                if next(tokens, "") == ":" and text.lstrip().startswith("{")
                else None
            )
        before = part
    return None


def _id_of(token: str) -> Any:
    try:
        found = json.loads(token, parse_int=_integer, parse_constant=_no_constant)
    except ValueError:
        return None
    return found if is_an_id(found) else None


def is_an_id(value: Any) -> bool:
    """Whether JSON-RPC knows such an id, so that it can be repeated; MCP knows texts and
    integers alone.
    """
    return (
        isinstance(value, str | int | float) and not isinstance(value, bool) and _is_finite(value)
    )


def _is_finite(value: str | float) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def message_of(value: Any, *, is_asked: bool) -> types.JSONRPCMessage | Refusal:
    """The message that this is, or the refusal of it. `is_asked`: the server waits for an
    answer with its id.
    """
    if not isinstance(value, dict):
        return Refusal(code=types.INVALID_REQUEST, why="Invalid request: a message is an object")
    if "method" in value:
        return _request(value) if "id" in value else _notification(value)
    if is_asked or "result" in value or "error" in value:
        return _response(value)
    return _invalid(value, "it has neither a method nor a result")


def _invalid(value: dict[str, Any], why: str, *, code: int = types.INVALID_REQUEST) -> Refusal:
    found = value.get("id")
    what = "Invalid params" if code == types.INVALID_PARAMS else "Invalid request"
    return Refusal(code=code, why=f"{what}: {why}", id=found if is_an_id(found) else None)


def _request(value: dict[str, Any]) -> types.JSONRPCMessage | Refusal:
    name = whole(value["id"])
    if not isinstance(name, str | int) or isinstance(name, bool):
        return _invalid(value, "the id is neither a text nor an integer")
    if (wrong := _wrong(value)) is not None:
        return wrong
    if value["method"] == "tools/call":
        params = _of_tool(value.get("params") or {})
        if isinstance(params, str):
            return _invalid(value, params, code=types.INVALID_PARAMS)
        value = {**value, "params": params}
    try:
        return types.JSONRPCRequest.model_validate({**_known(value), "id": name})
    except ValidationError:  # a text that is not Unicode, where it cannot be handed on
        return _invalid(value, "the id, the method or a name in params is not valid Unicode")


def _of_tool(params: dict[str, Any]) -> dict[str, Any] | str:
    """The parameters of a call, or what is wrong with them. Some clients send JSON as text,
    or [] for no arguments.
    """
    if not isinstance(params.get("name"), str):
        return "name is not the name of a tool"
    given = params.get("arguments")
    if isinstance(given, str):
        try:
            given = parsed(given.encode(errors="surrogatepass"))
        except Unreadable:
            return "arguments is a text that is not JSON"
    if given is not None and given != [] and not isinstance(given, dict):
        return "arguments is not an object"
    return {**params, "arguments": given or {}} if "arguments" in params else params


def _notification(value: dict[str, Any]) -> types.JSONRPCMessage | Refusal:
    wrong = _wrong(value)
    if wrong is None:
        try:
            return types.JSONRPCNotification.model_validate(_known(value))
        except ValidationError:
            wrong = _invalid(value, "the method or a name in params is not valid Unicode")
    return Refusal(code=wrong.code, why=wrong.why, answered=False)


def _wrong(value: dict[str, Any]) -> Refusal | None:
    if value.get("jsonrpc") != "2.0":
        return _invalid(value, 'jsonrpc is not "2.0"')
    if not isinstance(value["method"], str):
        return _invalid(value, "the method is not a text")
    params = value.get("params")
    if isinstance(params, list):
        return _invalid(
            value, "params is a list; MCP knows parameters by name alone", code=types.INVALID_PARAMS
        )
    if params is not None and not isinstance(params, dict):
        return _invalid(value, "params is not an object")
    return None


def _known(value: dict[str, Any]) -> dict[str, Any]:
    return {key: value[key] for key in ("jsonrpc", "method", "params") if key in value}


def _response(value: dict[str, Any]) -> types.JSONRPCMessage | Refusal:
    """What the client says of a question. A malformed answer is an answer: whoever waits
    for it must not go on.
    """
    name = whole(value.get("id"))
    if not isinstance(name, str | int) or isinstance(name, bool):
        return Refusal(code=types.INVALID_REQUEST, why="a response has no id", answered=False)
    kind = types.JSONRPCError if "error" in value else types.JSONRPCResponse
    try:
        if not {"result", "error"} <= value.keys():
            return kind.model_validate({**value, "id": name})
    except ValidationError:
        pass
    try:
        error = types.ErrorData(code=types.INVALID_REQUEST, message=REFUSED)
        return types.JSONRPCError(jsonrpc="2.0", id=name, error=error)
    except ValidationError:
        return Refusal(
            code=types.INVALID_REQUEST,
            why="a response has no id that was asked with",
            answered=False,
        )


def whole(number: Any) -> Any:
    """1 for 1.0, which is the same number in JSON."""
    return int(number) if isinstance(number, float) and number.is_integer() else number
