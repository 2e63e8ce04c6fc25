"""Tools, hosts and policies for the tests of what policy says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playrail.hosts import Host
from playrail.policy.file import read_policy
from playrail.policy.rules import Policy
from playrail.tools.tool import (
    AnyTool,
    DirectTool,
    OnHosts,
    PlaybookTool,
    Report,
    Risk,
    ToolInput,
    by_field,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)  # a Friday


class Chosen(OnHosts):
    choice: str = ""


def tool(name: str, toolset: str, risk: Any, **more: Any) -> AnyTool:
    playbook = f"{toolset}/{name}.yml"
    return PlaybookTool(
        name=name, summary=name, risk=risk, input=Chosen, playbook=playbook, report=Report, **more
    )


async def _nothing(*_: Any) -> Report:
    return Report()


SERVICES = by_field(
    "choice", {"status": Risk.READ, "enable": Risk.WRITE}, otherwise=Risk.DESTRUCTIVE
)
ABOUT: AnyTool = DirectTool(
    name="about",
    summary="about",
    risk=Risk.DESTRUCTIVE,
    input=ToolInput,
    toolset="playrail",
    output=Report,
    run=_nothing,
)
READ_FILE = tool("read_file", "files", Risk.READ, aliases=("reader",))
MANAGE_SERVICE = tool("manage_service", "services", SERVICES)
RUN = tool("run", "commands", by_field("choice", {"true": Risk.SHELL}, otherwise=Risk.DANGEROUS))
TOOLS: Mapping[str, AnyTool] = {
    "about": ABOUT,
    "manage_service": MANAGE_SERVICE,
    "read_file": READ_FILE,
    "reader": READ_FILE,
    "run": RUN,
}

HOSTS = {
    host.name: host
    for host in (
        Host(name="web1", groups=("web",), tier="staging"),
        Host(name="db1", groups=(), tags=("db",)),
        Host(name="lab1", groups=(), tier="lab"),
    )
}


def policy_of(place: Path, text: str) -> Policy:
    path = place / "policy.yml"
    path.write_text(text)
    path.chmod(0o600)
    return read_policy(path, TOOLS)
