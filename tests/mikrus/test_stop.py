"""What is told when a call is stopped: whether anything was sent by then."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mikrus import simulator as sim
from mikrus.world import FAST, World, failure
from playrail.errors import Cancelled, OutcomeUnknown, PlayrailError
from playrail.mikrus.client import Mikrus, Reply
from playrail.mikrus.pace import Pace

pytestmark = pytest.mark.slow


def stopped(world: World, endpoint: str, *, after_s: float = 0.3) -> PlayrailError:
    async def work(client: Mikrus) -> Reply:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(after_s, stop.set)
        repeatable = endpoint != "/restart"
        return await client.ask(
            world.server, endpoint, repeatable=repeatable, within_s=2 * sim.NEVER_S, stop=stop
        )

    return failure(lambda: world.run(work))


@pytest.mark.parametrize("endpoint", ["/info", "/restart"])
def test_what_is_stopped_while_it_waits_for_its_turn_was_not_sent(
    world: World, endpoint: str
) -> None:
    Pace(world.directory, FAST).hold_off(world.server.key, sim.NEVER_S)

    assert type(stopped(world, endpoint)) is Cancelled
    assert world.simulator.requests == []


@pytest.mark.parametrize(("endpoint", "kind"), [("/info", Cancelled), ("/restart", OutcomeUnknown)])
def test_what_is_stopped_after_it_was_sent(
    world: World, endpoint: str, kind: type[PlayrailError]
) -> None:
    world.simulator.faults.append(sim.delay(sim.NEVER_S))

    assert type(stopped(world, endpoint)) is kind
    assert len(world.simulator.requests) == 1


@pytest.mark.parametrize("endpoint", ["/info", "/restart"])
def test_what_was_stopped_before_is_not_sent(world: World, endpoint: str) -> None:
    async def work(client: Mikrus) -> Reply:
        stop = asyncio.Event()
        stop.set()
        return await client.ask(world.server, endpoint, repeatable=True, within_s=5, stop=stop)

    assert type(failure(lambda: world.run(work))) is Cancelled
    assert world.simulator.requests == []


def test_a_stop_that_never_comes_changes_nothing(world: World) -> None:
    async def work(client: Mikrus) -> Any:
        reply = await client.ask(
            world.server, "/restart", repeatable=False, within_s=5, stop=asyncio.Event()
        )
        await asyncio.sleep(0.1)
        return reply.body["task_id"], asyncio.all_tasks() - {asyncio.current_task()}

    assert world.run(work) == (3753, set())


def test_who_stops_takes_nothing_from_the_others(world: World) -> None:
    world.simulator.faults.append(sim.delay(1))

    async def work(client: Mikrus) -> Any:
        stop = asyncio.Event()
        first = asyncio.ensure_future(
            client.ask(world.server, "/logs", repeatable=True, within_s=5, stop=stop)
        )
        second = asyncio.ensure_future(world.ask(client, "/logs"))
        await asyncio.sleep(0.3)
        stop.set()
        with pytest.raises(Cancelled):
            await first
        return (await second).cached

    assert world.run(work) is False
    assert len(world.simulator.requests) == 1
