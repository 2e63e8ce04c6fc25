"""The APIs of those who provide servers, each by the kind of its servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from playrail.errors import NotOnMikrus, PlayrailError
from playrail.mikrus.pace import Pace, Rate
from playrail.settings.mikrus_server import MikrusServer
from playrail.settings.settings import Settings
from playrail.settings.state import pace_directory

if TYPE_CHECKING:
    from playrail.mikrus.client import Mikrus


class Reply(Protocol):
    @property
    def body(self) -> Any:
        """A JSON object or array."""

    @property
    def cached(self) -> bool: ...


class Provider(Protocol):
    """One API. Its servers are those entries whose kind it is known by."""

    unknown_server: type[PlayrailError]
    """What a call for another server fails with."""

    def identity(self, server: Any) -> Hashable:
        """The same for entries that name one server."""

    async def ask(
        self,
        server: Any,
        endpoint: str,
        form: Mapping[str, str],
        *,
        repeatable: bool,
        within_s: float,
        stop: asyncio.Event,
    ) -> Reply:
        """Makes the request. Raises PlayrailError. `repeatable`: to ask twice does no harm."""

    async def close(self) -> None: ...


class MikrusApi:
    """The API of mikr.us."""

    unknown_server: type[PlayrailError] = NotOnMikrus

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _client(self) -> Mikrus:
        # httpx costs 0.1 s, and most calls need none
        from playrail.mikrus.client import Mikrus  # noqa: PLC0415

        requests, window_s = self._settings.mikrus_rate
        rate = Rate(requests=requests, window_s=window_s)
        return Mikrus(Pace(pace_directory(self._settings.state_dir), rate))

    def identity(self, server: MikrusServer) -> Hashable:
        return server.api_url, server.srv

    async def ask(
        self,
        server: MikrusServer,
        endpoint: str,
        form: Mapping[str, str],
        *,
        repeatable: bool,
        within_s: float,
        stop: asyncio.Event,
    ) -> Reply:
        return await self._client.ask(
            server, endpoint, form, repeatable=repeatable, within_s=within_s, stop=stop
        )

    async def close(self) -> None:
        if "_client" in vars(self):
            await self._client.close()


PROVIDERS: Mapping[str, Callable[[Settings], Provider]] = {MikrusServer.kind: MikrusApi}
