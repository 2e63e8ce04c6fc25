#!/usr/bin/python
"""What a name means on a host: by its own resolver, and by each name server it uses."""

DOCUMENTATION = r"""
module: name_lookup
short_description: Look a name up as the host does
description:
  - Asks the host's resolver what a name, or an address, means, and each of its name servers by
    itself. Tells hits in /etc/hosts. Changes nothing.
options:
  name:
    description: A name, or an address whose name is asked for.
    type: str
    required: true
  type:
    description: The type of record; A and AAAA where none is named.
    type: str
    choices: [A, AAAA, CNAME, MX, TXT, NS, SOA, SRV, PTR, CAA]
  nameserver:
    description: The address of a name server that is asked in place of those of the host.
    type: str
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON.
    type: int
    default: 4000
author: Playrail
"""

EXAMPLES = r"""
- name: See what the host takes a name for
  playrail.host.name_lookup:
    name: example.org
"""

RETURN = r"""
resolver:
  description: What the host's own resolver says, as addresses or name, error, ms.
  type: dict
  returned: success
hosts_file:
  description: What /etc/hosts says of the name.
  type: list
  elements: str
  returned: success
order:
  description: Where the resolver looks, as nsswitch.conf has it.
  type: str
  returned: success
asked:
  description: The name that the servers were asked for, where it is another.
  type: str
  returned: success
servers:
  description: Per server and type server, type, status, answers, answers_total, ttl_s, ms.
  type: list
  elements: dict
  returned: success
servers_differ:
  description: Whether they do not all say the same.
  type: bool
  returned: success
truncated:
  description: Whether answers were left out.
  type: bool
  returned: success
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import ipaddress
import socket
import threading
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.connecting import (
    NAME_S,
    NotConnected,
    looked_up,
    ms_since,
    within,
)
from ansible_collections.playrail.host.plugins.module_utils.dns_questions import (
    TYPES,
    ask,
    encoded,
)
from ansible_collections.playrail.host.plugins.module_utils.room import beside, fitting

RESOLV = "/etc/resolv.conf"
FORWARDERS = "/run/systemd/resolve/resolv.conf"
HOSTS = "/etc/hosts"
SWITCH = "/etc/nsswitch.conf"
FILE_BYTES = 1024 * 1024
STUB = "127.0.0.53"  # systemd-resolved's own address; systemd-resolved.service(8)
MOST_SERVERS = 6
MOST_SEARCHED = 3  # domains
MOST_ANSWERS = 20  # of each server
ADDRESSES = ("A", "AAAA")
SILENT = ("timed_out", "no_answer")


def lines_of(path):
    """The words of each line, without comments; none where there is no file."""
    try:
        with open(path, "rb") as file:
            text = file.read(FILE_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    return [line.split("#")[0].split() for line in text.splitlines()]


def configured():
    """The name servers, those that systemd-resolved asks in turn among them, and the domains
    in which short names are looked for; resolv.conf(5).
    """
    lines = lines_of(RESOLV)
    servers = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
    if STUB in servers:
        servers += [words[1] for words in lines_of(FORWARDERS) if words[:1] == ["nameserver"]]
    search = [words[1:] for words in lines if words[:1] in (["search"], ["domain"])]
    found = list(dict.fromkeys(servers or ["127.0.0.1"]))
    return found[:MOST_SERVERS], search[-1] if search else []


def is_address(name):
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def reversed_name(address):
    """The name under which the name of an address is found; RFC 1035 and 3596."""
    if ":" not in address:
        return ".".join(reversed(address.split("."))) + ".in-addr.arpa"
    digits = socket.inet_pton(socket.AF_INET6, address).hex()
    return ".".join(reversed(digits)) + ".ip6.arpa"


def in_hosts_file(name):
    """The addresses of the name in /etc/hosts, or the names of the address."""
    found = []
    for words in lines_of(HOSTS):
        if words and words[0] == name:
            found += words[1:]
        elif name.rstrip(".").lower() in [word.lower() for word in words[1:]]:
            found.append(words[0])
    return found


def by_resolver(name, kinds):
    """What the system's resolver says, as every program of the host gets it."""
    began = time.monotonic()
    if kinds == ["PTR"]:
        told = within(NAME_S, lambda: socket.gethostbyaddr(name)[0])
        failed = told is None or isinstance(told, Exception)
        found = {"error": "not found"} if failed else {"name": told}
        return dict(found, ms=ms_since(began))
    families = {"A": socket.AF_INET, "AAAA": socket.AF_INET6}
    wanted = [families[kind] for kind in kinds]
    try:
        found = looked_up(name)
    except NotConnected as failed:
        return {"error": str(failed), "ms": ms_since(began)}
    addresses = [place[0] for family, place in found if family in wanted]
    return dict(
        {"addresses": addresses} if addresses else {"error": "no address of this type"},
        ms=ms_since(began),
    )


