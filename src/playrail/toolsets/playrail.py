"""Tools about Playrail itself: which servers and which tools there are."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from statistics import median
from typing import Literal

from pydantic import Field

from playrail.ansible.hosts import Host
from playrail.servers import FailedServer, MikrusServer
from playrail.settings import Settings
from playrail.tool import AnyTool, ByField, Changing, Context, DirectTool, PlaybookTool, Report, Risk, ToolInput

MAX_SERVERS = 500  # in one answer
SIDE_EFFECTS = {
    Risk.READ: "none",
    Risk.SENSITIVE: "discloses",
    Risk.WRITE: "writes",
    Risk.DESTRUCTIVE: "destroys",
    Risk.DANGEROUS: "anything",
    Risk.SHELL: "anything",
}


class NoArguments(ToolInput):
    """A tool that is asked nothing."""


class Choice(ToolInput):
    tag: str | None = Field(
        default=None, min_length=1, max_length=63, description="Only servers with this tag.", examples=["web"]
    )


class Server(Report):
    name: str
    type: Literal["ssh", "local", "mikrus", "other"] = Field(
        description="How it is reached. mikrus: through the API, or over SSH when it has an address."
    )
    status: Literal["configured", "failed"] = Field(description="failed: its entry is wrong and it cannot be used.")
    is_default: bool
    address: str | None = None
    user: str | None = None
    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    error: str | None = Field(default=None, description="Why it failed.")


class Servers(Report):
    default_server: str | None = Field(description="The server used when `server` is omitted.")
    total_count: int
    failed_count: int
    servers: tuple[Server, ...]
    groups: dict[str, int] = Field(description="Group names and how many servers each has.")
    truncated: bool


async def _list_configured_servers(context: Context, given: Choice) -> Servers:
    settings = context.settings
    known = await context.inventory.hosts()
    default = settings.default_server or (next(iter(known.hosts)) if len(known.hosts) == 1 else None)
    failed = {
        **{name: FailedServer(kind="other", reason=reason) for name, reason in known.refused.items()},
        **settings.failed_servers,
    }
    servers = [
        Server(
            name=host.name,
            type=_type(host, settings),
            status="configured",
            is_default=host.name == default,
            address=host.address,
            user=host.user,
            groups=host.groups,
            tags=host.tags,
        )
        for host in known.hosts.values()
        if host.name not in failed
    ]
    servers += [
        Server(
            name=name,
            type="other",
            status="failed",
            is_default=name == default,
            tags=entry.tags,
            error=entry.reason,
        )
        for name, entry in failed.items()
    ]
    chosen = [server for server in servers if given.tag is None or given.tag in server.tags]
    return Servers(
        default_server=default,
        total_count=len(chosen),
        failed_count=sum(server.status == "failed" for server in chosen),
        servers=tuple(chosen[:MAX_SERVERS]),
        groups={group: len(members) for group, members in known.groups.items()},
        truncated=len(chosen) > MAX_SERVERS,
    )


def _type(host: Host, settings: Settings) -> Literal["ssh", "local", "mikrus", "other"]:
    if isinstance(settings.servers.get(host.name), MikrusServer):
        return "mikrus"
    kinds: dict[str, Literal["ssh", "local"]] = {"ssh": "ssh", "local": "local"}
    return kinds.get(host.connection.rpartition(".")[2], "other")


class Capability(Report):
    name: str
    toolset: str
    risk: str = Field(description="The worst it can do: READ, SENSITIVE, WRITE, DESTRUCTIVE, DANGEROUS or SHELL.")
    risk_by: dict[str, dict[str, str]] = Field(description="Where the risk depends on an argument: field, value, risk.")
    allowed: bool = Field(
        description="Whether write operations are enabled here, or it only reads. A policy may still refuse a call."
    )
    changes: bool
    side_effects: str = Field(description="The worst it does: none, discloses, writes, destroys or anything.")
    previewable: bool = Field(
        description="preview=true runs it in check mode; otherwise a preview tells only what would be run."
    )
    reversible: bool = Field(
        description="Whether there is nothing to take back, or undo_run can, as far as what was before is known."
    )
    typical_duration_ms: int | None = Field(
        description="Median of its latest calls here that went well; null before the first."
    )
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
    took = await context.durations_ms()
    return Capabilities(
        version=version("playrail"),
        write_operations_enabled=writes,
        tool_count=len(context.tools),
        tools=tuple(
            _capability(name, tool, writes=writes, took_ms=took.get(name, ())) for name, tool in context.tools.items()
        ),
    )


def _capability(name: str, tool: AnyTool, *, writes: bool, took_ms: Sequence[int]) -> Capability:
    return Capability(
        name=name,
        toolset=tool.toolset,
        risk=tool.worst_risk.name,
        risk_by=_risk_by(tool.risk) if isinstance(tool.risk, ByField) else {},
        allowed=writes or not tool.worst_risk.changes,
        changes=tool.worst_risk.changes,
        side_effects=SIDE_EFFECTS[tool.worst_risk],
        previewable=issubclass(tool.input, Changing) and tool.unforeseeable is None,
        reversible=tool.undo is not None or not tool.worst_risk.changes,
        typical_duration_ms=round(median(took_ms)) if took_ms else None,
        idempotent=tool.idempotent or not tool.worst_risk.changes,
        interruptible=tool.interruptible if isinstance(tool, PlaybookTool) else not tool.worst_risk.changes,
        deadline_s=tool.deadline_s(tool.input.model_construct()),
        longest_deadline_s=_longest_deadline_s(tool),
        playbook=tool.playbook if isinstance(tool, PlaybookTool) else None,
    )


def _longest_deadline_s(tool: AnyTool) -> float:
    chosen = tool.input.model_fields.get("timeout_s")
    limits = [limit.le for limit in (chosen.metadata if chosen else ()) if hasattr(limit, "le")]
    return tool.deadline_s(tool.input.model_construct(**({"timeout_s": min(limits)} if limits else {})))


def _risk_by(risk: ByField) -> dict[str, dict[str, str]]:
    cases = {str(value).lower(): of.name for value, of in risk.cases.items()}
    return {risk.field: {**cases, "otherwise": risk.otherwise.name}}


list_configured_servers = DirectTool(
    name="list_configured_servers",
    summary="List the servers and groups that the other tools accept, and which is the default. Call this first.",
    risk=Risk.READ,
    input=Choice,
    toolset="playrail",
    output=Servers,
    run=_list_configured_servers,
)

describe_capabilities = DirectTool(
    name="describe_capabilities",
    aliases=("describe_mikrus_capabilities",),
    summary="Tell of every tool its risk, whether it is allowed here, how long it takes, and its deadline.",
    risk=Risk.READ,
    input=NoArguments,
    toolset="playrail",
    output=Capabilities,
    run=_describe_capabilities,
)
