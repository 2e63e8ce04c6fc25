"""Starts a play in a new process, in a private directory of its own: what Ansible does by
itself, and always works.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from playrail.ansible.project import working_directory
from playrail.ansible.run.ending import end_descendants
from playrail.ansible.run.play import EVENT_LIMIT, STOP_GRACE_S, Play

log = logging.getLogger(__name__)

STDERR_LIMIT = 8000  # bytes kept of what Ansible's process wrote to standard error


async def start_cold(
    play: Play,
    run_dir: Path,
    environment: Mapping[str, str],
    *,
    serves_at: Path | None = None,
    patience_s: float = 0.0,
) -> ColdPlay:
    """Starts a Python process that plays `play` through ansible-runner. Raises OSError.

    A play that serves others does so at the directory `serves_at`, and has `patience_s` to
    end when nobody is there.
    """
    orders = {
        **play.orders(),
        "place": str(serves_at) if serves_at else None,
        "serves": serves_at is not None,
        "patience_s": patience_s,
    }
    try:
        _write_private_directory(run_dir, play.extravars(), orders)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "playrail.ansible.run.child",
            str(run_dir),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            cwd=working_directory(environment, run_dir),
            env=dict(environment),
            limit=EVENT_LIMIT,
            # The terminal's Ctrl-C is for Playrail, which then ends the run in order
            start_new_session=True,
        )
    except BaseException:
        shutil.rmtree(run_dir, ignore_errors=True)
        raise
    return ColdPlay(process, run_dir, grace_s=STOP_GRACE_S + patience_s)


class ColdPlay:
    """A play in a process of its own."""

    def __init__(self, process: Process, run_dir: Path, *, grace_s: float) -> None:
        self._process = process
        self._run_dir = run_dir
        self._grace_s = grace_s
        self._stderr = asyncio.create_task(_tail(process))

    async def records(self) -> AsyncIterator[dict[str, Any]]:
        assert self._process.stdout is not None  # it was started with a pipe
        async for line in self._process.stdout:
            yield json.loads(line)

    def let_go(self) -> None:
        """Closes the lifeline, without waiting for the end."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def end(self) -> str:
        self.let_go()
        try:
            async with asyncio.timeout(self._grace_s):
                await self._process.wait()
        except TimeoutError:
            log.warning("the process of a run did not end within %g s and is killed", self._grace_s)
            await asyncio.to_thread(end_descendants, self._process.pid)
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        finally:
            shutil.rmtree(self._run_dir, ignore_errors=True)
        return await self._stderr


def _write_private_directory(run_dir: Path, extravars: str, orders: Mapping[str, Any]) -> None:
    """ansible-runner's private data directory
    (https://ansible.readthedocs.io/projects/runner/en/stable/intro/).
    """
    for directory in (run_dir, run_dir / "env", run_dir / "project"):
        directory.mkdir(mode=0o700)
    _write_private(run_dir / "env" / "extravars", extravars)
    _write_private(run_dir / "orders.json", json.dumps(orders))


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)


async def _tail(process: Process) -> str:
    assert process.stderr is not None  # it was started with a pipe
    kept = b""
    while chunk := await process.stderr.read(65536):
        kept = (kept + chunk)[-STDERR_LIMIT:]
    return kept.decode(errors="replace").strip()
