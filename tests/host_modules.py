"""Runs the modules that playbooks bring along as Ansible does on a host: a process, its arguments as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

PLAIN = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}


def module_answer(words: Sequence[str], arguments: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
    """What Python answers with these words, the module's path among them. Raises TimeoutExpired."""
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
