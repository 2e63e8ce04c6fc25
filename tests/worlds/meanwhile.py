"""Runs a module of playbooks/files while something else happens: in between two of its own
calls of the system.
"""

from __future__ import annotations

import json
from typing import Any

from worlds.checkout import PLAYBOOKS
from worlds.host_modules import module_answer

FILES = PLAYBOOKS / "files"
PRELUDE = """
import ansible.module_utils as shared, json, os, re, runpy, stat, sys
utils, module, moments, act = sys.argv[1:]
shared.__path__.append(utils)
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
        str(FILES / "module_utils"),
        str(FILES / "library" / f"{module}.py"),
        json.dumps(moments),
        act,
    ]
    return module_answer(["-c", PRELUDE, *words], arguments, timeout_s=30)
