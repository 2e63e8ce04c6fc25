"""Whether a command that was given to ssh began on the host, and what it wrote itself.

A mark is printed in front of the command by the login's shell. What stands before the mark
was written by the login (`.bashrc`, a message of the day), and where there is none the
command was not begun. Nothing here depends on words.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from typing import Any

from playrail.ansible.ssh.reasons import may_have_had_session

# Words between the connection plugins, which say these sentences, and failures.py, which
# knows them again.
NOT_BEGUN = "Failed to connect to the host via ssh: "  # Ansible's own words, for what ssh said
LOST = "The connection was lost while a command was at work on the host: "
NO_COMMAND = "The login ended without running the command"
NOT_BECOME = "did not run the command"
NO_PASSWORD = "no password is set for it"  # noqa: S105  (a sentence)
# A channel's login writes it to standard error, before sudo is asked
BEGUN = "playrail-login-begun"
SSH_FAILED = 255  # ssh's exit status when it is not that of the command

_SHELL = re.compile(r"/[^\s'\"]+ -c ")  # what Ansible puts in front of commands for a shell like sh
_DECODER = json.JSONDecoder()


def can_be_marked(cmd: str) -> bool:
    """Whether it is a command for a shell; a router, say, is given other ones."""
    return _SHELL.match(cmd) is not None


class Mark:
    """A word that stands in nobody's output by chance."""

    def __init__(self) -> None:
        self.word = f"PLAYRAIL-BEGUN-{secrets.token_hex(8)}"

    def before(self, cmd: str) -> str:
        """The command, with the mark printed first. Every login shell takes it, that of
        fish and csh as well.
        """
        return f"echo {self.word}; {cmd}"

    def after(self, stdout: bytes) -> bytes | None:
        """What the command wrote; None when it was not begun: who refuses it may repeat it,
        and so the mark.
        """
        found = re.search(re.escape(self.word.encode()) + rb"[ \t\r]*(?:\n|\Z)", stdout)
        return None if found is None else stdout[found.end() :]


@dataclass(frozen=True, kw_only=True)
class End:
    """How a marked command ended: what it wrote, or the failure, after which it may be
    tried `again` or not.
    """

    own: bytes = b""
    failure: str = ""
    again: bool = False


def end_of(mark: Mark, status: int, stdout: bytes, stderr: bytes) -> End:
    """What came of ssh that was given the command; its status is below zero when a signal
    ended it.
    """
    own = mark.after(stdout)
    text = stderr.decode(errors="replace").strip()
    if status == SSH_FAILED or status < 0:
        if own is None and status > 0 and not may_have_had_session(text):
            return End(failure=NOT_BEGUN + text, again=True)
        return End(failure=LOST + text)
    if own is None:
        wrote = f"{text}\n{stdout.decode(errors='replace').strip()}".strip()  # a banner comes first
        return End(
            failure=(f"{NO_COMMAND} (exit status {status}): {wrote.replace(mark.before(''), '')}")
        )
    return End(own=own)


def result_of_module(stdout: bytes) -> bytes:
    """A module's result without what others wrote around it, such as a shell at its end;
    all of it when in doubt.
    """
    text = stdout.decode(errors="surrogateescape")
    if text.strip().startswith("{") and "\n" not in text.strip():
        return stdout
    best: str | None = None
    position = 0
    for found in re.finditer(r"^[ \t]*(?=\{)", text, re.MULTILINE):
        if found.end() < position:  # inside of what was read already
            continue
        try:
            value, position = _DECODER.raw_decode(text, found.end())
        except ValueError:
            continue
        if _is_result(value):
            best = text[found.end() : position]
    return stdout if best is None else best.encode(errors="surrogateescape") + b"\n"


def _is_result(value: Any) -> bool:
    """Whether it looks like what a module tells; every module of Ansible's own repeats its
    invocation.
    """
    return isinstance(value, dict) and ("invocation" in value or "playrail_code" in value)
