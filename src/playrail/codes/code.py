"""What a stable code is: the word by which a program tells one failure from another."""

from __future__ import annotations

from typing import Self


class Code(str):
    """A code, such as `not_found`. It never changes its meaning from one version to the next.

    `meaning` is one sentence: what went wrong. `hint` is what to do next, and `retryable`
    whether the same call may work later; both hold unless whoever saw the failure knows better.
    """

    __slots__ = ("hint", "meaning", "retryable")

    meaning: str
    hint: str
    retryable: bool

    def __new__(
        cls, name: str, meaning: str = "", hint: str = "", *, retryable: bool = False
    ) -> Self:
        self = super().__new__(cls, name)
        self.meaning = meaning
        self.hint = hint
        self.retryable = retryable
        return self
