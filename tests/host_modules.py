"""Runs the modules that playbooks bring along as Ansible does on a host: a process, its arguments as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BESIDE = (
    "import ansible.module_utils as shared, runpy, sys;"
    "shared.__path__.append(sys.argv[1]); del sys.argv[:2]; runpy.run_path(sys.argv[0], run_name='__main__')"
)
PLAIN = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}


def module_answer(words: Sequence[str], arguments: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
    """What Python answers with these words, the module's path among them. Raises TimeoutExpired.

    A module alone finds what is in the folder module_utils beside its library, as Ansible sees to on a host.
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
        env=PLAIN,
    )
    assert ended.stdout, ended.stderr
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer
