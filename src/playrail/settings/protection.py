"""Which files no tool reads or writes, whatever it is asked."""

from __future__ import annotations

import glob
from typing import Any

from playrail.settings.settings import Settings


def standing_variables(settings: Settings) -> dict[str, Any]:
    """What every play is told: the paths that the tools for files keep away from,
    Playrail's own among them.
    """
    own = [
        settings.state_dir,
        settings.runtime_dir,
        *filter(None, (settings.dotenv, settings.policy_file, settings.looks_file)),
    ]
    places = dict.fromkeys(place for path in own for place in (path, path.resolve()))
    # The last rule that matches counts: these always hold
    own_rules = [glob.escape(str(place)) for place in places]
    return {
        "playrail_protect_read": [*settings.protect_read, *own_rules],
        "playrail_protect_write": [*settings.protect_write, *own_rules],
    }
