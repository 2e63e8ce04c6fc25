"""Arguments as models and their clients send them, read as what can only be meant.

A client may write a number as text, a list as JSON text, or 5 as 5.0. Where the value is
not of the field's type, and exactly one value of that type is written so, that one is
meant. All else stays as it is, and is refused by the field's own rule: "5.5", "yes", "a,b",
" 5", "01" could mean several things or none.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

# From here on a client in JavaScript has lost digits of an integer, and nobody can say
# which
SAFE = 2**53
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,20})(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,2})?")
WORDS = {"true": True, "false": False, "True": True, "False": False, "null": None}
SEVERAL = re.compile(r"[\s,;|]")  # a text with one of these may be meant as several

Kind = type[Any]


class OnlyText:
    """Marks a text of which a number is no spelling: 644 may be permissions in octal, or a
    number of 644 in decimal.
    """


class Rare:
    """Marks an argument that hardly a call needs, and that an answer or a refusal names where
    it is needed: the list of tools that every conversation pays for leaves it out.
    """


class More(Rare):
    """Marks one with which an answer that was cut tells more: such an answer names it."""


def marked(model: type[BaseModel], mark: type[Rare]) -> list[str]:
    """The model's fields that have the mark."""
    return [
        name
        for name, field in model.model_fields.items()
        if any(isinstance(each, type) and issubclass(each, mark) for each in field.metadata)
    ]


def as_meant(model: type[BaseModel], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments for this model; of those that cannot be meant otherwise, what is meant."""
    meant = {}
    for name, value in arguments.items():
        field = model.model_fields.get(name)
        if field is None:
            meant[name] = value
            continue
        annotation = (
            Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        )
        found = _meant(annotation, value)
        if found is None and not field.is_required() and type(None) not in _kinds(annotation):
            continue  # null for what may be left out is to leave it out
        meant[name] = found
    return meant


def _meant(annotation: Any, value: Any) -> Any:  # a line for each case
    kinds = _kinds(annotation)
    match value:
        case str():
            return _of_text(kinds, value)
        case bool():
            return value
        case int() | float():
            return _of_number(kinds, value)
        case list() if list in kinds:
            return [_meant(kinds[list], item) for item in value]
        case dict() if dict in kinds and isinstance(kinds[dict], type):
            return as_meant(kinds[dict], value)
        case dict() if list in kinds and dict in _kinds(kinds[list]):
            return [_meant(kinds[list], value)]
    return value


def _of_text(kinds: Mapping[Kind, Any], text: str) -> Any:
    if list in kinds and text.startswith("["):
        return _meant_json(kinds, text, list)
    if str in kinds:
        return text
    if dict in kinds and text.startswith("{"):
        return _meant_json(kinds, text, dict)
    if list in kinds:
        item = _meant(kinds[list], text)
        return text if type(item) not in _kinds(kinds[list]) or SEVERAL.search(text) else [item]
    if text in WORDS:
        word = WORDS[text]
        return word if type(word) in kinds else text
    if not NUMBER.fullmatch(text):
        return text
    number = json.loads(text)
    found = _of_number(kinds, number)
    return found if type(found) in kinds else text


def _meant_json(
    kinds: Mapping[Kind, Any], text: str, kind: type[list[Any] | dict[str, Any]]
) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(value, kind):
        return text
    return _meant({kind: kinds[kind]}, value)


def _of_number(kinds: Mapping[Kind, Any], number: float) -> Any:
    is_whole = isinstance(number, int) or number.is_integer()
    is_exact = abs(number) < SAFE
    if isinstance(number, float) and float in kinds:
        return number
    if int in kinds and is_whole:
        return int(number) if is_exact else number
    if float in kinds:
        return float(number) if is_exact else number
    if str in kinds and isinstance(number, int) and is_exact and kinds[str] is not OnlyText:
        return str(number)
    if list in kinds and str not in kinds and list not in _kinds(kinds[list]):
        item = _of_number(_kinds(kinds[list]), number)
        return [item] if type(item) in _kinds(kinds[list]) else number
    return number


def _kinds(annotation: Any) -> Mapping[Kind, Any]:
    """What JSON knows of the values that the annotation allows: str, int, float, bool,
    list, dict, NoneType.

    For list it tells what the items are, for dict the model if there is one, for str
    whether a number is a spelling.
    """
    if isinstance(annotation, Mapping):
        return annotation
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *marks = get_args(annotation)
        kinds = dict(_kinds(inner))
        if str in kinds and any(mark is OnlyText or isinstance(mark, OnlyText) for mark in marks):
            kinds[str] = OnlyText
        return kinds
    if origin in (Union, types.UnionType):
        return {kind: of for one in get_args(annotation) for kind, of in _kinds(one).items()}
    if origin is Literal:
        return {
            type(value.value if isinstance(value, Enum) else value): None
            for value in get_args(annotation)
        }
    if origin in (list, tuple, set, frozenset):
        return {list: (*get_args(annotation), Any)[0]}
    if origin is dict or annotation is dict:
        return {dict: None}
    return _kinds_of_class(annotation)


def _kinds_of_class(annotation: Any) -> Mapping[Kind, Any]:
    if not isinstance(annotation, type):
        return {}
    if issubclass(annotation, Enum):
        return {type(member.value): None for member in annotation}
    if issubclass(annotation, BaseModel):
        return {dict: annotation}
    if issubclass(annotation, SecretStr):
        return {str: None}
    known = (bool, int, float, str, list, type(None))
    return {annotation: Any if annotation is list else None} if annotation in known else {}