def asked_all(servers, name, kinds):
    """What each server says of each type, all asked at the same time."""
    pairs = [(server, kind) for kind in kinds for server in servers]
    found = [None] * len(pairs)

    def run(at):
        found[at] = ask(pairs[at][0], name, pairs[at][1])

    threads = [threading.Thread(target=run, args=(at,), daemon=True) for at in range(len(pairs))]
    for each in threads:
        each.start()
    for each in threads:
        each.join(10)
    return [
        one or {"server": pair[0], "type": pair[1], "status": "timed_out"}
        for pair, one in zip(pairs, found)
    ]


def differ(answers):
    """Whether those that answered do not say the same of a type."""
    said = {}
    for one in answers:
        if one["status"] in ("NOERROR", "NXDOMAIN"):
            said.setdefault(one["type"], set()).add((one["status"], tuple(one["answers"])))
    return any(len(ways) > 1 for ways in said.values())


def names_for(name, kind, search):
    """The names under which a server may know it, in the order in which the resolver asks."""
    if is_address(name):
        if kind not in (None, "PTR"):
            raise ValueError("of an address only PTR is asked for")
        return [reversed_name(name)]
    if "." in name:
        return [name]
    return ["%s.%s" % (name, one.strip(".")) for one in search[:MOST_SEARCHED]] + [name]


def asked_in_turn(servers, names, kinds):
    """The first of the names that a server knows, and the answers; of none the first name's."""
    found = []
    for each in names:
        encoded(each)
        answers = asked_all(servers, each, kinds)
        found.append((each, answers))
        if any(one["status"] == "NOERROR" and one["answers"] for one in answers):
            return found[-1]
        if all(one["status"] in SILENT for one in answers):
            break
    return found[0]


def in_short(one):
    """What a server says, with as many answers as are told."""
    if len(one.get("answers", ())) <= MOST_ANSWERS:
        return one
    return dict(one, answers=one["answers"][:MOST_ANSWERS], answers_total=len(one["answers"]))


def looked(given):
    name, servers = given["name"], [given["nameserver"]]
    configured_ones, search = configured()
    if given["nameserver"] is None:
        servers = configured_ones
    kinds = [given["type"]] if given["type"] else list(ADDRESSES)
    kinds = ["PTR"] if is_address(name) else kinds
    full, answers = asked_in_turn(servers, names_for(name, given["type"], search), kinds)
    report = {"servers_differ": differ(answers)}
    if given["nameserver"] is None and (kinds == ["PTR"] or set(kinds) <= set(ADDRESSES)):
        report["resolver"] = by_resolver(name, kinds)
    hits = in_hosts_file(name)
    report.update({"hosts_file": hits[:20]} if hits else {})
    order = [words[1:] for words in lines_of(SWITCH) if words[:1] == ["hosts:"]]
    report.update({"order": " ".join(order[0])} if order else {})
    report.update({"asked": full} if full != name else {})
    room = beside(report, given["max_bytes"])
    kept, _room = fitting([in_short(one) for one in answers], room)
    return dict(report, servers=kept, truncated=len(kept) < len(answers))


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "type": {"type": "str", "choices": sorted(TYPES)},
            "nameserver": {"type": "str"},
            "max_bytes": {"type": "int", "default": 4000},
        },
        supports_check_mode=True,
    )
    try:
        found = looked(module.params)
    except ValueError as error:
        module.fail_json(msg="this is no name: %s" % error, playrail_code="invalid_argument")
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
