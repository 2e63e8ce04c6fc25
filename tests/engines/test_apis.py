"""Calls of the mikr.us tools through the one door, over real HTTP to the simulator."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from mikrus import simulator as sim
from playrail.calls.answers import Answer
from playrail.door.door import Playrail
from worlds.callers import ANN
from worlds.local_plays import LOCAL, below, playrail

pytestmark = pytest.mark.slow

OTHER = sim.Vps(srv="a133", key="f" * 40)


@pytest.fixture
def api() -> Iterator[tuple[sim.Simulator, str]]:
    simulator = sim.Simulator(sim.Vps(), OTHER)
    with sim.running(simulator) as url:
        yield simulator, url


Api = tuple[sim.Simulator, str]


def servers(url: str, **more: Mapping[str, Any]) -> str:
    """Two servers of mikr.us and one that is not, as MCP_SERVERS."""
    return json.dumps(
        {
            "one": {
                "type": "mikrus",
                "srv": sim.SRV,
                "key": sim.KEY,
                "api_url": url,
                "tags": ["poland", "web"],
            },
            "two": {
                "type": "mikrus",
                "srv": OTHER.srv,
                "key": OTHER.key,
                "api_url": url,
                "tags": ["poland"],
            },
            "ssh": {"type": "ssh", "host": "192.0.2.1", "tags": ["web"]},
            "wrong": {"type": "mikrus", "srv": "x1", "key": sim.KEY, "oops": 1},
            **more,
        }
    )


def call(server: Playrail, tool: str, /, **arguments: Any) -> Answer:
    async def calling() -> Answer:
        async with server:
            return await server.call(tool, arguments, caller=ANN)

    return asyncio.run(calling())


@pytest.mark.parametrize(
    ("given", "default", "outcome"),
    [
        ({}, None, ["one"]),  # the first is the default
        ({}, "two", ["two"]),
        ({}, "ssh", "not_on_mikrus"),  # another than the default is never taken
        ({}, "wrong", "server_misconfigured"),
        ({"server": "two"}, None, ["two"]),
        ({"server": ["two", "one", "two"]}, None, ["two", "one"]),
        ({"server": "tag:poland"}, None, ["one", "two"]),
        ({"server": "tag:web"}, None, "not_on_mikrus"),  # one of them
        ({"server": "ssh"}, None, "not_on_mikrus"),
        ({"server": ["one", "ssh"]}, None, "not_on_mikrus"),
        ({"server": "playrail_servers"}, None, "not_on_mikrus"),
        ({"server": "mine"}, None, ["one", "two"]),  # a group of the inventory
        ({"server": "nobody"}, None, "unknown_server"),
    ],
    ids=str,
)
def test_which_servers_are_meant(
    place: Path, api: Api, given: dict[str, Any], default: str | None, outcome: list[str] | str
) -> None:
    simulator, url = api
    groups = {"mine": {"hosts": {"one": {}, "two": {}}}, "others": {"hosts": {"here": LOCAL}}}
    (place / "hosts.yml").write_text(yaml.safe_dump(groups))
    more = {"MCP_DEFAULT_SERVER": default} if default else {}
    server = playrail(
        place, MCP_SERVERS=servers(url), PLAYRAIL_INVENTORY=str(place / "hosts.yml"), **more
    )

    answer = call(server, "get_ports", **given)

    if isinstance(outcome, str):
        assert answer.code == outcome
        assert simulator.requests == []
    else:
        assert answer.code == "ok", answer.problem
        assert answer.data is not None
        assert list(answer.data["hosts"]) == outcome


def test_without_a_server_of_mikrus_there_is_nothing_to_ask(place: Path) -> None:
    assert call(playrail(place), "get_ports").code == "not_offered"


def test_one_servers_trouble_is_not_the_others(place: Path, api: Api) -> None:
    simulator, url = api
    simulator.faults += [sim.error("Nie dla ciebie", 403)]

    answer = call(playrail(place, MCP_SERVERS=servers(url)), "get_logs", server=["one", "two"])

    assert answer.code == "some_hosts_failed"
    assert answer.data is not None
    assert len(answer.data["hosts"]) == len(answer.data["failed"]) == 1
    assert {failed["code"] for failed in answer.data["failed"].values()} == {"api_unauthorized"}


def test_a_change_is_told_and_recorded(place: Path, api: Api) -> None:
    simulator, url = api
    server = playrail(place, MCP_SERVERS=servers(url), ENABLE_WRITE_OPERATIONS="1")

    answer = call(server, "boost_server", server="two")

    assert answer.code == "ok"
    assert answer.data is not None
    assert answer.data["changed"] == ["two"]
    assert [(srv, endpoint) for srv, endpoint, _ in simulator.done] == [(OTHER.srv, "/amfetamina")]
    records = {
        record["kind"]: record["body"] for record in server.ledger.read(call=answer.meta.request_id)
    }
    assert records["started"]["hosts"] == ["two"]
    assert (records["ended"]["outcome"], records["ended"]["changed"]) == ("ok", ["two"])
    server.ledger.close()


def test_a_change_whose_answer_was_lost_is_not_known_and_not_repeated(
    place: Path, api: Api
) -> None:
    simulator, url = api
    simulator.faults.append(sim.cut_after_work())

    answer = call(
        playrail(place, MCP_SERVERS=servers(url), ENABLE_WRITE_OPERATIONS="1"), "restart_server"
    )

    assert answer.code == "outcome_unknown"
    assert answer.data is not None
    assert answer.data.get("changed", []) == []
    assert len(simulator.came("/restart")) == 1


@pytest.mark.parametrize(
    ("tool", "code"), [("get_logs", "cancelled"), ("boost_server", "outcome_unknown")]
)
def test_a_call_that_is_cancelled_while_it_is_under_way(
    place: Path, api: Api, tool: str, code: str
) -> None:
    simulator, url = api
    simulator.faults.append(sim.delay(sim.NEVER_S))
    server = playrail(place, MCP_SERVERS=servers(url), ENABLE_WRITE_OPERATIONS="1")

    async def cancelling() -> list[Mapping[str, Any]]:
        async with server:
            calling = asyncio.create_task(server.call(tool, {}, caller=ANN))
            while not simulator.requests:  # noqa: ASYNC110  it runs in another thread
                await asyncio.sleep(0.01)
            calling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await calling
        return [record["body"] for record in server.ledger.read() if record["kind"] == "ended"]

    (ended,) = asyncio.run(cancelling())

    assert ended["outcome"] == code
    server.ledger.close()


def test_the_key_is_in_nothing_that_is_written_or_told(place: Path, api: Api) -> None:
    simulator, url = api
    simulator.faults += [sim.html_page(), sim.status(500), sim.status(500), sim.status(500)]
    server = playrail(
        place, MCP_SERVERS=servers(url), LOG_LEVEL="DEBUG", PLAYRAIL_MIKRUS_RATE="999/1"
    )

    async def calling() -> list[Answer]:
        async with server:
            names = (
                "get_server_info",
                "get_logs",
                "get_db_info",
                "list_configured_servers",
                "get_memory_info",
            )
            answers = [await server.call(name, {}, caller=ANN) for name in names]
            written = b"".join(below(place).values())
            assert sim.KEY.encode() not in written
            return answers

    answers = asyncio.run(calling())

    assert sim.KEY not in json.dumps([answer.envelope() for answer in answers])


def test_an_answer_of_another_shape_is_told_as_that(place: Path, api: Api) -> None:
    simulator, url = api
    simulator.servers[sim.SRV].answers["/porty"] = {"tcp": [1]}

    answer = call(playrail(place, MCP_SERVERS=servers(url)), "get_ports")

    assert answer.code == "api_unexpected"


def test_one_vps_under_two_names_is_asked_once(place: Path, api: Api) -> None:
    simulator, url = api
    again = {"type": "mikrus", "srv": sim.SRV, "key": sim.KEY, "api_url": url}
    server = playrail(place, MCP_SERVERS=servers(url, again=again), ENABLE_WRITE_OPERATIONS="1")

    answer = call(server, "restart_server", server=["one", "again"])

    assert answer.data is not None
    assert (answer.code, answer.data["changed"]) == ("ok", ["one", "again"])
    assert len(simulator.came("/restart")) == 1


def test_an_only_server_of_mikrus_does_not_take_the_defaults_place(place: Path, api: Api) -> None:
    simulator, url = api
    named = {"prod": {"type": "ssh", "host": "192.0.2.1"}, "test": json.loads(servers(url))["one"]}
    server = playrail(place, MCP_SERVERS=json.dumps(named), ENABLE_WRITE_OPERATIONS="1")

    assert call(server, "restart_server").code == "not_on_mikrus"
    assert simulator.requests == []
