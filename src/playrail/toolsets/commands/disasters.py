"""Some well-known disasters, told by a program and its arguments: a seat belt, no boundary.

A caller chooses every word, so each word is looked at once for each shell that it is given
to, however they are nested. Of variables, substitutions and other interpreters' code it is
told what plain reading tells (shell_expansion.py, inline_code.py). Whoever wants to pass by
will: with what a file holds, what the network sends, what is computed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from posixpath import basename, join, normpath

from playrail.toolsets.commands.inline_code import CODE_OPTION, INTERPRETERS, STARTS, acts
from playrail.toolsets.commands.shell_expansion import (
    commands_in_braces,
    expanded,
    given,
    piped,
    spoken,
)
from playrail.toolsets.commands.shell_scripts import DISK, ROOTS_HOME, SHELLS, Reading

RAISERS = frozenset(  # what runs a program with other rights
    {
        "sudo",
        "doas",
        "su",
        "pkexec",
        "run0",
        "runuser",
        "setpriv",
        "gosu",
        "su-exec",
        "chpst",
        "setuidgid",
        "capsh",
    }
    | {"sg", "newgrp", "dzdo", "pfexec", "super", "calife", "really", "sudo-rs", "please"}
)
ELSEWHERE = frozenset(  # what runs a program in other surroundings, or on another host
    {
        "ssh",
        "sshpass",
        "docker",
        "podman",
        "nerdctl",
        "kubectl",
        "crictl",
        "lxc",
        "lxc-attach",
        "incus",
        "machinectl",
    }
    | {
        "systemd-nspawn",
        "chroot",
        "nsenter",
        "unshare",
        "bwrap",
        "firejail",
        "proot",
        "fakeroot",
        "fakechroot",
        "runc",
    }
)
WRAPPERS = (
    RAISERS
    | ELSEWHERE
    | frozenset(  # any word after one of these may be the program that it runs
        {
            "env",
            "nice",
            "ionice",
            "nohup",
            "setsid",
            "stdbuf",
            "timeout",
            "time",
            "gtimeout",
            "chrt",
            "prlimit",
            "numactl",
        }
        | {
            "strace",
            "ltrace",
            "screen",
            "tmux",
            "dtach",
            "start-stop-daemon",
            "daemonize",
            "unbuffer",
            "faketime",
            "choom",
        }
        | {
            "setarch",
            "linux32",
            "linux64",
            "runcon",
            "dbus-run-session",
            "eatmydata",
            "cpulimit",
            "catchsegv",
            "coproc",
        }
        | {
            "busybox",
            "toybox",
            "xargs",
            "find",
            "parallel",
            "systemd-run",
            "watch",
            "script",
            "flock",
        }
        | {"taskset", "command", "exec", "builtin", "eval"}
    )
)
SCRIPTED = SHELLS | {  # a word after one of these may be a script
    *(
        "eval",
        "su",
        "watch",
        "script",
        "flock",
        "parallel",
        "ssh",
        "runuser",
        "sg",
        "run0",
        "trap",
        "alias",
        "tmux",
        "screen",
    )
}
SCRIPT_OPTION = re.compile(r"-[a-z]*[cs](?:$|[^a-z-])|--command|-[a-z]*c$")
# What these are given to read may be a script
READ_SCRIPTS = SHELLS | {"at", "batch", "source", "."}
SEARCHES = frozenset({"find", "ls"})  # what these write are names below their arguments
LOOKING = frozenset(  # their arguments are no programs, even behind a wrapper
    {
        "man",
        "info",
        "whatis",
        "apropos",
        "which",
        "whereis",
        "grep",
        "egrep",
        "fgrep",
        "zgrep",
        "ls",
        "cat",
        "less",
    }
    | {"head", "tail", "stat", "file", "apt-cache", "dpkg-query"}
)
# Options of wrappers that a program may follow
NO_VALUE = frozenset({"--", "-n", "-E", "-H", "-i", "-0", "-r"})
PERMISSIONS = frozenset({"chmod", "chown", "chgrp"})
ERASERS = frozenset({"mke2fs", "blkdiscard"})
OVERWRITERS = frozenset({"shred", "tee"})
COPIERS = frozenset({"cp", "mv", "install"})
FIND_TESTS = frozenset(
    {
        "-name",
        "-iname",
        "-path",
        "-ipath",
        "-wholename",
        "-regex",
        "-iregex",
        "-size",
        "-empty",
        "-inum",
        "-samefile",
    }
    | {"-mtime", "-mmin", "-atime", "-amin", "-ctime", "-cmin", "-anewer", "-cnewer", "-perm"}
    | {"-user", "-group", "-uid", "-gid", "-nouser"}
)
FIND_RUNS = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
LONG_OPTIONS = ("recursive", "no-preserve-root", "all", "offset")

# / or a directory without which the system is lost, or all that lies in it. The path's own
# last / is cut off.
VITAL = re.compile(
    r"(?:/(?:bin|boot|dev|etc|home|lib|lib32|lib64|proc|root|sbin|sys|usr(?:/(?:bin|sbin"
    r"|lib[^/]*))?|var))?"
    r"(?:/(?:\*|\.\*|\?\*|\{\*,\.\*\}))*"
)
VITAL_NAMES = (
    "bin",
    "boot",
    "dev",
    "etc",
    "home",
    "lib",
    "lib64",
    "proc",
    "root",
    "sbin",
    "sys",
    "usr",
    "var",
)
LONGEST_PATTERN = 40
PROGRAMS = (
    "rm",
    "chmod",
    "chown",
    "chgrp",
    "mv",
    "dd",
    "shred",
    "tee",
    "mkfs",
    "wipefs",
    "blkdiscard",
    "find",
)
HARMLESS_DEVICES = (
    *("/dev/null", "/dev/zero", "/dev/full", "/dev/std", "/dev/tty", "/dev/fd/", "/dev/pts/"),
    "/dev/shm/",  # noqa: S108  a name, nothing is written here
)
# Of a function; its name stands before
FORKING_BODY = re.compile(r"\(\)\s*\{\s*([^\s|(){}]+)\s*\|\s*\1\s*&")

MOST_EXPANDED = 100_000  # characters of scripts in scripts whose variables are looked at
MOST_WORDS = 500

DELETES = "it would delete the system"
OVERWRITES = "it would overwrite a device"
FORKS = "it would fill the process table"


def disaster(argv: Sequence[str], home: str = ROOTS_HOME) -> str | None:
    """What well-known disaster this would be, or None. `home` is where relative paths are
    thought to begin.
    """
    if not argv:
        return None
    programs = programs_of(argv)
    argv = _with_found(argv, programs)
    shell = not SCRIPTED.isdisjoint(programs)
    scripts: dict[str, str | None] = {}
    coded = any(program is not None and INTERPRETERS.fullmatch(program) for program in programs)
    rest = _Rest(home)
    found = in_script = in_code = None
    for at in reversed(range(len(argv))):
        program = programs[at]
        if program is not None:
            found = (
                _own_disaster(program, rest)
                or (in_script if program in SCRIPTED else None)
                or found
            )
        if at > 0:
            rest.add(argv[at])
            rest.find_deletes |= program == "rm"
            if shell:
                script = _given(argv, at)
                if script not in scripts:
                    scripts[script] = _script_disaster(script, home)
                in_script = scripts[script] or in_script
            in_code = (_code_disaster(argv[at], home) if coded else None) or in_code
    return found or in_code


def _given(argv: Sequence[str], at: int) -> str:
    return given(argv[at], argv[at + 1 :]) if "$" in argv[at] else argv[at]


def runs_a_script(argv: Sequence[str]) -> bool:
    """Whether a shell, or another interpreter, is given code on this command line, be it
    through other programs.
    """
    return any(
        program is not None and _is_given_code(program, argv[at + 1 :])
        for at, program in enumerate(programs_of(argv))
    )


def _is_given_code(program: str, after: Sequence[str]) -> bool:
    if program in SHELLS:
        return not after or any(SCRIPT_OPTION.match(word) for word in after)
    if program in ("su", "script", "runuser", "sg"):
        return any(SCRIPT_OPTION.match(word) for word in after)
    if program == "ssh":
        return len(after) > 1
    if program.endswith("awk") and INTERPRETERS.fullmatch(program):
        return any(STARTS.search(word) or "|" in word for word in after)
    if INTERPRETERS.fullmatch(program):
        return any(CODE_OPTION.fullmatch(word) for word in after)
    return program in SCRIPTED - {"run0"} and any(" " in word for word in after)


def _with_found(argv: Sequence[str], programs: Sequence[str | None]) -> Sequence[str]:
    """The words with what `find` begins at in place of {}, where it chooses nothing of what
    is below.
    """
    if "{}" not in argv or "find" not in programs:
        return argv
    after = argv[programs.index("find") + 1 :]
    if not FIND_TESTS.isdisjoint(after):
        return argv
    root = next((word for word in after if not word.startswith("-")), "{}")
    return [root if word == "{}" else word for word in argv]


def _code_disaster(code: str, home: str) -> str | None:
    """The same for code of another interpreter than a shell, by its plain texts."""
    does = acts(code)
    rest = _Rest(home)
    if does.forks:
        return FORKS
    if any("system" in rest.named(path) for path in does.removes):
        return DELETES
    if any(DISK.match(normpath(path)) for path in does.writes):
        return OVERWRITES
    if does.starts and (found := disaster(does.starts, home)) is not None:
        return found
    return next(
        (found for text in does.starts if (found := _script_disaster(text, home)) is not None), None
    )


def programs_of(argv: Sequence[str]) -> list[str | None]:
    """For each word the program that it may be: the first, and any behind a wrapper, whose
    options nobody knows.
    """
    found: list[str | None] = []
    first = may = True
    searching = scripted = False
    before = ""
    for word in argv:
        name = _program(basename(word))
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


def _program(name: str) -> str:
    """The name, and of a pattern the program that it may be."""
    if (
        not 1 < len(name) < LONGEST_PATTERN
        or not re.search(r"[*?\[]", name)
        or name.strip("*?") == ""
    ):
        return name
    return next((program for program in PROGRAMS if fnmatchcase(program, name)), name)


class _Rest:
    """What there is after some word of a command line, which is read from its last word to
    the first.
    """

    def __init__(self, home: str) -> None:
        self.home = normpath(home)
        self._known: dict[str, set[str]] = {}
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
        self.dd_on_device |= word.startswith("of=") and "device" in self.named(word[3:])
        named = self.named(word)
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

    def named(self, path: str) -> set[str]:
        """What a path names; a caller may repeat one some thousand times."""
        if path not in self._known:
            self._known[path] = self._named(path)
        return self._known[path]

    def _named(self, path: str) -> set[str]:
        whole = "/" + normpath(join(self.home, path)).strip("/")
        if whole == "/":
            return {"root", "system"}
        if VITAL.fullmatch(whole.rstrip("/")) or _may_be_vital(whole):
            return {"system"}
        return (
            {"device"}
            if whole.startswith("/dev/") and not whole.startswith(HARMLESS_DEVICES)
            else set()
        )


def _may_be_vital(path: str) -> bool:
    """Whether a pattern of names directly below / fits a directory without which the system
    is lost.
    """
    name = path[1:]
    if len(name) > LONGEST_PATTERN or "/" in name or not re.search(r"[*?\[]", name):
        return False
    return any(fnmatchcase(directory, name) for directory in VITAL_NAMES)


def _own_disaster(program: str, rest: _Rest) -> str | None:
    on_system = "system" in rest.operands
    into = "R" in rest.options or "recursive" in rest.options
    find_deletes = rest.find_deletes and not rest.find_chooses
    # Without these wipefs only lists
    wipes = not rest.options.isdisjoint({"a", "o", "all", "offset"})
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
        (
            program.startswith("mkfs") or program in ERASERS or (program == "wipefs" and wipes),
            "it would erase a disk",
        ),
        (program == "dd" and rest.dd_on_device, OVERWRITES),
        (program in OVERWRITERS and "device" in rest.operands, OVERWRITES),
        (program in COPIERS and "device" in (rest.last or ()), OVERWRITES),
    )
    return next((why for is_so, why in rules if is_so), None)


def _script_disaster(script: str, home: str) -> str | None:
    """The same for what a shell is given and the scripts in it, which may be nested deeper
    than Python recurses.
    """
    waiting, left = [script], MOST_EXPANDED
    while waiting:
        script = waiting.pop()
        left -= len(script)
        other = expanded(script) if left > 0 and re.search(r"[$`{]", script) else script
        for text in dict.fromkeys((script, other)):
            at = Reading(text, home)
            found = _disaster_in(at)
            if found is not None:
                return found
            waiting += reversed(at.inner)
        waiting += commands_in_braces(other) if "<(" in other else ()
    return None


def _disaster_in(at: Reading) -> str | None:
    """The same without the scripts in it, which it leaves in `at`."""
    said: list[str] = []
    for words in at.commands():
        found = disaster(words, at.home) or (OVERWRITES if at.overwrites else None)
        if found is None and said and "xargs" in (names := [basename(word) for word in words]):
            found = disaster(
                [*words[names.index("xargs") :], *" ".join(said).split()][:MOST_WORDS], at.home
            )
        if found is not None:
            return found
        program = basename(words[0]) if words else ""
        if program == "alias":
            at.inner += [word.partition("=")[2] for word in words[1:MOST_WORDS]]
        if program in ("cd", "pushd"):
            at.home = normpath(join(at.home, words[-1] if len(words) > 1 else ROOTS_HOME))
        else:
            # Echo .. | sh, sh <<< ..
            if not READ_SCRIPTS.isdisjoint(basename(word) for word in words):
                at.inner += [*said, *at.strings]
            elif any(INTERPRETERS.fullmatch(basename(word)) for word in words[:MOST_WORDS]):
                found = next(
                    (
                        why
                        for text in [*said, *at.strings]
                        if (why := _code_disaster(text, at.home))
                    ),
                    None,
                )
                if found is not None:
                    return found
            said = _said(words, said)
        at.strings = []
        said = said if at.piped else []
    bare = "".join(at.bare)
    if any(bare[: body.start()].rstrip().endswith(body[1]) for body in FORKING_BODY.finditer(bare)):
        return FORKS
    return None


def _said(words: Sequence[str], before: list[str]) -> list[str]:
    """What a command hands on to the next, as far as it is known."""
    program = basename(words[0]) if words else ""
    if program in SEARCHES:
        return (
            []
            if not FIND_TESTS.isdisjoint(words)
            else [word for word in words[1:] if word.startswith("/")]
        )
    told = spoken(words)
    if told is not None and program in ("echo", "printf"):
        return list(dict.fromkeys([told, *words[1:]]))
    handed = [made for text in before if (made := piped(text, words)) is not None]
    return handed or (before if program in ("sudo", "tee") else [])
