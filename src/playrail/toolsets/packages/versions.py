"""Versions of packages, as rpm and dpkg compare them."""

from __future__ import annotations

import re
from itertools import zip_longest


def is_older(one: str, other: str) -> bool:
    """Whether a version comes before another, as rpm and dpkg compare them: part by part, ~
    before the end.
    """
    for left, right in zip_longest(
        *(VERSION_PART.findall(_with_epoch(text)) for text in (one, other)), fillvalue=""
    ):
        if _rank(left) != _rank(right):
            return _rank(left) < _rank(right)
    return False


VERSION_PART = re.compile(r"\d+|[A-Za-z]+|[~:-]")


def _with_epoch(version: str) -> str:
    return version if ":" in version else f"0:{version}"


def _rank(part: str) -> tuple[int, int, str]:
    """~ comes first, then the end, the revision behind -, letters, numbers."""
    order = {"~": 0, "": 1, "-": 2}.get(part, 4 if part.isdigit() else 3)
    return (order, int(part) if part.isdigit() else 0, part.lstrip("0"))
