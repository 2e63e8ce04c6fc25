"""The rules of a packet filter in one shape, whoever made them, and what becomes of a packet
that opens a connection from outside.

A rule that depends on who sends is told as such. What else it depends on and is not known
here (marks, dynamic sets) makes a verdict one that is not judged; a rate is told.
"""

import ipaddress

ACCEPT, DROP, REJECT, RETURN, JUMP, GOTO, DNAT = (
    *("accept", "drop", "reject", "return"),
    *("jump", "goto", "dnat"),
)
FINAL = (ACCEPT, DROP, REJECT)
DEEPEST = 12
MOST_STEPS = 4000
MOST_TOLD = 5
NOTHING = {"from": [], "via": [], "to": [], "rate": [], "other": []}


class Rule:
    """`verdict` of those whom all conditions fit. Lists of alternatives, None where nothing is
    asked: `protocols`, `ports` (pairs of first and last), `sources`, `destinations`,
    `interfaces`, `out_interfaces`, `states`. What is negated has its name in `negated`. `other`
    are conditions that are not judged, in words; `rated` says that it counts how often;
    `never` is one that fits no packet of ours.
    """

    LISTS = (
        *("protocols", "ports", "sources", "destinations"),
        *("interfaces", "out_interfaces", "states"),
    )

    def __init__(self):
        for name in self.LISTS:
            setattr(self, name, None)
        self.verdict = self.target = self.to = self.family = None
        self.dnat, self.never, self.rated = None, False, False
        self.negated, self.other = set(), []

    def ask(self, name, words, negated):
        """Adds a condition. Of two about the same the second is not judged."""
        if getattr(self, name) is None:
            setattr(self, name, words)
            self.negated.update([name] if negated else [])
        elif (getattr(self, name), name in self.negated) != (words, negated):
            prefix = "not " if negated else ""
            shown = [spelled(one) for one in words] if name == "ports" else words
            self.other.append("%s %s%s" % (name, prefix, in_short(shown)))

    def told(self):
        """The rule as it is reported; nothing of what is not asked."""
        found = {"verdict": self.verdict}
        if self.target:
            found["chain"] = self.target
        if self.to:
            found["to"] = self.to
        for name, key in (
            *(("protocols", "protocol"), ("sources", "from"), ("destinations", "destination")),
            *(("interfaces", "interface"), ("out_interfaces", "out_interface")),
            ("states", "state"),
        ):
            words = getattr(self, name)
            if words is not None:
                found[key] = ("not " if name in self.negated else "") + in_short(words)
        if self.ports is not None:
            found["port"] = ("not " if "ports" in self.negated else "") + in_short(
                [spelled(one) for one in self.ports]
            )
        if self.rated:
            found["rate"] = True
        if self.other:
            found["other"] = ", ".join(self.other)[:200]
        return found


def spelled(ports):
    return str(ports[0]) if ports[0] == ports[1] else "%d-%d" % ports


def in_short(words):
    more = ["and %d more" % (len(words) - MOST_TOLD)] if len(words) > MOST_TOLD else []
    return ",".join([str(one) for one in words[:MOST_TOLD]] + more)


class Chain:
    """`hook` and `policy` are those of a base chain; `family` is ip, ip6 or inet."""

    def __init__(self, family, table, name, hook=None, policy=None, kind="filter", priority=0):
        self.family, self.table, self.name = family, table, name
        self.hook, self.policy, self.kind, self.priority = hook, policy, kind, priority
        self.rules = []

    def full_name(self):
        return "%s %s %s" % (self.family, self.table, self.name)


def without_verdict(chains):
    """The chains, each as family, table and name, that decide nothing, such as a manager leaves
    behind that was switched off.
    """
    found, before = set(), None
    while before != len(found):
        before = len(found)
        for chain in chains:
            if chain.hook is None and all(
                rule.verdict in (None, RETURN)
                or (chain.family, chain.table, rule.target or "") in found
                for rule in chain.rules
            ):
                found.add((chain.family, chain.table, chain.name))
    return found


