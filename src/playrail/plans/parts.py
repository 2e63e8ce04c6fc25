"""The parts that decide what a plan's steps do, each as hashes: a plan is carried out only
while all are the same.

A part has items, so that the one that differs can be named. What variables hold is told by
a hash with a key of this state directory: from a short password's own hash it could be
guessed.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from playrail import catalog
from playrail.ansible.inventory.inventory import Inventory
from playrail.ansible.reads.reads import Items, inside, reads_of
from playrail.canonical import digest
from playrail.plans.plan import Step
from playrail.policy.rules import Policy
from playrail.settings.private_files import private_directory
from playrail.settings.settings import Settings
from playrail.tools.tool import AnyTool, ApiTool, PlaybookTool

KEY = "plans.key"  # in the state directory
KEY_BYTES = 32


def parts_of(
    steps: Sequence[Step],
    tools: Sequence[AnyTool],
    hosts: Sequence[Sequence[str]],
    *,
    inventory: Inventory,
    policy: Policy | None,
    settings: Settings,
    environment: Mapping[str, str],
) -> dict[str, Items]:
    """The parts of steps that call these tools on these hosts, as they are at this moment.
    Reads files.

    `environment` is that of Ansible's processes. Raises PlanUnusable for more files than a
    plan can be held to.
    """
    every_host = list(dict.fromkeys(host for some in hosts for host in some))
    requests = [tool.endpoint for tool in tools if isinstance(tool, ApiTool)]
    standing = [catalog.play_variables(settings), settings.enable_write_operations]
    played = [tool for tool in tools if isinstance(tool, PlaybookTool)]
    read = reads_of(
        [tool.path for tool in played],
        every_host,
        contents=[tool.content for tool in played],
        listing=inventory.listing,
        settings=settings,
        environment=environment,
        keyed=lambda values: _keyed(settings, values),
    )
    return {
        **read,
        "arguments": {"": digest([[step.tool, dict(step.arguments)] for step in steps])},
        "hosts": {"": digest([list(some) for some in hosts])},
        "requests": {"": digest(requests)},
        "policy": {"": digest([policy.digest if policy else None, standing])},
    }


def _keyed(settings: Settings, values: Mapping[str, Any]) -> Items:
    key = _key(settings)

    def of(value: Any) -> str:
        return hmac.digest(key, digest(value).encode(), "sha256").hex()[:32]

    return {name: of(value) for name, value in values.items()}


def _key(settings: Settings) -> bytes:
    """The key of this state directory, made when it is first wanted."""
    path = private_directory(settings.state_dir) / KEY
    with contextlib.suppress(FileNotFoundError):
        if len(found := path.read_bytes()) == KEY_BYTES:
            return found
    unfinished = path.with_name(f".{KEY}-{secrets.token_hex(4)}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
    with contextlib.suppress(FileExistsError):
        # Another process may have been quicker, and then its key counts
        path.hardlink_to(unfinished)
    unfinished.unlink()
    return path.read_bytes()


def differing(was: Items, now: Items) -> Iterator[str]:
    """The names of the items that are not the same, with the files in them where these are
    known.
    """
    for name in sorted({*was, *now}):
        if name and was.get(name) != now.get(name):
            yield f"{name}{inside(was.get(name, ''), now.get(name, ''))}"
