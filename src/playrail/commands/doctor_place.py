"""Where `playrail doctor` has its private files."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from playrail.errors import SettingsInvalid
from playrail.ledger.alive import claim, the_dead
from playrail.settings.private_files import private_directory


@contextlib.contextmanager
def private_place(runtime_dir: Path) -> Iterator[Path]:
    """A directory for this doctor's private files, gone afterwards; those of doctors that
    were killed are removed. Raises SettingsInvalid.

    It is in the runtime directory: the state directory may be what is to be mended.
    """
    runtime = private_directory(runtime_dir)
    doctors = runtime / "doctors"
    try:
        alive = claim(doctors, runtime)
        with the_dead(doctors) as dead:
            for doctor in dead:
                doctor.remove_private_files()
    except OSError as error:
        raise SettingsInvalid(f"{doctors}: cannot be used ({error.strerror})") from error
    place = private_directory(runtime / alive.server)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        alive.release()
