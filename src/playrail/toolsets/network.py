"""The network: interfaces, routes, and what listens where."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from playrail.settings.content import content_root
from playrail.tools.arguments import More, Rare
from playrail.tools.brief import Brief, NotEmpty, OnlyFalse
from playrail.tools.fields import HostName
from playrail.tools.reading import Reading
from playrail.tools.tool import PlaybookTool, Report, Risk
from playrail.tools.toolset import Toolset
from playrail.toolsets.firewall import get_firewall
from playrail.toolsets.network_checks import check_certificate, check_dns, check_http


class PortChoice(Reading):
    port: int = Field(
        ge=1,
        le=65535,
        description="The port.",
        examples=[443],
    )
    protocol: Literal["tcp", "udp"] = Field(
        default="tcp", description="The protocol.", examples=["tcp"]
    )
    address: HostName | None = Field(
        default=None,
        description="Connect from the server to this host instead.",
        examples=["db.example.org"],
    )

    @model_validator(mode="after")
    def _connects_by_tcp(self) -> PortChoice:
        if self.address is not None and self.protocol != "tcp":
            raise ValueError("address goes with protocol tcp only")
        return self


class NetworkPart(Reading):
    limit: Annotated[int, More] = Field(
        default=200,
        ge=1,
        le=1000,
        description="Most interfaces, and most sockets.",
        examples=[200],
    )
    details: Annotated[bool, Rare] = Field(
        default=False,
        description="Also the traffic of each interface.",
        examples=[True],
    )


class Holder(Report):
    pid: int
    name: str | None = None
    user: str | None = Field(default=None, description="Where it is another than the socket's.")


class ListeningSocket(Report):
    protocol: str
    address: str = Field(description="0.0.0.0 and :: mean all; :: mostly IPv4 too.")
    port: int
    user: str = Field(description="Whose socket it is.")
    process: Holder | None = Field(
        default=None,
        description=(
            "Null when it may not be seen or the kernel itself holds the socket; the oldest of "
            "several."
        ),
    )
    processes: int | None = Field(
        default=None, description="How many processes hold the socket, where several do."
    )
    sockets: int | None = Field(
        default=None, description="How many sockets are alike in all this, where several are."
    )


class OtherNetwork(Report):
    process: Holder = Field(description="The oldest process in that network.")
    container: str | None = Field(
        default=None, description="The container that it is in, as Docker shows its id."
    )
    ports: list[str] = Field(description="What is listened on in that network, such as tcp/80.")


class Attempt(Brief):
    address: str
    outcome: str
    ms: int
    from_address: str | None = Field(default=None, description="The server's own end.")


class PortState(Report):
    connection: str | None = Field(
        default=None,
        description=(
            "With an address what came of it: open, refused, timed_out, no_route (a firewall may "
            "say so), not_permitted, name_not_found. All else is then absent."
        ),
    )
    why: str | None = Field(default=None, description="Why the name was not found.")
    attempts: list[Attempt] | None = Field(
        default=None, description="Each address that the name means."
    )
    listening: bool | None = Field(
        default=None,
        description=(
            "Whether a socket listens there; a port that only a firewall rule forwards, as "
            "Docker without its "
            "proxy has it, is not seen."
        ),
    )
    sockets: list[ListeningSocket] = Field(default=[])
    reach: str | None = Field(
        default=None,
        description=(
            "this_server_only: bound to the loopback; not_tried: other addresses, but a "
            "firewall may "
            "be in the way, as no connection is tried."
        ),
    )
    other_networks: list[OtherNetwork] | None = Field(
        default=None,
        description=(
            "Where it is listened on in networks apart, such as containers': not on the server's."
        ),
    )
    processes_known: OnlyFalse = Field(
        default=None,
        description="False when the user on the host may not see every process's sockets.",
    )
    truncated: bool = Field(default=False, description="Whether sockets were left out.")

    @model_validator(mode="after")
    def _tells_something(self) -> PortState:
        if self.listening is None and self.connection is None:
            raise ValueError("neither who listens nor what came of a connection")
        return self


class Interface(Report):
    name: str
    state: str = Field(description="up, down or no_carrier.")
    mac: str | None = None
    mtu: int | None = None
    addresses: list[str] = Field(description="IPv4 and IPv6, each with its prefix length.")
    rx_bytes: int | None = None
    tx_bytes: int | None = None


class DefaultRoute(Report):
    family: str = Field(description="ipv4 or ipv6.")
    gateway: str | None = Field(default=None, description="Null for an interface that needs none.")
    interface: str | None = None
    metric: int = Field(description="The lowest one is used.")


class NetworkInfo(Report):
    interfaces: list[Interface] = Field(description="Those with addresses of their own first.")
    default_routes: list[DefaultRoute]
    dns_servers: list[str]
    dns_forwarders: NotEmpty[list[str]] = Field(
        default=None, description="Whom systemd-resolved asks, when it is the only name server."
    )
    dns_search: NotEmpty[list[str]] = None
    listening: list[ListeningSocket] = Field(
        description="By port; without ports that only a firewall rule forwards."
    )
    other_networks: list[OtherNetwork] | None = Field(
        default=None,
        description="What listens in networks apart, such as containers'; it is not in listening.",
    )
    interfaces_total: int
    listening_total: int
    processes_known: OnlyFalse = Field(
        default=None,
        description="False when the user on the host may not see every process's sockets.",
    )
    truncated: bool = Field(
        description=(
            "Whether interfaces, addresses, routes or sockets were left out: a larger max_bytes or "
            "limit has them, check_port a single port."
        )
    )


check_port = PlaybookTool(
    name="check_port",
    summary="Is a port open, and which process listens on it? Or is it reached at another address.",
    risk=Risk.READ,
    input=PortChoice,
    playbook="network/check_port.yml",
    report=PortState,
)

get_network_info = PlaybookTool(
    name="get_network_info",
    summary=(
        "Which IP addresses and interfaces a server has, routes, DNS, and which ports are open."
    ),
    risk=Risk.READ,
    input=NetworkPart,
    playbook="network/get_network_info.yml",
    report=NetworkInfo,
)

toolset = Toolset(
    name="network",
    content=content_root(),
    tools=(check_port, get_network_info, check_dns, check_http, check_certificate, get_firewall),
)
