"""Files and directories that are this user's alone."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from playrail.errors import SettingsInvalid

_ANOTHER = (
    "Nothing was run. The operator has to name another directory: PLAYRAIL_STATE_DIR for what "
    "is kept, "
    "PLAYRAIL_RUNTIME_DIR for what is not."
)


def private_directory(path: Path) -> Path:
    """Make `path` with mode 0700 if it is missing, and return it.

    Raises SettingsInvalid when it cannot be made, is a symlink, belongs to somebody else,
    or lets others in.
    """
    try:
        # mkdir(parents=True) would let others into the parents
        for directory in (*reversed(path.parents), path):
            directory.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
    except OSError as error:
        raise SettingsInvalid(
            f"{path}: cannot be made a private directory ({error.strerror})"
        ) from error
    if not stat.S_ISDIR(status.st_mode):
        raise SettingsInvalid(
            f"{path}: is not a directory (a symlink to one is not accepted)", hint=_ANOTHER
        )
    if status.st_uid != os.geteuid():
        raise SettingsInvalid(
            f"{path}: belongs to another user; it must be this user's own", hint=_ANOTHER
        )
    if status.st_mode & 0o077:
        mend = f"Nothing was run. The operator has to run `chmod 700 {shlex.quote(str(path))}`."
        raise SettingsInvalid(f"{path}: others can enter it; its mode must be 0700", hint=mend)
    return path


def trusted_text(path: Path) -> str | None:
    """Read a file that decides what Playrail may do; None when it is missing.

    Raises SettingsInvalid when somebody else could have written it: then it is neither used
    nor silently left out.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if path.is_symlink():
            raise SettingsInvalid(
                f"{path}: is a symlink; put the file itself there, or remove it"
            ) from None
        raise SettingsInvalid(
            f"{path}: cannot be read ({error.strerror}); mend or remove it"
        ) from None
    try:
        flaw = _flaw(path, os.fstat(descriptor))  # what is checked is what is read
        if flaw is not None:
            raise SettingsInvalid(f"{path}: {flaw}, or remove the file")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(
            f"{path.name}: cannot be read as UTF-8 text ({type(error).__name__})"
        ) from None
    finally:
        os.close(descriptor)


def _flaw(path: Path, status: os.stat_result) -> str | None:
    """Why a file is not to be trusted, and how to mend it."""
    quoted, place = shlex.quote(str(path)), shlex.quote(str(path.parent))
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file; put one there"
    if is_anothers(status):
        return (
            f"belongs to another user; run `chown {os.geteuid()} {quoted}` once you have "
            "looked at what it says"
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return (
            f"others can write to it; run `chmod go-w {quoted}` once you have looked at what "
            "it says"
        )
    if everybody_can_write(path.parent.stat()):
        return (
            f"everybody can write to its directory; run `chmod o-w {place}`, start Playrail in "
            "another directory"
        )
    return None


def everybody_can_write(status: os.stat_result) -> bool:
    return bool(status.st_mode & stat.S_IWOTH)


def is_anothers(status: os.stat_result) -> bool:
    return status.st_uid not in {0, os.geteuid()}
