"""Asks the mikr.us API for an API tool: from validated input to a typed report per server."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from playrail.calls.answers import Result
from playrail.engines.results import HostResult, combined
from playrail.errors import ApiUnexpected, NotOnMikrus, OutcomeUnknown, PlayrailError
from playrail.hosts import Hosts
from playrail.mikrus.pace import Pace, Rate
from playrail.settings.mikrus_server import MikrusServer
from playrail.settings.settings import Settings
from playrail.settings.state import pace_directory
from playrail.tools.tool import NO_VARIABLES, ApiTool, OnHosts, Report

if TYPE_CHECKING:
    from playrail.mikrus.client import Mikrus, Reply

log = logging.getLogger(__name__)

FIELD_OF_PATH = re.compile(r"\{(\w+)\}")


class Apis:
    """Runs API tools on the servers in the settings that are mikr.us's."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _mikrus(self) -> Mikrus:
        # httpx costs 0.1 s, and most calls need none
        from playrail.mikrus.client import Mikrus  # noqa: PLC0415

        requests, window_s = self._settings.mikrus_rate
        return Mikrus(
            Pace(
                pace_directory(self._settings.state_dir), Rate(requests=requests, window_s=window_s)
            )
        )

    async def close(self) -> None:
        if "_mikrus" in vars(self):
            await self._mikrus.close()

    @property
    def servers(self) -> Mapping[str, MikrusServer]:
        return {
            name: server
            for name, server in self._settings.servers.items()
            if isinstance(server, MikrusServer)
        }

    def named(
        self, wanted: str | Sequence[str] | None, *, elsewhere: str | None = None
    ) -> tuple[str, ...] | None:
        """The servers meant, when their names or the default tell; None when the inventory
        has to be asked.

        Raises NotOnMikrus when there are none at all.
        """
        if not self.servers:
            hint = _other_way(elsewhere, known=False)
            raise NotOnMikrus("No server of mikr.us is configured", hint=hint, data={"servers": []})
        words = [self._settings.default_server or ""] if wanted is None else wanted
        names = [words] if isinstance(words, str) else list(dict.fromkeys(words))
        return tuple(names) if names and all(name in self.servers for name in names) else None

    def resolve(
        self, wanted: str | Sequence[str] | None, hosts: Hosts, *, elsewhere: str | None = None
    ) -> tuple[str, ...]:
        """The same with groups and tags. Raises NotOnMikrus, and what Hosts.resolve raises."""
        names = hosts.resolve(wanted, self._settings)
        others = [name for name in names if name not in self.servers]
        if others:
            raise NotOnMikrus(
                f"{', '.join(others[:5])} is reached without the mikr.us API",
                hint=_other_way(elsewhere, known=bool(self.servers)),
                data={"servers": list(self.servers)},
            )
        return names

    async def run(
        self,
        tool: ApiTool[Any, Any],
        given: OnHosts,
        servers: Sequence[str],
        *,
        stop: asyncio.Event,
    ) -> Result:
        """Asks for all servers at once; once for those that are the same VPS. `stop` gives
        up what is under way.
        """
        vps = {name: (self.servers[name].api_url, self.servers[name].srv) for name in servers}
        once = {vps[name]: self.servers[name] for name in servers}
        asking = {one: self._ask(tool, given, server, stop) for one, server in once.items()}
        answers = dict(zip(asking, await asyncio.gather(*asking.values()), strict=True))
        again = tool.idempotent or not tool.risk_of(given).changes
        result = combined({name: answers[vps[name]] for name in servers}, again=again)
        return replace(result, way="api")

    async def _ask(
        self, tool: ApiTool[Any, Any], given: OnHosts, server: MikrusServer, stop: asyncio.Event
    ) -> HostResult:
        changes = tool.risk_of(given).changes
        endpoint, form = request_of(tool, given)
        try:
            within_s = tool.deadline_s(given)
            reply = await self._mikrus.ask(
                server, endpoint, form, repeatable=not changes, within_s=within_s, stop=stop
            )
            report = tool.report.model_validate(reply.body, context={"given": given})
        except ValidationError:
            return HostResult(problem=_unreadable(changes=changes).problem)
        except PlayrailError as error:
            return HostResult(problem=error.problem)
        except Exception:  # one server's trouble is not the others'
            log.exception("%s of one server failed", tool.name)
            kind = OutcomeUnknown if changes else PlayrailError
            return HostResult(problem=kind("Playrail failed in an unexpected way.").problem)
        return _read(report, reply, changes=changes)


def _other_way(elsewhere: str | None, *, known: bool) -> str:
    """What to call for a server that the API does not know."""
    told = ["Do not retry: this tool is for servers of mikr.us only."]
    if elsewhere:
        told.append(f"For others call {elsewhere}.")
    told.append(
        "data.servers lists those of mikr.us."
        if known
        else "list_configured_servers tells which there are."
    )
    return " ".join(told)


def _read(report: Report, reply: Reply, *, changes: bool) -> HostResult:
    problem = report.problem()
    return HostResult(
        report=report, problem=problem, changed=changes and problem is None, cached=reply.cached
    )


def _unreadable(*, changes: bool) -> PlayrailError:
    message = "The mikr.us API answered something else than it is known to."
    return OutcomeUnknown(message) if changes else ApiUnexpected(message)


def request_of(tool: ApiTool[Any, Any], given: OnHosts) -> tuple[str, dict[str, str]]:
    """The request's path and form. A field that is left out is not in the form."""
    fields = {
        name: str(value)
        for name, value in given.model_dump(exclude=NO_VARIABLES).items()
        if value is not None
    }
    in_path = set(FIELD_OF_PATH.findall(tool.endpoint))
    endpoint = tool.endpoint.format(**{name: fields[name] for name in in_path})
    return endpoint, {name: value for name, value in fields.items() if name not in in_path}
