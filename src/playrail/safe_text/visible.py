"""Text that is shown to whoever approves it: nothing in it is unseen, nor looks like
something else.

Nothing is taken out. What shows nothing, turns the direction of writing, or passes for
another character is shown as an escape, as Python writes it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

MOST_MARKS = 2  # on one letter; more of them cover what stands above and below

# Letters, marks and symbols of Unicode that show nothing: Default_Ignorable_Code_Point as
# far as their category does not tell already, variation selectors among them, and the
# blanks that are no space to Unicode (Braille, musical, hieroglyphs).
SHOWS_NOTHING = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800"
    "\u3164\ufe00-\ufe0f\uffa0\ufff0-\uffff"
    "\U00013441\U00013442\U00016fe4\U0001d159\U000e0000-\U000e0fff]"
)
# Marks that are drawn over a letter, so that it is not seen, or looks like another.
OVERLAYS = re.compile(
    r"[\u0334-\u0338\u0488\u0489\u20d2\u20d3\u20d8-\u20da\u20dd-\u20e0\u20e2-\u20eb]"
)
SLASHES = "\u2044\u2215\u29f8\u2571"  # what Unicode gives no plain form for
# With letters like Latin ones
ALPHABETS = ("CYRILLIC ", "GREEK ", "ARMENIAN ", "CHEROKEE ", "COPTIC ")
WORD = re.compile(r"[^\W\d_]+")
PLAIN = re.compile(r"[\t\n\x20-\x7e]*")  # what is as it looks; most texts are nothing else


def visible(text: str) -> str:
    """The text with line ends and tabs as they are, and all else that is not seen as an
    escape.
    """
    return _shown(text, _escaped)


def visible_json(text: str) -> str:
    """The text of JSON data with what is not seen in JSON's own escapes: programs read the
    same.
    """
    return _shown(text, lambda letter: json.dumps(letter)[1:-1])


def in_one_line(text: str) -> str:
    """The text as one line that a terminal prints and does not obey: line ends are escapes
    too.
    """
    return visible(text).replace("\n", "\\n")


def all_visible(value: Any) -> Any:
    """JSON data with every text, and every name, made visible."""
    match value:
        case str():
            return visible(value)
        case dict():
            return {all_visible(key): all_visible(item) for key, item in value.items()}
        case list() | tuple():
            return [all_visible(item) for item in value]
    return value


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def _shown(text: str, escaped: Callable[[str], str]) -> str:
    return text if PLAIN.fullmatch(text) else "".join(_letters(text, escaped))


def _letters(text: str, escaped: Callable[[str], str]) -> Iterator[str]:
    mixed = {
        place for word in WORD.finditer(text) if _is_mixed(word[0]) for place in _foreign(word)
    }
    marks = 0
    base = ""
    for place, letter in enumerate(text):
        if PLAIN.fullmatch(letter):
            marks, base = 0, letter
            yield letter
            continue
        marks = marks + 1 if unicodedata.category(letter) in ("Mn", "Mc", "Me") else 0
        if not marks:
            base = letter
        unseen = place in mixed or not _is_seen(letter) or (marks and not _may_carry(base, marks))
        yield escaped(letter) if unseen else letter


def _may_carry(base: str, marks: int) -> bool:
    """Whether so many marks may stand on the character before them. On a slash or a blank
    they hide it.
    """
    return marks <= MOST_MARKS and base.isalpha()


@lru_cache(maxsize=4096)
def _is_seen(letter: str) -> bool:
    if not letter.isprintable() or SHOWS_NOTHING.match(letter) or OVERLAYS.match(letter):
        return False
    return letter not in SLASHES and not _passes_for_ascii(letter)


def _passes_for_ascii(letter: str) -> bool:
    """Whether it is another form of a plain letter or sign: wide, mathematical, a
    look-alike.
    """
    kind, *plain = ["", *unicodedata.decomposition(letter).split()]
    if plain and plain[0].startswith("<"):
        kind, *plain = plain
    return kind in ("", "<wide>", "<narrow>", "<font>", "<compat>", "<small>") and _is_ascii(plain)


def _is_ascii(plain: Sequence[str]) -> bool:
    if len(plain) != 1:
        return False
    letter = chr(int(plain[0], 16))
    return letter.isascii() or not _is_seen(letter)


def _is_mixed(word: str) -> bool:
    """Whether letters of another alphabet stand among Latin ones, as in a name that is to
    be mistaken.
    """
    if word.isascii():
        return False
    alphabets = {_alphabet(letter) for letter in word}
    return "LATIN " in alphabets and not alphabets.isdisjoint(ALPHABETS)


def _foreign(word: re.Match[str]) -> Iterator[int]:
    return (
        place
        for place, letter in enumerate(word[0], word.start())
        if _alphabet(letter) in ALPHABETS
    )


@lru_cache(maxsize=4096)
def _alphabet(letter: str) -> str:
    name = unicodedata.name(letter, "")
    return next((kind for kind in ("LATIN ", *ALPHABETS) if name.startswith(kind)), "")
