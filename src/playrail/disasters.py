"""Some well-known disasters, told by a program and its arguments: a seat belt, no boundary.

A caller chooses every word, so each word is looked at once for each shell that it is given to, however they are nested.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from posixpath import basename, join, normpath

ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")

WRAPPERS = frozenset(  # any word after one of these may be the program that it runs
    {"sudo", "doas", "su", "env", "nice", "ionice", "nohup", "setsid", "stdbuf", "timeout", "time", "chroot", "unshare"}
    | {"nsenter", "busybox", "toybox", "xargs", "find", "parallel", "systemd-run", "watch", "script", "flock"}
    | {"taskset"}
)
SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh"})
PERMISSIONS = frozenset({"chmod", "chown", "chgrp"})
ERASERS = frozenset({"mke2fs", "wipefs", "blkdiscard"})
FIND_TESTS = frozenset(
    {"-name", "-iname", "-path", "-ipath", "-wholename", "-regex", "-iregex", "-size", "-empty", "-inum", "-samefile"}
    | {"-mtime", "-mmin", "-atime", "-amin", "-ctime", "-cmin", "-newer", "-user", "-group", "-uid", "-gid", "-nouser"}
)
LONG_OPTIONS = ("recursive", "no-preserve-root")

# / or a directory without which the system is lost, or all that lies in it. The path's own last / is cut off.
VITAL = re.compile(
    r"(?:/(?:bin|boot|dev|etc|home|lib|lib32|lib64|proc|root|sbin|sys|usr|var))?(?:/(?:\*|\.\*|\?\*|\{\*,\.\*\}))*"
)
HARMLESS_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/std", "/dev/tty", "/dev/fd/", "/dev/pts/")
OVER_DEVICE = re.compile(r">\s*/dev/(?:sd|hd|vd|xvd|nvme|mmcblk|md|dm-|mapper/|disk/|loop)")
FORKING_BODY = re.compile(r"\(\)\s*\{\s*([^\s|(){}]+)\s*\|\s*\1\s*&")  # of a function; its name stands before

DELETES = "it would delete the system"
OVERWRITES = "it would overwrite a device"


def disaster(argv: Sequence[str], home: str = "/root") -> str | None:
    """What well-known disaster this would be, or None. `home` is where relative paths are thought to begin."""
    if not argv:
        return None
    programs = [basename(word) for word in (argv if basename(argv[0]) in WRAPPERS else argv[:1])]
    shell = not SHELLS.isdisjoint(programs)
    rest = _Rest(home)
    found = in_script = None
    for at in reversed(range(len(argv))):
        if at < len(programs):
            found = _own_disaster(programs[at], rest) or (in_script if programs[at] in SHELLS else None) or found
        if at > 0:
            rest.add(argv[at])
            in_script = (_script_disaster(argv[at], home) if shell else None) or in_script
    return found


class _Rest:
    """What there is after some word of a command line, which is read from its last word to the first."""

    def __init__(self, home: str) -> None:
        self.home = normpath(home)
        self.arguments: set[str] = set()
        self.options: set[str] = set()
        """Letters, and names of LONG_OPTIONS."""
        self.operands: set[str] = set()
        """What they name: `system`, `device`."""
        self.places: set[str] = set()
        """The same when no word is taken for an option."""
        self.dd_on_device = False

    def add(self, word: str) -> None:
        if word == "--":  # what comes after is no option
            self.options, self.operands = set(), set(self.places)
            return
        self.arguments |= {word, "rm"} if basename(word) == "rm" else {word}
        self.dd_on_device |= word.startswith("of=") and "device" in self._named(word[3:])
        named = self._named(word)
        self.places |= named
        if word.startswith("--"):  # GNU programs take a long option abbreviated too
            self.options |= {name for name in LONG_OPTIONS if f"--{name}".startswith(word)}
        elif word.startswith("-") and word != "-":
            self.options |= set(word)
        else:
            self.operands |= named

    def _named(self, path: str) -> set[str]:
        whole = "/" + normpath(join(self.home, path)).strip("/")
        if VITAL.fullmatch(whole.rstrip("/")):
            return {"system"}
        return {"device"} if whole.startswith("/dev/") and not whole.startswith(HARMLESS_DEVICES) else set()


def _own_disaster(program: str, rest: _Rest) -> str | None:
    on_system = "system" in rest.operands
    into = "R" in rest.options or "recursive" in rest.options
    find_deletes = not rest.arguments.isdisjoint({"-delete", "rm"}) and rest.arguments.isdisjoint(FIND_TESTS)
    of_permissions = program in PERMISSIONS
    rules = (
        (program == "rm" and on_system and (into or "r" in rest.options), DELETES),
        (program == "find" and on_system and find_deletes, DELETES),
        (of_permissions and on_system and into, "it would change the system's permissions"),
        (
            (program == "rm" or of_permissions) and "no-preserve-root" in rest.options,
            "it switches off the protection of /",
        ),
        (program.startswith("mkfs") or program in ERASERS, "it would erase a disk"),
        (program == "dd" and rest.dd_on_device, OVERWRITES),
        (program == "shred" and "device" in rest.operands, OVERWRITES),
    )
    return next((why for is_so, why in rules if is_so), None)


def _script_disaster(script: str, home: str) -> str | None:
    """The same for what a shell is given. Its parts are looked at as they are written, nothing is expanded."""
    if OVER_DEVICE.search(script):
        return OVERWRITES
    if any(script[: body.start()].rstrip().endswith(body[1]) for body in FORKING_BODY.finditer(script)):
        return "it would fill the process table"
    for part in re.split(r"[;&|\n()`{}]", script):
        parts = [word.strip("'\"") for word in part.split()]
        found = disaster([word for word in parts if not ASSIGNMENT.match(word)], home)
        if found is not None:
            return found
    return None
