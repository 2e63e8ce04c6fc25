"""What an answer of the API means: its body, or the error that it stands for."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NoReturn

from pydantic import SecretStr

from playrail.errors import (
    ApiError,
    ApiNotJson,
    ApiRejected,
    ApiTruncated,
    ApiUnauthorized,
    ApiUnavailable,
    ApiUnexpected,
    PlayrailError,
    RateLimited,
)
from playrail.mikrus.pace import LONGEST_HOLD_S
from playrail.safe_text.secrets import HIDDEN

MAX_WORDS = 300  # characters of the API's own words that an error repeats
MAX_DEPTH = 50
CLOSING = {"{": "}", "[": "]"}
CHECK_KEY = (
    "The operator should check this server's `key` and `srv` in the settings: a key belongs to "
    "one server."
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one request: a body, or an error.

    `again`: whether a read should be tried again, after `retry_after_s` seconds when the
    API named them. `maybe_done`: whether a change may have been made in spite of the error.
    """

    body: Any = None
    error: PlayrailError | None = None
    again: bool = False
    maybe_done: bool = False
    retry_after_s: float | None = None


def judge(status: int, text: bytes, *, retry_after: str | None, key: SecretStr) -> Outcome:
    """The outcome of a request that was answered in full."""
    body = _json(text)
    words = _words(body, text, key)
    said = f": {words.rstrip('.')}." if words else "."
    after_s = _seconds(retry_after)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Outcome(error=ApiUnauthorized(f"The API refused the key (HTTP {status}){said}"))
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        told = None if after_s is None else math.ceil(after_s)
        error = RateLimited(
            f"The API says that there were too many requests{said}", retry_after_s=told
        )
        return Outcome(error=error, again=True, retry_after_s=after_s)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # Whatever it says: a gateway that lost its patience says it too, and the work goes
        # on.
        trouble = ApiUnavailable(f"The API is out of order (HTTP {status}){said}")
        return Outcome(error=trouble, again=True, maybe_done=True, retry_after_s=after_s)
    if _error_in(body) or status == HTTPStatus.BAD_REQUEST:
        hint = CHECK_KEY if status == HTTPStatus.BAD_REQUEST else None
        return Outcome(
            error=ApiRejected(f"The API refused (HTTP {status}){said}", hint=hint),
            retry_after_s=after_s,
        )
    return _read(body, status, text)


def _read(body: Any, status: int, text: bytes) -> Outcome:
    """The outcome of an answer that tells of no error."""
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        # A redirect may come after the work, as web pages do it.
        maybe_done = status < HTTPStatus.BAD_REQUEST
        return Outcome(
            error=ApiUnexpected(f"The API answered with HTTP {status}."), maybe_done=maybe_done
        )
    if isinstance(body, dict | list) and not _is_too_deep(body):
        return Outcome(body=body)
    return Outcome(error=_not_a_body(body, text), maybe_done=True)


class _NoJson:
    """Stands for the body of an answer that is not JSON. `cut`: because its end is missing."""

    def __init__(self, *, cut: bool) -> None:
        self.cut = cut


def _not_a_body(body: Any, text: bytes) -> ApiError:
    if not isinstance(body, _NoJson):
        return ApiUnexpected(
            "The API answered with JSON that is neither an object nor an array, or is nested "
            "too deep."
        )
    if body.cut:
        return ApiTruncated(f"The API's answer ends in the middle, after {len(text)} bytes.")
    return ApiNotJson(
        "The API answered with something else than JSON." if text else "The API's answer is empty."
    )


def _json(data: bytes) -> Any:
    text = data.decode("utf-8-sig", "replace").strip()
    try:
        found = json.loads(text, strict=False, parse_constant=_refuse)
        return _encodable(found) if "\\ud" in text.lower() else found
    except json.JSONDecodeError as error:
        missing = text[:1] in CLOSING and (text[-1:] != CLOSING[text[:1]] or error.pos >= len(text))
        return _NoJson(cut=missing)
    except (ValueError, RecursionError):  # NaN, a number of thousands of digits, too many brackets
        return _NoJson(cut=False)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _encodable(value: Any) -> Any:
    """The same without halves of surrogate pairs, which JSON can name and UTF-8 cannot
    write.
    """
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case list():
            return [_encodable(one) for one in value]
        case dict():
            return {_encodable(name): _encodable(one) for name, one in value.items()}
    return value


def _is_too_deep(body: Any) -> bool:
    """Whether it is nested deeper than any answer is, and than those who walk through it
    can stand.
    """
    level = [body]
    for _ in range(MAX_DEPTH):
        inner = [
            value.values() if isinstance(value, dict) else value
            for value in level
            if isinstance(value, dict | list)
        ]
        level = [value for values in inner for value in values]
    return bool(level)


def _error_in(body: Any) -> Any:
    """What the body tells as an error; nothing when it tells of none."""
    return body.get("error") if isinstance(body, dict) else None


def _words(body: Any, text: bytes, key: SecretStr) -> str:
    """The API's own words on what is wrong: of JSON the error, of plain text all; bounded,
    and never the key.
    """
    found = _error_in(body)
    if isinstance(body, _NoJson):
        plain = text.decode("utf-8", "replace").strip()
        found = None if plain[:1] in {"<", "{", "["} else plain
    if not found or _is_too_deep(found):
        return ""
    # The key goes first: what is escaped, cut or cleaned would no longer be found.
    clean = without_key(found, key)
    told = (clean if isinstance(clean, str) else json.dumps(clean, ensure_ascii=False))[
        : 4 * MAX_WORDS
    ]
    shown = " ".join("".join(letter if letter.isprintable() else " " for letter in told).split())
    return shown if len(shown) <= MAX_WORDS else f"{shown[:MAX_WORDS]}…"


def without_key(value: Any, key: SecretStr) -> Any:
    """The same JSON value with something else in the place of the key, wherever it stands."""
    match value:
        case str():
            return value.replace(key.get_secret_value(), HIDDEN)
        case list():
            return [without_key(one, key) for one in value]
        case dict():
            return {without_key(name, key): without_key(one, key) for name, one in value.items()}
    return value


def _seconds(retry_after: str | None) -> float | None:
    """What a header Retry-After asks for, within reason: it is a number of seconds or a
    date.
    """
    asked = (retry_after or "").strip()
    if not asked:
        return None
    if asked.isdecimal():
        return min(float(asked), LONGEST_HOLD_S)
    try:
        moment = parsedate_to_datetime(asked)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - datetime.now(UTC)).total_seconds()), LONGEST_HOLD_S)
