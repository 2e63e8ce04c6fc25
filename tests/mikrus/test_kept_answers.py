"""What the client of the mikr.us API answers from memory, and requests that several who ask
share: over real HTTP.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr

from mikrus import recorded
from mikrus import simulator as sim
from mikrus.simulator import Fault, Vps
from mikrus.world import World
from playrail.errors import ApiReadTimeout, ApiRejected, OutcomeUnknown
from playrail.mikrus.client import Mikrus, Reply
from playrail.settings.mikrus_server import MikrusServer

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("endpoint", ["/info", "/serwery", "/db", "/stats", "/porty"])
def test_what_the_api_makes_anew_once_a_minute_is_kept(world: World, endpoint: str) -> None:
    async def work(client: Mikrus) -> list[Reply]:
        return [await world.ask(client, endpoint) for _ in range(3)]

    replies = world.run(work)

    assert [reply.cached for reply in replies] == [False, True, True]
    assert [reply.body for reply in replies] == [recorded.answers()[endpoint]] * 3
    assert len(world.simulator.requests) == 1


@pytest.mark.parametrize("endpoint", ["/logs", "/cloud", "/logs/3751"])
def test_the_rest_is_not_kept(world: World, endpoint: str) -> None:
    async def work(client: Mikrus) -> list[Reply]:
        return [await world.ask(client, endpoint) for _ in range(2)]

    assert [reply.cached for reply in world.run(work)] == [False, False]
    assert len(world.simulator.requests) == 2


def test_what_is_kept_grows_old(world: World) -> None:
    async def work(client: Mikrus) -> list[bool]:
        first = await world.ask(client, "/info")
        await asyncio.sleep(0.15)
        second = await world.ask(client, "/info")
        return [first.cached, second.cached]

    assert world.run(work, cache_s=0.1) == [False, False]


def test_what_is_kept_is_each_servers_own_and_not_the_callers_to_change(world: World) -> None:
    other = Vps(srv="a133", key="f" * 40, answers={**recorded.answers(), "/porty": [1]})
    world.simulator.servers["a133"] = other
    second = MikrusServer(srv="a133", key=SecretStr("f" * 40), api_url=world.url)
    wrong = MikrusServer(srv=sim.SRV, key=SecretStr("e" * 40), api_url=world.url)

    async def work(client: Mikrus) -> Any:
        first = await world.ask(client, "/porty")
        first.body.clear()
        again = await world.ask(client, "/porty")
        with pytest.raises(ApiRejected):
            await client.ask(wrong, "/porty", repeatable=True, within_s=5)
        return again.body, (await client.ask(second, "/porty", repeatable=True, within_s=5)).body

    assert world.run(work) == (recorded.PORTY, [1])


def test_a_failure_is_not_kept(world: World) -> None:
    world.simulator.faults.append(sim.error("nie"))

    async def work(client: Mikrus) -> Reply:
        with pytest.raises(ApiRejected):
            await world.ask(client, "/info")
        return await world.ask(client, "/info")

    assert not world.run(work).cached


@pytest.mark.parametrize("fault", [None, sim.cut_after_work()], ids=["done", "unknown"])
def test_a_change_forgets_what_is_kept_of_its_server(world: World, fault: Fault | None) -> None:
    world.simulator.cache_s = 0

    async def work(client: Mikrus) -> Reply:
        await world.ask(client, "/info")
        world.simulator.faults += [fault] if fault else []
        try:
            await client.ask(world.server, "/restart", repeatable=False, within_s=5)
        except OutcomeUnknown:
            assert fault is not None
        return await world.ask(client, "/info")

    assert not world.run(work).cached


def test_a_read_from_before_a_change_is_neither_kept_nor_joined(world: World) -> None:
    world.simulator.faults.append(sim.delay(1, endpoint="/info"))

    async def work(client: Mikrus) -> list[bool]:
        early = asyncio.ensure_future(world.ask(client, "/info"))
        await asyncio.sleep(0.3)
        await client.ask(world.server, "/restart", repeatable=False, within_s=5)
        during = await world.ask(client, "/info")
        return [during.cached, (await early).cached, (await world.ask(client, "/info")).cached]

    assert world.run(work) == [False, False, True]
    assert len(world.simulator.came("/info")) == 2


def test_who_asks_the_same_at_once_shares_one_request(world: World) -> None:
    world.simulator.faults.append(sim.delay(0.5))

    async def work(client: Mikrus) -> list[Reply]:
        return await asyncio.gather(*(world.ask(client, "/logs") for _ in range(10)))

    replies = world.run(work)

    assert replies == [Reply(recorded.LOGS, cached=False)] * 10
    assert len({id(reply.body) for reply in replies}) == 10
    assert len(world.simulator.requests) == 1


def test_changes_are_never_shared(world: World) -> None:
    world.simulator.faults.append(sim.delay(0.5))

    async def work(client: Mikrus) -> None:
        asks = (
            client.ask(world.server, "/restart", repeatable=False, within_s=5) for _ in range(2)
        )
        await asyncio.gather(*asks)

    world.run(work)
    assert len(world.simulator.done) == 2


def test_who_gives_up_takes_nothing_from_the_others(world: World) -> None:
    world.simulator.faults.append(sim.delay(1))

    async def work(client: Mikrus) -> Any:
        first, second = (asyncio.ensure_future(world.ask(client, "/logs")) for _ in range(2))
        short = asyncio.ensure_future(world.ask(client, "/logs", within_s=0.5))
        await asyncio.sleep(0.2)
        first.cancel()
        with pytest.raises(ApiReadTimeout):
            await short
        return (await second).body

    assert world.run(work) == recorded.LOGS
    assert len(world.simulator.requests) == 1


def test_a_request_that_nobody_waits_for_is_given_up(world: World) -> None:
    world.simulator.faults.append(sim.delay(sim.NEVER_S))

    async def work(client: Mikrus) -> set[Any]:
        asking = asyncio.ensure_future(world.ask(client, "/logs"))
        await asyncio.sleep(0.3)
        asking.cancel()
        await asyncio.sleep(0.1)
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert world.run(work) == set()


def test_closing_ends_what_is_under_way(world: World) -> None:
    world.simulator.faults.append(sim.delay(sim.NEVER_S))

    async def work(client: Mikrus) -> Any:
        asking = asyncio.ensure_future(world.ask(client, "/logs"))
        await asyncio.sleep(0.3)
        await client.close()
        return (await asyncio.gather(asking, return_exceptions=True))[0]

    assert isinstance(world.run(work), asyncio.CancelledError)
