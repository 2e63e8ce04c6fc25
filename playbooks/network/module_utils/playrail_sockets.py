"""The sockets of a host on which something listens, as proc(5) tells of them."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import os
import pwd
import socket
import sys

# In the kernel's include/net/tcp_states.h a TCP socket that listens is 10; a UDP socket that is nobody's peer is 7.
TABLES = (
    ("tcp", "/proc/net/tcp", "0A"),
    ("tcp", "/proc/net/tcp6", "0A"),
    ("udp", "/proc/net/udp", "07"),
    ("udp", "/proc/net/udp6", "07"),
)
PROC = "/proc"
SOCKET = "socket:["


def address(text):
    """The address in a table: words of four bytes each, in the order of the machine."""
    raw = bytearray(bytes.fromhex(text))
    if sys.byteorder == "little":
        raw = b"".join(bytes(raw[at:at + 4][::-1]) for at in range(0, len(raw), 4))
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, bytes(raw))


def listening(protocol=None, port=None):
    """Every listening socket of the protocol and on the port, as protocol, address, port, uid and inode."""
    found = []
    for kind, table, state in TABLES:
        if protocol not in (None, kind):
            continue
        try:
            with open(table) as file:
                next(file, None)
                lines = [line.split() for line in file]
        except IOError as error:
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
    """The numbers of the processes that hold each of these sockets, and whether all processes could be looked at."""
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
            yield int(target[len(SOCKET):-1])


def user_name(number):
    try:
        return pwd.getpwuid(number)[0]
    except (KeyError, OverflowError):
        return str(number)


def process(pids):
    """The oldest of the processes; process 1 only when it is alone, as it holds sockets for others."""
    found = []
    for pid in pids:
        try:
            with open("%s/%d/stat" % (PROC, pid), "rb") as file:
                text = file.read().decode("utf-8", "replace")
            uid = os.stat("%s/%d" % (PROC, pid)).st_uid
        except OSError:
            continue
        name, fields = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        found.append((pid == 1, int(fields[19]), pid, name, uid))
    if not found:
        return None
    _first, _start, pid, name, uid = min(found)
    return {"pid": pid, "name": name, "user": user_name(uid)}


def described(sockets):
    """The sockets as they are reported, and whether all processes could be looked at."""
    held, complete = holders({one["inode"] for one in sockets})
    told = [
        {
            "protocol": one["protocol"],
            "address": one["address"],
            "port": one["port"],
            "user": user_name(one["uid"]),
            "process": process(held[one["inode"]]),
            "processes": len(held[one["inode"]]),
        }
        for one in sockets
    ]
    return told, complete
