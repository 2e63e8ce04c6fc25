"""YAML as Ansible reads it, in which a text can be one that is never a template."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from playrail.settings.target import Unsafe

_STR = "tag:yaml.org,2002:str"
# What a literal block keeps as it is
_LINES = re.compile(r"[\x20-\x7e\n]*[\x20-\x7e][\x20-\x7e\n]*")


class _Dumper(yaml.SafeDumper):
    """YAML as Ansible reads it, with `!unsafe`."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless  # the items of a list stand indented, as ansible-lint wants them
        super().increase_indent(flow, False)

    def ignore_aliases(self, _data: Any) -> bool:
        return True  # each value stands where it is used


def _unsafe(dumper: _Dumper, text: Unsafe) -> yaml.ScalarNode:
    # Ansible resolves what stands behind `!unsafe` again as if it had no quotes: "0640"
    # would be the number 416. What is no text then cannot be a template either.
    # in its stubs
    resolved = dumper.resolve(  # type: ignore[no-untyped-call]
        yaml.ScalarNode, str(text), (True, False)
    )
    if resolved != _STR:
        return dumper.represent_scalar(_STR, str(text), style='"')
    style = "|" if "\n" in text and _LINES.fullmatch(text) else '"'
    return dumper.represent_scalar("!unsafe", str(text), style=style)


_Dumper.add_representer(Unsafe, _unsafe)


def to_yaml(value: Any) -> str:
    """The value as YAML: of JSON's types, and Unsafe."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf)
