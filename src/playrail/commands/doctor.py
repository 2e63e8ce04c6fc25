"""What `playrail doctor` checks: this machine, the settings, what is written down, and
every server.

It must work where Playrail does not, so it goes past the door: it needs no ledger, and its
play only looks.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from playrail import catalog
from playrail.ansible.environment import environment, forks_at_most
from playrail.ansible.inventory.host_keys import MEND, host_keys
from playrail.ansible.inventory.inventory import Hosts, Inventory
from playrail.ansible.inventory.notes import UNREAD_REMEDY
from playrail.ansible.inventory.withheld_environment import REMEDY
from playrail.ansible.outcome.outcome import NO_REPORT, HostOutcome
from playrail.ansible.run.play import Play, new_run_id, turns
from playrail.ansible.run.runner import Ended, Runner, RunResult
from playrail.commands.doctor_place import private_place
from playrail.commands.doctor_project import Check, check_project
from playrail.commands.doctor_secrets import check_secrets
from playrail.commands.doctor_toolsets import check_toolsets
from playrail.commands.doctor_warm import check_warm
from playrail.errors import PlayrailError, SettingsInvalid
from playrail.hosts import NAME_REMEDY
from playrail.ledger.ledger import Ledger
from playrail.policy.file import read_policy
from playrail.settings.content import content_root
from playrail.settings.private_files import private_directory
from playrail.settings.settings import Settings
from playrail.settings.state import ledger_file

OLDEST_PYTHON, FIRST_UNTRIED_PYTHON = (3, 11), (3, 14)
COMMAND_DEADLINE_S = 30.0
# For Ansible to start; for a host that is connected to tell about itself
START_S, HOST_S = 20.0, 15.0
MIB = 1024 * 1024
LITTLE_SPACE, TOO_LITTLE_SPACE = 500 * MIB, 20 * MIB
MEMORY = frozenset({"tmpfs", "ramfs"})
SEVERAL_SOURCES = (
    ("MCP_SERVERS", ("MIKRUS_SERVERS", "MIKRUS_API_KEY", "MIKRUS_SERVER_NAME")),
    ("MIKRUS_SERVERS", ("MIKRUS_API_KEY", "MIKRUS_SERVER_NAME")),
    ("MCP_DEFAULT_SERVER", ("MIKRUS_DEFAULT_SERVER",)),
    ("PLAYRAIL_INVENTORY", ("ANSIBLE_INVENTORY",)),
)
NOT_USED = (
    "MCP_PORT",
    "MCP_HOST",
    "MCP_REST_PORT",
    "MCP_UNSAFE_PUBLIC_ACCESS_CONFIRMED",
    "ANSIBLE_STDOUT_CALLBACK",
)
REINSTALL = "pip install --upgrade playrail"


async def examine(environ: Mapping[str, str], *, dotenv: Path) -> AsyncIterator[Check]:
    """Yield every check as soon as its outcome is known; where the settings are invalid,
    those before them only.
    """
    yield _python()
    yield _package("ansible-core")
    yield _package("ansible-runner")
    try:
        settings = Settings.load(environ, dotenv=dotenv)
        child = environment(settings, environ)
    except SettingsInvalid as error:
        yield Check(
            name="settings", state="fail", found=str(error), mend="Mend that, then run this again."
        )
        return
    yield _ansible_playbook(child)
    yield await _ssh(child, needed=bool(settings.servers or settings.inventory))
    for check in (
        *_settings(settings, environ, dotenv),
        *check_secrets(settings),
        *check_project(settings),
        *check_toolsets(settings),
        *_policy(settings),
        *_written(settings),
    ):
        yield check
    async for check in _servers(settings, environ, child):
        yield check
    try:
        with private_place(settings.runtime_dir) as place:
            async for check in check_warm(settings, environ, place):
                yield check
    except SettingsInvalid as error:
        mend = "Mend the runtime directory."
        yield Check(name="run that stays", state="warn", found=str(error), mend=mend)


def _python() -> Check:
    found = f"{'.'.join(map(str, sys.version_info[:3]))} ({sys.executable})"
    if OLDEST_PYTHON <= sys.version_info[:2] < FIRST_UNTRIED_PYTHON:
        return Check(name="python", state="ok", found=found)
    return Check(
        name="python",
        state="fail",
        found=found,
        mend="Install Playrail with Python 3.11, 3.12 or 3.13.",
    )


def _package(name: str) -> Check:
    wanted = next(
        Requirement(line) for line in requires("playrail") or () if Requirement(line).name == name
    )
    try:
        found = version(name)
    except PackageNotFoundError:
        return Check(name=name, state="fail", found="is not installed", mend=REINSTALL)
    if found not in wanted.specifier:
        return Check(
            name=name, state="fail", found=f"{found}; {wanted.specifier} is needed", mend=REINSTALL
        )
    return Check(name=name, state="ok", found=found)


def _ansible_playbook(child: Mapping[str, str]) -> Check:
    name, beside = "ansible-playbook", Path(sys.executable).parent
    found = shutil.which(name, path=child["PATH"])
    if found is None:
        return Check(
            name=name,
            state="fail",
            found="is not on the PATH of Ansible's processes",
            mend=REINSTALL,
        )
    if Path(found).parent != beside:
        mend = f"Runs would use another Ansible than Playrail's own; {REINSTALL}"
        return Check(name=name, state="warn", found=f"{found}, not the one in {beside}", mend=mend)
    return Check(name=name, state="ok", found=found)


async def _ssh(child: Mapping[str, str], *, needed: bool) -> Check:
    program = shutil.which("ssh", path=child["PATH"])
    if program is None:
        mend = "Install an OpenSSH client (Debian, Ubuntu: apt install openssh-client)."
        return Check(
            name="ssh",
            state="fail" if needed else "warn",
            found="there is no ssh client",
            mend=mend,
        )
    status, text = await _output(program, "-V", env=child)
    if status != 0:
        return Check(
            name="ssh",
            state="fail",
            found=f"{program} does not run: {text}",
            mend="Install it again.",
        )
    return Check(name="ssh", state="ok", found=f"{text} ({program})")


async def _output(*command: str, env: Mapping[str, str]) -> tuple[int, str]:
    """Exit status of a command and what it said on either output."""
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *command, stdin=null, stdout=pipe, stderr=asyncio.subprocess.STDOUT, env=dict(env)
    )
    try:
        async with asyncio.timeout(COMMAND_DEADLINE_S):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return 1, f"no end within {COMMAND_DEADLINE_S:g} s"
    return process.returncode or 0, output.decode(errors="replace").strip()


def _settings(settings: Settings, environ: Mapping[str, str], dotenv: Path) -> Iterator[Check]:
    switch = "on" if settings.enable_write_operations else "off"
    yield Check(
        name="settings",
        state="ok",
        found=f"servers named: {len(settings.servers)}, write operations: {switch}",
    )
    for name, failed in settings.failed_servers.items():
        yield Check(
            name=f"server {name}",
            state="fail",
            found=failed.reason,
            mend="Mend this entry; others still work.",
        )
    for name, server in settings.servers.items():
        for warned in server.warnings():
            yield Check(name=f"server {name}", state="warn", found=warned.found, mend=warned.mend)
    present = {name for name, value in environ.items() if value}
    for winner, others in SEVERAL_SOURCES:
        for name in others:
            if {winner, name} <= present:
                yield Check(
                    name=name,
                    state="warn",
                    found=f"is not used: {winner} wins",
                    mend="Remove one of the two.",
                )
    for name in NOT_USED:
        if name in present:
            yield Check(
                name=name,
                state="warn",
                found="is set, and Playrail does not use it",
                mend="Remove it.",
            )
    if dotenv.is_file() and dotenv.stat().st_mode & 0o077:
        mend = f"chmod 600 {dotenv}"
        yield Check(
            name=".env", state="warn", found="other users of this machine can read it", mend=mend
        )


def _policy(settings: Settings) -> Iterator[Check]:
    """Nothing where there is no policy, which is as good."""
    if settings.policy_file is None:
        return
    try:
        policy = read_policy(settings.policy_file, catalog.load())
    except SettingsInvalid as error:
        mend = (
            "Mend that: nothing starts with it. policy.example.yml tells how a policy is written."
        )
        yield Check(name="policy", state="fail", found=str(error), mend=mend)
    else:
        yield Check(
            name="policy", state="ok", found=f"{settings.policy_file}, rules: {len(policy.rules)}"
        )


def _written(settings: Settings) -> Iterator[Check]:
    yield _directory("state directory", settings.state_dir, "PLAYRAIL_STATE_DIR")
    runtime = _directory("runtime directory", settings.runtime_dir, "PLAYRAIL_RUNTIME_DIR")
    yield runtime if runtime.state == "fail" else _runtime(settings.runtime_dir)
    yield _ledger(ledger_file(settings.state_dir))


def _directory(name: str, path: Path, variable: str) -> Check:
    there = _nearest(path)
    if path.exists():
        try:
            private_directory(path)
        except SettingsInvalid as error:
            return Check(
                name=name,
                state="fail",
                found=str(error),
                mend=f"chmod 700 {path}, or set {variable}.",
            )
    if not os.access(there, os.W_OK | os.X_OK):
        mend = f"Make {there} writable, or set {variable} to another directory."
        return Check(
            name=name,
            state="fail",
            found=f"{there} cannot be written to; no call will run",
            mend=mend,
        )
    free = shutil.disk_usage(there).free
    found = f"{path}{'' if path.exists() else ' (made when first needed)'}, {free // MIB} MiB free"
    if free < LITTLE_SPACE:
        mend = "Free some space there: a call that cannot be recorded does not run."
        return Check(
            name=name, state="fail" if free < TOO_LITTLE_SPACE else "warn", found=found, mend=mend
        )
    return Check(name=name, state="ok", found=found)


def _runtime(path: Path) -> Check:
    name, mend = (
        "runtime directory",
        "Set PLAYRAIL_RUNTIME_DIR to a path on a tmpfs, such as /dev/shm/playrail.",
    )
    kind = _file_system(_nearest(path))
    if kind not in MEMORY:
        found = f"{path} is on {kind}, so passwords lie on a disk while a run lasts"
        return Check(name=name, state="warn", found=found, mend=mend)
    return Check(name=name, state="ok", found=f"{path}, in memory ({kind})")


def _nearest(path: Path) -> Path:
    """The path itself, or the closest directory above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def _file_system(path: Path) -> str:
    """Type of the file system of an existing path, by the longest mount point above it
    (proc(5), mountinfo).
    """
    real, best = path.resolve(), ("", "an unknown file system")
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        before, _, after = line.partition(" - ")
        point = before.split()[4]
        if real.is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, after.split()[0])
    return best[1]


