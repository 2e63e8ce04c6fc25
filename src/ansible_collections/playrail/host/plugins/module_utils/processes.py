"""The processes of a host, as proc(5) tells of them."""

import errno
import os
import pwd
import re
import time

from ansible_collections.playrail.host.plugins.module_utils.moments import utc

PROC = "/proc"
KERNEL_THREAD = 0x00200000  # PF_KTHREAD of the kernel's include/linux/sched.h
# What starts are counted from. /proc/uptime is the container's own under lxcfs, so of no
# use.
CLOCK_BOOTTIME = 7
COMMAND_CHARACTERS = 300
READ_BYTES = 65536
NOT_SEEN = ["sockets and deleted programs of others"]  # by who is not root
# The Python that Playrail keeps on a host is started with these words; so are the shells
# and sudo around it.
KEPT = "exec(zlib.decompress(base64.b64decode(sys.stdin.buffer.readline())))"
# In the commands with which Ansible runs a module, which are the ancestors of this one.
CARRIERS = re.compile(r"BECOME-SUCCESS-|AnsiballZ_|ansible-tmp-")
# How the control group of a container's process is named by Docker, Podman, containerd and
# CRI-O.
CONTAINER = re.compile(
    r"(?:docker|libpod|crio|cri-containerd|kubepods[^\n]*)[-/]([0-9a-f]{12})[0-9a-f]{52}"
)
UNIT = re.compile(r"([^/\n]+\.(?:service|scope|socket|mount|swap))(?:/|$)", re.MULTILINE)
STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "waiting",
    "I": "idle",
    "T": "stopped",
    "t": "traced",
    "Z": "zombie",
    "X": "dead",
}


def is_number(text):
    """Whether it is one as the kernel writes them; str.isdigit knows those of other scripts
    as well.
    """
    return re.match(r"[0-9]+\Z", text) is not None


class Users:
    """Names of users by number, each looked up once."""

    def __init__(self):
        self.known = {}

    def name(self, number):
        if number not in self.known:
            try:
                self.known[number] = pwd.getpwuid(number)[0]
            except (KeyError, OverflowError):
                self.known[number] = str(number)
        return self.known[number]


class Process:
    """A process at one moment. Together, `pid` and `start` name it for ever: its number may
    be used again.
    """

    def __init__(self, pid):
        """Raises OSError when it is gone."""
        name, fields = stat(pid)
        self.pid = pid
        self.name = name
        self.state = fields[0]
        self.parent = int(fields[1])
        self.kernel_thread = bool(int(fields[6]) & KERNEL_THREAD)
        self.cpu_ticks = int(fields[11]) + int(fields[12])
        self.start = int(fields[19])
        self.memory_bytes = max(0, int(fields[21])) * os.sysconf("SC_PAGE_SIZE")
        self.uid = os.stat("%s/%d" % (PROC, pid)).st_uid

    def arguments(self):
        """Its words, none when it is a zombie or a kernel thread. A long command comes in
        part.
        """
        try:
            with open("%s/%d/cmdline" % (PROC, self.pid), "rb") as file:
                found = file.read(READ_BYTES)
        except OSError:
            return []
        return (
            found.rstrip(b"\0").decode("utf-8", "replace").split("\0") if found.strip(b"\0") else []
        )


def belonging(pid):
    """The systemd unit and the container that a process belongs to, each None where there
    is none that is known.
    """
    try:
        with open("%s/%d/cgroup" % (PROC, pid), "rb") as file:
            text = file.read(READ_BYTES).decode("utf-8", "replace")
    except OSError:
        return None, None
    container = CONTAINER.search(text)
    units = [
        line for line in text.splitlines() if line.startswith("0::") or ":name=systemd:" in line
    ]
    # Of a user's own unit there are several: the last one says most.
    found = [name for line in units for name in UNIT.findall(line)]
    return found[-1] if found else None, container.group(1) if container else None


