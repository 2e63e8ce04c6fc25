"""Runs the modules that playbooks bring along as Ansible does on a host: a process, its
arguments as JSON.

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

import ansible.module_utils

BESIDE = (
    "import ansible.module_utils as shared, runpy, sys;"
    "shared.__path__.append(sys.argv[1]); del sys.argv[:2]; runpy.run_path(sys.argv[0], "
    "run_name='__main__')"
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

    A module alone finds what is in the folder module_utils beside its library, as Ansible
    sees to on a host. Programs that a test puts into the folder `programs` are found first.
    """
    if len(words) == 1:
        words = ["-c", BESIDE, str(Path(words[0]).parents[1] / "module_utils"), *words]
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
    beside = str(path.parents[1] / "module_utils")
    if beside not in ansible.module_utils.__path__:
        ansible.module_utils.__path__.append(beside)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
