"""What a job's directory is kept for: until its outcome can no longer be asked for."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from mikrus.shells import Server
from playrail.mikrus.jobs import LONGEST_PATIENCE_S, JobFailed

pytestmark = pytest.mark.slow


@pytest.fixture(params=["bash", "dash"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Server:
    return Server(tmp_path / "root", [request.param, "-c"])


def aged(server: Server, seconds: float) -> None:
    """All that is there now is as old as that."""
    then = time.time() - seconds
    for path in [*(server.root / "jobs").rglob("*"), *(server.root / "started").iterdir()]:
        os.utime(path, (then, then))


def test_an_outcome_is_kept_for_as_long_as_somebody_may_ask_for_it(server: Server) -> None:
    server.run("echo kept")
    (job,) = server.left
    aged(server, LONGEST_PATIENCE_S + 600)

    server.run("true")

    assert job in server.left


def test_an_old_outcome_goes(server: Server) -> None:
    server.run("true")
    (job,) = server.left
    aged(server, 5000)

    server.run("true")

    assert job not in server.left


def test_work_of_more_than_a_day_is_asked_after_to_its_end(server: Server, tmp_path: Path) -> None:
    end = tmp_path / "end"

    async def work() -> bytes:
        # Enough for a slow machine to start a shell: before that the job looks lost
        jobs = server.jobs(wait_s=2.0)
        asking = asyncio.create_task(
            jobs.run(f"while [ ! -e {end} ]; do sleep 0.1; done; echo late")
        )
        while len(server.requests) < 2:  # noqa: ASYNC110  the stand-in has no event
            await asyncio.sleep(0.05)
        aged(server, 100_000)
        await server.jobs().run("true")
        end.touch()
        return (await asking).stdout

    assert asyncio.run(work()) == b"late\n"
    assert len(list((server.root / "started").iterdir())) == 2


def test_work_that_was_cut_off_goes_after_a_day(server: Server) -> None:
    with pytest.raises(JobFailed):
        server.run("kill -9 $(cut -d ' ' -f 4 /proc/$$/stat) $$")
    (job,) = server.left
    aged(server, 100_000)

    server.run("true")

    assert job not in server.left
    assert len(list((server.root / "started").iterdir())) == 1
