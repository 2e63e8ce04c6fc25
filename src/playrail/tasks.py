"""What a play tells of its tasks: while it goes on, and at the end of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Progress = Callable[[float, str], Awaitable[None]]
"""Takes a number that grows, and what is going on."""


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """What became of a task on a host. `status`: ok, changed, failed, unreachable, skipped
    or ignored.

    `result` is without the diff, its texts are cut; None where none is kept, as of a read in
    the ledger. `diff` is Ansible's own, a list of before, after, before_header,
    after_header. Known secrets are hidden in both; `cut`: whether anything is left out.
    """

    host: str
    task: str
    action: str
    status: str
    duration_s: float | None
    result: Mapping[str, Any] | None
    diff: Sequence[Mapping[str, Any]]
    cut: bool = False
