"""Calls on the hosts of an inventory, each play with a new Ansible or by one that is kept
ready, and what the answers tell of each host.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal

from playrail.door.door import Playrail
from playrail.settings.settings import Settings
from worlds.callers import ANN


@dataclass(frozen=True)
class HostAnswer:
    """What the answer to a call tells of one host. `changed`: it is named as changed; `text`
    is all of it.
    """

    code: str
    error: str
    hint: str
    retryable: bool
    changed: bool
    report: Mapping[str, Any]
    text: str


@dataclass(frozen=True)
class Caller:
    """Calls tools and tells the answers by host."""

    envelope: Callable[[str, dict[str, Any]], Mapping[str, Any]]

    def __call__(self, tool: str, *servers: str, **arguments: Any) -> dict[str, HostAnswer]:
        """`servers` are the hosts' names; to each belongs a part of the answer."""
        return by_host(self.envelope(tool, {"server": list(servers), **arguments}), servers)


def by_host(answer: Mapping[str, Any], servers: Sequence[str]) -> dict[str, HostAnswer]:
    data = answer.get("data", {})
    reports, problems = data.get("hosts", {}), data.get("failed", {})
    if len(servers) == 1 and not answer["success"]:
        problems = {servers[0]: answer}  # in data.failed is the code alone then
    assert {*reports, *problems} == {*servers}, answer
    return {
        server: HostAnswer(
            code=problem.get("code", "ok"),
            error=problem.get("error", ""),
            hint=problem.get("hint", ""),
            retryable=problem.get("retryable", False),
            changed=server in data.get("changed", ()),
            report=reports.get(server, {}),
            text=json.dumps([reports.get(server), problem], ensure_ascii=False),
        )
        for server in servers
        for problem in [problems.get(server, {})]
    }


@contextlib.contextmanager
def calling(
    way: str, variables: Mapping[str, Mapping[str, Any]], place: Path, config: str = ""
) -> Iterator[Caller]:
    """Calls of a Playrail whose user has hosts with these variables and this ansible.cfg:
    `cold`, so each play starts an Ansible, or `warm`.
    """
    inventory, settings = place / "hosts.json", place / "ansible.cfg"
    inventory.write_text(json.dumps({"web": {"hosts": dict(variables)}}))
    inventory.chmod(0o600)
    settings.write_text(config)
    env = {
        "HOME": str(place),
        "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin",
        "PLAYRAIL_STATE_DIR": str(place / "state"),
        "PLAYRAIL_RUNTIME_DIR": str(place / "run"),
        "PLAYRAIL_INVENTORY": str(inventory),
        "ANSIBLE_CONFIG": str(settings),
        "ENABLE_WRITE_OPERATIONS": "1",
    }
    playrail = Playrail(Settings.load(env, dotenv=None), environ=env, warm=way == "warm")
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(playrail):
        if way == "warm":
            portal.call(playrail.warm_up)

        def envelope(tool: str, arguments: dict[str, Any]) -> Mapping[str, Any]:
            ask = partial(playrail.call, tool, arguments, caller=ANN)
            return portal.call(ask).envelope()

        yield Caller(envelope)
