"""The network: interfaces, routes, and what listens where."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from playrail.tool import OnHosts, PlaybookTool, Report, Risk


class PortChoice(OnHosts):
    port: int = Field(
        ge=1,
        le=65535,
        description="The port. What only a firewall rule forwards, as Docker does without its proxy, is not seen.",
        examples=[443],
    )
    protocol: Literal["tcp", "udp"] = Field(default="tcp", description="The protocol.", examples=["tcp"])


class NetworkPart(OnHosts):
    limit: int = Field(
        default=200, ge=1, le=1000, description="How many interfaces, and how many sockets, at most.", examples=[200]
    )


class Holder(Report):
    pid: int
    name: str
    user: str


class ListeningSocket(Report):
    protocol: str
    address: str = Field(description="0.0.0.0 and :: mean all; :: mostly IPv4 too.")
    port: int
    user: str = Field(description="Whose socket it is.")
    process: Holder | None = Field(
        description="Null when it may not be seen or the kernel itself holds the socket; the oldest of several."
    )
    processes: int = Field(description="How many processes hold the socket, as far as they may be seen.")


class PortState(Report):
    listening: bool = Field(
        description="Whether a socket listens there; a port that only a firewall rule forwards, as Docker without its "
        "proxy has it, is not seen."
    )
    sockets: list[ListeningSocket]
    processes_known: bool = Field(description="False when the user on the host may not see every process's sockets.")
    truncated: bool = Field(description="Whether sockets were left out.")


class Interface(Report):
    name: str
    state: str = Field(description="up, down or no_carrier.")
    mac: str | None
    mtu: int | None
    addresses: list[str] = Field(description="IPv4 and IPv6, each with its prefix length.")
    rx_bytes: int | None
    tx_bytes: int | None


class DefaultRoute(Report):
    family: str = Field(description="ipv4 or ipv6.")
    gateway: str | None = Field(description="Null for an interface that needs none.")
    interface: str | None
    metric: int = Field(description="The lowest one is used.")


class NetworkInfo(Report):
    interfaces: list[Interface]
    default_routes: list[DefaultRoute]
    dns_servers: list[str]
    dns_forwarders: list[str] = Field(description="Whom systemd-resolved asks, when it is the only name server.")
    dns_search: list[str]
    listening: list[ListeningSocket] = Field(description="By port; without ports that only a firewall rule forwards.")
    interfaces_total: int
    listening_total: int
    processes_known: bool = Field(description="False when the user on the host may not see every process's sockets.")
    truncated: bool = Field(description="Whether interfaces, addresses, routes or sockets were left out.")


check_port = PlaybookTool(
    name="check_port",
    summary="See whether something listens on a port of the server, on which addresses, and which process it is.",
    risk=Risk.READ,
    input=PortChoice,
    playbook="network/check_port.yml",
    report=PortState,
)

get_network_info = PlaybookTool(
    name="get_network_info",
    summary="See a server's interfaces, addresses, default routes, name servers and listening sockets.",
    risk=Risk.READ,
    input=NetworkPart,
    playbook="network/get_network_info.yml",
    report=NetworkInfo,
)
