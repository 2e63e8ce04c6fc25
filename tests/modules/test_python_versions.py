"""The collection on the Pythons that hosts have: the oldest here that Ansible works with, and
the newest, know all that it imports.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.module_utils import basic

from playrail.settings.content import collections_root
from worlds.host_modules import MODULES, SHARED

INSTALLED = (Path.home() / ".pyenv" / "versions", Path("/usr"))
NAME = re.compile(r"python3\.(\d+)")
IMPORTS = """
import importlib, sys
sys.path[:0] = sys.argv.pop(1).split(":")
for name in sys.stdin.read().split():
    importlib.import_module("ansible_collections.playrail.host.plugins." + name)
"""


def interpreters() -> list[str]:
    """The oldest and the newest, one of them at least the one that runs this."""
    found = {sys.version_info[1]: sys.executable}
    for place in INSTALLED:
        for path in [*place.glob("*/bin/python3.*"), *place.glob("bin/python3.*")]:
            name = NAME.fullmatch(path.name)
            if name and (3, int(name[1])) >= basic._PY_MIN and int(name[1]) <= 13:
                found.setdefault(int(name[1]), str(path))
    return [found[min(found)], *([found[max(found)]] if len(found) > 1 else [])]


@pytest.mark.parametrize("interpreter", interpreters())
def test_all_is_imported(interpreter: str) -> None:
    names = [
        f"{path.parent.name}.{path.stem}" for path in [*SHARED.glob("*.py"), *MODULES.glob("*.py")]
    ]
    site = Path(basic.__file__).parents[2]
    done = subprocess.run(
        [interpreter, "-B", "-c", IMPORTS, f"{collections_root()}:{site}"],
        input="\n".join(names),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
