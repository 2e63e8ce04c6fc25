"""Frozen dataclasses as JSON data, and back: by the fields' types, and without falling over
what somebody else wrote.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache, partial
from typing import Any, Union, get_args, get_origin, get_type_hints

Reader = Callable[[Any], Any]
"""Takes JSON data for what a field takes. Raises OtherForm."""


class OtherForm(Exception):
    """JSON data that is not what a field takes."""


def read_fields(record: Any, body: Mapping[str, Any]) -> dict[str, Any]:
    """A dataclass's fields, as JSON data has them. What is not there is empty, and what the
    dataclass does not know is left out. Raises OtherForm with the name of the first field
    that does not fit.
    """
    found = {}
    for name, (read, empty) in _readers(record).items():
        try:
            found[name] = read(body[name]) if name in body else empty
        except OtherForm:
            raise OtherForm(name) from None
    return found


def as_json(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    match value:
        case Mapping():
            return {key: as_json(item) for key, item in value.items()}
        case list() | tuple():
            return [as_json(item) for item in value]
    return value


@cache
def _readers(record: Any) -> Mapping[str, tuple[Reader, Any]]:
    """Of each field how it is read, and what stands for a key that is not there."""
    hints = get_type_hints(record)
    return {
        field.name: (_reader(hints[field.name]), _empty(hints[field.name]))
        for field in fields(record)
    }


@cache
def _reader(hint: Any) -> Reader:
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind is Any:
        return lambda value: value
    if kind in (Union, types.UnionType):
        return _or_none(_reader(next(each for each in inner if each is not type(None))))
    if is_dataclass(kind):
        return partial(_nested, kind)
    if kind is Mapping:
        return partial(_mapping, _reader(inner[1]))
    if kind in (tuple, Sequence):
        return partial(_several, _reader(inner[0]))
    return partial(_plain, (int, float) if kind in (int, float) else kind)


def _or_none(read: Reader) -> Reader:
    return lambda value: None if value is None else read(value)


def _nested(record: Any, value: Any) -> Any:
    """A record within a record: all that has no default has to be there."""
    if not isinstance(value, dict):
        raise OtherForm
    read = {key: read(value[key]) for key, (read, _) in _readers(record).items() if key in value}
    try:
        return record(**read)
    except TypeError:
        raise OtherForm from None


def _mapping(read: Reader, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise OtherForm
    return {key: read(item) for key, item in value.items()}


def _several(read: Reader, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise OtherForm
    return tuple(map(read, value))


def _plain(kinds: Any, value: Any) -> Any:
    if isinstance(value, kinds) and isinstance(value, bool) == (kinds is bool):
        return value
    raise OtherForm


def _empty(hint: Any) -> Any:
    """What stands for a key that is not there; None where a record says it itself."""
    kind = get_origin(hint) or hint
    if kind is Mapping:
        return {}
    return kind() if kind in (tuple, str, bool, int) else None