class Packet:
    """One that opens a connection. `addresses` are those to which it may go."""

    def __init__(self, family, protocol, port, addresses, interface=None, is_dnat=False):
        self.family, self.protocol, self.port = family, protocol, port
        self.addresses, self.interface, self.is_dnat = addresses, interface, is_dnat


def network(text):
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def is_loopback(text):
    found = network(text)
    return found is not None and found.is_loopback


def holds(words, addresses):
    """Whether one of the networks has one of the addresses; None where it cannot be told."""
    networks = [network(one) for one in words]
    for each in networks:
        for address in addresses:
            found = ipaddress.ip_address(address)
            if each is not None and found.version == each.version and found in each:
                return True
    return None if None in networks else False


def named(interface, words):
    return any(
        interface == one or (one[-1:] in "+*" and interface.startswith(one[:-1])) for one in words
    )


def conditions(rule, packet):
    """What of the rule is left to ask for this packet: from, via, to, rate, other, each a list;
    None where the rule does not fit it.
    """
    if not is_about(rule, packet):
        return None
    found = {key: [] for key in NOTHING}
    found.update(other=list(rule.other), rate=["rate"] if rule.rated else [])
    if not asks_who(rule, packet, found) or not asks_whom(rule, packet, found):
        return None
    return found


def is_about(rule, packet):
    """Whether all fits that is known of the packet."""
    if rule.never or rule.family not in (None, packet.family):
        return False
    if rule.dnat is not None and rule.dnat is not packet.is_dnat:
        return False
    way_out = packet.interface is not None and named(packet.interface, rule.out_interfaces or ())
    asked = (
        ("protocols", packet.protocol in (rule.protocols or ())),
        ("states", "new" in (rule.states or ())),
        ("ports", any(first <= packet.port <= last for first, last in rule.ports or ())),
        ("out_interfaces", way_out),
    )
    return all(
        getattr(rule, name) is None or fits is not (name in rule.negated) for name, fits in asked
    )


def asks_whom(rule, packet, found):
    """Adds to `found` to which of its addresses the packet has to go; False where none fits."""
    if rule.destinations is None:
        return True
    fits = holds(rule.destinations, packet.addresses)
    if fits is None:
        found["other"].append("destination " + in_short(rule.destinations))
    elif len(packet.addresses) > 1 and fits:
        prefix = "not " if "destinations" in rule.negated else ""
        found["to"].append(prefix + in_short(rule.destinations))
    else:
        return fits is not ("destinations" in rule.negated)
    return True


def asks_who(rule, packet, found):
    """Adds to `found` from where the packet has to come; False where it cannot."""
    no = rule.negated
    if rule.interfaces is not None and not named("lo", rule.interfaces):
        own = packet.interface is not None and named(packet.interface, rule.interfaces)
        if not (own and "interfaces" in no):  # it does not come from where it goes to
            prefix = "not " if "interfaces" in no else ""
            found["via"].append(prefix + in_short(rule.interfaces))
    elif rule.interfaces is not None and "interfaces" not in no:
        return False
    if rule.sources is not None:
        far = [one for one in rule.sources if not is_loopback(one)]
        if not far:
            return "sources" in no
        if any(one in ("0.0.0.0/0", "::/0") for one in far):
            return "sources" not in no
        found["from"] += [("not " if "sources" in no else "") + in_short(far)]
    return True


def merged(first, second):
    return {key: first[key] + second[key] for key in first}


