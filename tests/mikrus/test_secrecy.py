"""The key in what the API answers well: it goes no further."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mikrus import simulator as sim
from mikrus.simulator import Fault
from mikrus.world import World
from playrail.mikrus.client import Mikrus, Reply
from playrail.safe_text.secrets import HIDDEN as MARK

pytestmark = pytest.mark.slow

BODY = {
    "server_id": f"<{sim.KEY}>",
    sim.KEY: [{"new": f"a {sim.KEY}"}, 5, None],
    "expires": "2026-06-08 00:00:00",
}
HIDDEN = {
    "server_id": f"<{MARK}>",
    MARK: [{"new": f"a {MARK}"}, 5, None],
    "expires": "2026-06-08 00:00:00",
}


@pytest.mark.parametrize("endpoint", ["/info", "/logs", "/restart"])
def test_the_key_is_hidden_in_every_answer(world: World, endpoint: str) -> None:
    world.simulator.faults.append(Fault(body=json.dumps(BODY).encode()))

    async def work(client: Mikrus) -> list[Reply]:
        repeatable = endpoint != "/restart"
        asked = [{"repeatable": repeatable, "within_s": 5}] * (2 if endpoint == "/info" else 1)
        return [await client.ask(world.server, endpoint, **options) for options in asked]  # type: ignore[arg-type]

    for reply in world.run(work):
        assert reply.body == HIDDEN


def test_what_a_command_writes_stays_as_it_is(world: World) -> None:
    told: Any = world.change("/exec", cmd=f"echo {sim.KEY}").body

    assert told == {"output": f"{sim.KEY}\n"}
