"""The parts that decide what a plan's steps do, each as a hash: a plan is carried out only while all are the same."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from playrail.ansible.content import content_root
from playrail.ansible.digests import collections_digest, content_digest, digest
from playrail.ansible.inventory import Inventory
from playrail.plans import Step
from playrail.plays import standing_variables
from playrail.policy import Policy
from playrail.settings import Settings
from playrail.tool import AnyTool, ApiTool, PlaybookTool


def parts_of(
    steps: Sequence[Step],
    tools: Sequence[AnyTool],
    hosts: Sequence[Sequence[str]],
    *,
    inventory: Inventory,
    policy: Policy | None,
    settings: Settings,
) -> dict[str, str]:
    """The parts of steps that call these tools on these hosts, as they are at this moment. Reads files."""
    every_host = list(dict.fromkeys(host for some in hosts for host in some))
    played = dict.fromkeys(tool.playbook for tool in tools if isinstance(tool, PlaybookTool))
    playbooks = [content_root() / "playbooks" / playbook for playbook in played]
    requests = [tool.endpoint for tool in tools if isinstance(tool, ApiTool)]
    roles = content_root() / "roles"
    standing = [standing_variables(settings), settings.enable_write_operations]
    return {
        "arguments": digest([[step.tool, dict(step.arguments)] for step in steps]),
        "hosts": digest([list(some) for some in hosts]),
        "inventory": digest([inventory.digest(every_host), _content(settings.ansible_config)]),
        "playbook": digest([requests, *(content_digest(playbook, roles) for playbook in playbooks)]),
        "collections": collections_digest(),
        "policy": digest([policy.digest if policy else None, standing]),
    }


def _content(path: Path | None) -> str | None:
    """The hash of a file that says how Ansible works."""
    return None if path is None else sha256(path.read_bytes()).hexdigest()
