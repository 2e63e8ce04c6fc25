"""What a shell script says after its variables, quotes and simple substitutions, as far as
reading tells.

Nothing is run. What cannot be told stays as it stands.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from posixpath import basename

ROUNDS = 4  # of substitutions in substitutions
GREATEST = 4  # times as long as it was may a script become
MOST_WORDS = 200  # of a command that is read for what it says

ANSI = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.DOTALL)
INNER = re.compile(r"\$\(([^()`]{0,2000})\)|`([^`]{0,2000})`")
BRACES = re.compile(r"(?<![^\s;|&(])\{([^{}\s'\"$]{3,200})\}(?=[\s;|&)]|$)")
NAME = r"[A-Za-z_]\w*"
VALUE = r"'[^']*'|\"(?:[^\"\\]|\\.)*\"|(?:[^\s;|&()<>'\"`\\]|\\.)*"
# What sets a variable, what uses one, and what must be passed by: single quotes, in which
# nothing is used.
VARIABLES = re.compile(
    rf"(?<![\w$}}\-'\"/])(?P<set>{NAME})=(?P<value>(?:{VALUE}))"
    rf"|\bfor\s+(?P<each>{NAME})\s+in\s+(?P<words>[^;\n]*)"
    r"|\bset\s+--\s+(?P<all>[^;\n|&]*)"
    rf"|\$\{{(?P<braced>{NAME}|[0-9@*])(?:(?P<how>:?[-=])(?P<otherwise>[^}}]*))?\}}"
    rf"|\$(?P<bare>{NAME}|[0-9@*])"
    r"|(?P<every>\"\$(?:@|\{@\})\")"
    r"|'[^']*'|\\.",
    re.DOTALL,
)
USES = re.compile(rf"\$(?:\{{({NAME})\}}|({NAME}))")
LOOKUPS = frozenset({"which", "realpath", "readlink", "type", "basename"})
DECODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "base64": base64.b64decode,
    "base32": base64.b32decode,
}


def expanded(script: str) -> str:
    """The script with what can be told put in its place; the same where there is nothing."""
    most = len(script) * GREATEST + 200
    text = script
    for _ in range(ROUNDS):
        before = text
        text = ANSI.sub(lambda found: shlex.quote(_unescaped(found[1])), text)
        text = BRACES.sub(
            lambda found: found[1].replace(",", " ") if "," in found[1] else found[0], text
        )
        text = INNER.sub(_told, _with_variables(text))
        if text == before or len(text) > most:
            break
    return text[:most]


def _with_variables(text: str) -> str:
    known: dict[str, str] = {"IFS": " "}

    def put(found: re.Match[str]) -> str:
        if found["set"]:
            value = USES.sub(lambda use: known.get(use[1] or use[2], use[0]), found["value"])
            known[found["set"]] = _unquoted(value)
            return f"{found['set']}={value}"
        if found["every"]:
            return known.get("@", found[0])
        if found["each"]:
            known[found["each"]] = found["words"]
        elif found["all"] is not None:
            words = _split(found["all"])
            known.update({str(number): word for number, word in enumerate(words, 1)})
            known["@"] = known["*"] = found["all"]
        elif name := found["braced"] or found["bare"]:
            unset = (
                found["otherwise"]
                if found["how"]
                else ("" if not name[0].isalpha() and name != "_" else found[0])
            )
            return known.get(name, unset)
        return found[0]

    return VARIABLES.sub(put, text)


def _told(found: re.Match[str]) -> str:
    """What a substitution puts in its place."""
    inner = found[1] if found[1] is not None else found[2]
    said: str | None = None
    for number, command in enumerate(inner.split("|")):
        words = _split(command)
        said = spoken(words) if number == 0 else piped(said, words)
        if said is None:
            return found[0]
    return (said or "").rstrip("\n")


def spoken(words: Sequence[str]) -> str | None:
    """What a command writes; None when that is not known."""
    program = basename(words[0]) if words else ""
    if len(words) > MOST_WORDS:
        return None
    if program == "echo":
        options = [word for word in words[1:] if re.fullmatch(r"-[neE]+", word)]
        text = " ".join(words[1 + len(options) :])
        return _unescaped(text) if any("e" in option for option in options) else text
    if program == "printf" and len(words) > 1:
        told = _unescaped(words[1])
        for word in words[2:]:
            before, form, after = _form(told)
            told = f"{before}{word}{after}" if form else f"{told} {word}"
        return told
    if program in LOOKUPS or words[:2] == ["command", "-v"]:
        return words[-1]
    return None


def _form(text: str) -> tuple[str, str, str]:
    """The text before the first place for a word, that place, and the text after it."""
    found = re.search(r"%[sbq]", text)
    return (text[: found.start()], found[0], text[found.end() :]) if found else (text, "", "")


def piped(said: str | None, words: Sequence[str]) -> str | None:
    """What a command makes of what it is given; None when that is not known."""
    if said is None or not words:
        return None
    program, options = basename(words[0]), words[1:]
    try:
        if program in DECODERS and any(
            option.startswith(("-d", "-D", "--d")) for option in options
        ):
            return DECODERS[program](said.strip().encode(errors="replace")).decode(errors="replace")
        if program == "xxd" and any("r" in option for option in options):
            return bytes.fromhex(said.strip()).decode(errors="replace")
    except (binascii.Error, ValueError):
        return None
    if program == "rev":
        return "\n".join(line[::-1] for line in said.split("\n"))
    return said if program in ("cat", "tee", "tac", "sort", "nohup") else None


def _unescaped(text: str) -> str:
    try:
        return codecs.decode(
            text.replace("\\e", "\\x1b").encode("latin-1", "backslashreplace"), "unicode_escape"
        )
    except UnicodeDecodeError:
        return text


def _unquoted(value: str) -> str:
    words = _split(value)
    return words[0] if len(words) == 1 else value


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def given(script: str, arguments: Sequence[str]) -> str:
    """The script of `sh -c SCRIPT NAME ARGUMENT ..` with these."""
    if "$" not in script or not arguments or len(arguments) > MOST_WORDS:
        return script
    return f"set -- {shlex.join(arguments[1:])}\n{script}" if len(arguments) > 1 else script


def commands_in_braces(script: str) -> Iterator[str]:
    """What `<( .. )` after a shell, or after `source`, says."""
    for found in re.finditer(r"(?:\b(?:[a-z]*sh|source)|(?<!\S)\.)\s+<\(([^()]{0,2000})\)", script):
        told = INNER.sub(_told, f"$({found[1]})")
        if not told.startswith("$("):
            yield told
