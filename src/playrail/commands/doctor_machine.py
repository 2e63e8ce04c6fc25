"""What `playrail doctor` says of this machine: Python, Ansible, and the client of ssh."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from playrail.commands.doctor_project import Check

OLDEST_PYTHON, FIRST_UNTRIED_PYTHON = (3, 11), (3, 14)
COMMAND_DEADLINE_S = 30.0
REINSTALL = "Install Playrail again, as you did: from a clone by `make setup`, or its wheel."


def check_python() -> Check:
    found = f"{'.'.join(map(str, sys.version_info[:3]))} ({sys.executable})"
    if OLDEST_PYTHON <= sys.version_info[:2] < FIRST_UNTRIED_PYTHON:
        return Check(name="python", state="ok", found=found)
    return Check(
        name="python",
        state="fail",
        found=found,
        mend="Install Playrail with Python 3.11, 3.12 or 3.13.",
    )


def check_package(name: str) -> Check:
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


def check_ansible_playbook(child: Mapping[str, str]) -> Check:
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
        mend = f"Runs would use another Ansible than Playrail's own. {REINSTALL}"
        return Check(name=name, state="warn", found=f"{found}, not the one in {beside}", mend=mend)
    return Check(name=name, state="ok", found=found)


async def check_ssh(child: Mapping[str, str], *, needed: bool) -> Check:
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
