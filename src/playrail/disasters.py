"""Some well-known disasters, told by a program and its arguments: a seat belt, no boundary.

A caller chooses every word, so each word is looked at once for each shell that it is given to, however they are nested.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from posixpath import basename, join, normpath

ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")

WRAPPERS = frozenset(  # any word after one of these may be the program that it runs
    {"sudo", "doas", "su", "env", "nice", "ionice", "nohup", "setsid", "stdbuf", "timeout", "time", "chroot", "unshare"}
    | {"nsenter", "busybox", "toybox", "xargs", "find", "parallel", "systemd-run", "watch", "script", "flock"}
    | {"taskset", "command", "exec", "builtin", "eval"}
)
SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh"})
SCRIPTED = SHELLS | {"eval", "su", "watch", "script", "flock", "parallel"}  # a word after one of these may be a script
SPEAKERS = frozenset({"echo", "printf"})
LOOKING = frozenset(  # their arguments are no programs, even behind a wrapper
    {"man", "info", "whatis", "apropos", "which", "whereis", "grep", "egrep", "fgrep", "zgrep", "ls", "cat", "less"}
    | {"head", "tail", "stat", "file", "apt-cache", "dpkg-query"}
)
NO_VALUE = frozenset({"--", "-n", "-E", "-H", "-i", "-0", "-r"})  # options of wrappers that a program may follow
PERMISSIONS = frozenset({"chmod", "chown", "chgrp"})
ERASERS = frozenset({"mke2fs", "blkdiscard"})
OVERWRITERS = frozenset({"shred", "tee"})
COPIERS = frozenset({"cp", "mv", "install"})
FIND_TESTS = frozenset(
    {"-name", "-iname", "-path", "-ipath", "-wholename", "-regex", "-iregex", "-size", "-empty", "-inum", "-samefile"}
    | {"-mtime", "-mmin", "-atime", "-amin", "-ctime", "-cmin", "-anewer", "-cnewer", "-perm"}
    | {"-user", "-group", "-uid", "-gid", "-nouser"}
)
FIND_RUNS = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
LONG_OPTIONS = ("recursive", "no-preserve-root", "all", "offset")

# / or a directory without which the system is lost, or all that lies in it. The path's own last / is cut off.
VITAL = re.compile(
    r"(?:/(?:bin|boot|dev|etc|home|lib|lib32|lib64|proc|root|sbin|sys|usr(?:/(?:bin|sbin|lib[^/]*))?|var))?"
    r"(?:/(?:\*|\.\*|\?\*|\{\*,\.\*\}))*"
)
HARMLESS_DEVICES = (
    *("/dev/null", "/dev/zero", "/dev/full", "/dev/std", "/dev/tty", "/dev/fd/", "/dev/pts/"),
    "/dev/shm/",  # noqa: S108  a name, nothing is written here
)
DISK = re.compile(r"/dev/(?:sd|hd|vd|xvd|nvme|mmcblk|md|dm-|mapper/|disk/|loop)")
FORKING_BODY = re.compile(r"\(\)\s*\{\s*([^\s|(){}]+)\s*\|\s*\1\s*&")  # of a function; its name stands before

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
LEADING = frozenset({"!", "{", "if", "then", "elif", "else", "while", "until", "do"})  # before a command
ROOTS_HOME = "/root"

DELETES = "it would delete the system"
OVERWRITES = "it would overwrite a device"
FORKS = "it would fill the process table"


def disaster(argv: Sequence[str], home: str = ROOTS_HOME) -> str | None:
    """What well-known disaster this would be, or None. `home` is where relative paths are thought to begin."""
    if not argv:
        return None
    programs = _programs(argv)
    shell = not SCRIPTED.isdisjoint(programs)
    rest = _Rest(home)
    found = in_script = None
    for at in reversed(range(len(argv))):
        program = programs[at]
        if program is not None:
            found = _own_disaster(program, rest) or (in_script if program in SCRIPTED else None) or found
        if at > 0:
            rest.add(argv[at])
            rest.find_deletes |= program == "rm"
            in_script = (_script_disaster(argv[at], home) if shell else None) or in_script
    return found


def _programs(argv: Sequence[str]) -> list[str | None]:
    """For each word the program that it may be: the first, and any behind a wrapper, whose options nobody knows."""
    found: list[str | None] = []
    first = may = True
    searching = scripted = False
    before = ""
    for word in argv:
        name = basename(word)
        found.append(name if may else None)
        scripted |= may and name in SCRIPTED  # such a one may join words to a script
        no_value = first or (not scripted and (not before.startswith("-") or before in NO_VALUE))
        if may and no_value and (name if first else word) == "find":
            may, searching = False, True
        elif first:
            may = name in WRAPPERS
        elif no_value and word in LOOKING:
            may = False
        first = searching and word in FIND_RUNS
        may = first or (may and not (searching and word in (";", "+")))
        before = word
    return found


class _Rest:
    """What there is after some word of a command line, which is read from its last word to the first."""

    def __init__(self, home: str) -> None:
        self.home = normpath(home)
        self.options: set[str] = set()
        """Letters, and names of LONG_OPTIONS."""
        self.operands: set[str] = set()
        """What they name: `root`, `system`, `device`."""
        self.places: set[str] = set()
        """The same when no word is taken for an option."""
        self.last: set[str] | None = None
        """What the last operand names: where a copy goes to."""
        self.newest: set[str] = set()
        """What the operand names that was added last."""
        self.target: set[str] | None = None
        """What the option -t names, as far as it is among the operands."""
        self.systems = 0
        """How many operands name a part of the system."""
        self.dd_on_device = self.find_deletes = self.find_chooses = False

    def add(self, word: str) -> None:
        if word == "--":  # what comes after is no option
            self.options, self.operands = set(), set(self.places)
            return
        self.find_deletes |= word == "-delete"
        self.find_chooses |= word in FIND_TESTS or word.startswith("-newer")
        self.dd_on_device |= word.startswith("of=") and "device" in self._named(word[3:])
        named = self._named(word)
        self.places |= named
        if word.startswith("--"):  # GNU programs take a long option abbreviated too
            name, is_with_value, _value = word.partition("=")
            self.options |= {one for one in LONG_OPTIONS if f"--{one}".startswith(name)}
            if "--target-directory".startswith(name):
                self.target = set() if is_with_value else self.newest
        elif word.startswith("-") and word != "-":
            self.options |= set(word)
            if word.endswith("t") or word.startswith("-t"):
                self.target = self.newest if word.endswith("t") else set()
        else:
            self.operands |= named
            self.last = named if self.last is None else self.last
            self.newest = named
            self.systems += "system" in named

    @property
    def moves_system(self) -> bool:
        target = self.last if self.target is None else self.target
        return self.systems > ("system" in (target or ()))

    def _named(self, path: str) -> set[str]:
        whole = "/" + normpath(join(self.home, path)).strip("/")
        if whole == "/":
            return {"root", "system"}
        if VITAL.fullmatch(whole.rstrip("/")):
            return {"system"}
        return {"device"} if whole.startswith("/dev/") and not whole.startswith(HARMLESS_DEVICES) else set()


def _own_disaster(program: str, rest: _Rest) -> str | None:
    on_system = "system" in rest.operands
    into = "R" in rest.options or "recursive" in rest.options
    find_deletes = rest.find_deletes and not rest.find_chooses
    wipes = not rest.options.isdisjoint({"a", "o", "all", "offset"})  # without these wipefs only lists
    of_permissions = program in PERMISSIONS
    rules = (
        (program == "rm" and on_system and (into or "r" in rest.options), DELETES),
        (program == "rm" and "root" in rest.operands, DELETES),
        (program == "find" and on_system and find_deletes, DELETES),
        (
            of_permissions and ((on_system and into) or "root" in rest.operands),
            "it would change the system's permissions",
        ),
        (
            (program == "rm" or of_permissions) and "no-preserve-root" in rest.options,
            "it switches off the protection of /",
        ),
        (program == "mv" and rest.moves_system, "it would move the system away"),
        (program.startswith("mkfs") or program in ERASERS or (program == "wipefs" and wipes), "it would erase a disk"),
        (program == "dd" and rest.dd_on_device, OVERWRITES),
        (program in OVERWRITERS and "device" in rest.operands, OVERWRITES),
        (program in COPIERS and "device" in (rest.last or ()), OVERWRITES),
    )
    return next((why for is_so, why in rules if is_so), None)


def _script_disaster(script: str, home: str) -> str | None:
    """The same for what a shell is given and the scripts in it, which may be nested deeper than Python recurses."""
    waiting = [script]
    while waiting:
        at = _At(waiting.pop(), home)
        found = _disaster_in(at)
        if found is not None:
            return found
        waiting += reversed(at.inner)
    return None


def _disaster_in(at: _At) -> str | None:
    """The same without the scripts in it, which it leaves in `at`. Nothing is expanded but the home directory."""
    said: list[str] = []
    for words in at.commands():
        found = disaster(words, at.home) or (OVERWRITES if at.overwrites else None)
        if found is not None:
            return found
        program = basename(words[0]) if words else ""
        if program in ("cd", "pushd"):
            at.home = normpath(join(at.home, words[-1] if len(words) > 1 else ROOTS_HOME))
        elif program in SPEAKERS:
            said = words[1:]
        elif not SHELLS.isdisjoint(basename(word) for word in words):  # echo .. | sh
            at.inner += said
        said = said if at.piped else []
    bare = "".join(at.bare)
    if any(bare[: body.start()].rstrip().endswith(body[1]) for body in FORKING_BODY.finditer(bare)):
        return FORKS
    return None


@dataclass
class _At:
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
        elif ">" in self.to:
            self.overwrites |= bool(DISK.match(normpath(join(self.home, self.word))))
        self.word = self.to = None

    def _command(self) -> list[str]:
        words, self.words, self.to = self.words, [], None
        start = next((n for n, word in enumerate(words) if word not in LEADING and not ASSIGNMENT.match(word)), None)
        return [] if start is None else words[start:]

    def _inline_documents(self, place: int) -> int:
        """Where the lines go on behind the documents (2.7.4 Here-Document). One for a shell is a script as well."""
        for_shell = self.delimiters and A_SHELL.search(self.script[self.line : place])
        self.line = place
        for delimiter in self.delimiters:
            end = re.compile(rf"^\t*{re.escape(delimiter)}$", re.MULTILINE).search(self.script, place)
            if for_shell:
                self.inner.append(self.script[place : end.start() if end else len(self.script)])
            place = self.line = min(end.end() + 1, len(self.script)) if end else len(self.script)
            if place == len(self.script):
                break
        self.delimiters = []
        return place
