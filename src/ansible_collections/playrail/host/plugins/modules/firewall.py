#!/usr/bin/python
"""The rules of a host's firewall, and which listening service they let be reached from where."""

DOCUMENTATION = r"""
module: firewall
short_description: Tell a firewall's rules, and what they let through
description:
  - Tells who manages the packet filter (ufw, firewalld, nftables, iptables), its rules in one
    shape, and per service that listens from where a connection gets through, by the rules of the
    kernel. Tries no connection and changes nothing.
options:
  port:
    description: Only the services and rules of this port.
    type: int
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON.
    type: int
    default: 4000
author: Playrail
"""

EXAMPLES = r"""
- name: See what the firewall lets through
  playrail.host.firewall:
"""

RETURN = r"""
managed_by:
  description: Who makes the rules; none when there are no rules.
  type: list
  elements: str
  returned: success
inactive:
  description: Who is installed and does nothing.
  type: list
  elements: str
  returned: success
services:
  description: Per port that is listened on, or forwarded to a container, port, protocol, process,
    reachable (anywhere, limited, closed, this_server_only, not_judged), from, except, not_judged.
  type: list
  elements: dict
  returned: success
services_total:
  description: How many there are.
  type: int
  returned: success
chains:
  description: Per chain, or zone, name, policy and rules.
  type: list
  elements: dict
  returned: success
not_known:
  description: What could not be looked at, and why.
  type: list
  elements: str
  returned: success
truncated:
  description: Whether something was left out.
  type: bool
  returned: success
"""

import ipaddress
import os
import re

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.docker import (
    SOCKETS,
    DockerFailed,
    Engine,
    engine_runs,
)
from ansible_collections.playrail.host.plugins.module_utils.firewall_managers import (
    firewalld,
    firewalld_runs,
    others,
    ufw,
)
from ansible_collections.playrail.host.plugins.module_utils.kernel_filters import Rules
from ansible_collections.playrail.host.plugins.module_utils.netlink import interfaces
from ansible_collections.playrail.host.plugins.module_utils.packet_rules import (
    ACCEPT,
    DNAT,
    Packet,
    through_all,
    without_verdict,
)
from ansible_collections.playrail.host.plugins.module_utils.room import beside, fitting, length
from ansible_collections.playrail.host.plugins.module_utils.sockets import (
    LOOPBACK,
    holders,
    listening,
    process,
)

# Chains that Docker and the like keep for themselves; what they come to is told of services.
MADE_BY_MACHINES = re.compile(r"DOCKER(?!-USER)|KUBE-|cali-|LIBVIRT_|NETAVARK|CNI-")
ALL = frozenset(str(kind(0)) for kind in (ipaddress.IPv4Address, ipaddress.IPv6Address))
BARE_RETURN = {"verdict": "return"}
ORDER = ("anywhere", "limited", "not_judged", "not_known", "closed", "this_server_only")


def own_addresses():
    """The host's addresses with the interface of each, and its networks."""
    try:
        listed = [
            (one["name"], ipaddress.ip_interface(address))
            for one in interfaces().values()
            for address in one["addresses"]
        ]
    except OSError:
        return []
    return [(name, found) for name, found in listed if not found.ip.is_loopback]


class Judge:
    """Says from where a connection gets through."""

    def __init__(self, rules):
        self.rules, self.own = rules, own_addresses()

    def of_socket(self, protocol, port, address):
        """Of one that listens; for each family that it takes."""
        families = ["ip"] if ":" not in address else ["ip6"] if address != "::" else ["ip", "ip6"]
        found = {}
        for family in families:
            version = 4 if family == "ip" else 6
            own = [str(one.ip) for _name, one in self.own if one.version == version]
            if family == "ip6" and not any(
                not ipaddress.ip_address(one).is_link_local for one in own
            ):
                continue  # nobody comes from farther than the next cable
            given = own if address in ALL else [address.partition("%")[0]]
            packet = Packet(family, protocol, port, given)
            found[family] = self.judged(("prerouting", "input"), packet)
        return found

    def of_forwarded(self, protocol, port, address):
        """Of one that goes on to an address behind this host."""
        target = ipaddress.ip_address(address)
        family = "ip" if target.version == 4 else "ip6"
        ways = [name for name, one in self.own if target in one.network]
        packet = Packet(family, protocol, port, [address], ways[0] if ways else None, True)
        return self.judged(("forward",), packet)

    def judged(self, hooks, packet):
        found = through_all(self.rules.chains, hooks, packet)
        # What one chain keeps out, none of those that are not known lets in
        if self.rules.not_known and found["reachable"] != "closed":
            return {"reachable": "not_known"}
        return found


