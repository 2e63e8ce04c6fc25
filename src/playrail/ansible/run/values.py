"""Makes what a caller sent into Ansible variables that stay data.

A string in plain extra variables is a template: `{{ lookup('pipe', 'id') }}` would run on
the controller. Marked with `__ansible_unsafe`, the form of Ansible's own JSON decoder
(ansible/module_utils/common/json.py), it stays text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from pydantic import SecretStr


def to_extravars(values: Mapping[str, Any]) -> str:
    """The text of an extra-vars file in which no string is a template.

    Raises TypeError on other than JSON's types, ValueError on numbers that JSON does not
    have.
    """
    return json.dumps({name: _unsafe(value) for name, value in values.items()}, allow_nan=False)


def _unsafe(value: Any) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case str() | PurePath():
            return {"__ansible_unsafe": str(value)}
        case SecretStr():
            return {"__ansible_unsafe": value.get_secret_value()}
        case Mapping():
            return {_key(key): _unsafe(item) for key, item in value.items()}
        case Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            return [_unsafe(item) for item in value]
    raise TypeError(f"{type(value).__name__} cannot be an Ansible variable")


def _key(key: Any) -> str:
    # A key of this form would turn the mapping into something else when Ansible reads it.
    if not isinstance(key, str) or key.startswith("__ansible_"):
        raise TypeError("an Ansible variable's keys are strings that do not start with __ansible_")
    return key
