"""How busy a host's processors are, and which processes keep them so, over a moment."""

import os
import time

from ansible_collections.playrail.host.plugins.module_utils.hidden_words import without_secrets
from ansible_collections.playrail.host.plugins.module_utils.memory import own_group
from ansible_collections.playrail.host.plugins.module_utils.mounts import mounts
from ansible_collections.playrail.host.plugins.module_utils.own_container import is_container
from ansible_collections.playrail.host.plugins.module_utils.processes import (
    Places,
    Users,
    processes,
)

PROC = "/proc"
SAMPLE_S = 0.5
# The numbers of a `cpu` line in /proc/stat, proc_stat(5); guests are within the first two.
FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
PRESSURES = ("cpu", "memory", "io")
OF_MACHINE = "of the whole machine, not of this container"
BUSY_PERCENT = 1.0  # of a processor; what takes less is idle
COMMAND_CHARACTERS = 80


def first_line(path):
    """The words of a file's first line; none when it cannot be read."""
    try:
        with open(path) as file:
            return file.readline(4096).split()
    except OSError:
        return []


def load():
    """The load averages of 1, 5 and 15 minutes and the number of processors, as far as known."""
    words = first_line(PROC + "/loadavg")
    found = dict(zip(("load_1m", "load_5m", "load_15m"), map(float, words[:3])))
    return dict(found, cpu_threads=len(os.sched_getaffinity(0)))


def load_of():
    """Whose the load and the processors' time are where not the host's own; None where they are.
    lxcfs mounts files of the container's own, but averages only where it is told to.
    """
    if not is_container():
        return None
    has_own = PROC + "/stat" in [one.point for one in mounts()]
    return "averages may be of the whole machine" if has_own else OF_MACHINE


def pressure():
    """What waits in the container that the host is, or on the machine; and why that is not the
    host's own, or not known.
    """
    group = own_group() if is_container() else None
    own = waiting(group + "/%s.pressure") if group else {}
    found = own or waiting(PROC + "/pressure/%s")
    if not found:
        return found, "the kernel does not count it"
    return found, OF_MACHINE if is_container() and not own else None


def waiting(form):
    """Per resource the share of the last minute in which something waited for it, in percent;
    kernel.org/doc/html/latest/accounting/psi.html. Empty where the kernel does not count.
    """
    found = {}
    for name in PRESSURES:
        words = first_line(form % name)
        numbers = [word.partition("=")[2] for word in words if word.startswith("avg60=")]
        found.update((name, float(number)) for number in numbers)
    return found


class Sample:
    """The processes and the processors' time at one moment."""

    def __init__(self):
        self.at = time.monotonic()
        words = first_line(PROC + "/stat")[1:]
        self.times = dict(zip(FIELDS, map(int, words)))
        self.processes = processes()
        self.ticks = {(one.pid, one.start): one.cpu_ticks for one in self.processes}


def shares(before, after):
    """How the processors spent the time between two samples, in percent."""
    spent = {name: after.times[name] - before.times.get(name, 0) for name in after.times}
    total = float(sum(spent.values()))
    if total <= 0:
        return {}

    def percent(*names):
        return round(100 * sum(spent.get(name, 0) for name in names) / total, 1)

    found = {"cpu_percent": round(100 - percent("idle", "iowait"), 1)}
    found.update(iowait_percent=percent("iowait"), steal_percent=percent("steal"))
    return found


def by_process(before, after):
    """Of each process that lived through both samples, its share of one processor in percent."""
    ticks = os.sysconf("SC_CLK_TCK") * max(after.at - before.at, 0.01)
    return {
        key: round(100.0 * (now - before.ticks[key]) / ticks, 1)
        for key, now in after.ticks.items()
        if key in before.ticks
    }


def busiest(found, percents, most):
    """The busiest processes, then the largest of the others, as they are told."""
    busy = sorted(found, key=lambda one: -percents.get((one.pid, one.start), 0.0))
    busy = [one for one in busy if percents.get((one.pid, one.start), 0.0) >= BUSY_PERCENT][:most]
    known = {one.pid for one in busy}
    large = sorted(found, key=lambda one: -one.memory_bytes)
    large = [one for one in large if one.pid not in known and one.memory_bytes][:most]
    users, places = Users(), Places()
    return [
        dict(
            pid=one.pid,
            user=users.name(one.uid),
            command=command(one),
            cpu_percent=percents.get((one.pid, one.start)) or None,
            memory_bytes=one.memory_bytes or None,
            **places.of(one.pid),
        )
        for one in busy + large
    ]


def command(process):
    words = without_secrets(process.arguments())
    text = " ".join(words) or "[%s]" % process.name
    if len(text) <= COMMAND_CHARACTERS:
        return text
    return text[: COMMAND_CHARACTERS - 1] + "\u2026"
