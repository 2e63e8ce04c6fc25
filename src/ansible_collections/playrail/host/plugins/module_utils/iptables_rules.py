"""The rules that iptables-save tells; iptables(8) and iptables-extensions(8)."""

import shlex

from ansible_collections.playrail.host.plugins.module_utils.packet_rules import (
    ACCEPT,
    DNAT,
    DROP,
    GOTO,
    JUMP,
    REJECT,
    RETURN,
    Chain,
    Rule,
)

VERDICTS = {"ACCEPT": ACCEPT, "DROP": DROP, "REJECT": REJECT, "RETURN": RETURN, "DNAT": DNAT}
# Targets that decide nothing.
PASSING = frozenset(
    (
        *("LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "CT", "NOTRACK", "CHECKSUM", "AUDIT"),
        *("TCPMSS", "DSCP", "TOS", "TTL", "HL", "CLASSIFY", "SNAT", "MASQUERADE", "SET"),
    )
)
WORDS = {
    "-p": "protocols",
    "-s": "sources",
    "-d": "destinations",
    "-i": "interfaces",
    "-o": "out_interfaces",
    "--ctstate": "states",
    "--state": "states",
    "--dport": "ports",
    "--dports": "ports",
}
NAMES = {"6": "tcp", "17": "udp", "1": "icmp", "58": "ipv6-icmp", "icmpv6": "ipv6-icmp"}
BASES = {
    "PREROUTING": "prerouting",
    "INPUT": "input",
    "FORWARD": "forward",
    "OUTPUT": "output",
    "POSTROUTING": "postrouting",
}
# Options that say nothing of a packet, with how many words follow.
SILENT = {"--comment": 1, "--reject-with": 1, "--log-prefix": 1, "--log-level": 1}


def ports_of(words):
    found = []
    for one in words.split(","):
        first, colon, last = one.partition(":")
        if not (first or "0").isdigit() or not (last or "0").isdigit():
            return None
        found.append((int(first or 0), int(last or 65535) if colon else int(first or 0)))
    return found


def rule_of(line):
    """The rule of a line `-A CHAIN ..`, and its chain."""
    words = shlex.split(line)
    rule, at, negated = Rule(), 2, False
    while at < len(words):
        word = words[at]
        value = words[at + 1] if at + 1 < len(words) else ""
        at += 2
        if word == "!":
            negated, at = True, at - 1
            continue
        if word in ("-j", "-g"):
            decide(rule, value, word)
        elif word == "--to-destination":
            rule.to = value
        elif word in WORDS:
            put(rule, WORDS[word], value, negated)
        elif word == "-m":
            at = module(rule, value, words, at)
        elif word == "--syn":
            at -= 1
        elif word == "--tcp-flags":
            asked = {"SYN"}.intersection(value.split(","))
            rule.never = (asked == set(words[at].split(","))) is negated
            at += 1
        else:
            at += SILENT.get(word, 1) - 1 if word.startswith("-") else -1
        negated = False
    return words[1], rule


def unread():
    """In the place of a rule that is not understood: what it does is not judged."""
    rule = Rule()
    rule.verdict, rule.target, rule.other = JUMP, "?", ["a rule that is not read"]
    return rule


def decide(rule, target, word):
    if target in VERDICTS:
        rule.verdict = VERDICTS[target]
    elif target not in PASSING:
        rule.verdict, rule.target = GOTO if word == "-g" else JUMP, target


def put(rule, name, value, negated):
    words = [NAMES.get(one, one) for one in value.split(",")]
    if name == "states":
        words = [one.lower() for one in words]
        if words == ["dnat"]:
            rule.dnat = not negated
            return
    elif name == "ports":
        words = ports_of(value)
        if words is None:
            rule.other.append("port " + value)
    if name == "protocols" and value == "all":
        return
    setattr(rule, name, words)
    rule.negated.update([name] if negated else [])


def module(rule, name, words, at):
    """Reads what a match module asks. Returns where the next option begins."""
    if name in ("tcp", "udp", "conntrack", "state", "multiport", "comment", "icmp", "icmp6"):
        return at
    end = at
    while end < len(words) and words[end] not in ("-m", "-j", "-g"):
        end += 1
    asked = words[at:end]
    if name == "addrtype":
        if "--dst-type" in asked and "LOCAL" not in asked:
            rule.never = "!" not in asked
    elif name == "rpfilter":  # it keeps out only whose sender is a lie
        rule.never = "--invert" in asked
    elif name in ("limit", "hashlimit", "connlimit") or "--hitcount" in asked:
        rule.rated = True
    elif name == "set" and "--match-set" in asked and asked[-1] == "src":
        rule.sources = ["set " + asked[-2]]
        rule.negated.update(["sources"] if "!" in asked else [])
    elif name == "iprange" and "--src-range" in asked:
        rule.sources = [asked[asked.index("--src-range") + 1]]
    else:
        rule.other.append(" ".join([name] + asked))
        return end
    return end


def chains_of(text, family, prefix=""):
    """The chains of what iptables-save or ip6tables-save told. Tables that it cannot tell are
    left out. `prefix` is put before the names of tables.
    """
    found, table = {}, None
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":") and table:
            name, policy = line[1:].split()[:2]
            base = BASES.get(name) if policy != "-" else None
            kind = "nat" if table == "nat" else "filter"
            verdict = policy.lower() if policy != "-" else None
            found[table, name] = Chain(family, prefix + table, name, base, verdict, kind)
        elif line.startswith("-A ") and table:
            try:
                name, rule = rule_of(line)
            except (ValueError, IndexError):
                name, rule = line.split()[1], unread()
            if (table, name) in found:
                found[table, name].rules.append(rule)
    return list(found.values())
