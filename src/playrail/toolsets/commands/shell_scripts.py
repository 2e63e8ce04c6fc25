"""A shell script, read from its first piece to the last: its commands, where they lead, and
the scripts in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from posixpath import join, normpath

ROOTS_HOME = "/root"
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "fish", "rbash"})
DISK = re.compile(r"/dev/(?:sd|hd|vd|xvd|nvme|mmcblk|md|dm-|mapper/|disk/|loop)")

# The pieces of a script. POSIX.1-2017, Shell Command Language, 2.3 Token Recognition.
PIECE = re.compile(
    r"""\\\n
      | \\(?P<escaped>.)
      | '(?P<single>[^']*)'
      | "(?P<double>(?:[^"\\]|\\.)*)"
      | (?P<comment>(?<![^\s;&|()])\#[^\n]*)
      | (?P<blank>[ \t\r]+)
      | (?P<inline><<-?)(?!<)
      | (?P<redirect><<<|&>>?|[<>]+[&|]?)
      | (?P<end>[;&|()`\n])
      | (?P<bare>[^'"\\ \t\r\n;&|()`<>]+)
      | .""",
    re.DOTALL | re.VERBOSE,
)
RUNS = re.compile(r"\$\(|`")  # within double quotes too
HOME = re.compile(r"\$(?:HOME\b|\{HOME\})")
BLANK = re.compile(r"\$(?:IFS\b|\{IFS\})")
A_SHELL = re.compile(rf"(?<![\w.-])(?:{'|'.join(sorted(SHELLS))})(?![\w.-])")
# Before a command
LEADING = frozenset({"!", "{", "if", "then", "elif", "else", "while", "until", "do"})


@dataclass
class Reading:
    """A script that is read from its first piece to the last."""

    script: str
    home: str
    """Where relative paths begin, as far as `cd` told."""
    overwrites: bool = False
    """Whether an output of the last command goes to a disk."""
    bare: list[str] = field(default_factory=list)
    """What was read, without what is quoted."""
    inner: list[str] = field(default_factory=list)
    """Other scripts found in it."""
    words: list[str] = field(default_factory=list)
    word: str | None = None
    to: str | None = None
    """The redirection whose target comes next."""
    strings: list[str] = field(default_factory=list)
    """What the last command is given to read in its own line: sh <<< .."""
    piped: bool = False
    """Whether the last command's output goes to the next."""
    delimiters: list[str] = field(default_factory=list)
    """Where the inline documents end that begin with the next line."""
    line: int = 0
    """Where the line began."""

    def commands(self) -> Iterator[list[str]]:
        """The words of each simple command, without leading assignments and reserved words."""
        self.script = BLANK.sub(" ", self.script)
        place = 0
        while piece := PIECE.match(self.script, place):
            place = piece.end()
            kind = piece.lastgroup
            if kind not in ("blank", "inline", "redirect", "end", "comment"):
                self._text(piece, kind)
                continue
            self._end_of_word()
            if kind in ("redirect", "inline"):
                self.to = piece[0]
            self.bare.append(piece[0])
            if kind == "end":
                self.piped = piece[0] == "|" and not self.script.startswith("|", place)
                yield self._command()
                place = self._inline_documents(place) if piece[0] == "\n" else place
        self._end_of_word()
        yield self._command()

    def _text(self, piece: re.Match[str], kind: str | None) -> None:
        quoted = piece[kind] if kind else ("" if piece[0] == "\\\n" else piece[0])
        if kind == "double":
            if RUNS.search(re.sub(r"\\.", "", quoted, flags=re.DOTALL)):
                self.inner.append(quoted)
            quoted = re.sub(r"\\([$`\"\\\n])", r"\1", quoted)
        if kind == "bare" and self.word is None and re.match(r"~(?:/|$)", quoted):
            quoted = ROOTS_HOME + quoted[1:]
        if kind in ("bare", "double"):
            quoted = HOME.sub(ROOTS_HOME, quoted)
        self.word = (self.word or "") + quoted
        self.bare.append(piece[0] if kind == "bare" else "'" * (piece[0] != "\\\n"))

    def _end_of_word(self) -> None:
        if self.word is None:
            return
        if self.to is None:
            self.words.append(self.word)
        elif self.to.startswith("<<") and self.to != "<<<":
            self.delimiters.append(self.word)
        elif self.to == "<<<":
            self.strings.append(self.word)
        elif ">" in self.to:
            self.overwrites |= bool(DISK.match(normpath(join(self.home, self.word))))
        self.word = self.to = None

    def _command(self) -> list[str]:
        words, self.words, self.to = self.words, [], None
        start = next(
            (
                n
                for n, word in enumerate(words)
                if word not in LEADING and not ASSIGNMENT.match(word)
            ),
            None,
        )
        return [] if start is None else words[start:]

    def _inline_documents(self, place: int) -> int:
        """Where the lines go on behind the documents (2.7.4 Here-Document). One for a shell
        is a script as well.
        """
        for_shell = self.delimiters and A_SHELL.search(self.script[self.line : place])
        self.line = place
        for delimiter in self.delimiters:
            end = re.compile(rf"^\t*{re.escape(delimiter)}$", re.MULTILINE).search(
                self.script, place
            )
            if for_shell:
                self.inner.append(self.script[place : end.start() if end else len(self.script)])
            place = self.line = min(end.end() + 1, len(self.script)) if end else len(self.script)
            if place == len(self.script):
                break
        self.delimiters = []
        return place
