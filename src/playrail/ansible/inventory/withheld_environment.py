"""Which variables of the environment an inventory asks for, that are set and that Ansible
is not given.

A lookup of one finds an empty text: a login as another user, or without a password, with no
word of why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

_QUOTE = r"\\?['\"]"
_ASKED = re.compile(
    r"\b(?:lookup|query"
    rf"|q)\(\s*{_QUOTE}(?:ansible\.builtin\.)?env{_QUOTE}\s*,\s*{_QUOTE}(\w+){_QUOTE}"
)
REMEDY = "Name it in PLAYRAIL_PASS_ENV, if Ansible is to have it."


def withheld(
    listing: Mapping[str, Any], *, given: Collection[str], passed: Collection[str]
) -> dict[str, str]:
    """Return the names of those variables, each with the first host that asks for it."""
    found: dict[str, str] = {}
    for host, own in listing.get("_meta", {}).get("hostvars", {}).items():
        for name in _ASKED.findall(json.dumps(own)):
            if name in given and name not in passed:
                found.setdefault(name, host)
    return found