def _ledger(path: Path) -> Check:
    if not path.exists():
        return Check(name="ledger", state="ok", found=f"{path}: nothing is recorded yet")
    ledger = Ledger(path)
    try:
        problem = ledger.verify().problem
    except PlayrailError as error:
        return Check(name="ledger", state="fail", found=str(error), mend=error.problem.hint)
    finally:
        ledger.close()
    if problem is not None:
        mend = (
            "Keep the file as evidence and compare it with a backup; move it away to begin a "
            "new one."
        )
        return Check(name="ledger", state="fail", found=f"{path}: {problem}", mend=mend)
    return Check(name="ledger", state="ok", found=f"{path}: the chain holds")


async def _servers(
    settings: Settings, environ: Mapping[str, str], child: Mapping[str, str]
) -> AsyncIterator[Check]:
    inventory = Inventory(settings, content_root())
    keys = host_keys(inventory, settings, environ=environ, child=child)
    try:
        try:
            known = await inventory.hosts()
            usable = known.hosts.keys() - known.refused.keys()
            deadline_s = _deadline_s(inventory, known, at_most=forks_at_most(child))
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
        *_inventory(known, settings),
        *found,
        *(_outcomes(ran, deadline_s) if ran else ()),
    ):
        yield check


def _inventory(known: Hosts, settings: Settings) -> Iterator[Check]:
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


def _deadline_s(inventory: Inventory, known: Hosts, *, at_most: int | None = None) -> float:
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
        yield _host(f"host {name}", outcome, late_s=late_s)


def _host(name: str, outcome: HostOutcome, *, late_s: float | None) -> Check:
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
