"""What the demo's servers are started with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

KEPT = (
    "HOME",
    "USER",
    "LOGNAME",
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_STATE_HOME",
    "XDG_RUNTIME_DIR",
)
KEPT_TOO = ("PLAYRAIL_STATE_DIR", "PLAYRAIL_RUNTIME_DIR")
ANSWER_DEADLINE_S = 180.0


def environment(environ: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """The server's environment: without anything that would lead it to other servers than
    this machine.
    """
    config = scratch / "ansible.cfg"  # an empty one, so that no other is looked for
    config.touch()
    kept = {name: environ[name] for name in (*KEPT, *KEPT_TOO) if environ.get(name)}
    return kept | {"ANSIBLE_CONFIG": str(config), "LOG_LEVEL": "WARNING"}


def leaves(error: Exception) -> Iterator[Exception]:
    """Yield what went wrong, where several things did at once."""
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error
