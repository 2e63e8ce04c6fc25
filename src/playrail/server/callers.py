"""Who a request of MCP comes from: the one place where a transport names its caller."""

from __future__ import annotations

from typing import Any

from mcp.server.context import ServerRequestContext

from playrail.calls.caller import LOCAL, Caller


def caller_of(_: ServerRequestContext[Any]) -> Caller:
    """On standard input and output it is whoever started this process."""
    return LOCAL
