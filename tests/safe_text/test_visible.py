"""What shows nothing, or passes for something else, is shown as an escape; what people
write is left as it is.
"""

from __future__ import annotations

import json
import unicodedata

import pytest

from playrail.safe_text.diffs import unified
from playrail.safe_text.visible import all_visible, in_one_line, visible, visible_json

PLAIN = [
    "df -h / | sort",
    "zażółć gęślą jaźń — „cytat” … €",
    "привет, мир",
    "\u03b1-helix, 10µs, ½, ², ™, ①",
    "日本語 한국어 กำ ที่ शिक्षा עברית العربية",
    "e\u0301 o\u0302\u0301",
    "✓ → ⚠ 🙂",
]
UNSEEN = {
    "right to left": "\u202e",
    "an isolate": "\u2066",
    "an Arabic mark": "\u061c",
    "of no width": "\u200b",
    "a joiner": "\u2060",
    "a byte order mark": "\ufeff",
    "a soft hyphen": "\u00ad",
    "a tag": "\U000e0072",
    "a variation selector": "\ufe0f",
    "another": "\U000e0101",
    "a Mongolian one": "\u180b",
    "for private use": "\ue000",
    "not assigned": "\U000e0fff",
    "no character": "\uffff",
    "a line separator": "\u2028",
    "a paragraph separator": "\u2029",
    "a blank that is none": "\u00a0",
    "a wide blank": "\u3000",
    "a thin blank": "\u2009",
    "an Ogham blank": "\u1680",
    "a Hangul filler": "\u3164",
    "a half-width one": "\uffa0",
    "an initial one": "\u115f",
    "a Braille blank": "\u2800",
    "a note without a head": "\U0001d159",
    "a grapheme joiner": "\u034f",
    "a Khmer vowel": "\u17b4",
    "an escape": "\x1b",
    "a C1 control": "\x9b",
    "a bell": "\x07",
    "a carriage return": "\r",
    "half a pair": "\ud800",
    "a wide letter": "\uff41",
    "a bold letter": "\U0001d41a",
    "a sign of Kelvin": "\u212a",
    "a Greek question mark": "\u037e",
    "a slash of fractions": "\u2044",
    "a stroke over a letter": "\u0338",
}


@pytest.mark.parametrize("text", PLAIN)
def test_what_people_write_stays(text: str) -> None:
    assert visible(text) == in_one_line(text) == text


@pytest.mark.parametrize("letter", UNSEEN.values(), ids=UNSEEN)
def test_what_is_not_seen_is_an_escape(letter: str) -> None:
    shown = in_one_line(f"a{letter}b")

    assert shown == f"a{letter.encode('unicode_escape').decode()}b"
    text, _ = unified("old\n", f"new{letter}\n", name=f"/x{letter}")
    assert letter not in text
    assert letter not in json.dumps(all_visible({letter: [letter]}), ensure_ascii=False)


@pytest.mark.parametrize("kind", ["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"])
def test_no_letter_of_a_kind_that_shows_nothing_is_left(kind: str) -> None:
    every = [chr(number) for number in range(0x20000) if unicodedata.category(chr(number)) == kind]
    left = [
        letter for letter in every if letter in visible(f"a{letter}b") and letter not in " \n\t"
    ]

    assert left == []


def test_line_ends_and_tabs() -> None:
    assert (visible("a\n\tb"), in_one_line("a\n\tb")) == ("a\n\tb", "a\\n\tb")


def test_marks_that_are_piled_up_or_stand_on_a_sign() -> None:
    assert in_one_line("a" + "\u0301" * 4) == "a\u0301\u0301\\u0301\\u0301"
    assert in_one_line("/\u0301etc") == "/\\u0301etc"
    assert in_one_line("\u0301") == "\\u0301"


def test_a_word_of_two_alphabets() -> None:
    assert in_one_line("/etc/p\u0430sswd") == "/etc/p\\u0430sswd"
    assert in_one_line("r\u03bfot") == "r\\u03bfot"
    assert in_one_line("\u043a\u043e\u0442 cat") == "\u043a\u043e\u0442 cat"


def test_json_means_the_same_to_a_program() -> None:
    value = {"cmd": "uptime \u202e\U000e0041 zażółć"}
    text = visible_json(json.dumps(value, ensure_ascii=False))

    assert json.loads(text) == value
    assert ("\u202e" in text, "zażółć" in text) == (False, True)
