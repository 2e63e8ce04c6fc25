"""Hashes of files and directories with all that is in them, so that a plan can be held to
what its play reads.

Links are noted and followed, wherever they lead. A file is read once for as long as its
state stays the same, as far as the kernel tells: a look at files that were read before is a
look at their states.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path

from playrail.errors import PlanUnusable

# Directories of these names, below the one that is looked at
NOT_READ = frozenset({"__pycache__", ".git"})
MOST_FILES = 100_000  # below one directory
LARGEST_READ = 16 * 1024 * 1024  # bytes of a file; of a larger one its state counts
# A file that changed so lately may change again within one tick of the clock
FRESH_NS = 2_000_000_000
MOST_TREES = 500  # whose files are remembered, to name the one that differs

MISSING = "missing"


class Files:
    """What was read of files, for one process."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[object, str]] = {}
        self._trees: OrderedDict[str, Mapping[str, str]] = OrderedDict()

    def digest(self, root: Path) -> str:
        """The hash of a file, or of a directory and all below it. Of nothing: MISSING.
        Raises PlanUnusable.
        """
        found = dict(self.entries(root))
        if found == {"": MISSING}:
            return MISSING
        text = "\0".join(f"{name}\0{what}" for name, what in sorted(found.items()))
        made = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
        self._trees[made] = found
        self._trees.move_to_end(made)
        while len(self._trees) > MOST_TREES:
            self._trees.popitem(last=False)
        return made

    def differing(self, was: str, now: str) -> list[str]:
        """The names of the files by which two digests of one place differ, if both were
        made here.
        """
        old, new = self._trees.get(was), self._trees.get(now)
        if old is None or new is None:
            return []
        return sorted({name for name, what in {*old.items()} ^ {*new.items()} if name})

    def entries(self, root: Path) -> Iterator[tuple[str, str]]:
        """What is there: each name below `root` with what it is. Raises PlanUnusable for
        too many.
        """
        for number, entry in enumerate(self._below(os.fspath(root), "", frozenset())):
            if number >= MOST_FILES:
                raise PlanUnusable(
                    (
                        f"{root} holds more than {MOST_FILES} files, and no plan can be held "
                        "to so many."
                    ),
                    hint=(
                        "The operator has to let Ansible's configuration name a smaller directory."
                    ),
                )
            yield entry

    def _below(
        self, path: str, name: str, above: frozenset[tuple[int, int]]
    ) -> Iterator[tuple[str, str]]:
        try:
            state = os.lstat(path)
            if stat.S_ISLNK(state.st_mode):
                yield f"{name} ->", str(Path(path).readlink())
                state = Path(path).stat()
        except OSError:
            yield name, MISSING
            return
        if not stat.S_ISDIR(state.st_mode):
            yield name, self._file(path, state)
            return
        here = (state.st_dev, state.st_ino)
        if here in above:
            yield name, "a directory above"
            return
        try:
            names = sorted(os.listdir(path))  # a Path for each takes twice the time
        except OSError:
            yield name, "a directory that cannot be read"
            return
        yield name, "a directory"
        for one in names:
            below = f"{path}/{one}"
            if one not in NOT_READ or not os.path.isdir(below):  # likewise
                yield from self._below(below, f"{name}/{one}" if name else one, above | {here})

    def _file(self, path: str, status: os.stat_result) -> str:
        state = (
            status.st_dev,
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
            status.st_mode,
        )
        known = self._read.get(path)
        if known is not None and known[0] == state:
            return known[1]
        if not stat.S_ISREG(status.st_mode):
            return f"no file, {stat.S_IFMT(status.st_mode):o}"
        found = self._content(path, status) or f"of the state {state}"
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > FRESH_NS:
            self._read[path] = state, found
        return found

    def _content(self, path: str, status: os.stat_result) -> str | None:
        """The hash of what a file holds, and whether it can be run; None of one that is too
        large or not to be read.
        """
        if status.st_size > LARGEST_READ:
            return None
        try:
            data = Path(path).read_bytes()
        except OSError:
            return None
        return f"{hashlib.sha256(data).hexdigest()}{' x' * bool(status.st_mode & 0o111)}"


files = Files()