class Walk:
    """What becomes of a packet in a base chain: `events` are verdicts with what is asked for
    each, in the order in which they count.
    """

    def __init__(self, chains, packet):
        self.chains = {(one.family, one.table, one.name): one for one in chains}
        self.packet, self.events, self.steps = packet, [], 0

    def through(self, base):
        if not self.goes(base, NOTHING, 0):
            self.events.append((base.policy or ACCEPT, NOTHING))
        return self.events

    def goes(self, chain, asked, depth):
        """Whether every packet of whom so much is asked has its verdict in this chain."""
        for rule in chain.rules:
            self.steps += 1
            more = conditions(rule, self.packet) if rule.verdict else None
            if more is None:
                continue
            is_sure = not any(more.values())
            both = merged(asked, more)
            if rule.verdict in FINAL:
                self.events.append((rule.verdict, both))
                if is_sure:
                    return True
            elif rule.verdict == RETURN:
                if is_sure:
                    return False
                words = "%s returns for %s" % (chain.name, words_of(more) or "some")
                asked = merged(asked, dict(NOTHING, other=[words]))
            elif rule.verdict in (JUMP, GOTO):
                ended = self.jumps(chain, rule, both, depth)
                if is_sure and (ended or rule.verdict == GOTO):
                    return ended
        return False

    def jumps(self, chain, rule, asked, depth):
        target = self.chains.get((chain.family, chain.table, rule.target))
        if target is None or depth > DEEPEST or self.steps > MOST_STEPS:
            self.events.append((None, merged(asked, dict(NOTHING, other=["too deep"]))))
            return False
        return self.goes(target, asked, depth + 1)


def words_of(asked):
    """From where, in words, as far as it is asked."""
    words = list(asked["from"])
    words += ["via %s" % one for one in asked["via"]]
    return " ".join(words + ["to %s" % one for one in asked["to"]])


def reach(events):
    """What verdicts come to: `reachable` (anywhere, limited, closed, not_judged), with `from`,
    `except` and `not_judged` where they say something.
    """
    allowed, excepted, unknown, last, rated = [], [], [], DROP, False
    for verdict, asked in events:
        where = words_of(asked)
        rated = rated or bool(asked["rate"])
        if asked["rate"] and verdict in (DROP, REJECT) and not asked["other"]:
            continue  # it keeps out only who comes too often
        if asked["other"] or verdict is None:
            # Whom it may keep out, or let in, matters only where others fare differently
            unknown.append((verdict, " ".join(filter(None, [where, ", ".join(asked["other"])]))))
        elif not where:
            last = verdict
            break
        elif verdict == ACCEPT:
            allowed.append(where)
        else:
            excepted.append(where)
    state = "anywhere" if last == ACCEPT else "limited" if allowed else "closed"
    open_to_doubt = [
        words
        for verdict, words in unknown
        if verdict is None or (verdict == ACCEPT) != (last == ACCEPT)
    ]
    found = {"reachable": "not_judged" if open_to_doubt else state}
    if state == "limited":
        found["from"] = list(dict.fromkeys(allowed))[:MOST_TOLD]
    if state == "anywhere" and excepted:
        found["except"] = list(dict.fromkeys(excepted))[:MOST_TOLD]
    if rated and state != "closed":
        found["rate_limited"] = True
    if open_to_doubt:
        found["not_judged"] = [words[:150] for words in dict.fromkeys(open_to_doubt)][:3]
        found["otherwise"] = state
    return found


def through_all(chains, hooks, packet):
    """What all base chains of the hooks come to for the packet: each has to let it pass."""
    found = [
        reach(Walk(chains, packet).through(chain))
        for chain in chains
        if chain.hook in hooks and chain.kind != "nat" and chain.family in (packet.family, "inet")
    ]
    narrow = [one for one in found if one != {"reachable": "anywhere"}]
    closed = [one for one in narrow if one["reachable"] == "closed"]
    if closed or not narrow:
        return closed[0] if closed else {"reachable": "anywhere"}
    if len(narrow) == 1:
        return narrow[0]
    several = [one for one in narrow if one["reachable"] != "anywhere"]
    return (
        several[0]
        if len(several) == 1
        else {
            "reachable": "not_judged",
            "not_judged": ["several chains limit it"],
        }
    )
