"""What changed in a text, as a unified diff that is safe to show."""

from __future__ import annotations

import difflib
from itertools import takewhile

from playrail.safe_text.visible import in_one_line

MAX_LINES = 2_000  # of a diff
MAX_BYTES = 64 * 1024  # of a diff
# Lines of a side, from the first that differs; the time to compare grows with their square
MAX_COMPARED = 4_000
NOWHERE = "/dev/null"
# A program that reads diffs passes over a line that begins with a backslash.
NO_LINE_END = "\\ No newline at end of file"
CUT = "\\ The diff is cut here."


def unified(before: str | None, after: str | None, *, name: str) -> tuple[str, bool]:
    """The unified diff of the file `name`, and whether it is cut. None is no file. Without
    a line that differs the text is empty.

    At most MAX_LINES lines and MAX_BYTES of UTF-8, and then a line that says so. What a
    terminal would obey is shown as an escape.
    """
    old, new, cut = _comparable(_lines(before), _lines(after))
    was, becomes = (NOWHERE if text is None else in_one_line(name) for text in (before, after))
    lines: list[str] = []
    left = MAX_BYTES
    for line in difflib.unified_diff(old, new, was, becomes):
        text = in_one_line(line.removesuffix("\n"))
        shown = [text] if line.endswith("\n") else [text, NO_LINE_END]
        left -= sum(len(one.encode()) + 1 for one in shown)
        if left < 0 or len(lines) + len(shown) > MAX_LINES:
            cut = True
            break
        lines += shown
    if cut:
        lines.append(CUT)
    return "".join(f"{line}\n" for line in lines), cut


def _lines(text: str | None) -> list[str]:
    """The lines with their ends. Only a line feed ends one, as in every program that makes
    diffs.
    """
    *ended, last = (text or "").split("\n")
    return [*(f"{line}\n" for line in ended), *([last] if last else [])]


def _comparable(old: list[str], new: list[str]) -> tuple[list[str], list[str], bool]:
    """As much of both as can be compared in reasonable time, and whether that is less than
    all.
    """
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    rest = zip(reversed(old[same:]), reversed(new[same:]), strict=False)
    differing = (
        max(len(old), len(new))
        - same
        - sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], rest))
    )
    if differing <= MAX_COMPARED:
        return old, new, False
    return old[: same + MAX_COMPARED], new[: same + MAX_COMPARED], True
