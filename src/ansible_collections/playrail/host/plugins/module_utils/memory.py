"""How much memory a host has and uses, from /proc/meminfo, and the limit of a container."""

import os
import re

from ansible_collections.playrail.host.plugins.module_utils.own_container import is_container

PROC = "/proc"
GROUPS = "/sys/fs/cgroup"
ALWAYS = ("MemTotal", "MemFree", "MemAvailable", "Cached", "SwapTotal", "SwapFree")
SYSTEMDS = "/init.scope"
DETAILS = ("Buffers", "Shmem")
LINE = re.compile(r"^(\w+):\s+(\d+) kB$", re.MULTILINE)
# Of each version of control groups: the mark of its line in /proc/PID/cgroup, where groups
# lie, and the files of limit and use.
VERSIONS = (
    ("0::", "", "memory.max", "memory.current"),
    (":memory:", "/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
)


def text(path):
    try:
        with open(path) as file:
            return file.read(65536)
    except OSError:
        return ""


def number(path):
    """The number in a file; None for no file, and for no limit."""
    found = text(path).strip()
    return int(found) if found.isdigit() else None


def groups():
    """Of the first process's control group and those above it the files of limit and use.
    In a container that sees only its own groups, the topmost that it sees has the limit.
    """
    for line in text(PROC + "/1/cgroup").splitlines():
        for mark, folder, limit, use in VERSIONS:
            if mark not in line or (mark == "0::" and not line.startswith(mark)):
                continue
            path = line.partition(mark)[2].rstrip("/")
            while True:
                place = GROUPS + folder + path
                yield os.path.join(place, limit), os.path.join(place, use)
                if not path:
                    break
                path = path.rpartition("/")[0]


def own_group():
    """The folder of the control group that a container is, of version 2; None where that is not
    known. Its first process is in it, or where that is systemd in one below.
    """
    for line in text(PROC + "/1/cgroup").splitlines():
        if line.startswith("0::"):
            path = line[len("0::") :]
            path = path[: -len(SYSTEMDS)] if path.endswith(SYSTEMDS) else path
            return GROUPS + path.rstrip("/")
    return None


def limit(total):
    """The least limit that holds for the whole host, and what counts against it; None for
    none.
    """
    found = []
    for most, used in groups():
        value = number(most)
        if value is not None and value < total:
            found.append((value, number(used)))
    return min(found, default=(None, None), key=lambda one: one[0])


def sizes(names):
    """Bytes by these names of proc_meminfo(5)."""
    return {
        name: int(kib) * 1024
        for name, kib in LINE.findall(text(PROC + "/meminfo"))
        if name in names
    }


def oom_kills():
    """How often since the start the kernel ended a process of this host for lack of memory; None
    where that is not known. In a container /proc/vmstat is of the whole machine.
    """
    path = PROC + "/vmstat"
    if is_container():
        path = (own_group() or "") + "/memory.events"
    found = re.search(r"^oom_kill (\d+)$", text(path), re.MULTILINE)
    return int(found.group(1)) if found else None
