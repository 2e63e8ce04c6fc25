"""Waits for a turn: what they take from the pace file, and what they keep others from."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mikrus import simulator as sim
from mikrus.world import World, failure
from playrail.errors import Cancelled, RateLimited
from playrail.mikrus.client import Mikrus
from playrail.mikrus.pace import Pace, Rate, Turn

pytestmark = pytest.mark.slow

SLOW = Rate(requests=1, window_s=60)


def file_in(directory: Path) -> Path:
    (path,) = directory.iterdir()
    return path


def places(directory: Path) -> int:
    return len(json.loads(file_in(directory).read_text())["places"])


@contextmanager
def locked(world: World) -> Iterator[None]:
    Pace(world.directory, SLOW).hold_off(world.server.key, 0)
    with file_in(world.directory).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("endpoint", ["/info", "/restart"])
@pytest.mark.parametrize("how", ["stop", "cancel"])
def test_a_wait_that_is_given_up_gives_its_place_back(
    world: World, endpoint: str, how: str
) -> None:
    Pace(world.directory, SLOW).reserve(world.server.key, 0)

    async def work(client: Mikrus) -> None:
        stop = asyncio.Event()
        options: dict[str, Any] = {
            "repeatable": endpoint != "/restart",
            "within_s": 100,
            "stop": stop,
        }
        asking = asyncio.ensure_future(client.ask(world.server, endpoint, **options))
        await asyncio.sleep(0.3)
        assert places(world.directory) == 2
        stop.set() if how == "stop" else asking.cancel()
        with pytest.raises(Cancelled if how == "stop" else asyncio.CancelledError):
            await asking

    world.run(work, rate=SLOW)

    assert places(world.directory) == 1
    assert world.simulator.requests == []


def test_a_place_at_which_something_was_sent_is_kept(world: World) -> None:
    world.simulator.faults += [sim.html_page(500), sim.error("nie")]
    failure(lambda: world.change("/restart"))
    failure(lambda: world.change("/restart"))

    assert places(world.directory) == 2


def test_a_place_that_is_taken_when_nobody_waits_any_more_is_given_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, reserve = threading.Event(), Pace.reserve

    def late(self: Pace, key: SecretStr, longest_s: float) -> Turn:
        turn = reserve(self, key, longest_s)
        taken.set()
        time.sleep(0.5)
        return turn

    monkeypatch.setattr(Pace, "reserve", late)

    async def work(client: Mikrus) -> None:
        asking = asyncio.ensure_future(
            client.ask(world.server, "/restart", repeatable=False, within_s=5)
        )
        await asyncio.to_thread(taken.wait)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    world.run(work)

    assert places(world.directory) == 0


def test_a_file_that_others_keep_locked_holds_up_nothing_else(world: World) -> None:
    async def work(client: Mikrus) -> int:
        asking, turns = (
            asyncio.ensure_future(
                client.ask(world.server, "/restart", repeatable=False, within_s=5)
            ),
            0,
        )
        while not asking.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert asking.exception() is not None
        return turns

    with locked(world):
        assert world.run(work) > 20
    assert world.simulator.requests == []


def test_the_answer_counts_even_when_its_hold_cannot_be_written(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world.simulator.faults.append(sim.status(429, Retry_After="40"))
    hold_off = Pace.hold_off

    def broken(self: Pace, key: SecretStr, seconds: float) -> None:
        hold_off(Pace(Path("/nonexistent"), self.rate), key, seconds)

    monkeypatch.setattr(Pace, "hold_off", broken)
    caplog.set_level(logging.WARNING, "playrail")

    error = failure(world.change)

    assert isinstance(error, RateLimited)
    assert error.problem.retry_after_s == 40
    assert "cannot be written down" in caplog.text
