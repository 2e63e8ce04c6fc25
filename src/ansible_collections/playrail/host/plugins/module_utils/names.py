r"""How a file's name is written in an answer, so that it can be read, told from others and
given back.

A name is bytes. What of them is no UTF-8, shows nothing or steers a terminal is written
`\xff`, byte by byte. All else stays as it is, a backslash too, as long as it does not
begin what would be read as such a byte: that one is `\x5c`.
"""

import os
import re

# Only these are ever written so, so only these are read so: `\x2d`, usual in the names of
# units, is four characters.
ESCAPE = re.compile(r"\\x([01][0-9a-f]|7f|5c|[89a-f][0-9a-f])")
# What shows nothing though it counts as printable (Default_Ignorable_Code_Point, and the
# blank of Braille).
SHOWS_NOTHING = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164"
    "\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def spelled(path):
    """The path as text, whatever its bytes are. `path` is bytes, or text with surrogates in
    place of odd bytes.
    """
    raw = os.fsencode(path)
    text = ESCAPE.sub(r"\\x5cx\1", raw.decode("utf-8", "surrogateescape"))
    return "".join(one if shows(one) else escaped(one) for one in text)


def shows(letter):
    return letter.isprintable() and not SHOWS_NOTHING.match(letter)


def escaped(letter):
    return "".join(
        "\\x%02x" % byte for byte in bytearray(letter.encode("utf-8", "surrogateescape"))
    )


def meant(path):
    """The path that is spelled so, as `os` takes it: text with surrogates in place of odd
    bytes.
    """
    if "\\x" not in path:
        return path
    parts = ESCAPE.split(path)
    raw = [part.encode("utf-8", "surrogateescape") for part in parts]
    raw[1::2] = [bytes(bytearray([int(part, 16)])) for part in parts[1::2]]
    return os.fsdecode(b"".join(raw))
