"""A simulator that runs, and a client for each piece of work with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mikrus import simulator as sim
from mikrus.simulator import Simulator
from playrail.errors import PlayrailError
from playrail.mikrus.client import Mikrus, Reply
from playrail.mikrus.pace import Pace, Rate
from playrail.settings.mikrus_server import MikrusServer

FAST = Rate(requests=1000, window_s=60)


class World:
    """A simulator, its one server, and a new client in a loop of its own per `run`. Paces
    lie in `directory`.
    """

    def __init__(self, simulator: Simulator, url: str, directory: Path) -> None:
        self.simulator = simulator
        self.url = url
        self.directory = directory
        self.server = MikrusServer(srv=sim.SRV, key=SecretStr(sim.KEY), api_url=url)

    def run(
        self, work: Callable[[Mikrus], Awaitable[Any]], *, rate: Rate = FAST, **options: Any
    ) -> Any:
        async def go() -> Any:
            async with Mikrus(Pace(self.directory, rate), **options) as client:
                return await work(client)

        return asyncio.run(go())

    def read(self, endpoint: str = "/logs", *, within_s: float = 20, **options: Any) -> Reply:
        return self.run(lambda client: self.ask(client, endpoint, within_s=within_s), **options)  # type: ignore[no-any-return]

    def change(self, endpoint: str = "/restart", *, within_s: float = 20, **form: str) -> Reply:
        return self.run(  # type: ignore[no-any-return]
            lambda client: client.ask(
                self.server, endpoint, form, repeatable=False, within_s=within_s
            )
        )

    def ask(self, client: Mikrus, endpoint: str, *, within_s: float = 20) -> Awaitable[Reply]:
        return client.ask(self.server, endpoint, repeatable=True, within_s=within_s)


def failure(act: Callable[[], Any]) -> PlayrailError:
    """The error, after looking that its text, and that of all that led to it, is free of
    the key.
    """
    with pytest.raises(PlayrailError) as caught:
        act()
    chain: list[BaseException] = [caught.value]
    while following := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(following)
    told = repr([(repr(one), str(one), vars(one)) for one in chain]) + repr(caught.value.problem)
    assert sim.KEY not in told
    return caught.value
