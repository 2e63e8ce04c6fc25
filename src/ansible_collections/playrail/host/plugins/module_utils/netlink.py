"""The host's interfaces, addresses and default routes, as the kernel tells them
(rtnetlink(7)).
"""

import errno
import os
import socket
import struct

# The kernel's include/uapi/linux/netlink.h, rtnetlink.h, if_link.h and if_addr.h.
NETLINK_ROUTE = 0
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
RTM_NEWLINK, RTM_GETLINK = 16, 18
RTM_NEWADDR, RTM_GETADDR = 20, 22
RTM_NEWROUTE, RTM_GETROUTE = 24, 26
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_STATS64 = 1, 3, 4, 23
IFA_ADDRESS, IFA_LOCAL = 1, 2
RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_MULTIPATH, RTA_VIA = 4, 5, 6, 9, 18
IFF_UP, IFF_RUNNING = 0x1, 0x40
RT_TABLE_MAIN, RTN_UNICAST = 254, 1
# linux/netfilter/nf_tables.h and netfilter.h.
NETLINK_NETFILTER = 12
NFT_NEWCHAIN, NFT_GETCHAIN = 10 << 8 | 3, 10 << 8 | 4
NFTA_CHAIN_TABLE, NFTA_CHAIN_HOOK, NFTA_CHAIN_POLICY, NFTA_CHAIN_USE = 1, 4, 5, 6
NFTA_HOOK_HOOKNUM = 1
NF_ACCEPT = struct.pack("!I", 1)
NF_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
NO_NFTABLES = (errno.EPROTONOSUPPORT, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOENT)
FAMILIES = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
TIMEOUT_S = 10.0
BUFFER_BYTES = 1 << 18
OF_ANY_FAMILY = struct.pack("=Bxxxiii", socket.AF_UNSPEC, 0, 0, 0)


def dump(question, answer, protocol=NETLINK_ROUTE, body=OF_ANY_FAMILY):
    """The body of each message of the kind `answer`. Raises OSError."""
    asking = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    try:
        asking.settimeout(TIMEOUT_S)
        asking.bind((0, 0))
        asking.send(
            struct.pack("=IHHII", 16 + len(body), question, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + body
        )
        while True:
            part = asking.recv(BUFFER_BYTES)
            at = 0
            while at + 16 <= len(part):
                length, kind = struct.unpack_from("=IH", part, at)
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    number = -struct.unpack_from("=i", part, at + 16)[0]
                    raise OSError(number, os.strerror(number))
                if kind == answer:
                    yield part[at + 16 : at + length]
                at += max(16, aligned(length))
    finally:
        asking.close()


def aligned(length):
    return (length + 3) & ~3


def attributes(body, at):
    """The attributes from there on, by number."""
    found = {}
    while at + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, at)
        if length < 4:
            break
        found[kind & 0x3FFF] = body[at + 4 : at + length]
        at += aligned(length)
    return found


def number(raw):
    return struct.unpack("=I", raw[:4])[0]


def text(raw):
    """An address of either family."""
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


def mac(raw):
    """Null for what has none: the loopback, tunnels."""
    return (
        ":".join("%02x" % byte for byte in bytearray(raw))
        if len(raw) > 4 and any(bytearray(raw))
        else None
    )


def state(flags):
    if not flags & IFF_UP:
        return "down"
    return "up" if flags & IFF_RUNNING else "no_carrier"


def base_chains():
    """The chains of nftables that packets are led to, as (family, table, hook) each, without
    those that have no rule and let all pass; none where the kernel has no nftables. A hook is a
    number. Raises OSError, as only who may change them may see them.
    """
    found = []
    try:
        for body in dump(NFT_GETCHAIN, NFT_NEWCHAIN, NETLINK_NETFILTER, b"\0" * 4):
            told = attributes(body, 4)
            if NFTA_CHAIN_HOOK in told:
                hook = attributes(told[NFTA_CHAIN_HOOK], 0).get(NFTA_HOOK_HOOKNUM, b"\0" * 4)
                policy = told.get(NFTA_CHAIN_POLICY, NF_ACCEPT)
                if any(bytearray(told.get(NFTA_CHAIN_USE, b""))) or policy != NF_ACCEPT:
                    family = NF_FAMILIES.get(bytearray(body)[0], "other")
                    table = told.get(NFTA_CHAIN_TABLE, b"").rstrip(b"\0")
                    name = table.decode("utf-8", "replace")
                    found.append((family, name, struct.unpack("!I", hook)[0]))
    except OSError as error:
        if error.errno not in NO_NFTABLES:
            raise
    return found


def links():
    """Every interface by its number."""
    found = {}
    for body in dump(RTM_GETLINK, RTM_NEWLINK):
        index, flags = struct.unpack_from("=iI", body, 4)
        told = attributes(body, 16)
        counts = (
            struct.unpack_from("=4Q", told[IFLA_STATS64]) if IFLA_STATS64 in told else (None,) * 4
        )
        found[index] = {
            "name": told[IFLA_IFNAME].rstrip(b"\0").decode("utf-8", "replace"),
            "state": state(flags),
            "mac": mac(told.get(IFLA_ADDRESS, b"")),
            "mtu": number(told[IFLA_MTU]) if IFLA_MTU in told else None,
            "addresses": [],
            "rx_bytes": counts[2],
            "tx_bytes": counts[3],
        }
    return found


def interfaces():
    """Every interface by its number, with its addresses."""
    found = links()
    for body in dump(RTM_GETADDR, RTM_NEWADDR):
        family, prefix, _flags, _scope, index = struct.unpack_from("=BBBBI", body)
        told = attributes(body, 8)
        # Of a point-to-point link ADDRESS is the other end; IPv6 has no LOCAL otherwise.
        raw = told.get(IFA_LOCAL, told.get(IFA_ADDRESS))
        if family in FAMILIES and raw and index in found:
            found[index]["addresses"].append("%s/%d" % (text(raw), prefix))
    return found


def gateway(told):
    if RTA_GATEWAY in told:
        return text(told[RTA_GATEWAY])
    if RTA_VIA in told:  # an IPv4 route by way of an IPv6 neighbour
        return text(told[RTA_VIA][2:])
    return None


def hops(raw):
    """The ways of a route that has several: the interface's number and what is told of
    each.
    """
    at = 0
    while at + 8 <= len(raw):
        length, _flags, _hops, index = struct.unpack_from("=HBBi", raw, at)
        if length < 8:
            break
        yield index, attributes(raw[at : at + length], 8)
        at += aligned(length)


def default_routes(names):
    """The default routes of the main table, best first; `names` are the interfaces' by
    number.
    """
    found = []
    for body in dump(RTM_GETROUTE, RTM_NEWROUTE):
        family, bits, _source, _tos, table, _protocol, _scope, kind = struct.unpack_from(
            "=8B", body
        )
        if family not in FAMILIES or bits or table != RT_TABLE_MAIN or kind != RTN_UNICAST:
            continue
        told = attributes(body, 12)
        metric = number(told[RTA_PRIORITY]) if RTA_PRIORITY in told else 0
        ways = (
            hops(told[RTA_MULTIPATH])
            if RTA_MULTIPATH in told
            else [(number(told[RTA_OIF]) if RTA_OIF in told else 0, told)]
        )
        for index, way in ways:
            route = {
                "family": FAMILIES[family],
                "gateway": gateway(way),
                "interface": names.get(index),
            }
            found.append(dict(route, metric=metric))
    return sorted(found, key=lambda route: (route["family"], route["metric"]))
