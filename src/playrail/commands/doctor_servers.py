"""What `playrail doctor` says of the servers: inventory, keys, and whether each answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from playrail.ansible.environment import forks_at_most
from playrail.ansible.inventory.host_keys import MEND, host_keys
from playrail.ansible.inventory.inventory import Hosts, Inventory
from playrail.ansible.inventory.notes import UNREAD_REMEDY
from playrail.ansible.inventory.withheld_environment import REMEDY
from playrail.ansible.outcome.outcome import NO_REPORT, HostOutcome
from playrail.ansible.run.play import Play, new_run_id, turns
from playrail.ansible.run.runner import Ended, Runner, RunResult
from playrail.commands.doctor_place import private_place
from playrail.commands.doctor_project import Check
from playrail.errors import PlayrailError
from playrail.hosts import NAME_REMEDY
from playrail.settings.content import content_root
from playrail.settings.settings import Settings

# For Ansible to start; for a host that is connected to tell about itself
START_S, HOST_S = 20.0, 15.0


async def check_servers(
    settings: Settings, environ: Mapping[str, str], child: Mapping[str, str]
) -> AsyncIterator[Check]:
    inventory = Inventory(settings, content_root())
    keys = host_keys(inventory, settings, environ=environ, child=child)
    try:
        try:
            known = await inventory.hosts()
            usable = known.hosts.keys() - known.refused.keys()
            deadline_s = deadline_of(inventory, known, at_most=forks_at_most(child))
            unchecked = await keys.unchecked(known.hosts)
            ran = (
                await _check_hosts(inventory, known, settings, child, deadline_s)
                if usable
                else None
            )
        except PlayrailError as error:
            yield Check(name="inventory", state="fail", found=str(error), mend=error.problem.hint)
            return
    finally:
        inventory.close()
    found = [
        Check(name=f"key of {name}", state="warn", found=why, mend=MEND)
        for name, why in unchecked.items()
    ]
    found += [
        Check(
            name=f"variable {name}",
            state="warn",
            found=f"{host} asks for it, and Ansible is not given it",
            mend=REMEDY,
        )
        for name, host in inventory.withheld().items()
    ]
    for check in (
        *check_inventory(known, settings),
        *found,
        *(_outcomes(ran, deadline_s) if ran else ()),
    ):
        yield check


def check_inventory(known: Hosts, settings: Settings) -> Iterator[Check]:
    if known.hosts:
        yield Check(
            name="inventory",
            state="ok",
            found=f"hosts: {len(known.hosts)}, groups: {len(known.groups)}",
        )
    else:
        mend = "Name servers in MCP_SERVERS, or an Ansible inventory in PLAYRAIL_INVENTORY."
        yield Check(name="inventory", state="warn", found="there are no hosts", mend=mend)
    for name, reason in known.refused.items():
        yield Check(
            name=f"host {name!r}",
            state="warn",
            found=reason,
            mend=known.mends.get(name, NAME_REMEDY),
        )
    for path, reason in known.unread.items():
        yield Check(
            name=f"inventory file {path}",
            state="warn",
            found=f"is not read: {reason}",
            mend=UNREAD_REMEDY,
        )
    if known.other_tags:
        some, others = known.other_tags[:5], known.other_tags[5:]
        named = ", ".join(some) + (" and others" if others else "")
        mend = "To choose or decide by tags, give these hosts a list of words in playrail_tags."
        found = f"the variable tags of {named} is no list, so these hosts have no tags for Playrail"
        yield Check(name="tags", state="warn", found=found, mend=mend)
    default = settings.default_server
    usable = {*known.hosts, *known.groups} - set(settings.failed_servers)
    if default is not None and default not in usable:
        mend = "Set MCP_DEFAULT_SERVER to a server that `playrail inventory` lists."
        yield Check(
            name="default server", state="fail", found=f"{default!r} cannot be used", mend=mend
        )


def deadline_of(inventory: Inventory, known: Hosts, *, at_most: int | None = None) -> float:
    """Long enough for every host to be given up by itself first, in its turn."""
    each_s = inventory.connect_timeout_s(known.hosts) + HOST_S
    return START_S + turns(len(known.hosts), at_most=at_most) * each_s


async def _check_hosts(
    inventory: Inventory,
    known: Hosts,
    settings: Settings,
    child: Mapping[str, str],
    deadline_s: float,
) -> RunResult:
    """Look at all hosts side by side."""
    hosts = tuple(name for name in known.hosts if name not in known.refused)
    play = Play(
        run_id=new_run_id(),
        playbook=content_root() / "playbooks" / "runs" / "check_host.yml",
        hosts=hosts,
        inventory=inventory.sources(),
        variables={},
        secrets=inventory.secrets(hosts),
        at_most=forks_at_most(child),
    )
    with private_place(settings.runtime_dir) as place:
        runner = Runner(runs_dir=place, environment=child)
        return await runner.run(play, deadline_s=deadline_s, stop=asyncio.Event(), progress=None)


def _outcomes(ran: RunResult, deadline_s: float) -> Iterator[Check]:
    late_s = deadline_s if ran.ended is Ended.AT_DEADLINE else None
    for name, outcome in ran.hosts.items():
        yield check_host(f"host {name}", outcome, late_s=late_s)


def check_host(name: str, outcome: HostOutcome, *, late_s: float | None) -> Check:
    """What became of a host; `late_s` is after how many seconds the run was cut short, if
    it was.
    """
    if outcome.problem is NO_REPORT and late_s is not None:
        mend = (
            "Check its address, the firewalls and jump hosts on the way, and whether it is "
            "overloaded."
        )
        return Check(name=name, state="fail", found=f"no answer within {late_s:g} s", mend=mend)
    if outcome.problem is not None:
        return Check(
            name=name, state="fail", found=outcome.problem.error, mend=outcome.problem.hint
        )
    facts: Mapping[str, Any] = (outcome.report or {}).get("ansible_facts", {})
    python = facts.get("ansible_python", {})
    release = ".".join(
        str(python.get("version", {}).get(part, "?")) for part in ("major", "minor", "micro")
    )
    found = f"reached, works as {facts.get('ansible_user_id', '?')} with Python {release}"
    return Check(name=name, state="ok", found=f"{found} ({python.get('executable', '?')})")
