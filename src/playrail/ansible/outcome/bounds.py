"""Keeps what a host sent to a size that may be written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class Bounds:
    """Cuts values of JSON to texts of at most `text` characters, and to about `total`
    characters in all of its calls.

    `cut` says whether anything was left out.
    """

    def __init__(self, *, text: int, total: int) -> None:
        self._text = text
        self.left = total
        self.cut = False

    def of(self, value: Any) -> Any:
        """The value, or what there is room for: the beginning of a long text, the first
        items of a list or mapping.
        """
        match value:
            case str():
                return self._beginning(value)
            case Mapping():
                return {
                    key: self.of(item)
                    for key, item in value.items()
                    if self._fits(len(str(key)) + 4)
                }
            case Sequence() if not isinstance(value, bytes | bytearray):
                return [self.of(item) for item in value if self._fits(2)]
        self._fits(4)
        return value

    def _beginning(self, text: str) -> str:
        """At most `text` characters, or nothing: who looks for a secret that was cut has to
        know where that may be.
        """
        kept = text[: self._text]
        kept = kept if len(kept) <= self.left else ""
        self.cut = self.cut or len(text) > len(kept)
        self.left -= len(kept)
        return kept

    def _fits(self, size: int) -> bool:
        fits = self.left > size
        self.left -= size if fits else 0
        self.cut = self.cut or not fits
        return fits
