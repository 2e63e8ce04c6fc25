"""The client of the mikr.us API, over real HTTP: what it asks, and how often."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from mikrus import recorded
from mikrus import simulator as sim
from mikrus.simulator import Fault
from mikrus.world import FAST, World, failure
from playrail.errors import (
    ApiReadTimeout,
    ApiUnavailable,
    InvalidArgument,
    OutcomeUnknown,
    PlayrailError,
    RateLimited,
)
from playrail.mikrus.client import Mikrus, Reply
from playrail.mikrus.pace import Pace, Rate

pytestmark = pytest.mark.slow

READ_ENDPOINTS = ["/info", "/serwery", "/db", "/stats", "/porty", "/logs", "/cloud"]


@pytest.fixture(autouse=True)
def _tried_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what is waited for here is what the API told, or nothing."""
    monkeypatch.setattr("playrail.mikrus.client.BACKOFF_S", 0.05)


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

    async def work(client: Mikrus) -> None:
        await world.ask(client, "/logs", within_s=10)  # this one takes longer to arrive
        world.simulator.rate = Rate(requests=3, window_s=0.7)
        for _ in range(7):
            await world.ask(client, "/logs", within_s=10)

    began = time.monotonic()
    world.run(work, rate=rate)

    assert time.monotonic() - began > 2
    assert len(world.simulator.requests) == 8


def test_a_change_that_has_no_time_for_its_turn_is_not_sent(world: World) -> None:
    Pace(world.directory, FAST).hold_off(world.server.key, 10)

    assert isinstance(failure(lambda: world.change(within_s=5)), RateLimited)
    assert world.simulator.requests == []


@pytest.mark.parametrize("date", [False, True], ids=["seconds", "date"])
@pytest.mark.parametrize("code", [429, 503])
def test_a_read_waits_as_long_as_it_is_told(world: World, date: bool, code: int) -> None:
    now = datetime.now(UTC)
    # A date has no part of a second.
    until = (now + timedelta(seconds=1.9)).replace(microsecond=0)
    over = time.monotonic() + (until - now).total_seconds()
    header = format_datetime(until, usegmt=True) if date else "1"
    world.simulator.faults.append(sim.status(code, Retry_After=header))

    assert world.read("/porty", within_s=10).body == recorded.PORTY

    first, second = world.simulator.requests
    assert (over if date else first.at + 1) - 0.2 < second.at < first.at + 4


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


def test_cookies_of_one_answer_are_not_sent_with_the_next_request(world: World) -> None:
    world.simulator.faults.append(Fault(headers={"set-cookie": "session=1; Path=/"}))

    async def work(client: Mikrus) -> None:
        for _ in range(2):
            await world.ask(client, "/logs")

    world.run(work)
    assert [request.cookie for request in world.simulator.requests] == [None, None]
