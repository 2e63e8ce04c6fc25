"""What `playrail doctor` says of the short cuts that make a play quick: one play on this
machine, which changes nothing, tells which of them hold.

None of them has a part in what a play does: without them plays are slower, and nobody would
notice.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from playrail.ansible.content.unsafe_yaml import to_yaml
from playrail.ansible.environment import environment
from playrail.ansible.inventory.inventory import Inventory
from playrail.ansible.outcome.ways import Way
from playrail.ansible.run.play import Play, new_run_id
from playrail.ansible.run.runner import Runner
from playrail.ansible.warm.resident import Resident
from playrail.commands.doctor_project import Check
from playrail.errors import PlayrailError
from playrail.settings.content import content_root
from playrail.settings.settings import Settings

PLAYBOOK = Path("system", "get_memory_info.yml")
HOST = "this-machine"
DEADLINE_S = 60.0
IDLE_S = 600.0
# Stands in for ssh: what would run on a host runs here. This machine may have no sshd.
SSH = """#!/bin/sh
case " $* " in *" -O "*) exit 0 ;; esac
for command; do :; done
exec /bin/sh -c "$command"
"""
SLOWER = "Nothing fails without it; calls take longer."


async def check_warm(
    settings: Settings, environ: Mapping[str, str], place: Path
) -> AsyncIterator[Check]:
    """Yield a check for each short cut. `place` is a private directory for this alone."""
    if not settings.warm:
        yield Check(
            name="run that stays",
            state="warn",
            found="PLAYRAIL_WARM is off: each play waits for an Ansible of its own to start",
            mend=f"Remove PLAYRAIL_WARM, unless memory is short here. {SLOWER}",
        )
        return
    try:
        way = await _way(settings, environ, place)
    except PlayrailError as error:
        yield Check(name="run that stays", state="warn", found=str(error), mend=error.problem.hint)
        return
    for check in checks_of(way):
        yield check


def checks_of(way: Way) -> Iterator[Check]:
    """What is to be said of each short cut; of those behind one that failed, nothing."""
    yield _check("run that stays", held=way.start != "cold", why=way.why)
    if way.start == "cold":
        return
    yield _check("quick play", held=way.start == "quick", why=way.why)
    yield _check(
        "kept interpreter", held=bool(way.kept), why=way.why_not_kept or "no module was sent"
    )


def _check(name: str, *, held: bool, why: str) -> Check:
    if held:
        return Check(name=name, state="ok", found="a play on this machine went this way")
    found = f"a play on this machine did not go this way: {why}"
    return Check(name=name, state="warn", found=found, mend=SLOWER)


async def _way(settings: Settings, environ: Mapping[str, str], place: Path) -> Way:
    """By which way a play goes to this machine, as if over SSH. Raises PlayrailError."""
    alone = replace(
        settings,
        servers={},
        failed_servers={},
        default_server=None,
        inventory=(_inventory(place),),
    )
    inventory = Inventory(alone, content_root(), environ=environ)
    child = environment(alone, environ)
    resident = Resident(
        runs_dir=place,
        environment=child,
        inventory=inventory,
        idle_s=IDLE_S,
        most_bytes=settings.warm_memory_mb * 1024 * 1024,
    )
    play = Play(
        run_id=new_run_id(),
        playbook=content_root() / "playbooks" / PLAYBOOK,
        hosts=(HOST,),
        inventory=inventory.sources(),
        variables={"playrail_details": False},
        secrets={},
    )
    try:
        runner = Runner(runs_dir=place, environment=child, warm=resident)
        ran = await runner.run(play, deadline_s=DEADLINE_S, stop=asyncio.Event(), progress=None)
        return ran.ways[HOST]
    finally:
        await resident.close()
        inventory.close()


def _inventory(place: Path) -> Path:
    """An inventory of this machine alone, behind a program that stands in for ssh."""
    ssh = place / "ssh"
    ssh.write_text(SSH, encoding="utf-8")
    ssh.chmod(0o700)
    variables = {
        "ansible_connection": "ssh",
        "ansible_ssh_executable": str(ssh),
        "ansible_host": HOST,
        "ansible_python_interpreter": sys.executable,
        "ansible_become": False,
    }
    path = place / "this_machine.yml"
    path.write_text(to_yaml({"all": {"hosts": {HOST: variables}}}), encoding="utf-8")
    return path
