"""The client of the mikr.us API, over real HTTP: what it asks, how often, and what it
answers from memory.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from pydantic import SecretStr

from mikrus import recorded
from mikrus import simulator as sim
from mikrus.simulator import Fault, Vps
from mikrus.world import FAST, World, failure
from playrail.errors import (
    ApiReadTimeout,
    ApiRejected,
    ApiUnavailable,
    InvalidArgument,
    OutcomeUnknown,
    PlayrailError,
    RateLimited,
)
from playrail.mikrus.client import Mikrus, Reply
from playrail.mikrus.pace import Pace, Rate
from playrail.settings.mikrus_server import MikrusServer

pytestmark = pytest.mark.slow

READ_ENDPOINTS = ["/info", "/serwery", "/db", "/stats", "/porty", "/logs", "/cloud"]


@pytest.mark.parametrize("endpoint", READ_ENDPOINTS)
def test_what_only_looks_is_answered(world: World, endpoint: str) -> None:
    assert world.read(endpoint) == Reply(recorded.answers()[endpoint], cached=False)


def test_one_log_is_answered(world: World) -> None:
    assert world.read("/logs/3751").body == recorded.LOGS[1]


@pytest.mark.parametrize("endpoint", ["/restart", "/amfetamina"])
def test_a_task_is_started(world: World, endpoint: str) -> None:
    assert world.change(endpoint) == Reply(
        {"msg": "Zadanie zlecone", "task_id": 3753}, cached=False
    )
    assert world.simulator.done == [(sim.SRV, endpoint, {})]


def test_a_command_is_run(world: World) -> None:
    assert world.change("/exec", cmd="echo 'zażółć & < gęślą'").body == {
        "output": "zażółć & < gęślą\n"
    }


def test_a_domain_is_assigned(world: World) -> None:
    assert (
        world.change("/domain", domain="shop.byst.re", port="20123").body["domain"]
        == "shop.byst.re"
    )


def test_the_key_is_in_the_form_and_in_the_header(world: World) -> None:
    world.read("/info")

    (request,) = world.simulator.requests
    assert (request.srv, request.form, request.key_in_form, request.key_in_header) == (
        sim.SRV,
        {},
        True,
        True,
    )


@pytest.mark.parametrize(
    "fault",
    [
        sim.cut_before_work(),
        sim.cut_within_answer(),
        sim.html_page(502),
        sim.error("Awaria", 500),
        sim.delay(3),
    ],
    ids=["lost", "truncated", "502", "500-words", "late"],
)
def test_a_read_is_tried_again(world: World, fault: Fault) -> None:
    world.simulator.faults += [fault, fault]

    assert world.read("/porty", answer_s=0.5).body == recorded.PORTY
    assert len(world.simulator.requests) == 3


@pytest.mark.parametrize(
    "fault",
    [sim.error("nie"), sim.status(403), sim.html_page(404), sim.html_page()],
    ids=["words", "403", "404", "page"],
)
def test_a_read_is_not_tried_again_where_that_does_not_help(world: World, fault: Fault) -> None:
    world.simulator.faults.append(fault)

    failure(world.read)
    assert len(world.simulator.requests) == 1


def test_a_read_is_given_up_after_three_attempts(world: World) -> None:
    world.simulator.faults += [sim.html_page(503)] * 5

    assert isinstance(failure(world.read), ApiUnavailable)
    assert len(world.simulator.requests) == 3


@pytest.mark.parametrize(
    ("endpoint", "kind"), [("/logs", ApiReadTimeout), ("/restart", OutcomeUnknown)]
)
def test_nothing_takes_longer_than_it_may(
    world: World, endpoint: str, kind: type[PlayrailError]
) -> None:
    world.simulator.faults += [sim.delay(sim.NEVER_S)] * 5

    error = failure(lambda: world.read(endpoint, within_s=0.7))

    assert isinstance(error, kind)


@pytest.mark.parametrize("endpoint", ["/restart", "/amfetamina", "/exec", "/domain"])
def test_a_change_is_sent_once_even_when_it_is_called_repeatable(
    world: World, endpoint: str
) -> None:
    world.simulator.faults += [sim.html_page(503)] * 3

    failure(lambda: world.read(endpoint))
    assert len(world.simulator.requests) == 1


@pytest.mark.parametrize(
    "endpoint",
    [
        *(
            "/logs/../restart",
            "/logs/..",
            "/logs/",
            "/logs/a/b",
            "/logs/%2e%2e",
            "/logs/x?cmd=id",
            "/logs/x\n",
        ),
        *(
            "restart",
            "//restart",
            "/info/../restart",
            "",
            "/",
            "/upload",
            "/INFO",
            "/logs/" + "x" * 129,
            "/logs/ł",
        ),
    ],
)
@pytest.mark.parametrize("repeatable", [True, False])
def test_no_path_leads_elsewhere(world: World, endpoint: str, repeatable: bool) -> None:
    with pytest.raises(InvalidArgument):
        world.run(
            lambda client: client.ask(world.server, endpoint, repeatable=repeatable, within_s=5)
        )
    assert world.simulator.requests == []


def test_the_rate_is_kept_before_anything_is_sent(world: World) -> None:
    rate = Rate(requests=2, window_s=60)

    async def work(client: Mikrus) -> None:
        for _ in range(3):
            await world.ask(client, "/logs", within_s=5)

    error = failure(lambda: world.run(work, rate=rate))

    assert isinstance(error, RateLimited)
    assert error.problem.retry_after_s in range(55, 62)
    assert len(world.simulator.requests) == 2


def test_a_short_wait_for_the_rate_is_waited_and_the_api_never_says_429(world: World) -> None:
    rate = Rate(requests=3, window_s=1)
    world.simulator.rate = Rate(requests=3, window_s=0.7)  # the first one takes longer to arrive

    async def work(client: Mikrus) -> None:
        for _ in range(8):
            await world.ask(client, "/logs", within_s=10)

    began = time.monotonic()
    world.run(work, rate=rate)

    assert time.monotonic() - began > 2
    assert len(world.simulator.requests) == 8


def test_a_change_that_has_no_time_for_its_turn_is_not_sent(world: World) -> None:
    Pace(world.directory, FAST).hold_off(world.server.key, 10)

    assert isinstance(failure(lambda: world.change(within_s=5)), RateLimited)
    assert world.simulator.requests == []


def _header(*, date: bool) -> str:
    # A date has no part of a second.
    return format_datetime(datetime.now(UTC) + timedelta(seconds=2.9), usegmt=True) if date else "2"


@pytest.mark.parametrize("date", [False, True], ids=["seconds", "date"])
@pytest.mark.parametrize("code", [429, 503])
def test_a_read_waits_as_long_as_it_is_told(world: World, date: bool, code: int) -> None:
    world.simulator.faults.append(sim.status(code, Retry_After=_header(date=date)))

    assert world.read("/porty", within_s=10).body == recorded.PORTY

    first, second = world.simulator.requests
    assert 1.7 < second.at - first.at < 4


def test_a_wait_that_is_too_long_is_told_and_kept_by_later_calls(world: World) -> None:
    world.simulator.faults.append(sim.status(429, Retry_After="40"))

    error = failure(lambda: world.read(within_s=10))
    later = failure(lambda: world.read(within_s=10))

    assert (error.problem.code, error.problem.retry_after_s) == ("rate_limited", 40)
    assert later.problem.retry_after_s in (39, 40)
    assert len(world.simulator.requests) == 1


def test_a_change_is_not_repeated_after_429(world: World) -> None:
    world.simulator.faults.append(sim.status(429, Retry_After="1"))

    error = failure(world.change)

    assert (error.problem.code, error.problem.retry_after_s, error.problem.retryable) == (
        "rate_limited",
        1,
        True,
    )
    assert len(world.simulator.requests) == 1


@pytest.mark.parametrize("header", ["soon", "-5", "", "9" * 400, "Mon, 99 Foo 2026"])
def test_a_strange_retry_after_is_no_crash(world: World, header: str) -> None:
    world.simulator.faults.append(sim.status(429, Retry_After=header))

    error = failure(lambda: world.read(within_s=3, rate=Rate(requests=5, window_s=60)))

    assert error.problem.code == "rate_limited"
    assert error.problem.retry_after_s


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


def test_cookies_of_one_answer_are_not_sent_with_the_next_request(world: World) -> None:
    world.simulator.faults.append(Fault(headers={"set-cookie": "session=1; Path=/"}))

    async def work(client: Mikrus) -> None:
        for _ in range(2):
            await world.ask(client, "/logs")

    world.run(work)
    assert [request.cookie for request in world.simulator.requests] == [None, None]
