"""Runs a module of the collection while something else happens: in between two of its own
calls of the system.
"""

from __future__ import annotations

import json
from typing import Any

from playrail.settings.content import collections_root
from worlds.host_modules import MODULES, module_answer

PRELUDE = """
import json, os, re, runpy, stat, sys
collections, module, moments, act = sys.argv[1:]
sys.path.insert(0, collections)
moments, acting = json.loads(moments), False

def hooked(owner, name, wanted):
    original = getattr(owner, name)
    def call(*words, **more):
        global acting
        now = not acting and re.search(wanted, str(words[0]))
        after = name in ("realpath", "lstat", "stat")
        found = original(*words, **more) if after else None
        if now:
            acting = True
            exec(act, globals())
            acting = False
        return found if after else original(*words, **more)
    setattr(owner, name, call)

for name, wanted in moments.items():
    hooked(os.path if name == "realpath" else os, name, wanted)
sys.argv = [module]
runpy.run_path(module, run_name="__main__")
"""


def answer_when(
    module: str, arguments: dict[str, Any], moments: dict[str, str], act: str
) -> dict[str, Any]:
    """What the module answers when `act`, Python, is done in between.

    `moments` are functions of `os` and a regular expression that is found in their first
    argument. Those that look stand for the moments after each such call, the others for the
    moments before.
    """
    words = [
        str(collections_root()),
        str(MODULES / f"{module}.py"),
        json.dumps(moments),
        act,
    ]
    return module_answer(["-c", PRELUDE, *words], arguments, timeout_s=30)
