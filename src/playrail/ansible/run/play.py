"""A play that is to be run, and what Ansible is told of it."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shlex
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any, Protocol

from pydantic import SecretStr

from playrail.ansible.judgements import held
from playrail.ansible.run.values import to_extravars

MAX_FORKS = 50
FORKS_PER_CORE = 16  # a fork mostly waits for its host; what it computes is some 20 ms
# Bytes in one event; asyncio's own limit is 64 KiB, too small for file contents
EVENT_LIMIT = 64 * 1024 * 1024
# The variable that names the directory of the sockets of a run that serves plays
SERVES_AT = "playrail_serves_at"
CALLS = "calls.sock"  # there, where plays are asked for
STOP_GRACE_S = 8.0  # for a play to end Ansible; it needs up to 4 s in the worst case


@dataclass(frozen=True, kw_only=True)
class Play:
    """What to run: an absolute playbook path, the resolved host names, and data for its
    variables.
    """

    run_id: str
    playbook: Path
    hosts: Sequence[str]
    inventory: Sequence[str]
    variables: Mapping[str, Any]
    secrets: Mapping[str, Mapping[str, SecretStr]]
    """Per host the secrets that its inventory variables refer to as `playrail_secrets`."""
    standing: Mapping[str, Any] = field(default_factory=dict)
    """More variables, which say how things are done here and not what is to be done."""
    interruptible: bool = True
    """Whether work that runs on this machine (the local connection) is ended when the run
    is cut short.
    """
    check: bool = False
    """Whether nothing is to be changed: Ansible's check mode, in which modules tell what
    they would change.
    """
    diff: bool = False
    """Whether modules are to tell what was there before a change and after it."""
    at_most: int | None = None
    """On how many hosts the user wants Ansible to work at once, where that is said."""

    def command_line(self) -> str:
        """The `ansible-playbook` line that does the same by hand. Secrets are left out:
        Ansible would ask for them.
        """
        variables = json.dumps(
            {"playrail_target": list(self.hosts), **self.variables}, ensure_ascii=False
        )
        words = ["ansible-playbook"]
        for source in self.inventory:
            words += ["-i", source]
        words += self.modes()
        return shlex.join([*words, "-e", variables, str(self.playbook)])

    def modes(self) -> list[str]:
        """The options of `ansible-playbook` for check mode and diffs."""
        return [*(["--check"] if self.check else []), *(["--diff"] if self.diff else [])]

    def extravars(self) -> str:
        """The text of a file with the play's variables, in which no string is a template.
        It holds secrets.
        """
        return to_extravars(
            {
                **self.variables,
                **self.standing,
                **held(),
                "playrail_target": list(self.hosts),
                "playrail_run": self.run_id,
                "playrail_secrets": self.secrets,
            }
        )

    def orders(self) -> dict[str, Any]:
        """What the process that runs the play is told beside its variables."""
        return {
            "run_id": self.run_id,
            "playbook": str(self.playbook),
            "inventory": list(self.inventory),
            "hosts": list(self.hosts),
            "forks": forks(len(self.hosts), at_most=self.at_most),
            "interruptible": self.interruptible,
            "check": self.check,
            "diff": self.diff,
            "modes": shlex.join(self.modes()),
        }


def forks(hosts: int, *, at_most: int | None = None) -> int:
    """On how many of so many hosts a play works at once."""
    bounds = (hosts, MAX_FORKS, FORKS_PER_CORE * (os.cpu_count() or 1), at_most or MAX_FORKS)
    return max(1, min(bounds))


def turns(hosts: int, *, at_most: int | None = None) -> int:
    """How often the time that one host takes, when so many take turns."""
    return ceil(hosts / forks(hosts, at_most=at_most))


class StartedPlay(Protocol):
    """A play that has been started."""

    def records(self) -> AsyncIterator[dict[str, Any]]:
        """What it tells, one JSON object after the other. The last has the key `end`,
        unless it broke off.
        """

    async def end(self) -> str:
        """Ends it if it goes on. Returns when it is gone and all below it, with what it
        wrote to standard error.
        """


class WarmWay(Protocol):
    """Starts plays where Ansible is ready already."""

    @property
    def trouble(self) -> str:
        """Why the last play that it did not start could not be, the end of a sentence."""

    async def start(self, play: Play, stop: asyncio.Event) -> StartedPlay | None:
        """Start the play; None when that cannot be, and then nothing of the play has been
        run.

        Raises Cancelled when `stop` is set before it has begun.
        """


def new_run_id() -> str:
    """Sorts by time and is unique."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"
