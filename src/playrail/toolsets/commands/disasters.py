"""Some well-known disasters, told by a program and its arguments: a seat belt, no boundary.

It catches what people and models write by mistake, as it is usually written. It follows
scripts in scripts, pipes into a shell and `cd`; it does not follow variables, encodings, nor
the code of other interpreters. Whoever wants to pass by will. What holds a caller back is
the switch for changes, the policy and the approval of a plan.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from posixpath import basename, join, normpath

from playrail.toolsets.commands.programs import SCRIPTED, SHELLS, programs
from playrail.toolsets.commands.words import ASSIGNMENT, Token, tokens

ROOTS_HOME = "/root"
HOME = re.compile(r"(?:~|\$HOME|\$\{HOME\})(?=/|$)")
# / or a directory without which the system is lost, or all that lies in it.
VITAL = re.compile(
    r"(?:/(?:bin|boot|dev|etc|home|lib|lib32|lib64|proc|root|sbin|sys|usr(?:/(?:bin|sbin"
    r"|lib[^/]*))?|var))?(?:/(?:\*|\.\*|\?\*|\{\*,\.\*\}))*"
)
_VITAL_NAMES = "bin boot dev etc home lib lib64 proc root sbin sys usr var"
VITAL_NAMES = _VITAL_NAMES.split()
HARMLESS_DEVICES = re.compile(r"/dev/(?:null|zero|full|std\w+|tty|fd/|pts/|shm/)")
LONGEST_PATTERN = 40  # characters of a name that is matched as a pattern
FIND_CHOOSES = re.compile(
    r"-(?:i?name|i?path|wholename|i?regex|size|empty|inum|samefile|perm|user|group|uid|gid"
    r"|nouser|[mac](?:time|min|newer)|newer\w*)"
)
# Of a function that starts itself twice; its name stands before
FORKING_BODY = re.compile(r"\(\)\s*\{\s*([^\s|(){}]+)\s*\|\s*\1\s*&")
DOCUMENT = re.compile(r"(?<!<)<<-?[ \t]*['\"\\]?(\w+)")
READ_SCRIPTS = SHELLS | {"at", "batch"}
LEADING = frozenset({"!", "{", "if", "then", "elif", "else", "while", "until", "do"})

# How far it looks; whoever writes more than this passes by.
MOST_SCRIPTS = 100_000  # characters of scripts in scripts
MOST_PROGRAMS = 8  # with a rule of their own on one command line

DELETES = "it would delete the system"
OVERWRITES = "it would overwrite a device"
ERASES = "it would erase a disk"
PERMISSIONS = "it would change the system's permissions"
UNPROTECTED = "it switches off the protection of /"
MOVES = "it would move the system away"
FORKS = "it would fill the process table"


@dataclass(frozen=True)
class Arguments:
    """What stands behind a program."""

    words: Sequence[str]
    home: str

    @cached_property
    def _ends(self) -> int:
        """Where -- stands; what comes after it is no option."""
        return self.words.index("--") if "--" in self.words else len(self.words)

    @cached_property
    def options(self) -> frozenset[str]:
        """Letters, and whole names without their values."""
        options = [word for word in self.words[: self._ends] if word.startswith("-")]
        names = {word.partition("=")[0] for word in options if word.startswith("--")}
        return frozenset(names.union(*(word[1:] for word in options if word[1:2] != "-")))

    @cached_property
    def operands(self) -> list[str]:
        before = [word for word in self.words[: self._ends] if not word.startswith("-")]
        return [_whole(word, self.home) for word in (*before, *self.words[self._ends + 1 :])]

    @property
    def on_root(self) -> bool:
        return "/" in self.operands

    @property
    def on_system(self) -> bool:
        return any(map(_is_vital, self.operands))

    @property
    def on_device(self) -> bool:
        return any(map(_is_device, self.operands))

    def has(self, *options: str) -> bool:
        return not self.options.isdisjoint(options)


def _whole(path: str, home: str) -> str:
    return "/" + normpath(join(home, HOME.sub(ROOTS_HOME, path))).strip("/")


def _is_vital(path: str) -> bool:
    if VITAL.fullmatch(path.rstrip("/")):
        return True
    name = path[1:]  # a pattern directly below / may mean such a directory
    if "/" in name or len(name) > LONGEST_PATTERN or not re.search(r"[*?\[]", name):
        return False
    return any(fnmatchcase(directory, name) for directory in VITAL_NAMES)


def _is_device(path: str) -> bool:
    return path.startswith("/dev/") and not HARMLESS_DEVICES.match(path)


def _moves_system(given: Arguments) -> bool:
    words = given.words
    at = next((at for at, word in enumerate(words) if word == "-t" or word[:3] == "--t"), None)
    if at is None:
        return any(map(_is_vital, given.operands[:-1]))
    rest = words[at + 1 :] if "=" in words[at] else words[at + 2 :]
    return any(map(_is_vital, Arguments([*words[:at], *rest], given.home).operands))


def _find_deletes(given: Arguments) -> bool:
    runs = (name for name, _place in programs(["find", *given.words]))
    deletes = "-delete" in given.words or "rm" in runs
    return deletes and given.on_system and not any(map(FIND_CHOOSES.fullmatch, given.words))


def _dd_writes(given: Arguments) -> bool:
    return any(_is_device(word[3:]) for word in given.words if word.startswith("of="))


@dataclass(frozen=True)
class Rule:
    """Programs, what their arguments have to be, and what would happen then."""

    programs: str
    applies: Callable[[Arguments], bool]
    why: str


DEEP = ("r", "R", "--recursive")
RULES = (
    Rule("rm", lambda given: given.on_system and given.has(*DEEP), DELETES),
    Rule("rm", lambda given: given.on_root, DELETES),
    Rule("find", _find_deletes, DELETES),
    Rule(
        "chmod chown chgrp",
        lambda given: given.on_system and given.has("R", "--recursive"),
        PERMISSIONS,
    ),
    Rule("chmod chown chgrp", lambda given: given.on_root, PERMISSIONS),
    Rule("rm chmod chown chgrp", lambda given: given.has("--no-preserve-root"), UNPROTECTED),
    Rule("mv", _moves_system, MOVES),
    Rule("mkfs mke2fs blkdiscard", lambda _: True, ERASES),
    Rule("wipefs", lambda given: given.has("a", "o", "--all", "--offset"), ERASES),
    Rule("dd", _dd_writes, OVERWRITES),
    Rule("shred tee", lambda given: given.on_device, OVERWRITES),
    Rule(
        "cp mv install",
        lambda given: bool(given.operands) and _is_device(given.operands[-1]),
        OVERWRITES,
    ),
)
RULES_BY_PROGRAM = {
    name: [rule for rule in RULES if name in rule.programs.split()]
    for rule in RULES
    for name in rule.programs.split()
}


@dataclass
class Script:
    """A script that is looked at, and the directory in which it begins."""

    text: str
    home: str = ROOTS_HOME
    inner: list[Script] = field(default_factory=list)
    """The scripts that were found in it."""


def disaster(argv: Sequence[str], home: str = ROOTS_HOME) -> str | None:
    """What well-known disaster this would be, or None. `home` is where relative paths are
    thought to begin.
    """
    at = Script("", home)
    found = _of_command(argv, at)
    left = MOST_SCRIPTS
    while found is None and at.inner and left > 0:
        script = at.inner.pop()
        left -= len(script.text)
        found = _of_script(script)
        at.inner += reversed(script.inner)
    return found


def _of_command(words: Sequence[str], at: Script) -> str | None:
    """The disaster that the program, or one that it starts, would be. Scripts for a shell are
    added to those in `at`.
    """
    looked_at = 0
    is_scripted = False
    for program, place in programs(words):
        name = program.partition(".")[0]  # mkfs.ext4
        if program in SCRIPTED and not is_scripted:
            is_scripted = True
            at.inner += [Script(word, at.home) for word in words[place + 1 :] if " " in word]
        if name in RULES_BY_PROGRAM:
            looked_at += 1
            given = Arguments(words[place + 1 :], at.home)
            for rule in RULES_BY_PROGRAM[name]:
                if rule.applies(given):
                    return rule.why
        if looked_at == MOST_PROGRAMS:
            return None
    return None


def _of_script(script: Script) -> str | None:
    """The same for what a shell is given, without the scripts in it."""
    written: Sequence[str] = ()  # by the first command of a pipe
    bare = []
    for command in _commands(_without_documents(script.text), script):
        bare.append(command.bare)
        words = command.words
        if not command.is_piped:
            written = () if any(map(FIND_CHOOSES.fullmatch, words)) else words[1:]
        elif not READ_SCRIPTS.isdisjoint(map(basename, words)):
            script.inner.append(Script(" ".join(written), script.home))
        elif "xargs" in map(basename, words):
            words = [*words, *(word.replace("\\n", "") for word in written)]
        found = _of_command(words, script)
        if found is not None or any(map(_is_device, command.targets)):
            return found or OVERWRITES
        if words[:1] == ["cd"]:
            script.home = _whole(words[-1] if len(words) > 1 else "~", script.home)
    text = "".join(bare)
    forks = FORKING_BODY.finditer(text)
    return FORKS if any(text[: body.start()].rstrip().endswith(body[1]) for body in forks) else None


@dataclass
class SimpleCommand:
    """`targets` are the files that its output goes to; `bare` is its text without what is
    quoted, with the operator behind it.
    """

    words: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    bare: str = ""
    is_piped: bool = False
    """Whether it reads what the command before it writes."""


def _commands(text: str, script: Script) -> Iterator[SimpleCommand]:
    """The commands up to a quote that is not closed, at which a shell stops too."""
    command, redirects = SimpleCommand(), False
    try:
        for token in tokens(text, comments=True):
            command.bare += f"{token.bare} " if not token.is_operator else token.bare
            if token.is_operator and not set(token.text) & set("<>"):
                yield command
                command = SimpleCommand(is_piped=token.text == "|")
                redirects = False
            elif token.is_operator:
                redirects = "<" not in token.text
            elif redirects:
                command.targets.append(_whole(token.text, script.home))
                redirects = False
            else:
                _add(token, command, script)
    except ValueError:
        pass
    yield command


def _add(token: Token, command: SimpleCommand, script: Script) -> None:
    """Add the word, but for what a shell reads before a command."""
    if "$(" in token.text or "`" in token.text:
        script.inner.append(Script(token.text, script.home))
    if command.words or not (token.bare in LEADING or ASSIGNMENT.match(token.bare)):
        command.words.append(token.text)


def _without_documents(text: str) -> str:
    """The script without the documents in it (<<END) that no shell is given to read."""
    lines = text.split("\n")
    ends: dict[str, list[int]] = {}
    for number in reversed(range(len(lines))):
        ends.setdefault(lines[number].strip("\t"), []).append(number)
    kept, at = [], 0
    while at < len(lines):
        kept.append(lines[at])
        document = DOCUMENT.search(lines[at])
        at += 1
        later = ends.get(document[1], []) if document is not None else []
        while later and later[-1] < at:
            later.pop()
        if later and SHELLS.isdisjoint(re.split(r"\W+", lines[at - 1])):
            at = later[-1] + 1
    return "\n".join(kept)
