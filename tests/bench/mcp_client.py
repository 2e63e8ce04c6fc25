"""MCP servers as contenders, each asked over stdio by a real MCP client."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.types import CallToolResult, TextContent

from .cases import Task
from .place import BENCH, Host, NotMeasured, directory, last_line, own_environment

WARM = "Playrail, warm"
COLD = "Playrail, cold"
PEER = "linux-mcp-server"
ANSWER_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Program:
    """An MCP server that can be started."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]

    @property
    def log(self) -> Path:
        """Where its standard error goes."""
        return BENCH / "logs" / f"{self.name.replace(', ', '-')}.log"

    @asynccontextmanager
    async def started(self) -> AsyncIterator[Client]:
        """A client that has been answered its `initialize`. Raises NotMeasured when it is
        not.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        parameters = StdioServerParameters(
            command=self.command[0], args=list(self.command[1:]), env=dict(self.environment)
        )
        with self.log.open("w", encoding="utf-8") as log:
            # Not "auto", which asks something else before: the targets are about
            # `initialize`.
            client = Client(
                stdio_client(parameters, errlog=log), mode="legacy", read_timeout_seconds=ANSWER_S
            )
            try:
                await client.__aenter__()
            except (OSError, ExceptionGroup) as error:
                said = last_line(self.log.read_text(encoding="utf-8", errors="replace"))
                raise NotMeasured(f"it did not start: {said}") from error
            try:
                yield client
            finally:
                await client.__aexit__(None, None, None)


async def called(
    client: Client, tool: str, arguments: Mapping[str, Any]
) -> tuple[float, dict[str, Any]]:
    """Calls a tool; returns the seconds and the structured answer. Raises NotMeasured when
    the answer is an error.
    """
    started = time.perf_counter()
    try:
        result = await client.call_tool(tool, dict(arguments))
    except (MCPError, anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
        raise NotMeasured(f"{tool}: {error}") from error
    seconds = time.perf_counter() - started
    if result.is_error:
        raise NotMeasured(f"{tool}: {_said(result)}")
    return seconds, dict(result.structured_content or {})


def _said(result: CallToolResult) -> str:
    """What an error says, in one line."""
    told = result.structured_content or {}
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    return " ".join(str(told.get("error") or texts).split())[:300]


@dataclass(frozen=True, kw_only=True)
class Playrail:
    """A connected client of `playrail serve`."""

    client: Client
    host: Host

    def does(self, task: Task) -> bool:
        return bool(task.tool)

    async def ask(self, task: Task) -> float:
        seconds, answer = await called(
            self.client, task.tool, {**task.arguments, "server": self.host.name}
        )
        changed = bool(answer["data"].get("changed"))
        if task.changes not in (None, changed):
            raise NotMeasured(f"{task.tool}: it says that changed is {changed}")
        return seconds


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A connected client of linux-mcp-server."""

    client: Client
    host: Host

    def does(self, task: Task) -> bool:
        return task.peer is not None

    async def ask(self, task: Task) -> float:
        assert task.peer is not None
        tool, arguments = task.peer
        seconds, _ = await called(self.client, tool, {**arguments, "host": self.host.address})
        return seconds


def playrail(hosts: Sequence[Host], state: Path, *, warm: bool) -> Program:
    """`playrail serve` with these hosts and a state directory of its own."""
    return Program(
        name=WARM if warm else COLD,
        command=[str(Path(sys.executable).with_name("playrail")), "serve"],
        environment=own_environment(
            PLAYRAIL_STATE_DIR=str(directory(state)),
            PLAYRAIL_WARM=str(int(warm)),
            MCP_SERVERS=json.dumps({host.name: host.server for host in hosts}),
            ENABLE_WRITE_OPERATIONS="1",
            LOG_LEVEL="WARNING",
        ),
    )


def linux_mcp_server(python: Path, host: Host, state: Path) -> Program:
    """linux-mcp-server, which keeps its connection, with the same key and the same check of
    the host's key.
    """
    return Program(
        name=PEER,
        command=[str(python.with_name("linux-mcp-server"))],
        environment=own_environment(
            LINUX_MCP_USER=host.user,
            LINUX_MCP_SSH_KEY_PATH=host.key,
            LINUX_MCP_KNOWN_HOSTS_PATH=host.known_hosts,
            LINUX_MCP_LOG_DIR=str(state),
            LINUX_MCP_LOG_LEVEL="WARNING",
            LINUX_MCP_ALLOWED_LOG_PATHS="/var/log/dpkg.log",
        ),
    )
