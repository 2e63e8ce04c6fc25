"""A server's firewall, and what it lets through."""

from __future__ import annotations

from pydantic import Field

from playrail.tools.brief import Brief
from playrail.tools.reading import ShortReading
from playrail.tools.tool import PlaybookTool, Report, Risk


class FirewallPart(ShortReading):
    port: int | None = Field(
        default=None, ge=1, le=65535, description="Only what is about it.", examples=[443]
    )


class Reach(Brief):
    reachable: str = Field(
        description=(
            "By the rules, from other hosts: anywhere, limited, closed, this_server_only (bound "
            "to the loopback), not_judged (the rules ask for more than is known here), not_known."
        )
    )
    sources: list[str] = Field(
        default=[], validation_alias="from", description="Of limited: who gets through."
    )
    excepted: list[str] = Field(default=[], validation_alias="except", description="Who does not.")
    rate_limited: bool = False
    not_judged: list[str] = Field(default=[], description="What the rules ask for.")
    otherwise: str | None = Field(default=None, description="What holds where that is not so.")


class Service(Reach):
    port: int
    protocol: str
    process: str | None = None
    addresses: list[str] = Field(default=[], description="Where it is bound to some only.")
    to: str | None = Field(default=None, description="Where the port is forwarded to.")
    address: str | None = Field(default=None, description="Of a forwarded port the one of ours.")
    container: str | None = None
    ipv6: Reach | None = Field(default=None, description="Where it fares differently over IPv6.")


class FirewallRule(Brief):
    verdict: str
    protocol: str | None = None
    port: str | None = None
    service: str | None = Field(default=None, description="Of firewalld.")
    source: str | None = Field(default=None, validation_alias="from")
    from_port: str | None = None
    interface: str | None = None
    out_interface: str | None = None
    destination: str | None = None
    state: str | None = None
    to: str | None = Field(default=None, description="Where it is forwarded to.")
    chain: str | None = Field(default=None, description="Where it leads.")
    rate: bool = Field(default=False, description="Whether it counts how often.")
    other: str | None = Field(default=None, description="What else it asks for.")


class FirewallChain(Brief):
    name: str = Field(description="A chain of the kernel, a direction of ufw, a zone of firewalld.")
    hook: str | None = None
    policy: str | None = Field(default=None, description="What becomes of all else.")
    interfaces: list[str] = Field(default=[])
    sources: list[str] = Field(default=[])
    rules: list[FirewallRule] = Field(default=[])
    rules_total: int | None = Field(default=None, description="Where some are left out.")


class Firewall(Brief, Report):
    managed_by: list[str] = Field(
        description=(
            "ufw, firewalld, nftables, iptables, docker ..; empty, with nothing in not_known: "
            "nothing is filtered."
        )
    )
    inactive: list[str] = Field(default=[], description="Installed, but it does nothing.")
    services: list[Service] = Field(
        description="What listens or is forwarded, by the kernel's rules; the most open first."
    )
    services_total: int
    chains: list[FirewallChain] = Field(
        description="The rules as their manager has them, without those that Docker makes."
    )
    not_known: list[str] = Field(
        default=[], description="What could not be looked at, and why: it is not none."
    )
    truncated: bool = Field(
        default=False, description="A larger max_bytes, or port, tells the rest."
    )


get_firewall = PlaybookTool(
    name="get_firewall",
    summary=(
        "Show the firewall rules (ufw, iptables, nftables, firewalld), and which ports they "
        "leave open or block."
    ),
    risk=Risk.READ,
    input=FirewallPart,
    playbook="network/get_firewall.yml",
    report=Firewall,
)
