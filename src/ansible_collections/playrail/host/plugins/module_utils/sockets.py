"""The sockets of a host on which something listens, as proc(5) tells of them."""

import errno
import json
import os
import pwd
import re
import socket
import sys

# In the kernel's include/net/tcp_states.h a TCP socket that listens is 10; a UDP socket
# that is nobody's peer is 7.
TABLES = (("tcp", "tcp", "0A"), ("tcp", "tcp6", "0A"), ("udp", "udp", "07"), ("udp", "udp6", "07"))
PROC = "/proc"
SOCKET = "socket:["
LOOPBACK = ("127.", "::1", "::ffff:127.")
# How the control group of a container's process is named by Docker, Podman, containerd and
# CRI-O.
CONTAINER = re.compile(
    r"(?:docker|libpod|crio|cri-containerd|kubepods[^\n]*)[-/]([0-9a-f]{12})[0-9a-f]{52}"
)


def address(text):
    """The address in a table: words of four bytes each, in the order of the machine."""
    raw = bytearray(bytes.fromhex(text))
    if sys.byteorder == "little":
        raw = b"".join(bytes(raw[at : at + 4][::-1]) for at in range(0, len(raw), 4))
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, bytes(raw))


def listening(protocol=None, port=None, owner="self"):
    """Every listening socket of the protocol and on the port, as protocol, address, port,
    uid and inode, in the network that the process `owner` is in.
    """
    found = []
    for kind, table, state in TABLES:
        if protocol not in (None, kind):
            continue
        try:
            with open("/proc/%s/net/%s" % (owner, table)) as file:
                next(file, None)
                lines = [line.split() for line in file]
        except OSError as error:
            if error.errno == errno.ENOENT:
                continue  # a host without IPv6
            raise
        for fields in lines:
            local, number = fields[1].split(":")
            if fields[3] == state and port in (None, int(number, 16)):
                found.append(
                    {
                        "protocol": kind,
                        "address": address(local),
                        "port": int(number, 16),
                        "uid": int(fields[7]),
                        "inode": int(fields[9]),
                    }
                )
    return sorted(found, key=lambda one: (one["port"], one["protocol"], one["address"]))


def holders(inodes):
    """The numbers of the processes that hold each of these sockets, and whether all
    processes could be looked at.
    """
    held, complete = {inode: [] for inode in inodes}, True
    for entry in os.listdir(PROC):
        if not entry.isdigit():
            continue
        folder = "%s/%s/fd" % (PROC, entry)
        try:
            descriptors = os.listdir(folder)
        except OSError as error:
            complete = complete and error.errno not in (errno.EACCES, errno.EPERM)
            continue
        for inode in inodes_of(folder, descriptors):
            if inode in held and int(entry) not in held[inode]:
                held[inode].append(int(entry))
    return held, complete and os.path.exists(PROC + "/1")


def inodes_of(folder, descriptors):
    for descriptor in descriptors:
        try:
            target = os.readlink("%s/%s" % (folder, descriptor))
        except OSError:
            continue  # closed meanwhile
        if target.startswith(SOCKET):
            yield int(target[len(SOCKET) : -1])


def user_name(number):
    try:
        return pwd.getpwuid(number)[0]
    except (KeyError, OverflowError):
        return str(number)


def process(pids):
    """The oldest of the processes; process 1 only when it is alone, as it holds sockets for
    others.
    """
    found = []
    for pid in pids:
        try:
            with open("%s/%d/stat" % (PROC, pid), "rb") as file:
                text = file.read().decode("utf-8", "replace")
            uid = os.stat("%s/%d" % (PROC, pid)).st_uid
        except OSError:
            continue
        name, fields = (
            text[text.index("(") + 1 : text.rindex(")")],
            text[text.rindex(")") + 2 :].split(),
        )
        found.append((pid == 1, int(fields[19]), pid, name, uid))
    if not found:
        return None
    _first, _start, pid, name, uid = min(found)
    return {"pid": pid, "name": name, "user": user_name(uid)}


def container(pid):
    """The container that a process is in, as Docker shows its number; None for none that is
    known.
    """
    try:
        with open("%s/%d/cgroup" % (PROC, pid), "rb") as file:
            found = CONTAINER.search(file.read(65536).decode("utf-8", "replace"))
    except OSError:
        return None
    return found.group(1) if found else None


def described(sockets):
    """The sockets as they are reported, those alike as one, and whether all processes could
    be looked at.
    """
    held, complete = holders({one["inode"] for one in sockets})
    told, alike = [], {}
    for one in sockets:
        user, holder = user_name(one["uid"]), process(held[one["inode"]])
        if holder is not None and holder["user"] == user:
            del holder["user"]
        found = {
            "protocol": one["protocol"],
            "address": one["address"],
            "port": one["port"],
            "user": user,
        }
        if holder is not None:
            found["process"] = holder
        if len(held[one["inode"]]) > 1:
            found["processes"] = len(held[one["inode"]])
        key = json.dumps(found, sort_keys=True)
        if key in alike:
            alike[key]["sockets"] = alike[key].get("sockets", 1) + 1
        else:
            told.append(found)
            alike[key] = found
    return told, complete


def other_networks():
    """A process of each network on this host that is not this one: mostly containers have
    one of their own.
    """
    try:
        own = os.readlink(PROC + "/self/ns/net")
    except OSError:
        return []
    first = {}
    for pid in sorted(int(entry) for entry in os.listdir(PROC) if entry.isdigit()):
        try:
            first.setdefault(os.readlink("%s/%d/ns/net" % (PROC, pid)), pid)
        except OSError:
            continue  # gone, or another user's, which is told as processes_known
    return [pid for network, pid in first.items() if network != own]


def listens_elsewhere(protocol=None, port=None):
    """Per other network with such sockets a process in it, its container, and what listens
    there.
    """
    found = []
    for pid in other_networks():
        try:
            sockets = listening(protocol, port, owner=str(pid))
        except OSError:
            continue  # gone meanwhile
        if sockets:
            holder, inside = process([pid]) or {"pid": pid}, container(pid)
            one = {
                "process": holder,
                "ports": sorted({"%s/%d" % (each["protocol"], each["port"]) for each in sockets}),
            }
            found.append(dict(one, **({"container": inside} if inside else {})))
    return found


def reach(sockets):
    """From where the sockets may be reached as far as their addresses tell; nobody tried."""
    if not sockets:
        return None
    return (
        "this_server_only"
        if all(one["address"].startswith(LOOPBACK) for one in sockets)
        else "not_tried"
    )
