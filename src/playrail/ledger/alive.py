"""Which Playrail processes are alive: each holds a lock on a file of its own, which the kernel lets go when it dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playrail.settings import private_directory

SUFFIX = ".lock"


@dataclass(frozen=True, kw_only=True)
class Alive:
    """This process's claim to be alive."""

    server: str
    path: Path
    descriptor: int

    def release(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


def claim(directory: Path) -> Alive:
    """Takes a new name and holds its lock until released or dead."""
    private_directory(directory)
    server = secrets.token_hex(8)
    path = directory / f"{server}{SUFFIX}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return Alive(server=server, path=path, descriptor=descriptor)


@contextlib.contextmanager
def the_dead(directory: Path) -> Iterator[list[str]]:
    """The processes that died without releasing. Their files go when the block ends without an error."""
    dead: list[tuple[Path, int]] = []
    try:
        candidates = ((path, _lock(path)) for path in directory.glob(f"*{SUFFIX}"))
        dead.extend((path, descriptor) for path, descriptor in candidates if descriptor is not None)
        yield [path.name.removesuffix(SUFFIX) for path, _ in dead]
        for path, _ in dead:
            path.unlink(missing_ok=True)
    finally:
        for _, descriptor in dead:
            os.close(descriptor)


def _lock(path: Path) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None  # released in between
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
