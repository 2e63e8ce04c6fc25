#!/usr/bin/python
"""A host's interfaces, default routes, name servers and listening sockets, from the kernel,
/proc and resolv.conf.
"""

DOCUMENTATION = r"""
module: network_info
short_description: Tell of a host's network
description:
  - Interfaces with their addresses, default routes, name servers, and sockets on which something
    listens.
  - Needs neither ip nor ss. Changes nothing.
options:
  limit:
    description: How many interfaces, and how many sockets, to return at most.
    type: int
    default: 200
  details:
    description: Whether to tell how many bytes each interface took and gave.
    type: bool
    default: false
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON.
    type: int
    default: 24000
author: Playrail
"""

EXAMPLES = r"""
- name: See the host's network
  playrail.host.network_info:
"""

RETURN = r"""
interfaces:
  description: Per interface name, state, mac, mtu, addresses with their prefix lengths and, as
    details, rx_bytes and tx_bytes; those with addresses first.
  type: list
  elements: dict
  returned: success
default_routes:
  description: Per route family, gateway, interface and metric.
  type: list
  elements: dict
  returned: success
dns_servers:
  description: The name servers in resolv.conf.
  type: list
  elements: str
  returned: success
dns_forwarders:
  description: Those that systemd-resolved asks in turn.
  type: list
  elements: str
  returned: success
dns_search:
  description: The domains in which short names are looked for.
  type: list
  elements: str
  returned: success
listening:
  description: Per socket what listening_port tells.
  type: list
  elements: dict
  returned: success
other_networks:
  description: Per other network of this host, such as a container's, what listens there.
  type: list
  elements: dict
  returned: success
interfaces_total:
  description: How many interfaces there are.
  type: int
  returned: success
listening_total:
  description: How many sockets there are.
  type: int
  returned: success
processes_known:
  description: Whether every process could be looked at.
  type: bool
  returned: success
truncated:
  description: Whether something was left out.
  type: bool
  returned: success
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.netlink import (
    default_routes,
    interfaces,
)
from ansible_collections.playrail.host.plugins.module_utils.room import beside, fitting
from ansible_collections.playrail.host.plugins.module_utils.sockets import (
    described,
    listening,
    listens_elsewhere,
)

MAX_EACH = 100  # addresses of an interface, routes, name servers
RESOLV_BYTES = 65536
STUB = "127.0.0.53"  # systemd-resolved's own address; systemd-resolved.service(8)


def resolver(path):
    """The name servers and search domains in a file as resolv.conf(5) has it."""
    servers, search = [], []
    try:
        with open(path, "rb") as file:
            text = file.read(RESOLV_BYTES).decode("utf-8", "replace")
    except OSError:
        return servers, search
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            servers.append(words[1])
        elif len(words) > 1 and words[0] in ("search", "domain"):
            search = words[1:]
    return servers[:MAX_EACH], search[:MAX_EACH]


def shown(interface, details):
    """What is told of an interface: of its addresses so many, its counters only as details."""
    left_out = () if details else ("rx_bytes", "tx_bytes")
    told = {
        key: value for key, value in interface.items() if value is not None and key not in left_out
    }
    return dict(told, addresses=interface["addresses"][:MAX_EACH])


def is_bare(interface):
    """Whether it has no address but what every link gives itself, as the ends of
    containers' links have.
    """
    return all(address.startswith("fe80:") for address in interface["addresses"])


def network(given):
    limit, by_number = given["limit"], interfaces()
    every = sorted((by_number[index] for index in sorted(by_number)), key=is_bare)
    routes = default_routes({index: one["name"] for index, one in by_number.items()})
    sockets, processes_known = described(listening())
    elsewhere = listens_elsewhere()
    servers, search = resolver("/etc/resolv.conf")
    report = {
        "default_routes": [
            {key: value for key, value in route.items() if value is not None}
            for route in routes[:MAX_EACH]
        ],
        "dns_servers": servers,
        "dns_forwarders": resolver("/run/systemd/resolve/resolv.conf")[0]
        if STUB in servers
        else [],
        "dns_search": search,
        "interfaces_total": len(every),
        "listening_total": sum(one.get("sockets", 1) for one in sockets),
        "processes_known": processes_known,
        "truncated": False,
    }
    room = beside(report, given["max_bytes"])
    # Neither of many interfaces nor of many sockets may nothing be told of the other.
    kept, left = fitting([shown(one, given["details"]) for one in every[:limit]], room // 3)
    room -= room // 3 - left
    others, left = fitting(elsewhere, room // 3)
    room -= room // 3 - left
    listed, _left = fitting(sockets[:limit], room)
    cut = len(kept) < len(every) or len(listed) < len(sockets) or len(others) < len(elsewhere)
    cut = cut or len(routes) > MAX_EACH or any(len(one["addresses"]) > MAX_EACH for one in every)
    return dict(
        report, interfaces=kept, listening=listed, other_networks=others or None, truncated=cut
    )


def main():
    module = AnsibleModule(
        argument_spec={
            "limit": {"type": "int", "default": 200},
            "details": {"type": "bool", "default": False},
            "max_bytes": {"type": "int", "default": 24000},
        },
        supports_check_mode=True,
    )
    try:
        found = network(module.params)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else "the kernel did not answer"
        module.fail_json(
            msg="cannot look at the network: " + why, playrail_code="permission_denied"
        )
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
