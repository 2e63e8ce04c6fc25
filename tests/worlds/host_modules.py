"""Runs the modules of the collection playrail.host as Ansible does on a host: a process,
its arguments as JSON.

`loaded` is for tests of their functions.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from playrail.settings.content import collection, collections_root

MODULES = collection() / "plugins" / "modules"
SHARED = collection() / "plugins" / "module_utils"
WITH_COLLECTION = (
    f"import runpy, sys; sys.path.insert(0, {str(collections_root())!r}); del sys.argv[0];"
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)
PLAIN = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}


def module_answer(
    words: Sequence[str],
    arguments: Mapping[str, Any],
    *,
    timeout_s: float,
    programs: Path | None = None,
) -> dict[str, Any]:
    """What Python answers with these words, the module's path among them. Raises
    TimeoutExpired.

    A module alone finds what the collection's modules share, as Ansible sees to on a host.
    Programs that a test puts into the folder `programs` are found first.
    """
    if len(words) == 1:
        words = ["-c", WITH_COLLECTION, *words]
    ended = subprocess.run(
        [sys.executable, *words],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env=PLAIN | ({"PATH": f"{programs}{os.pathsep}{PLAIN['PATH']}"} if programs else {}),
    )
    assert ended.stdout, ended.stderr
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def loaded(path: Path) -> ModuleType:
    """The file of a module, or of what modules share, as Python imports it."""
    assert str(collections_root()) in sys.path  # what it imports of the collection
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
