"""Asks the API of a provider for an API tool: from validated input to a typed report per
server.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import ValidationError

from playrail.calls.answers import Result
from playrail.engines.engine import Meant, WithoutAnsible, Work
from playrail.engines.providers import PROVIDERS, Provider, Reply
from playrail.engines.results import HostResult, combined
from playrail.errors import ApiUnexpected, OutcomeUnknown, PlayrailError
from playrail.hosts import Hosts
from playrail.settings.settings import Settings
from playrail.settings.target import Target
from playrail.settings.targets import TARGETS
from playrail.tools.tool import NO_VARIABLES, ApiTool, OnHosts, Report, ToolInput

log = logging.getLogger(__name__)

FIELD_OF_PATH = re.compile(r"\{(\w+)\}")

Tool = ApiTool[Any, Any]


class Apis(WithoutAnsible):
    """The Engine of API tools, and their Resolver: they are for servers in the settings that
    their provider knows.
    """

    def __init__(self, settings: Settings, hosts: Callable[[], Awaitable[Hosts]]) -> None:
        self._settings = settings
        self._hosts = hosts
        self._providers = {kind: make(settings) for kind, make in PROVIDERS.items()}

    async def close(self) -> None:
        for provider in self._providers.values():
            await provider.close()

    async def resolve(self, tool: Tool, given: ToolInput) -> Meant:
        """Raises the provider's `unknown_server`, and what Hosts.resolve raises. The inventory
        is asked only where names and the default do not tell.
        """
        assert isinstance(given, OnHosts)
        servers, kind = self._servers(tool), TARGETS[tool.provider]
        unknown_server = self._providers[tool.provider].unknown_server
        if not servers:
            raise unknown_server(
                f"No server of {kind.title} is configured",
                hint=_other_way(tool, known=False),
                data={"servers": []},
            )
        words = [self._settings.default_server or ""] if given.server is None else given.server
        names = [words] if isinstance(words, str) else list(dict.fromkeys(words))
        if names and all(name in servers for name in names):
            return Meant(hosts=tuple(names))
        listed = await self._hosts()
        hosts = listed.resolve(given.server, self._settings)
        if others := [name for name in hosts if name not in servers]:
            raise unknown_server(
                f"{', '.join(others[:5])} is reached without {kind.way}",
                hint=_other_way(tool, known=True),
                data={"servers": list(servers)},
            )
        return Meant(hosts=tuple(hosts), unusable=listed.unusable(given.server, self._settings))

    async def run(self, work: Work) -> Result:
        """Asks for all servers at once; once for those that are the same one."""
        tool, servers = work.tool, self._servers(work.tool)
        provider = self._providers[tool.provider]
        same = {name: provider.identity(servers[name]) for name in work.hosts}
        once = {same[name]: servers[name] for name in work.hosts}
        asking = {one: _ask(provider, work, server) for one, server in once.items()}
        answers = dict(zip(asking, await asyncio.gather(*asking.values()), strict=True))
        again = tool.idempotent or not tool.risk_of(work.input).changes
        return combined({name: answers[same[name]] for name in work.hosts}, again=again)

    def _servers(self, tool: Tool) -> Mapping[str, Target]:
        return {
            name: server
            for name, server in self._settings.servers.items()
            if server.kind == tool.provider
        }


async def _ask(provider: Provider, work: Work, server: Target) -> HostResult:
    tool: Tool = work.tool
    changes = tool.risk_of(work.input).changes
    endpoint, form = request_of(tool, work.input)
    try:
        reply = await provider.ask(
            server,
            endpoint,
            form,
            repeatable=not changes,
            within_s=tool.deadline_s(work.input),
            stop=work.call.stop,
        )
        report = tool.report.model_validate(reply.body, context={"given": work.input})
    except ValidationError:
        return HostResult(problem=_unreadable(tool, changes=changes).problem)
    except PlayrailError as error:
        return HostResult(problem=error.problem)
    except Exception:  # one server's trouble is not the others'
        log.exception("%s of one server failed", tool.name)
        kind = OutcomeUnknown if changes else PlayrailError
        return HostResult(problem=kind("Playrail failed in an unexpected way.").problem)
    return _read(report, reply, changes=changes)


def _other_way(tool: Tool, *, known: bool) -> str:
    """What to call for a server that the API does not know."""
    title = TARGETS[tool.provider].title
    told = [f"Do not retry: this tool is for servers of {title} only."]
    if tool.elsewhere:
        told.append(f"For others call {tool.elsewhere}.")
    told.append(
        f"data.servers lists those of {title}."
        if known
        else "list_configured_servers tells which there are."
    )
    return " ".join(told)


def _read(report: Report, reply: Reply, *, changes: bool) -> HostResult:
    problem = report.problem()
    return HostResult(
        report=report, problem=problem, changed=changes and problem is None, cached=reply.cached
    )


def _unreadable(tool: Tool, *, changes: bool) -> PlayrailError:
    way = TARGETS[tool.provider].way
    message = f"{way[0].upper()}{way[1:]} answered something else than it is known to."
    return OutcomeUnknown(message) if changes else ApiUnexpected(message)


def request_of(tool: Tool, given: ToolInput) -> tuple[str, dict[str, str]]:
    """The request's path and form. A field that is left out is not in the form."""
    fields = {
        name: str(value)
        for name, value in given.model_dump(exclude=NO_VARIABLES).items()
        if value is not None
    }
    in_path = set(FIELD_OF_PATH.findall(tool.endpoint))
    endpoint = tool.endpoint.format(**{name: fields[name] for name in in_path})
    return endpoint, {name: value for name, value in fields.items() if name not in in_path}