class Places:
    """Tells what processes belong to, by the names `unit` and `container`, and looks for
    each once.

    Where the host itself is a container, all are in it, and that is not told.
    """

    def __init__(self):
        self.hosts = belonging(1)[1]
        self.known = {}

    def of(self, pid):
        if pid not in self.known:
            told = zip(("unit", "container"), belonging(pid))
            self.known[pid] = {
                name: value for name, value in told if value not in (None, self.hosts)
            }
        return self.known[pid]


def of_playrail(found):
    """The numbers of those processes by which Playrail is at work here: its kept Python,
    and what carries this module.
    """
    by_number = {process.pid: process for process in found}
    numbers = {process.pid for process in found if KEPT in " ".join(process.arguments())}
    pid = os.getpid()
    while pid in by_number:
        if pid == os.getpid() or CARRIERS.search(" ".join(by_number[pid].arguments())):
            numbers.add(pid)
        pid = by_number[pid].parent
    return numbers


def in_container(pid):
    """Whether it has a process namespace of its own below this one."""
    try:
        with open("%s/%d/status" % (PROC, pid), "rb") as file:
            for line in file:
                if line.startswith(b"NSpid:"):
                    return len(line.split()) > 2
    except OSError:
        pass  # gone meanwhile
    return False


def own_processes(is_wanted, found=None):
    """Those that are wanted and the host's own, of all or of these: a program in a container has
    the same name, and serves that container.
    """
    places = Places()
    return [
        one
        for one in (processes() if found is None else found)
        if is_wanted(one) and not in_container(one.pid) and "container" not in places.of(one.pid)
    ]


def stat(pid):
    """A process's name, and the fields after it in /proc/<pid>/stat. Raises OSError when it
    is gone.
    """
    try:
        with open("%s/%d/stat" % (PROC, pid), "rb") as file:
            text = file.read().decode("utf-8", "replace")
    except ProcessLookupError:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()


def processes():
    """Every process that may be seen."""
    found = []
    for entry in os.listdir(PROC):
        if entry.isdigit():
            try:
                found.append(Process(int(entry)))
            except OSError:
                continue  # gone meanwhile, or hidden by the mount option hidepid
    return found


def all_visible():
    """Whether other users' processes may be seen."""
    try:
        stat(1)
    except OSError:
        return False
    return True


class Clock:
    """What makes ticks since the start of the host into times and shares."""

    def __init__(self):
        self.ticks_per_second = os.sysconf("SC_CLK_TCK")
        self.up_s = time.clock_gettime(CLOCK_BOOTTIME)
        self.booted = time.time() - self.up_s

    def started(self, process):
        moment = self.booted + process.start / float(self.ticks_per_second)
        return utc(moment)

    def cpu_percent(self, process):
        """The share of one processor over its life."""
        life_s = self.up_s - process.start / float(self.ticks_per_second)
        used_s = process.cpu_ticks / float(self.ticks_per_second)
        return round(100.0 * used_s / max(life_s, 0.01), 1)


def memory_total():
    with open(PROC + "/meminfo") as file:
        for line in file:
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) * 1024
    return 0


def uptime_s():
    """Since when the host runs, in seconds: a container since its first process was started."""
    clock = Clock()
    try:
        started = int(stat(1)[1][19]) / float(clock.ticks_per_second)
    except OSError:  # hidden
        started = 0
    return int(clock.up_s - started)


class Describer:
    """Makes processes into what is reported of them."""

    def __init__(self):
        self.users = Users()
        self.clock = Clock()
        self.memory_total = memory_total()
        self.commands_cut = 0

    def command(self, process):
        text = " ".join(process.arguments()) or "[%s]" % process.name
        if len(text) <= COMMAND_CHARACTERS:
            return text
        self.commands_cut += 1
        return text[: COMMAND_CHARACTERS - 1] + "\u2026"

    def described(self, process):
        share = 100.0 * process.memory_bytes / self.memory_total if self.memory_total else 0.0
        return {
            "pid": process.pid,
            "parent_pid": process.parent,
            "user": self.users.name(process.uid),
            "state": STATES.get(process.state, process.state),
            "cpu_percent": self.clock.cpu_percent(process),
            "memory_bytes": process.memory_bytes,
            "memory_percent": round(share, 1),
            "started": self.clock.started(process),
            "command": self.command(process),
        }