def containers():
    """The names of Docker's containers by address; none where Docker does not run."""
    if not engine_runs():
        return {}
    try:
        listed = Engine(SOCKETS["default"]).ask_json("containers", "json")
    except DockerFailed:
        return {}
    return {
        network.get("IPAddress"): one["Names"][0].lstrip("/")
        for one in listed
        for network in (one.get("NetworkSettings", {}).get("Networks") or {}).values()
        if one.get("Names")
    }


def forwarded(chains, judge):
    """What is sent on to somebody behind this host: ports that Docker publishes, and others."""
    names, found = containers(), {}
    led_to = from_outside(chains)
    for chain in chains:
        if (chain.family, chain.table, chain.name) not in led_to:
            continue
        for rule in chain.rules:
            if rule.verdict != DNAT or not rule.ports or not rule.protocols or not rule.to:
                continue
            address, port = end_of(rule.to, rule.ports[0][0])
            if address is None or rule.ports[0][0] != rule.ports[0][1]:
                continue
            one = {"port": rule.ports[0][0], "protocol": rule.protocols[0], "to": rule.to}
            if rule.destinations and "destinations" not in rule.negated:
                one["address"] = rule.destinations[0].partition("/")[0]
            one.update({"container": names[address]} if address in names else {})
            if one.get("address", "").startswith(LOOPBACK):
                one["reachable"] = "this_server_only"
            else:
                one.update(judge.of_forwarded(one["protocol"], port, address))
            found[one["protocol"], one["port"], one.get("address")] = one
    return list(found.values())


def from_outside(chains):
    """The chains to which what comes from outside is led before it is routed."""
    by_name = {(one.family, one.table, one.name): one for one in chains}
    waiting = [
        key for key, one in by_name.items() if one.hook == "prerouting" and one.kind == "nat"
    ]
    found = set()
    while waiting:
        key = waiting.pop()
        if key in found or key not in by_name:
            continue
        found.add(key)
        waiting += [key[:2] + (rule.target,) for rule in by_name[key].rules if rule.target]
    return found


def end_of(text, port):
    """The address and the port of `192.0.2.1:80`, the given port where there is none."""
    address, colon, number = text.rpartition(":")
    if not colon or "]" in number or (":" in address and not address.startswith("[")):
        address, number = text, ""
    try:
        ipaddress.ip_address(address.strip("[]"))
        return address.strip("[]"), int(number) if number else port
    except ValueError:
        return None, port


def services(judge, port):
    """Per port that is listened on who listens, and from where it is reached."""
    sockets = [one for one in listening() if port in (None, one["port"])]
    held, _complete = holders({one["inode"] for one in sockets})
    found = {}
    for one in sockets:
        key = (one["protocol"], one["port"])
        told = found.setdefault(key, {"port": one["port"], "protocol": one["protocol"], "by": {}})
        holder = process(held[one["inode"]])
        if holder is not None:
            told.setdefault("process", holder["name"])
        if one["address"].startswith(LOOPBACK):
            continue
        told["by"].update(judge.of_socket(one["protocol"], one["port"], one["address"]))
        told.setdefault("addresses", []).append(one["address"])
    return [in_one(one) for one in found.values()]


def in_one(told):
    """The service with one verdict; what IPv6 says where that is another."""
    by, addresses = told.pop("by"), told.pop("addresses", [])
    verdicts = [by[family] for family in ("ip", "ip6") if family in by]
    if not verdicts:
        return dict(told, reachable="this_server_only")
    if not ALL.intersection(addresses):
        told["addresses"] = addresses[:5]
    told.update(verdicts[0])
    if len(verdicts) > 1 and verdicts[1] != verdicts[0]:
        told["ipv6"] = verdicts[1]
    return told


def is_of_docker(rule):
    """Whether Docker made the rule for its own networks."""
    ends = (rule.interfaces or []) + (rule.out_interfaces or [])
    return bool(MADE_BY_MACHINES.match(rule.target or "")) or any(
        one.startswith(("docker", "br-")) for one in ends
    )


