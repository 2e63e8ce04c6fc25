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


def ports_of(words):
    found = []
    for one in words.split(","):
        first, colon, last = one.partition(":")
        if not (first or "0").isdigit() or not (last or "0").isdigit():
            return None
        found.append((int(first or 0), int(last or 65535) if colon else int(first or 0)))
    return found


def rule_of(line):
    """The rule of a line `-A CHAIN ..`, and its chain. Conditions stand before the target, what
    follows that is its own.
    """
    words = shlex.split(line)
    rule, at, negated = Rule(), 2, False
    while at < len(words):
        word = words[at]
        at += 1
        if word in ("-j", "-g"):
            decide(rule, words[at], word, words[at + 1 :])
            break
        if word == "-m":
            at = module(rule, words[at], words, at + 1)
        elif word != "!":
            at = option(rule, word, words, at, negated)
        negated = word == "!"
    return words[1], rule


def option(rule, word, words, at, negated):
    """Reads an option. Returns where the next one begins. One that is not known here is a
    condition, too: without it more packets would fit than do.
    """
    if word in WORDS:
        put(rule, WORDS[word], words[at], negated)
        return at + 1
    if word == "--comment":
        return at + 1
    if word == "--tcp-flags":
        asked = {"SYN"}.intersection(words[at].split(","))
        fits = asked == set(words[at + 1].split(",")) - {"NONE"}
        rule.never = rule.never or fits is negated
        return at + 2
    if word in ("--syn", "-f"):  # ours has SYN, and is no later fragment
        rule.never = rule.never or negated is (word == "--syn")
        return at
    end = at
    while end < len(words) and words[end] != "!" and not words[end].startswith("-"):
        end += 1
    rule.other.append(" ".join(["!"] * negated + [word] + words[at:end]))
    return end


def unread():
    """In the place of a rule that is not understood: what it does is not judged."""
    rule = Rule()
    rule.verdict, rule.target, rule.other = JUMP, "?", ["a rule that is not read"]
    return rule


def decide(rule, target, word, more=()):
    if target in VERDICTS:
        rule.verdict = VERDICTS[target]
    elif target not in PASSING:
        rule.verdict, rule.target = GOTO if word == "-g" else JUMP, target
    if "--to-destination" in more:
        rule.to = more[more.index("--to-destination") + 1]
    elif more and rule.verdict in (ACCEPT, DROP, RETURN):  # these have no options
        rule.other.append(" ".join(more))


def put(rule, name, value, negated):
    words = [NAMES.get(one, one) for one in value.split(",")]
    if name == "states":
        words = [one.lower() for one in words]
        if words == ["dnat"]:
            rule.dnat = not negated
            return
        if "dnat" in words and "new" not in words:
            rule.other.append("state " + value)
            return
    elif name == "ports":
        words = ports_of(value)
        if words is None:
            rule.other.append("port " + value)
            return
    if name == "protocols" and value == "all":
        return
    rule.ask(name, words, negated)


def module(rule, name, words, at):
    """Reads what a match module asks. Returns where the next option begins."""
    if name in ("tcp", "udp", "conntrack", "state", "multiport", "comment", "icmp", "icmp6"):
        return at
    end = at
    while end < len(words) and words[end] not in ("-m", "-j", "-g"):
        end += 1
    asked = words[at:end]
    negated = asked[:1] == ["!"]
    first, values = (asked[negated:] + [""])[0], asked[negated + 1 :]
    if name == "addrtype" and first == "--dst-type" and len(values) == 1:
        rule.never = rule.never or ("LOCAL" in values[0].split(",")) is negated
    elif name == "rpfilter":  # it keeps out only whose sender is a lie
        rule.never = rule.never or "--invert" in asked
    elif name in ("limit", "hashlimit", "connlimit") or "--hitcount" in asked:
        rule.rated = True
    elif name == "set" and first == "--match-set" and values[1:] == ["src"]:
        rule.ask("sources", ["set " + values[0]], negated)
    elif name == "iprange" and first == "--src-range" and len(values) == 1:
        rule.ask("sources", values, negated)
    else:
        rule.other.append(" ".join([name] + asked))
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
