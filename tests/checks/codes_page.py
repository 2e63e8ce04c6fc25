"""The page of codes, made from their declarations: `python tests/checks/codes_page.py
[--write | --check]` prints it, writes docs/codes.md, or fails when that is something else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from playrail.codes.code import Code
from playrail.codes.every import SUBJECTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "codes.md"
COMMAND = "python tests/checks/codes_page.py --write"
INTRODUCTION = f"""\
<!-- Made by `{COMMAND}`. -->
# Codes

Every answer that failed has a `code`. A code never changes its meaning, so a program can
decide by it; the `error` beside it is for people, and often tells more. The answer's own
`hint` and `retryable` count: where the words of ssh, Ansible or a package manager tell more
than the code does, they differ from this page.
"""


def page() -> str:
    """The page as Markdown, a table for each subject."""
    return INTRODUCTION + "".join(_lines())


def _lines() -> Iterator[str]:
    for subject in SUBJECTS:
        yield f"\n## {(subject.__doc__ or '').strip().rstrip('.')}\n\n"
        yield "| code | what it means | what to do next | retry |\n| --- | --- | --- | --- |\n"
        for code in vars(subject).values():
            if isinstance(code, Code):
                retry = "yes" if code.retryable else "no"
                yield f"| `{code}` | {code.meaning} | {code.hint} | {retry} |\n"


def main(arguments: list[str]) -> int:
    if arguments == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
    elif arguments == ["--check"]:
        if PAGE.read_text(encoding="utf-8") != page():
            sys.stderr.write(f"docs/codes.md is not what the codes say; run: {COMMAND}\n")
            return 1
    else:
        sys.stdout.write(page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