def chain_told(chain, port, quiet):
    """A chain with the rules of which something is to be told."""
    rules = [
        one
        for one in chain.rules
        if one.verdict
        and not is_of_docker(one)
        and (chain.family, chain.table, one.target) not in quiet
    ]
    if port is not None:
        rules = [one for one in rules if one.ports and any(a <= port <= b for a, b in one.ports)]
    found = {"name": chain.full_name(), "rules": [one.told() for one in rules]}
    found.update({"hook": chain.hook, "policy": chain.policy} if chain.hook else {})
    return found


def of_kernel(chains, port):
    """The chains that decide what comes in or through, those first that belong to a hook."""
    wanted = [
        one
        for one in chains
        if one.kind != "nat" and (one.hook in (None, "input", "forward", "prerouting"))
    ]
    led_to = {
        (one.family, one.table, rule.target) for one in wanted for rule in one.rules if rule.target
    }
    quiet = without_verdict(wanted)
    telling = [
        one
        for one in wanted
        if not MADE_BY_MACHINES.match(one.name)
        if (one.hook and (one.rules or one.policy != ACCEPT))
        or (one.rules and (one.family, one.table, one.name) in led_to)
    ]
    telling.sort(key=lambda one: (one.hook != "input", one.hook is None))
    told = [chain_told(one, port, quiet) for one in telling]
    return [
        one
        for one in told
        if one.get("policy", ACCEPT) != ACCEPT or any(rule != BARE_RETURN for rule in one["rules"])
    ]


def of_manager(given, rules, chains):
    """Who manages the rules, who does nothing, and the rules as they tell them."""
    managed, inactive, told = [], [], None
    found = ufw()
    if found is not None:
        enabled, told_by_ufw = found
        if enabled:
            managed.append("ufw")
            told = told_by_ufw
            if told is None:
                rules.not_known.add("ufw: its rules may not be read")
            if rules.chains and not any(one.name.startswith("ufw") for one in rules.chains):
                rules.not_known.add("ufw: enabled, but its rules are not in the kernel")
        else:
            inactive.append("ufw")
    if firewalld_runs():
        managed.append("firewalld")
        told = firewalld(rules.module) if told is None else told
        if told is None:
            rules.not_known.add("firewalld: it does not answer")
    elif rules.module.get_bin_path("firewall-cmd"):
        inactive.append("firewalld")
    managed += others(chains)
    if told is None:
        told = of_kernel(chains, given["port"])
        managed += rules.kinds
    return managed, inactive, told


def answer(module, given):
    rules = Rules(module)
    judge = Judge(rules)
    sent_on = [
        one for one in forwarded(rules.chains, judge) if given["port"] in (None, one["port"])
    ]
    ports = {(one["protocol"], one["port"]) for one in sent_on if "address" not in one}
    every = {(one["protocol"], one["port"]) for one in sent_on}
    # What a rule sends on does not reach the process that listens there too, as docker-proxy
    own = [
        one
        for one in services(judge, given["port"])
        if (one["protocol"], one["port"])
        not in (every if one.get("process") == "docker-proxy" else ports)
    ]
    listed = sorted(sent_on + own, key=lambda one: (ORDER.index(one["reachable"]), one["port"]))
    managed, inactive, chains = of_manager(given, rules, rules.chains)
    report = {"managed_by": list(dict.fromkeys(managed)), "services_total": len(listed)}
    report.update({"inactive": inactive} if inactive else {})
    report["not_known"] = sorted(rules.not_known)
    room = beside(report, given["max_bytes"])
    kept, left = fitting(listed, room * 3 // 4)
    room -= room * 3 // 4 - left
    shown = []
    for one in chains:
        inside, _room = fitting(one["rules"], room - length(dict(one, rules=[])))
        cut = {"rules_total": len(one["rules"])} if len(inside) < len(one["rules"]) else {}
        short = dict(one, rules=inside, **cut)
        if length(short) > room or (one["rules"] and not inside):
            break
        room -= length(short)
        shown.append(short)
    cut = len(kept) < len(listed) or len(shown) < len(chains)
    cut = cut or any("rules_total" in one for one in shown)
    return dict(report, services=kept, chains=shown, truncated=cut)


def main():
    module = AnsibleModule(
        argument_spec={
            "port": {"type": "int"},
            "max_bytes": {"type": "int", "default": 4000},
        },
        supports_check_mode=True,
    )
    try:
        found = answer(module, module.params)
    except OSError as error:
        module.fail_json(
            msg="cannot look at the firewall: " + os.strerror(error.errno or 0),
            playrail_code="permission_denied",
        )
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
