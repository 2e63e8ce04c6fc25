"""What `playrail doctor` checks: this machine, the settings, what is written down, and
every server.

It must work where Playrail does not, so it goes past the door: it needs no ledger, and its
play only looks.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from playrail import catalog
from playrail.ansible.environment import environment
from playrail.commands.doctor_machine import (
    check_ansible_playbook,
    check_package,
    check_python,
    check_ssh,
)
from playrail.commands.doctor_place import private_place
from playrail.commands.doctor_project import Check, check_project
from playrail.commands.doctor_secrets import check_secrets
from playrail.commands.doctor_servers import check_servers
from playrail.commands.doctor_toolsets import check_toolsets
from playrail.commands.doctor_warm import check_warm
from playrail.errors import PlayrailError, SettingsInvalid
from playrail.ledger.ledger import Ledger
from playrail.policy.file import read_policy
from playrail.settings.content import content_root
from playrail.settings.private_files import private_directory
from playrail.settings.settings import Settings
from playrail.settings.state import ledger_file

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


async def examine(environ: Mapping[str, str], *, dotenv: Path) -> AsyncIterator[Check]:
    """Yield every check as soon as its outcome is known; where the settings are invalid,
    those before them only.
    """
    yield check_python()
    yield check_package("ansible-core")
    yield check_package("ansible-runner")
    try:
        settings = Settings.load(environ, dotenv=dotenv)
        child = environment(settings, environ)
    except SettingsInvalid as error:
        yield Check(
            name="settings", state="fail", found=str(error), mend="Mend that, then run this again."
        )
        return
    yield check_ansible_playbook(child)
    behind_ssh = any(server.ssh is not None for server in settings.servers.values())
    yield await check_ssh(child, needed=behind_ssh or bool(settings.inventory))
    for check in (
        *_settings(settings, environ, dotenv),
        *check_secrets(settings),
        *check_project(settings),
        *check_toolsets(settings),
        *_policy(settings),
        *_written(settings),
    ):
        yield check
    async for check in check_servers(settings, environ, child):
        yield check
    try:
        with private_place(settings.runtime_dir) as place:
            async for check in check_warm(settings, environ, place):
                yield check
    except SettingsInvalid as error:
        mend = "Mend the runtime directory."
        yield Check(name="run that stays", state="warn", found=str(error), mend=mend)


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
        example = content_root() / "policy.example.yml"
        mend = f"Mend that: nothing starts with it. {example} tells how a policy is written."
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
