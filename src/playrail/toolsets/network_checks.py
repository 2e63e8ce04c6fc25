"""Whether others can be reached from a server: names, pages, certificates."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from playrail.tools.arguments import More, Rare
from playrail.tools.brief import Brief
from playrail.tools.fields import CONTROL, AbsolutePath, HostName
from playrail.tools.tool import OnHosts, PlaybookTool, Report, Risk


def _ip(address: str) -> str:
    try:
        ip_address(address)
    except ValueError:
        raise ValueError("must be an IP address") from None
    if "%" in address:
        raise ValueError("must be an IP address without a zone")
    return address


class DnsQuestion(OnHosts):
    name: HostName = Field(description="A name, or an IP.", examples=["example.org"])
    type: Literal["A", "AAAA", "CNAME", "MX", "TXT", "NS", "SOA", "SRV", "PTR", "CAA"] | None = (
        Field(default=None, description="The record; else A and AAAA.", examples=["MX"])
    )
    nameserver: Annotated[str, Field(max_length=64), AfterValidator(_ip)] | None = Field(
        default=None, description="Ask this IP, not the server's own.", examples=["192.0.2.53"]
    )


class Resolved(Brief):
    addresses: list[str] = Field(default=[])
    name: str | None = Field(default=None, description="Of an address.")
    error: str | None = None
    ms: int


class DnsAnswer(Brief):
    server: str
    type: str
    status: str = Field(description="NOERROR, NXDOMAIN, SERVFAIL .., timed_out, no_answer.")
    answers: list[str] = Field(default=[], description="Those of another type begin with it.")
    answers_total: int | None = None
    ttl_s: int | None = None
    ms: int | None = None
    tcp: bool | None = Field(default=None, description="Whether it took TCP.")
    authenticated: bool | None = Field(default=None, description="By DNSSEC, says the server.")
    why: str | None = None


class DnsAnswers(Brief, Report):
    resolver: Resolved | None = Field(
        default=None, description="What every program on the server gets."
    )
    hosts_file: list[str] = Field(default=[], description="What /etc/hosts says of it.")
    order: str | None = Field(default=None, description="The line hosts: of nsswitch.conf.")
    asked: str | None = Field(default=None, description="The name asked for, if another.")
    servers: list[DnsAnswer] = Field(description="Each of its name servers, asked by itself.")
    servers_differ: bool = False
    truncated: bool = False


def _web_address(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    if CONTROL.search(url) or " " in url or not url.isascii():
        raise ValueError("must be ASCII without blanks; write other characters as %XX")
    return url


class WebRequest(OnHosts):
    url: Annotated[
        str,
        Field(
            min_length=8,
            max_length=2_000,
            description="The page.",
            examples=["http://localhost/health"],
        ),
        AfterValidator(_web_address),
    ]
    method: Annotated[Literal["GET", "HEAD"], Rare] = Field(
        default="GET", description="The method.", examples=["HEAD"]
    )
    address: HostName | None = Field(
        default=None, description="Connect there, not to the name's IP.", examples=["127.0.0.1"]
    )
    body_bytes: Annotated[int, More] = Field(
        default=1_000, ge=0, le=20_000, description="Most of the body.", examples=[1_000]
    )


class Redirect(Brief):
    status: int
    url: str


class WebAnswer(Brief, Report):
    status: int
    redirects: list[Redirect] = Field(default=[], description="The steps before this answer.")
    url: str | None = Field(default=None, description="Where they led.")
    address: str = Field(description="The address that was connected to.")
    certificate_problem: str | None = Field(
        default=None, description="Why the server does not trust it, in OpenSSL's words."
    )
    ms: int = Field(description="All the time, redirects too; the others are the last step's.")
    connect_ms: int | None = None
    tls_ms: int | None = None
    first_byte_ms: int | None = None
    headers: dict[str, str] = Field(default={})
    body_bytes: int | None = Field(default=None, description="How long it is.")
    body_cut: bool = Field(default=False, description="Whether it is longer than body_bytes.")
    body: str | None = Field(default=None, description="Its beginning.")
    body_left_out: str | None = None
    truncated: bool = Field(default=False, description="Whether body has not all of it.")


class CertificatePlace(OnHosts):
    address: HostName | None = Field(
        default=None, description="A host, as the server sees it.", examples=["localhost"]
    )
    port: int = Field(default=443, ge=1, le=65535, description="Its port.", examples=[443])
    path: AbsolutePath | None = Field(
        default=None,
        description="Or a file.",
        examples=["/etc/ssl/certs/site.pem"],
    )
    name: HostName | None = Field(
        default=None, description="The name it has to be for.", examples=["www.example.org"]
    )

    @model_validator(mode="after")
    def _names_one_place(self) -> CertificatePlace:
        if (self.address is None) == (self.path is None):
            raise ValueError("either address or path is needed")
        return self


class ChainLink(Brief):
    subject: str
    issuer: str
    not_after: str
    days_left: int


class CertificateState(Brief, Report):
    problems: list[str] = Field(
        description=(
            "What is wrong, the worst first: expired, not_yet_valid, name_mismatch, self_signed, "
            "issuer_unknown (neither given nor in the server's store), untrusted, chain_expired, "
            "chain_out_of_order, weak_key, weak_signature, old_tls, expires_soon (14 days)."
        )
    )
    subject: str
    names: list[str] = Field(default=[], description="Names and addresses that it is for.")
    names_total: int = 0
    issuer: str
    not_before: str
    not_after: str
    days_left: int
    key: str
    fingerprint_sha256: str
    trusted: bool | None = Field(
        default=None, description="By the server's own store; absent where that was not to be had."
    )
    untrusted_why: str | None = Field(default=None, description="In OpenSSL's words.")
    chain: list[ChainLink] = Field(default=[], description="What comes behind it.")
    chain_not_known: bool = Field(
        default=False, description="The server's Python is too old to tell of others."
    )
    certificates_total: int = 1
    address: str | None = Field(default=None, description="The address that was connected to.")
    tls_version: str | None = None
    starttls: str | None = Field(default=None, description="The protocol before TLS.")
    truncated: bool = False


check_dns = PlaybookTool(
    name="check_dns",
    summary="What does a DNS name resolve to on a server? By its resolver and each name server.",
    risk=Risk.READ,
    input=DnsQuestion,
    playbook="network/check_dns.yml",
    report=DnsAnswers,
)

check_http = PlaybookTool(
    name="check_http",
    summary="Does a web page or URL answer (curl)? Status, redirects, time, body, from the server.",
    risk=Risk.SENSITIVE,
    input=WebRequest,
    playbook="network/check_http.yml",
    report=WebAnswer,
)

check_certificate = PlaybookTool(
    name="check_certificate",
    summary="When does a TLS/SSL certificate expire, and is it valid? Of a port or a file.",
    risk=Risk.READ,
    input=CertificatePlace,
    playbook="network/check_certificate.yml",
    report=CertificateState,
)
