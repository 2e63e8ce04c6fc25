"""Has a play of Playrail's look beside the user's playbooks, as one of the user's own does."""

from __future__ import annotations

from typing import Any

from ansible import constants


def look_beside_playbooks(loader: Any) -> None:
    """Make the user's playbooks the place that variables are relative to: group_vars and
    host_vars, `playbook_dir`, files that lookups name. To be called when the play is
    loaded: its own files and modules are found already.

    A task's own directory stays the first in which its files are looked for.
    """
    if constants.PLAYBOOK_DIR:
        loader.set_basedir(str(constants.PLAYBOOK_DIR))
