"""What belongs to a process beside its numbers: the sockets on which it listens, its
connections, its open files, and whether the file that it runs is still there.
"""

import errno
import os

from ansible_collections.playrail.host.plugins.module_utils.processes import PROC, READ_BYTES
from ansible_collections.playrail.host.plugins.module_utils.sockets import (
    TABLES,
    address,
    holders,
    inodes_of,
    listening,
    other_networks,
)

DELETED = " (deleted)"
MOST_SOCKETS = 5  # of a process in a list
# The kernel's include/net/tcp_states.h
KERNELS = ("/dev/", "/proc/", "/sys/")  # no files of a disk lie there
STATES = {
    "01": "established",
    "02": "syn_sent",
    "03": "syn_received",
    "04": "fin_wait1",
    "05": "fin_wait2",
    "06": "time_wait",
    "07": "close",
    "08": "close_wait",
    "09": "last_ack",
    "0A": "listen",
    "0B": "closing",
}


def end_of(one_address, port):
    return "%s:%d" % ("[%s]" % one_address if ":" in one_address else one_address, port)


def link(pid, name):
    """Where this link of the process leads; None for what may not be seen, or is not there."""
    try:
        return os.readlink("%s/%s/%s" % (PROC, pid, name))
    except OSError:
        return None


def may_be_seen(pid):
    """Whether this user may see what the process runs and has open."""
    try:
        os.readlink("%s/%d/exe" % (PROC, pid))
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EPERM)
    return True


def is_replaced(program):
    """Whether this, the link `exe`, says that the file was removed or replaced."""
    return program is not None and program.endswith(DELETED)


class Parts:
    """Tells per process `listens`, at most MOST_SOCKETS, and `program_deleted`, where these
    are so. `complete`: whether all processes could be looked at.
    """

    def __init__(self):
        found = {}
        for owner in ["self"] + [str(pid) for pid in other_networks()]:
            try:
                for one in listening(owner=owner):
                    told = "%s %s" % (one["protocol"], end_of(one["address"], one["port"]))
                    found[one["inode"]] = told
            except OSError:
                continue  # gone meanwhile
        held, self.complete = holders(set(found))
        self.listens = {}
        for inode in sorted(found, key=found.get):
            for pid in held[inode]:
                known = self.listens.setdefault(pid, [])
                if found[inode] not in known and len(known) < MOST_SOCKETS:
                    known.append(found[inode])

    def of(self, pid):
        told = {"listens": self.listens[pid]} if pid in self.listens else {}
        return dict(told, program_deleted=True) if is_replaced(link(pid, "exe")) else told


def text_of(pid, name):
    """What a file of the process says. Raises OSError."""
    with open("%s/%d/%s" % (PROC, pid, name), "rb") as file:
        return file.read(READ_BYTES).decode("utf-8", "replace")


def table_of(pid, name):
    """A file of lines `Name: value` as a dictionary; empty where it may not be read."""
    try:
        lines = text_of(pid, name).splitlines()
    except OSError:
        return {}
    parted = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _colon, value in parted}


def connections(pid, inodes):
    """The sockets of the process with these inodes: those that it listens on, and per
    connection protocol, local, remote and state.
    """
    listens, others = [], []
    for protocol, table, listen in TABLES:
        try:
            with open("%s/%d/net/%s" % (PROC, pid, table)) as file:
                next(file, None)
                lines = [line.split() for line in file]
        except OSError:
            continue
        for fields in lines:
            if int(fields[9]) not in inodes:
                continue
            local, remote = (
                end_of(address(part.split(":")[0]), int(part.split(":")[1], 16))
                for part in fields[1:3]
            )
            if fields[3] == listen:
                listens.append("%s %s" % (protocol, local))
                continue
            one = {"protocol": protocol, "local": local, "remote": remote}
            others.append(dict(one, state=STATES.get(fields[3], fields[3])))
    return sorted(set(listens)), others


class OpenFiles:
    """What the process has open. Raises PermissionError when that may not be seen, and
    ProcessLookupError when it is gone.
    """

    def __init__(self, pid):
        folder = "%s/%d/fd" % (PROC, pid)
        try:
            names = os.listdir(folder)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM):
                raise PermissionError(error.errno, os.strerror(error.errno))
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        self.count = len(names)
        self.inodes = set(inodes_of(folder, names))
        self.files, self.deleted = [], []
        for name in names:
            path = link(pid, "fd/" + name)
            if path is None or not path.startswith("/") or path.startswith(KERNELS):
                continue
            if path.endswith(DELETED):
                self.deleted.append({"path": path[: -len(DELETED)], "size_bytes": size(pid, name)})
            elif path not in self.files:
                self.files.append(path)
        self.deleted.sort(key=lambda one: -one["size_bytes"])
        self.files.sort()


def size(pid, descriptor):
    try:
        return os.stat("%s/%d/fd/%s" % (PROC, pid, descriptor)).st_size
    except OSError:
        return 0
