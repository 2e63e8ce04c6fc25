"""Which servers there are that the tools can be used on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from playrail.errors import UnknownServer
from playrail.hosts import Host, Hosts
from playrail.settings.servers import shown
from playrail.settings.settings import Settings
from playrail.settings.targets import TARGETS
from playrail.tools.arguments import More, Rare
from playrail.tools.brief import Brief
from playrail.tools.tool import (
    Context,
    DirectTool,
    Report,
    Risk,
    ToolInput,
)

SERVERS_BYTES, GROUPS_BYTES = 12_000, 5_000  # in one answer, of 24 KB in all
SHORT_GROUPS, MOST_GROUPS = 4, 50  # of a server; the second when details are asked for
LONGEST_REASON = 300  # characters
MAX_UNREAD = 5  # files
MAX_NAMES = 100  # in an error

OF_INVENTORIES = ("ssh", "local")  # kinds of servers that inventories know

# (No Literal, for a kind more is a line in targets.py)
TypeOfServer = Annotated[
    str, Field(json_schema_extra={"enum": [*dict.fromkeys([*OF_INVENTORIES, *TARGETS]), "other"]})
]

T = TypeVar("T")


class Choice(ToolInput):
    group: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        description="Only of this group.",
        examples=["web"],
    )
    tag: Annotated[str | None, Rare] = Field(
        default=None,
        min_length=1,
        max_length=63,
        description="Only with this tag.",
        examples=["web"],
    )
    match: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        description="Only with this text in the name.",
        examples=["db"],
    )
    offset: Annotated[int, Rare] = Field(
        default=0,
        ge=0,
        description="`next_offset` of the last answer.",
        examples=[20],
    )
    limit: Annotated[int, More] = Field(
        default=20, ge=1, le=500, description="Most servers.", examples=[20]
    )
    details: bool = Field(default=False, description="Also how each is reached.", examples=[True])


class Server(Brief, Report):
    """One server. What is not said of it is as usual: it is configured, over SSH, and not
    the default.
    """

    name: str
    groups: tuple[str, ...] = ()
    more_groups: int | None = Field(default=None, description="How many groups are not named.")
    tags: tuple[str, ...] | None = None
    is_default: bool | None = None
    status: Literal["failed"] | None = Field(
        default=None, description="failed: its entry is wrong and it cannot be used."
    )
    error: str | None = Field(default=None, description="Why it failed.")
    type: TypeOfServer | None = Field(
        default=None,
        description=(
            "How it is reached. mikrus: through the API, or over SSH when it has an address."
        ),
    )
    address: str | None = None
    user: str | None = None


class UnreadFile(Report):
    path: str
    reason: str


class Servers(Brief, Report):
    default_server: str | None = Field(description="The server used when `server` is omitted.")
    total_count: int = Field(
        description="All servers that were asked for; `servers` holds some of them."
    )
    failed_count: int
    servers: tuple[Server, ...]
    next_offset: int | None = Field(
        default=None, description="The `offset` that goes on; none when these are the last."
    )
    groups: dict[str, int] = Field(
        description="Groups, and how many of the servers that were asked for each has."
    )
    groups_left_out: int | None = Field(
        default=None, description="How many more groups there are; `match` or `group` finds them."
    )
    unread: tuple[UnreadFile, ...] | None = Field(
        default=None,
        description=(
            "Files of the inventory that Ansible does not read: servers, groups and variables "
            "may be missing."
        ),
    )
    truncated: bool


async def _list_configured_servers(context: Context, given: Choice) -> Servers:
    settings, known = context.settings, await context.hosts()
    failed = {
        **known.refused,
        **{name: entry.reason for name, entry in settings.failed_servers.items()},
    }
    tags = {
        **known.tags_of_refused,
        **{name: entry.tags for name, entry in settings.failed_servers.items()},
    }
    bare = {name: Host(name=name, groups=(), tags=tags.get(name, ())) for name in failed}
    hosts = {**bare, **known.hosts, **{name: bare[name] for name in settings.failed_servers}}
    if given.group is not None and given.group not in known.groups:
        raise UnknownServer(
            f"There is no group named {shown(given.group)}.",
            data={"groups": list(known.groups)[:MAX_NAMES]},
        )
    of_group = None if given.group is None else set(known.groups[given.group])
    chosen = [host for host in hosts.values() if _is_chosen(host, given, of_group)]
    default = settings.default_server or (
        next(iter(known.hosts)) if len(known.hosts) == 1 else None
    )
    page = chosen[given.offset : given.offset + given.limit]
    told = [
        _server(host, settings, default=default, error=failed.get(host.name), details=given.details)
        for host in page
    ]
    servers = _fitting(told, SERVERS_BYTES, lambda server: server.model_dump_json())
    following = given.offset + len(servers)
    groups = _counts(known, {host.name for host in chosen}, every=len(chosen) == len(hosts))
    named = dict(
        _fitting(list(groups.items()), GROUPS_BYTES, lambda item: json.dumps(item[0]) + "00000")
    )
    unread = [UnreadFile(path=path[:300], reason=why[:300]) for path, why in known.unread.items()]
    return Servers(
        default_server=default,
        total_count=len(chosen),
        failed_count=sum(host.name in failed for host in chosen),
        servers=tuple(servers),
        next_offset=following if following < len(chosen) else None,
        groups=named,
        groups_left_out=len(groups) - len(named) or None,
        unread=tuple(unread[:MAX_UNREAD]) or None,
        truncated=len(servers) < len(chosen) or len(named) < len(groups),
    )


def _is_chosen(host: Host, given: Choice, of_group: AbstractSet[str] | None) -> bool:
    return (
        (of_group is None or host.name in of_group)
        and (given.tag is None or given.tag in host.tags)
        and (given.match is None or given.match.casefold() in host.name.casefold())
    )


def _server(
    host: Host, settings: Settings, *, default: str | None, error: str | None, details: bool
) -> Server:
    groups = host.groups[: MOST_GROUPS if details else SHORT_GROUPS]
    reached: dict[str, Any] = (
        {"type": _type(host, settings), "address": host.address, "user": host.user}
        if details
        else {}
    )
    return Server(
        name=host.name,
        groups=groups,
        more_groups=len(host.groups) - len(groups) or None,
        tags=host.tags or None,
        is_default=host.name == default or None,
        status="failed" if error is not None else None,
        error=None if error is None else error[:LONGEST_REASON],
        **(reached if error is None else {}),
    )


def _counts(known: Hosts, chosen: AbstractSet[str], *, every: bool) -> dict[str, int]:
    """How many of the chosen servers each group has, without those that have none of them;
    the largest groups first.
    """
    counts = {
        group: sum(member in chosen for member in members)
        for group, members in known.groups.items()
    }
    order = sorted(counts.items(), key=lambda item: -item[1])
    return {group: count for group, count in order if count or every}


def _fitting(items: Sequence[T], most: int, written: Callable[[T], str]) -> list[T]:
    """The first of them that fit into so many bytes."""
    fitting = []
    for item in items:
        most -= len(written(item).encode()) + 2
        if most < 0:
            break
        fitting.append(item)
    return fitting


def _type(host: Host, settings: Settings) -> str:
    server = settings.servers.get(host.name)
    if server is not None and server.kind != "ssh":  # its connection may be set to another
        return server.kind
    connection = host.connection.rpartition(".")[2]
    return connection if connection in OF_INVENTORIES else "other"


list_configured_servers = DirectTool(
    name="list_configured_servers",
    summary=(
        "Which servers and groups there are: the names that `server` takes, and the default. Call "
        "this first."
    ),
    risk=Risk.READ,
    input=Choice,
    toolset="playrail",
    output=Servers,
    run=_list_configured_servers,
)
