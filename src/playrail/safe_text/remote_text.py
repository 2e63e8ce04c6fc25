"""Text that came from a server, made fit for whoever reads it: without what a terminal
would obey.
"""

from __future__ import annotations

import re
from typing import Any

# ECMA-48 (https://ecma-international.org/publications-and-standards/standards/ecma-48/):
# control sequences, control strings with their end, other escape sequences, and what is
# left of C0, DEL and C1. Tab and line ends are text.
CONTROL = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x80-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)


def cleaned(value: Any) -> tuple[Any, int]:
    """JSON data without terminal control sequences in its texts and names, and how many
    there were.
    """
    match value:
        case str():
            return CONTROL.subn("", value)
        case list():
            items = [cleaned(item) for item in value]
            return [item for item, _ in items], sum(count for _, count in items)
        case dict():
            names = [(CONTROL.subn("", name), cleaned(item)) for name, item in value.items()]
            return {name: item for (name, _), (item, _) in names}, sum(
                one + more for (_, one), (_, more) in names
            )
    return value, 0


def sentence(said: Any) -> str:
    """What a program or a module said, as a sentence of its own: with a large letter and a
    full stop.
    """
    text = str(said)
    return f"{text[:1].upper()}{text[1:]}."
