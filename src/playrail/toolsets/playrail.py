"""Tools about Playrail itself: which servers and which tools there are."""

from __future__ import annotations

from importlib.metadata import version
from typing import Literal

from pydantic import Field

from playrail.tool import AnyTool, ByField, Context, DirectTool, PlaybookTool, Report, Risk, ToolInput

MAX_SERVERS = 500  # in one answer


class NoArguments(ToolInput):
    """A tool that is asked nothing."""


class Server(Report):
    name: str
    type: Literal["ssh", "local", "mikrus", "other"] = Field(description="How Playrail reaches it.")
    status: Literal["configured", "failed"] = Field(description="failed: its entry is wrong and it cannot be used.")
    is_default: bool
    address: str | None = None
    user: str | None = None
    groups: tuple[str, ...] = ()
    error: str | None = Field(default=None, description="Why it failed.")


class Servers(Report):
    default_server: str | None = Field(description="The server used when `server` is omitted.")
    total_count: int
    failed_count: int
    servers: tuple[Server, ...]
    groups: dict[str, int] = Field(description="Group names and how many servers each has.")
    truncated: bool


async def _list_configured_servers(context: Context, _: NoArguments) -> Servers:
    settings = context.settings
    known = await context.inventory.hosts()
    default = settings.default_server or (next(iter(known.hosts)) if len(known.hosts) == 1 else None)
    failed = {**known.refused, **{name: entry.reason for name, entry in settings.failed_servers.items()}}
    servers = [
        Server(
            name=host.name,
            type={"ssh": "ssh", "local": "local"}.get(host.connection.rpartition(".")[2], "other"),
            status="configured",
            is_default=host.name == default,
            address=host.address,
            user=host.user,
            groups=host.groups,
        )
        for host in known.hosts.values()
        if host.name not in failed
    ]
    servers += [
        Server(name=name, type="other", status="failed", is_default=name == default, error=reason)
        for name, reason in failed.items()
    ]
    servers += [
        Server(name=name, type="mikrus", status="configured", is_default=name == default)
        for name in settings.servers
        if name not in known.hosts and name not in failed
    ]
    return Servers(
        default_server=default,
        total_count=len(servers),
        failed_count=len(failed),
        servers=tuple(servers[:MAX_SERVERS]),
        groups={group: len(members) for group, members in known.groups.items()},
        truncated=len(servers) > MAX_SERVERS,
    )


class Capability(Report):
    name: str
    toolset: str
    risk: str = Field(description="The worst it can do: READ, SENSITIVE, WRITE, DESTRUCTIVE or DANGEROUS.")
    risk_by: dict[str, dict[str, str]] = Field(description="Where the risk depends on an argument: field, value, risk.")
    allowed: bool = Field(description="Whether this server's operator lets it run, at its worst.")
    changes: bool
    idempotent: bool = Field(description="A second call with the same arguments changes nothing more.")
    interruptible: bool = Field(description="Cancelling ends its work on the host too.")
    deadline_s: float = Field(
        description="Seconds until a call on one host is cut short, beside the time to connect. Many hosts have longer."
    )
    longest_deadline_s: float = Field(description="The same where the caller chooses the greatest `timeout_s`.")
    playbook: str | None


class Capabilities(Report):
    schema_version: Literal["1.0.0"] = "1.0.0"
    server: Literal["playrail"] = "playrail"
    version: str
    transports: tuple[str, ...] = ("stdio",)
    write_operations_enabled: bool
    tool_count: int
    tools: tuple[Capability, ...]


async def _describe_capabilities(context: Context, _: NoArguments) -> Capabilities:
    writes = context.settings.enable_write_operations
    return Capabilities(
        version=version("playrail"),
        write_operations_enabled=writes,
        tool_count=len(context.tools),
        tools=tuple(_capability(name, tool, writes=writes) for name, tool in context.tools.items()),
    )


def _capability(name: str, tool: AnyTool, *, writes: bool) -> Capability:
    return Capability(
        name=name,
        toolset=tool.toolset,
        risk=tool.worst_risk.name,
        risk_by=_risk_by(tool.risk) if isinstance(tool.risk, ByField) else {},
        allowed=writes or not tool.worst_risk.changes,
        changes=tool.worst_risk.changes,
        idempotent=tool.idempotent or not tool.worst_risk.changes,
        interruptible=not isinstance(tool, PlaybookTool) or tool.interruptible,
        deadline_s=tool.deadline_s(tool.input.model_construct()),
        longest_deadline_s=_longest_deadline_s(tool),
        playbook=tool.playbook if isinstance(tool, PlaybookTool) else None,
    )


def _longest_deadline_s(tool: AnyTool) -> float:
    chosen = tool.input.model_fields.get("timeout_s")
    limits = [limit.le for limit in (chosen.metadata if chosen else ()) if hasattr(limit, "le")]
    return tool.deadline_s(tool.input.model_construct(**({"timeout_s": min(limits)} if limits else {})))


def _risk_by(risk: ByField) -> dict[str, dict[str, str]]:
    return {risk.field: {**{value: of.name for value, of in risk.cases.items()}, "otherwise": risk.otherwise.name}}


list_configured_servers = DirectTool(
    name="list_configured_servers",
    summary="List the servers and groups that the other tools accept, and which is the default. Call this first.",
    risk=Risk.READ,
    input=NoArguments,
    toolset="playrail",
    output=Servers,
    run=_list_configured_servers,
)

describe_capabilities = DirectTool(
    name="describe_capabilities",
    aliases=("describe_mikrus_capabilities",),
    summary="Tell of every tool its risk, whether it is allowed here, and its deadline.",
    risk=Risk.READ,
    input=NoArguments,
    toolset="playrail",
    output=Capabilities,
    run=_describe_capabilities,
)
