"""The rules that `nft -j list ruleset` tells; libnftables-json(5)."""

from ansible_collections.playrail.host.plugins.module_utils.iptables_rules import decide
from ansible_collections.playrail.host.plugins.module_utils.packet_rules import (
    ACCEPT,
    DNAT,
    GOTO,
    JUMP,
    Chain,
    Rule,
)

VERDICTS = ("accept", "drop", "reject", "return")
# Statements that decide nothing.
PASSING = frozenset(
    (
        *("counter", "log", "mangle", "notrack", "ct helper", "ct timeout", "flow"),
        *("masquerade", "snat", "comment"),
    )
)
PROTOCOLS = {"icmpv6": "ipv6-icmp", 6: "tcp", 17: "udp", 1: "icmp", 58: "ipv6-icmp"}
FAMILIES = {"ipv4": "ip", "ipv6": "ip6"}
PORTED = ("tcp", "udp")
MOST_ELEMENTS = 2000
# Of operators other than these: what first and last port they mean.
BOUNDS = {
    "<": lambda port: (0, port - 1),
    ">": lambda port: (port + 1, 65535),
    "<=": lambda port: (0, port),
    ">=": lambda port: (port, 65535),
}


class Ruleset:
    """The chains of a ruleset; of its sets the members are put in the place of their names."""

    def __init__(self, document):
        self.sets, self.chains, self.managed = {}, {}, set()
        listed = document.get("nftables", ())
        for each in listed:
            for kind in ("set", "map"):
                if kind in each:
                    one = each[kind]
                    self.sets[one["family"], one["table"], one["name"]] = one
        for each in listed:
            if "chain" in each:
                self.add_chain(each["chain"])
        for each in listed:
            if "rule" in each:
                self.add_rule(each["rule"])

    def add_chain(self, one):
        key = (one["family"], one["table"], one["name"])
        self.chains[key] = Chain(
            *key,
            hook=one.get("hook"),
            policy=one.get("policy", ACCEPT) if one.get("hook") else None,
            kind=one.get("type", "filter"),
            priority=one.get("prio", 0),
        )

    def add_rule(self, one):
        chain = self.chains.get((one["family"], one["table"], one["chain"]))
        if chain is None:
            return
        rule, rules = Rule(), []
        for each in one.get("expr", ()):
            for name, value in each.items():
                if name == "vmap":
                    rules = self.mapped(rule, value, chain)
                else:
                    self.read(rule, name, value, chain)
        chain.rules += rules or [rule]

    def read(self, rule, name, value, chain):
        if name in VERDICTS:
            rule.verdict = name
        elif name in ("jump", "goto"):
            rule.verdict, rule.target = JUMP if name == "jump" else GOTO, value["target"]
        elif name == "dnat":
            rule.verdict, rule.to = DNAT, destination(value)
        elif name == "match":
            self.match(rule, value, chain)
        elif name == "xt" and isinstance(value, dict) and value.get("type") == "target":
            decide(rule, str(value.get("name")), "-j")
        elif name == "xt":
            rule.other.append("a match of iptables")
        elif name == "queue":  # a program decides
            rule.verdict, rule.target = JUMP, name
        elif name == "limit":
            rule.rated = True
        elif name not in PASSING:
            rule.other.append(name)

    def match(self, rule, value, chain):
        if fits_flags(rule, value):
            return
        name, family = subject(value["left"])
        words = self.members(value["right"], chain)
        operator = value.get("op")
        if operator in BOUNDS:
            is_port = words is not None and name == "ports"
            words = [BOUNDS[operator](words[0])] if is_port and is_number(words[0]) else None
        negated = operator == "!="
        if family in PORTED:
            rule.protocols = [family]
            rule.negated.discard("protocols")
        elif family is not None:
            rule.family = family
        if name == "never":
            rule.never = True
        elif name is None or words is None or not reads(rule, name, words, negated):
            rule.other.append(in_words(value["left"]))

    def members(self, right, chain):
        """The alternatives on the right side as text, or pairs of first and last; None where
        they cannot be told.
        """
        if isinstance(right, str) and right.startswith("@"):
            one = self.sets.get((chain.family, chain.table, right[1:]))
            if one is None or "timeout" in one or "dynamic" in one.get("flags", ()):
                return None
            return flat(one.get("elem", ())[:MOST_ELEMENTS])
        if isinstance(right, dict) and "set" in right:
            right = right["set"]
        return flat(right if isinstance(right, list) else [right])

    def mapped(self, rule, value, chain):
        """A rule for each member of a map of verdicts."""
        data, pairs, found = value["data"], None, []
        if isinstance(data, str) and data.startswith("@"):
            one = self.sets.get((chain.family, chain.table, data[1:]))
            if one is not None and "dynamic" not in one.get("flags", ()):
                pairs = one.get("elem", ())
        elif isinstance(data, dict):
            pairs = data.get("set")
        if pairs is None or len(pairs) > MOST_ELEMENTS:
            each = same(rule)
            each.verdict, each.target = JUMP, "?"
            each.other.append("a map")
            found.append(each)
        for key, verdict in (pairs or ())[:MOST_ELEMENTS]:
            each = same(rule)
            self.match(each, {"left": value["key"], "right": key, "op": "=="}, chain)
            for name, target in verdict.items():
                self.read(each, name, target, chain)
            found.append(each)
        return found


