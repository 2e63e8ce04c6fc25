"""What mikr.us does for its servers: each tool is one request to its API."""

from __future__ import annotations

from pydantic import Field

from playrail.tools.tool import ApiTool, Changing, OnHosts, Risk
from playrail.toolsets.mikrus.reports import (
    AssignedDomain,
    CloudServices,
    Databases,
    Log,
    Logs,
    OwnedServers,
    Ports,
    ServerInfo,
    ServerStats,
    StartedTask,
)

LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"


class LogWanted(OnHosts):
    id: str = Field(
        pattern=r"^[A-Za-z0-9_-]{1,128}$",
        description="An `id` that get_logs told.",
        examples=["3752"],
    )


class DomainWanted(Changing):
    domain: str = Field(
        max_length=253,
        pattern=rf"^(-|{LABEL}(\.{LABEL})+)$",
        description=(
            "A name below a domain that mikr.us offers, such as byst.re; - lets mikr.us choose."
        ),
        examples=["-", "shop.byst.re"],
    )
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="The server's port that it is to lead to.",
        examples=[20123],
    )


get_server_info = ApiTool(
    name="get_server_info",
    provider="mikrus",
    elsewhere="get_system_info",
    summary="mikr.us plan of a server: its memory, disk, and until when it is paid.",
    risk=Risk.READ,
    input=OnHosts,
    endpoint="/info",
    report=ServerInfo,
)
list_servers = ApiTool(
    name="list_servers",
    provider="mikrus",
    elsewhere="list_configured_servers",
    summary=("mikr.us account: all servers that it owns, also those that are not configured here."),
    risk=Risk.READ,
    input=OnHosts,
    endpoint="/serwery",
    report=OwnedServers,
)
get_server_stats = ApiTool(
    name="get_server_stats",
    provider="mikrus",
    elsewhere="get_memory_info, get_process_tree or analyze_disk",
    summary=(
        "mikr.us panel: memory, disks, load and processes of a server, as of the last minute."
    ),
    risk=Risk.READ,
    input=OnHosts,
    endpoint="/stats",
    report=ServerStats,
)
restart_server = ApiTool(
    name="restart_server",
    provider="mikrus",
    summary=(
        "Reboot a whole mikr.us server, which ends all that runs on it; no service alone. "
        "get_logs tells when it is done."
    ),
    risk=Risk.DESTRUCTIVE,
    input=Changing,
    endpoint="/restart",
    report=StartedTask,
    unforeseeable=(
        "mikr.us restarts the server itself; whether all services come up again is known only then."
    ),
)
get_logs = ApiTool(
    name="get_logs",
    provider="mikrus",
    elsewhere="get_journal_logs or triage",
    summary=(
        "mikr.us tasks: what mikr.us did with a server, such as restarts; no logs of the server's "
        "own."
    ),
    risk=Risk.READ,
    input=OnHosts,
    endpoint="/logs",
    report=Logs,
)
get_log_by_id = ApiTool(
    name="get_log_by_id",
    provider="mikrus",
    elsewhere="get_journal_logs",
    summary=(
        "mikr.us task: one that mikr.us carried out for a server, by the id in get_logs, and "
        "whether it is done."
    ),
    risk=Risk.READ,
    input=LogWanted,
    endpoint="/logs/{id}",
    report=Log,
)
boost_server = ApiTool(
    name="boost_server",
    provider="mikrus",
    summary=("mikr.us boost: more memory and disk speed for 30 minutes; possible once in 6 hours."),
    risk=Risk.WRITE,
    input=Changing,
    endpoint="/amfetamina",
    report=StartedTask,
    unforeseeable="mikr.us tells only when it is asked for the boost whether it gives one.",
)
get_db_info = ApiTool(
    name="get_db_info",
    provider="mikrus",
    summary="mikr.us databases of a server: hosts, logins and passwords.",
    risk=Risk.SENSITIVE,
    input=OnHosts,
    endpoint="/db",
    report=Databases,
)
get_ports = ApiTool(
    name="get_ports",
    provider="mikrus",
    elsewhere="check_port or get_network_info",
    summary=(
        "mikr.us ports: the public ones that it forwards to a server; check_port tells what "
        "listens."
    ),
    risk=Risk.READ,
    input=OnHosts,
    endpoint="/porty",
    report=Ports,
)
get_cloud = ApiTool(
    name="get_cloud",
    provider="mikrus",
    summary="mikr.us cloud services of a server, with status and usage.",
    risk=Risk.READ,
    input=OnHosts,
    endpoint="/cloud",
    report=CloudServices,
)
assign_domain = ApiTool(
    name="assign_domain",
    provider="mikrus",
    summary="mikr.us domain: a free name that leads to a port of a server.",
    risk=Risk.WRITE,
    input=DomainWanted,
    endpoint="/domain",
    report=AssignedDomain,
    unforeseeable="mikr.us tells only when it is asked for the domain whether that is free.",
)
