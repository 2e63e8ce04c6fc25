"""Serves plays once the run that stays has loaded Ansible, its settings and the inventory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

from playrail.ansible.run.play import SERVES_AT
from playrail.ansible.warm.serving import serve

DOCUMENTATION = """
name: serve_plays
type: aggregate
short_description: Serves plays that Playrail asks for
description:
  - Does nothing in a play that has no extra variable C(playrail_serves_at). That names a directory
    of the user's own, where it listens at C(calls.sock) until the first that connects goes away.
author: Playrail
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible-core has no type information
    """A callback and not a task, for whose end Ansible looks a thousand times a second."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "serve_plays"

    def v2_playbook_on_play_start(self, play: Any) -> None:
        place = play.get_variable_manager().extra_vars.get(SERVES_AT)
        if place is not None:
            serve(play, Path(str(place)))
