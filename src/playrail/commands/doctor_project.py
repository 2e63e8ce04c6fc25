"""What `playrail doctor` says of the project of the user's own Ansible, and the form in
which it says anything.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playrail.ansible.project import VARIABLES, left_out_beside, read_beside
from playrail.settings.private_files import everybody_can_write
from playrail.settings.settings import Settings

PLAY = re.compile(
    rb"^- (hosts|name|import_playbook|ansible\.builtin\.import_playbook):", re.MULTILINE
)
PLAY_BYTES = 4096  # of a file that is looked at whether it is a playbook

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at: what was found, and how to mend it unless it is ok."""

    name: str
    state: State
    found: str
    mend: str | None = None


def check_project(settings: Settings) -> Iterator[Check]:
    """The home of the user's own Ansible, if it has one, and the directories that plays
    read there or do not.
    """
    for place in _variables_not_read(settings):
        variable = "PLAYRAIL_PROJECT" if settings.project is None else "ANSIBLE_PLAYBOOK_DIR"
        found = (
            "group_vars or host_vars lie there and are not read, as they would be by playbooks "
            "there"
        )
        yield Check(
            name=f"directory {place}",
            state="warn",
            found=found,
            mend=f"If they should be, set {variable}.",
        )
    if settings.project is None:
        return
    read = ", ".join(path.name for path in read_beside(settings)) or "nothing"
    found = f"{settings.project}; read beside the playbooks in {settings.playbook_dir}: {read}"
    if left_out := ", ".join(path.name for path in left_out_beside(settings)):
        found += f"; not read: {left_out}, for Playrail's plays bring their own"
    if everybody_can_write(settings.project.stat()):
        mend = f"Run `chmod o-w {settings.project}`: who can write there decides what Ansible does."
        yield Check(
            name="project", state="warn", found=f"everybody can write to {found}", mend=mend
        )
    else:
        yield Check(name="project", state="ok", found=found)


def _variables_not_read(settings: Settings) -> Iterator[Path]:
    """Directories with variables where they count for somebody's playbooks, and not for
    Playrail's plays.
    """
    sources = {source if source.is_dir() else source.parent for source in settings.inventory}
    near = {Path.cwd(), *sources, *(source.parent for source in sources)}
    if settings.project is not None:
        with contextlib.suppress(OSError):
            near = {
                path for path in settings.project.iterdir() if path.is_dir() and _has_playbook(path)
            }
    for place in sorted(near - sources - {settings.playbook_dir}):
        if any((place / name).is_dir() for name in VARIABLES):
            yield place


def _has_playbook(place: Path) -> bool:
    with contextlib.suppress(OSError):
        for path in (*place.glob("*.yml"), *place.glob("*.yaml")):
            if PLAY.search(path.read_bytes()[:PLAY_BYTES]):
                return True
    return False
