"""What rules of packet filters come to for somebody who connects, and how they are told."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from worlds.host_modules import MODULES, SHARED, loaded, module_answer

IPTABLES = """\
*filter
:INPUT {policy} [0:0]
:ours - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p icmp -j ACCEPT
{rules}
COMMIT
"""
OWN = ["192.0.2.10"]
ANYWHERE = {"reachable": "anywhere"}
CLOSED = {"reachable": "closed"}


def shared(name: str) -> Any:
    return loaded(SHARED / f"{name}.py")


def reach(chains: Any, port: int, family: str = "ip", protocol: str = "tcp") -> dict[str, Any]:
    filters = shared("packet_rules")
    packet = filters.Packet(family, protocol, port, OWN)
    found: dict[str, Any] = filters.through_all(chains, ("prerouting", "input"), packet)
    return found


def by_iptables(*rules: str, policy: str = "DROP", port: int = 22) -> dict[str, Any]:
    text = IPTABLES.format(policy=policy, rules="\n".join(rules))
    return reach(shared("iptables_rules").chains_of(text, "ip"), port)


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ([], CLOSED),
        (["-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"], ANYWHERE),
        (["-A INPUT -p tcp -m multiport --dports 80,20:30 -j ACCEPT"], ANYWHERE),
        (["-A INPUT -p tcp -m tcp ! --dport 22 -j ACCEPT"], CLOSED),
        (["-A INPUT -p udp -m udp --dport 22 -j ACCEPT"], CLOSED),
        (["-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -j ACCEPT"], ANYWHERE),
        (["-A INPUT -s 127.0.0.0/8 -j ACCEPT"], CLOSED),
        (
            ["-A INPUT -s 198.51.100.0/24 -p tcp -m tcp --dport 22 -j ACCEPT"],
            {"reachable": "limited", "from": ["198.51.100.0/24"]},
        ),
        (
            ["-A INPUT -i wg0 -s 10.1.0.0/16 -j ACCEPT"],
            {"reachable": "limited", "from": ["10.1.0.0/16 via wg0"]},
        ),
        (
            ["-A INPUT -s 203.0.113.9/32 -j DROP", "-A INPUT -j ACCEPT"],
            {"reachable": "anywhere", "except": ["203.0.113.9/32"]},
        ),
        (["-A INPUT -j ours", "-A ours -p tcp -m tcp --dport 22 -j ACCEPT"], ANYWHERE),
        (["-A INPUT -j ours", "-A ours -j RETURN", "-A ours -j ACCEPT"], CLOSED),
        (
            ["-A INPUT -s 10.0.0.0/8 -j ours", "-A ours -j ACCEPT"],
            {"reachable": "limited", "from": ["10.0.0.0/8"]},
        ),
        (
            ["-A INPUT -p tcp -m limit --limit 5/min -j ACCEPT"],
            {"reachable": "anywhere", "rate_limited": True},
        ),
        (
            [
                "-A INPUT -m recent --update --seconds 30 --hitcount 6 --name x --rsource -j DROP",
                "-A INPUT -j ACCEPT",
            ],
            {"reachable": "anywhere", "rate_limited": True},
        ),
        (
            ["-A INPUT -m mark --mark 0x1 -j ACCEPT"],
            {"reachable": "not_judged", "not_judged": ["mark --mark 0x1"], "otherwise": "closed"},
        ),
        (
            ["-A INPUT -m set --match-set office src -j ACCEPT"],
            {"reachable": "limited", "from": ["set office"]},
        ),
        (
            ['-A INPUT -m comment --comment "open -j ACCEPT'],
            {
                "reachable": "not_judged",
                "not_judged": ["a rule that is not read, too deep"],
                "otherwise": "closed",
            },
        ),
        (['-A INPUT -m comment --comment "a -j DROP" -j ACCEPT'], ANYWHERE),
        (["-A INPUT -m addrtype --dst-type MULTICAST -j ACCEPT"], CLOSED),
        (["-A INPUT -d 192.0.2.10/32 -j ACCEPT"], ANYWHERE),
        (["-A INPUT -d 192.0.2.99/32 -j ACCEPT"], CLOSED),
        (["-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j REJECT"], CLOSED),
        (['-A INPUT -j LOG --log-prefix "[a b] "', "-A INPUT -j ACCEPT"], ANYWHERE),
        (["-A INPUT -f -j DROP", "-A INPUT -j ACCEPT"], ANYWHERE),
        (["-A INPUT ! -f -j ACCEPT"], ANYWHERE),
        (["-A INPUT -p tcp -m tcp ! --syn -j ACCEPT"], CLOSED),
        (["-A INPUT -p tcp -m tcp --tcp-flags FIN,RST NONE -j ACCEPT"], ANYWHERE),
        (
            ["-A INPUT -p tcp -m tcp ! --syn -m addrtype --dst-type LOCAL -j ACCEPT"],
            CLOSED,
        ),
        (["-A INPUT -m addrtype ! --dst-type LOCAL -j ACCEPT"], CLOSED),
        (["-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT"], CLOSED),
        (
            ["-A INPUT -m iprange ! --src-range 192.0.2.1-192.0.2.9 -j ACCEPT"],
            {"reachable": "limited", "from": ["not 192.0.2.1-192.0.2.9"]},
        ),
        (["-A INPUT -p tcp -j ACCEPT"], ANYWHERE),
    ],
)
def test_iptables(rules: list[str], found: dict[str, Any]) -> None:
    assert by_iptables(*rules) == found


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("-p tcp -m tcp --sport 53", "--sport 53"),
        ("-p tcp -m tcp ! --sport 53", "! --sport 53"),
        ("-p tcp -m tcp --tcp-option 8", "--tcp-option 8"),
        ("-p tcp -m multiport --sports 1,2", "--sports 1,2"),
        ("-p tcp -m multiport --ports 1,22", "--ports 1,22"),
        ("-m conntrack --ctdir REPLY", "--ctdir REPLY"),
        ("-m conntrack --ctorigdstport 22", "--ctorigdstport 22"),
        ("-m conntrack --ctstate RELATED,DNAT", "state RELATED,DNAT"),
        ("-m addrtype --src-type LOCAL", "addrtype --src-type LOCAL"),
        ("-m pkttype --pkt-type multicast", "pkttype --pkt-type multicast"),
        (
            "-m iprange --src-range 192.0.2.1-192.0.2.9 --dst-range 192.0.2.1-192.0.2.9",
            "iprange --src-range 192.0.2.1-192.0.2.9 --dst-range 192.0.2.1-192.0.2.9",
        ),
        ("-p tcp -m tcp --dport 22 -m multiport ! --dports 22,23", "ports not 22,23"),
        ("--new-option", "--new-option"),
    ],
)
def test_what_iptables_asks_and_is_not_known_here_decides_nothing(asked: str, told: str) -> None:
    allowed = by_iptables(f"-A INPUT {asked} -j ACCEPT")
    assert allowed == {"reachable": "not_judged", "not_judged": [told], "otherwise": "closed"}
    kept_out = by_iptables(f"-A INPUT {asked} -j DROP", policy="ACCEPT")
    assert kept_out == {"reachable": "not_judged", "not_judged": [told], "otherwise": "anywhere"}


def test_of_two_conditions_of_one_kind_none_is_lost() -> None:
    found = by_iptables("-A INPUT -s 10.0.0.0/8 -m set --match-set office src -j ACCEPT")
    assert (found["reachable"], found["otherwise"]) == ("not_judged", "closed")


def test_without_rules_the_policy_counts() -> None:
    assert by_iptables(policy="ACCEPT") == ANYWHERE


def test_chains_that_decide_nothing() -> None:
    rules = ["-A INPUT -j ours", "-A ours -j LOG", "-A ours -j RETURN"]
    chains = shared("iptables_rules").chains_of(
        IPTABLES.format(policy="DROP", rules="\n".join(rules)), "ip"
    )
    assert shared("packet_rules").without_verdict(chains) == {("ip", "filter", "ours")}


def test_chains_that_lead_to_each_other_come_to_an_end() -> None:
    found = by_iptables("-A INPUT -j ours", "-A ours -j ours")
    assert found["reachable"] == "not_judged"


def test_every_base_chain_has_to_let_it_pass() -> None:
    text = IPTABLES.format(policy="ACCEPT", rules="")
    chains = shared("iptables_rules").chains_of(text, "ip")
    chains += shared("iptables_rules").chains_of(text.replace("ACCEPT [0:0]", "DROP [0:0]"), "ip")
    assert reach(chains, 22) == CLOSED


def ruleset(*expressions: list[Any], sets: tuple[Any, ...] = (), policy: str = "drop") -> Any:
    place = {"family": "inet", "table": "filter"}
    base = {**place, "name": "input", "type": "filter", "hook": "input", "policy": policy}
    named = [{"set": {**place, **one}} for one in sets]
    rules = [{"rule": {**place, "chain": "input", "expr": one}} for one in expressions]
    document = {"nftables": [{"metainfo": {}}, *named, {"chain": base}, *rules]}
    return list(shared("nft_rules").Ruleset(document).chains.values())


def match(left: Any, right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def field(protocol: str, name: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": name}}


ACCEPT = {"accept": None}
FLAGS = field("tcp", "flags")
ON_SSH = match(field("tcp", "dport"), 22)


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ([ON_SSH, ACCEPT], ANYWHERE),
        ([match(field("tcp", "dport"), {"set": [80, {"range": [20, 30]}]}), ACCEPT], ANYWHERE),
        ([match(field("udp", "dport"), 22), ACCEPT], CLOSED),
        ([match({"meta": {"key": "iifname"}}, "lo"), ACCEPT], CLOSED),
        ([match({"meta": {"key": "nfproto"}}, "ipv6"), ACCEPT], CLOSED),
        ([match({"ct": {"key": "state"}}, {"set": ["established", "related"]}), ACCEPT], CLOSED),
        ([match({"ct": {"key": "status"}}, "dnat"), ACCEPT], CLOSED),
        ([match(field("icmp", "type"), "echo-request"), ACCEPT], CLOSED),
        (
            [match(field("ip", "saddr"), {"prefix": {"addr": "10.0.0.0", "len": 8}}), ACCEPT],
            {"reachable": "limited", "from": ["10.0.0.0/8"]},
        ),
        (
            [match(field("ip", "saddr"), "@office"), ON_SSH, {"counter": {}}, ACCEPT],
            {"reachable": "limited", "from": ["192.0.2.0/24,198.51.100.7"]},
        ),
        (
            [match(field("ip", "saddr"), "@learnt"), ACCEPT],
            {"reachable": "not_judged", "not_judged": ["payload saddr"], "otherwise": "closed"},
        ),
        ([{"limit": {"rate": 5}}, ACCEPT], {"reachable": "anywhere", "rate_limited": True}),
        (
            [{"vmap": {"key": field("tcp", "dport"), "data": {"set": [[22, {"accept": None}]]}}}],
            ANYWHERE,
        ),
        ([{"jump": {"target": "nowhere"}}], {"reachable": "not_judged"}),
        ([match(field("tcp", "dport"), 1024, ">"), ACCEPT], CLOSED),
        ([match(field("tcp", "dport"), 1024, "<="), ACCEPT], ANYWHERE),
        ([match({"ct": {"key": "state"}}, ["established", "new"], "in"), ACCEPT], ANYWHERE),
        ([match({"ct": {"key": "state"}}, ["established", "related"], "in"), ACCEPT], CLOSED),
        ([match({"&": [FLAGS, ["syn", "ack"]]}, "syn"), ACCEPT], ANYWHERE),
        ([match({"&": [FLAGS, {"|": ["fin", "syn"]}]}, {"|": ["fin", "syn"]}), ACCEPT], CLOSED),
        ([match(FLAGS, "syn", "!="), ACCEPT], CLOSED),
        ([match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"), ACCEPT], ANYWHERE),
        ([match({"fib": {"result": "oif", "flags": ["saddr"]}}, False), ACCEPT], CLOSED),
        ([match({"meta": {"key": "pkttype"}}, {"set": ["broadcast"]}), ACCEPT], CLOSED),
        ([match({"meta": {"key": "nfproto"}}, "ipv6", "!="), ACCEPT], ANYWHERE),
        ([match({"meta": {"key": "nfproto"}}, {"set": ["ipv4", "ipv6"]}), ACCEPT], ANYWHERE),
        ([match({"fib": {"result": "oif", "flags": ["saddr"]}}, True), ACCEPT], ANYWHERE),
        ([match(field("udp", "sport"), 53), ACCEPT], CLOSED),
        (
            [
                match(FLAGS, "syn", "!="),
                match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"),
                ACCEPT,
            ],
            CLOSED,
        ),
        *(
            (expression, {"reachable": "not_judged", "otherwise": "closed"})
            for expression in (
                [match(field("tcp", "sport"), 53), ACCEPT],
                [match({"ct": {"key": "status"}}, "assured"), ACCEPT],
                [match({"fib": {"result": "type", "flags": ["saddr"]}}, "local"), ACCEPT],
                [ON_SSH, match(field("tcp", "dport"), 80, "!="), ACCEPT],
                [{"queue": None}],
                [{"xt": {"type": "match", "name": "recent"}}, ACCEPT],
                [{"xt": {"type": "target", "name": "NFQUEUE"}}],
                [{"vmap": {"key": field("tcp", "dport"), "data": "@unknown"}}],
            )
        ),
    ],
)
def test_nftables(expression: list[Any], found: dict[str, Any]) -> None:
    office = {
        "name": "office",
        "elem": [{"prefix": {"addr": "192.0.2.0", "len": 24}}, "198.51.100.7"],
    }
    learnt = {"name": "learnt", "flags": ["dynamic"], "elem": []}
    told = reach(ruleset(expression, sets=(office, learnt)), 22)
    assert {key: told[key] for key in found} == found


def test_a_rule_as_it_is_told() -> None:
    chains = ruleset([match(field("ip", "saddr"), "192.0.2.1"), ON_SSH, ACCEPT])
    assert [one.told() for one in chains[0].rules] == [
        {"verdict": "accept", "protocol": "tcp", "from": "192.0.2.1", "port": "22"}
    ]


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def test_chains_that_matter_are_known_without_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    netlink = shared("netlink")

    def chain(
        family: int, name: bytes, hook: int | None, *, policy: int = 1, use: int = 0
    ) -> bytes:
        told = attribute(netlink.NFTA_CHAIN_TABLE, name + b"\0")
        told += attribute(netlink.NFTA_CHAIN_POLICY, struct.pack("!I", policy))
        told += attribute(netlink.NFTA_CHAIN_USE, struct.pack("!I", use))
        if hook is not None:
            number = attribute(netlink.NFTA_HOOK_HOOKNUM, struct.pack("!I", hook))
            told += attribute(netlink.NFTA_CHAIN_HOOK, number)
        return bytes((family, 0, 0, 0)) + told

    bodies = [
        chain(1, b"filter", 1, policy=0),
        chain(2, b"empty", 1),
        chain(2, b"nat", 3, use=2),
        chain(2, b"nat", None, use=2),
    ]
    monkeypatch.setattr(netlink, "dump", lambda *_: iter(bodies))
    assert netlink.base_chains() == [("inet", "filter", 1), ("ip", "nat", 3)]


class Host:
    """A module on a host whose programs say the same each time."""

    def __init__(self, said: str) -> None:
        self.said = said

    def get_bin_path(self, name: str) -> str:
        return f"/usr/sbin/{name}"

    def run_command(self, _argv: list[str]) -> tuple[int, str, str]:
        return 0, self.said, ""


@pytest.mark.parametrize(
    ("listed", "said", "told"),
    [
        (
            [("inet", "filter", 1)],
            '{"nftables": [{"chain": {"family": "inet"}}]}',
            "nftables: its rules are not read (KeyError)",
        ),
        (
            [("ip", "filter", 1)],
            "# (nf_tables)\n*filter\n:INPUT\n",
            "iptables-save: its rules are not read (ValueError)",
        ),
    ],
)
def test_rules_of_a_form_that_is_new_are_not_known(
    monkeypatch: pytest.MonkeyPatch, listed: list[Any], said: str, told: str
) -> None:
    filters = shared("kernel_filters")
    monkeypatch.setattr(filters, "base_chains", lambda: listed)
    monkeypatch.setattr(filters, "is_in_use", lambda _path: False)
    assert told in filters.Rules(Host(said)).not_known


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("192.0.2.1:80", ("192.0.2.1", 80)),
        ("192.0.2.1", ("192.0.2.1", 7)),
        ("[2001:db8::1]:80", ("2001:db8::1", 80)),
        ("192.0.2.1-192.0.2.9", (None, 7)),
    ],
)
def test_where_a_port_is_forwarded_to(text: str, end: tuple[str | None, int]) -> None:
    assert loaded(MODULES / "firewall.py").end_of(text, 7) == end


def test_this_machine() -> None:
    found = module_answer([str(MODULES / "firewall.py")], {}, timeout_s=60)
    assert found["services_total"] >= len(found["services"])
    told = {key: value for key, value in found.items() if key not in ("changed", "invocation")}
    assert len(json.dumps(told, separators=(",", ":"))) <= 4000
