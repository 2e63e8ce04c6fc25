"""The files that say how ssh reaches a host: its configuration, what that includes, and the
programs it names.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
from collections.abc import Iterable, Iterator
from glob import glob
from pathlib import Path

SYSTEMS = Path("/etc/ssh/ssh_config")

_FILE = re.compile(r"(?:^|\s)-F\s*(\"[^\"]*\"|'[^']*'|[^\s'\"]+)")
_INCLUDE = re.compile(r"(?im)^[ \t]*Include(?:[ \t]*=[ \t]*|[ \t]+)(.+)$")
_PROGRAM = re.compile(
    r"(?im)(?:ProxyCommand|KnownHostsCommand|LocalCommand|PKCS11Provider|SecurityKeyProvider"
    r"|\bexec)"
    r"(?:[ \t]*=[ \t]*|[ \t]+)[\"']?(.+)$"
)


def ssh_files(
    texts: Iterable[str], programs: Iterable[str], *, base: Path, home: str | None
) -> dict[str, Path]:
    """The files by their names. `texts` are arguments of ssh, `programs` what is run in its
    place.

    Relative names are of `base`. ssh itself knows a user's home from the list of users, a
    shell from `home`: what `~` means is looked for in both.
    """
    homes = dict.fromkeys([*([home] if home else []), pwd.getpwuid(os.getuid()).pw_dir])
    texts = list(texts)
    named = [found.strip("\"'") for text in texts for found in _FILE.findall(text)]
    roots = [(f"{at}/.ssh/config", f"{at}/.ssh") for at in homes]
    roots += [(str(SYSTEMS), str(SYSTEMS.parent))]
    roots += [(str(base / _at_home(name, at)), f"{at}/.ssh") for name in named for at in homes]
    found: dict[str, Path] = {str(SYSTEMS) + ".d": Path(str(SYSTEMS) + ".d")}
    for name, directory in roots:
        found |= {
            str(path): path for path in _with_included(Path(name), Path(directory), homes, set())
        }
    read = [*texts, *map(_text, found.values())]
    run = [*programs, *(command for text in read for command in _PROGRAM.findall(text))]
    for path in (
        base / _at_home(word, at) for command in run for word in _words(command) for at in homes
    ):
        if path.is_file():
            found[str(path)] = path
    return found


def _with_included(
    path: Path, directory: Path, homes: Iterable[str], seen: set[Path]
) -> Iterator[Path]:
    """A configuration, and those that it includes, unless they were `seen`; relative names
    are of `directory`.
    """
    if path in seen:
        return
    seen.add(path)
    yield path
    for given in _INCLUDE.findall(_text(path)):
        for word in _words(given):
            patterns = dict.fromkeys(str(directory / _at_home(word, at)) for at in homes)
            # it may be absolute
            for name in sorted(name for pattern in patterns for name in glob(pattern)):
                yield from _with_included(Path(name), directory, homes, seen)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    except OSError:
        return ""


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.replace('"', " ").replace("'", " ").split()


def _at_home(name: str, home: str) -> str:
    return re.sub(r"^(?:~|%d|\$\{HOME\})(?=/|$)", lambda _: home, name)
