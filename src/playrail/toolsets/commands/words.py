"""The words of a command line, as a POSIX shell makes them.

POSIX.1-2017, Shell Command Language, 2.2 Quoting and 2.3 Token Recognition:
https://pubs.opengroup.org/onlinepubs/9699919799/. The standard library's shlex does not tell
a quoted character from a bare one, on which it depends whether a shell would be needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

PIECE = re.compile(
    r"""'(?P<single>[^']*)'
      | "(?P<double>(?:[^"\\]|\\.)*)"
      | \\\n
      | \\(?P<escaped>.)
      | (?P<blank>[ \t]+)
      | (?P<operator>[|&;<>()`\n]+)
      | (?P<bare>[^'"\\ \t|&;<>()`\n]+)""",
    re.DOTALL | re.VERBOSE,
)
ESCAPED_IN_DOUBLE = re.compile(r'\\([$`"\\])|\\\n')
QUOTED = "\x01"  # stands for a character that has lost its meaning to a shell
# $'..' is one as well, in newer shells
EXPANSION = re.compile(rf"`|\$[A-Za-z0-9_{{(@*#?$!{QUOTED}-]")
PATTERN = re.compile(r"[*?]|\[[^\[]*\]|\{(?=[^{}]*\})[^{}]*?(?:,|\.\.)")
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")

NO_SHELL = "programs run without a shell"
LITERAL = "put literal ones in single quotes, or set shell=true"


class Token(NamedTuple):
    """A word, and the same with QUOTED for what quoting has made plain; or an operator."""

    text: str
    bare: str
    is_operator: bool = False


def tokens(text: str, *, comments: bool) -> Iterator[Token]:
    """The tokens of `text`. Raises ValueError where a quote is not closed. With `comments`
    what stands behind # is left out, as a shell leaves it out.
    """
    word: str | None = None
    bare = ""
    at = 0
    while at < len(text):
        if comments and word is None and text[at] == "#":
            end = text.find("\n", at)
            at = end if end >= 0 else len(text)
            continue
        piece = PIECE.match(text, at)
        if piece is None:
            raise ValueError("a quote is not closed, or a backslash stands at the end")
        at = piece.end()
        operator = piece["operator"]
        if operator is not None or piece["blank"] is not None:
            if word is not None:
                yield Token(word, bare)
            word, bare = None, ""
            if operator is not None:
                yield Token(operator, operator, is_operator=True)
            continue
        plain, active = _meaning(piece)
        if plain or piece[0] != "\\\n":
            word, bare = (word or "") + plain, bare + active
    if word is not None:
        yield Token(word, bare)


def _meaning(piece: re.Match[str]) -> tuple[str, str]:
    """A piece's text, and what of it a shell would still interpret."""
    if piece["bare"] is not None:
        return piece["bare"], piece["bare"]
    if piece["double"] is not None:
        plain = ESCAPED_IN_DOUBLE.sub(lambda escape: escape[1] or "", piece["double"])
        expansions = "".join(
            EXPANSION.findall(re.sub(r"\\.", "", piece["double"], flags=re.DOTALL))
        )
        return plain, QUOTED + expansions
    plain = piece["single"] if piece["single"] is not None else piece["escaped"] or ""
    return plain, QUOTED if piece[0] != "\\\n" else ""


def words(text: str) -> list[str]:
    """The words of a command line. Raises ValueError, which never quotes the text, when it
    needs a shell.
    """
    found: list[str] = []
    for token in tokens(text.strip(" \t\n"), comments=False):
        _check_plain(token, is_first=not found)
        found.append(token.text)
    if not found or not found[0]:
        raise ValueError("must name a program")
    return found


def _check_plain(token: Token, *, is_first: bool) -> None:
    """Raises ValueError where a shell would not take the token as a plain word."""
    bare = token.bare
    if token.is_operator and "`" not in bare:
        raise ValueError(f"{NO_SHELL}, so | & ; < > ( ) and newlines mean nothing; {LITERAL}")
    if EXPANSION.search(bare):
        raise ValueError(f"{NO_SHELL}, so $NAME, $(..) and `..` mean nothing; {LITERAL}")
    if PATTERN.search(bare) or bare.startswith("~"):
        raise ValueError(f"{NO_SHELL}, so the patterns * ? [..] {{..}} ~ mean nothing; {LITERAL}")
    if bare.startswith("#"):
        raise ValueError(f"{NO_SHELL}, so # begins no comment; {LITERAL}")
    if is_first and ASSIGNMENT.match(bare):
        raise ValueError(
            f"{NO_SHELL}, so NAME=value cannot come first; use env NAME=value program, or set "
            "shell=true"
        )


def script(text: str) -> list[str]:
    """The shell that runs `text`. Raises ValueError when there is nothing to run."""
    if not text.strip():
        raise ValueError("must name a program")
    # A script that starts with - or + would be taken for an option of the shell.
    return ["/bin/sh", "-c", "--", text] if text.startswith(("-", "+")) else ["/bin/sh", "-c", text]