def same(rule):
    found = Rule()
    found.__dict__.update(rule.__dict__, negated=set(rule.negated), other=list(rule.other))
    return found


def reads(rule, name, words, negated):
    """Adds a condition. False for one that is not judged."""
    if name == "family":
        fits = [family for word, family in FAMILIES.items() if (word in words) is not negated]
        rule.never = rule.never or not fits
        rule.family = fits[0] if len(fits) == 1 else rule.family
    elif name == "dnat":
        if words != ["dnat"]:
            return False
        rule.dnat = not negated
    elif name == "kinds":
        rule.never = rule.never or ("local" in words or "host" in words) is negated
    elif name == "way_back":  # one that is missing has only whose sender is a lie
        if words not in ([True], [False]):
            return False
        rule.never = rule.never or words[0] == negated
    else:
        put(rule, name, words, negated)
    return True


def is_number(one):
    return isinstance(one, int)


def fits_flags(rule, value):
    """Reads a match of TCP's flags, of which the packet has SYN alone. False for another match."""
    left, mask = value["left"], None
    if isinstance(left, dict) and "&" in left:
        left, mask = left["&"]
    if not isinstance(left, dict) or left.get("payload", {}).get("field") != "flags":
        return False
    wanted, given = names_in(value["right"]), {"syn"}
    if mask is not None:
        given &= names_in(mask)
    fits = bool(given & wanted) if value.get("op") == "in" else given == wanted
    rule.never = rule.never or fits is (value.get("op") == "!=")
    rule.protocols = ["tcp"]
    return True


def names_in(flags):
    """The names of flags in an expression such as `fin | syn`."""
    if isinstance(flags, dict):
        flags = [one for several in flags.values() for one in several]
    if isinstance(flags, list):
        return {name for one in flags for name in names_in(one)}
    return {flags} if isinstance(flags, str) else set()


def destination(value):
    if not isinstance(value, dict):
        return "?"
    port = value.get("port")
    address = value.get("addr", "")
    return "%s%s" % (address, ":%s" % port if port else "") if isinstance(address, str) else "?"


def subject(left):
    """What a match is about, by the names of Rule, and the family that it is bound to; no name
    where that is not known.
    """
    if not isinstance(left, dict):
        return None, None
    payload, meta, ct = left.get("payload"), left.get("meta"), left.get("ct")
    if payload:
        field, protocol = payload.get("field"), payload.get("protocol")
        family = protocol if protocol in ("ip", "ip6") else None
        name = {"saddr": "sources", "daddr": "destinations", "dport": "ports"}.get(field)
        if protocol in PORTED:
            return name, protocol
        if protocol in ("icmp", "icmpv6", "igmp", "arp", "sctp", "dccp", "udplite"):
            return "never", None
        if field in ("protocol", "nexthdr"):
            return "protocols", family
        return name, family
    if meta:
        names = {
            "iifname": "interfaces",
            "iif": "interfaces",
            "oifname": "out_interfaces",
            "oif": "out_interfaces",
            "l4proto": "protocols",
            "nfproto": "family",
            "pkttype": "kinds",
        }
        return names.get(meta.get("key")), None
    if ct:
        return {"state": "states", "status": "dnat"}.get(ct.get("key")), None
    fib = left.get("fib", {})
    asked = {"oif": ("way_back", "saddr"), "type": ("kinds", "daddr")}.get(fib.get("result"))
    return (asked[0] if asked and asked[1] in fib.get("flags", ()) else None), None


def in_words(left):
    for kind, value in left.items() if isinstance(left, dict) else ():
        if isinstance(value, dict):
            return "%s %s" % (kind, value.get("key") or value.get("field") or "")
        return kind
    return "something"


def flat(elements):
    """Members of a set as text, or pairs of first and last."""
    found = []
    for one in elements:
        if isinstance(one, dict) and "elem" in one:
            one = one["elem"].get("val")
        if isinstance(one, dict) and "prefix" in one:
            found.append("%s/%d" % (one["prefix"]["addr"], one["prefix"]["len"]))
        elif isinstance(one, dict) and "range" in one:
            found.append(tuple(one["range"]))
        elif isinstance(one, (str, int)):
            found.append(one)
        else:
            return None
    return found


def put(rule, name, words, negated):
    if name == "ports":
        pairs = [one if isinstance(one, tuple) else (one, one) for one in words]
        if not all(isinstance(end, int) for pair in pairs for end in pair):
            rule.other.append("port")
            return
        words = pairs
    elif name == "protocols":
        words = [PROTOCOLS.get(one, one) for one in words]
    else:
        words = ["-".join(one) if isinstance(one, tuple) else str(one) for one in words]
    rule.ask(name, words, negated)
