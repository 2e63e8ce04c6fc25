"""Which Playrail processes are alive: each holds a lock on a file of its own, which the
kernel lets go when it dies.

The file also tells where the process keeps its private files, so that whoever finds it dead
can remove them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playrail.settings.private_files import private_directory

SUFFIX = ".lock"
# Of a file that is not locked yet, and that nobody takes for a dead process therefore
DRAFT_SUFFIX = ".new"
LONGEST_NOTE = 8192  # bytes

_SERVER = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, kw_only=True)
class Alive:
    """This process's claim to be alive."""

    server: str
    path: Path
    descriptor: int

    def release(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


@dataclass(frozen=True, kw_only=True)
class Dead:
    """A process that died without releasing. `runtime` is the runtime directory that it
    told when it claimed.
    """

    server: str
    runtime: Path | None = None

    def remove_private_files(self) -> None:
        """Removes `<runtime>/<server>` where that is a directory of ours; nothing else,
        whatever the file said.
        """
        if (
            self.runtime is None
            or not self.runtime.is_absolute()
            or not _SERVER.fullmatch(self.server)
        ):
            return
        path = self.runtime / self.server
        try:
            status = path.lstat()
        except (OSError, ValueError):  # gone, out of reach, or no path at all
            return
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
            shutil.rmtree(path, ignore_errors=True)


def claim(directory: Path, runtime: Path | None = None) -> Alive:
    """Takes a new name and holds its lock until released or dead; `runtime` is where its
    private files will be.
    """
    private_directory(directory)
    alive = None
    while alive is None:
        alive = _claim(directory, secrets.token_hex(8), runtime)
    return alive


def _claim(directory: Path, server: str, runtime: Path | None) -> Alive | None:
    """The claim to this name; None when another process has taken the draft for a leftover
    before it was locked.
    """
    draft, path = directory / f"{server}{DRAFT_SUFFIX}", directory / f"{server}{SUFFIX}"
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        note = {"runtime": None if runtime is None else str(runtime.absolute())}
        os.write(descriptor, json.dumps(note).encode())
        draft.rename(path)
    except (BlockingIOError, FileNotFoundError):
        os.close(descriptor)
        return None
    except BaseException:
        draft.unlink(missing_ok=True)
        os.close(descriptor)
        raise
    return Alive(server=server, path=path, descriptor=descriptor)


def anyone_alive(directory: Path) -> bool:
    """Whether any process has a claim and lives; this one too, if it claimed."""
    for path in _named(directory, SUFFIX):
        with _locked(path) as descriptor:
            if descriptor is None:
                return True
    return False


@contextlib.contextmanager
def the_dead(directory: Path) -> Iterator[list[Dead]]:
    """The processes that died without releasing. Their files go when the block ends without
    an error.
    """
    with contextlib.ExitStack() as held:
        for draft in _named(directory, DRAFT_SUFFIX):
            with _locked(draft) as descriptor:
                if descriptor is not None:  # its process died before it had claimed anything
                    draft.unlink(missing_ok=True)
        dead = []
        for path in _named(directory, SUFFIX):
            descriptor = held.enter_context(_locked(path))
            if descriptor is not None:
                dead.append(
                    (
                        path,
                        Dead(server=path.name.removesuffix(SUFFIX), runtime=_runtime(descriptor)),
                    )
                )
        yield [record for _, record in dead]
        for path, _ in dead:
            path.unlink(missing_ok=True)


def _named(directory: Path, suffix: str) -> list[Path]:
    found = sorted(directory.glob(f"*{suffix}"))
    return [path for path in found if _SERVER.fullmatch(path.name.removesuffix(suffix))]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int | None]:
    """Holds the file's lock; None when it is held elsewhere, or when the file that was
    opened has no name any more.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # released in between, or not what a claim makes
        yield None
        return
    try:
        yield descriptor if _lock(descriptor, path) else None
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        opened, named = os.fstat(descriptor), path.lstat()
    except (BlockingIOError, FileNotFoundError):
        return False
    return stat.S_ISREG(opened.st_mode) and os.path.samestat(opened, named)


def _runtime(descriptor: int) -> Path | None:
    """What the process noted when it claimed; None when that cannot be understood."""
    try:
        note = json.loads(os.pread(descriptor, LONGEST_NOTE, 0))
    except (OSError, ValueError):
        return None
    runtime = note.get("runtime") if isinstance(note, dict) else None
    return Path(runtime) if isinstance(runtime, str) and runtime.startswith("/") else None
