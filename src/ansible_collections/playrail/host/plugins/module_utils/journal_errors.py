"""Errors of the last hour by unit, and processes that the kernel ended for lack of memory, from
systemd's journal.
"""

import re
import time

from ansible_collections.playrail.host.plugins.module_utils.journal import (
    FIELDS,
    SECOND_US,
    Entry,
    Journalctl,
    cut,
)
from ansible_collections.playrail.host.plugins.module_utils.journal_keeping import (
    ON_DISK,
    has_files,
)
from ansible_collections.playrail.host.plugins.module_utils.own_container import is_container
from ansible_collections.playrail.host.plugins.module_utils.processes import uptime_s
from ansible_collections.playrail.host.plugins.module_utils.unit_times import iso

MOST_ENTRIES = 5000
MOST_SECONDS = 10
EXAMPLE_CHARACTERS = 160
# mm/oom_kill.c of the kernel
KILLED = re.compile(
    r"[Oo]ut of memory: Kill(?:ed)? process (\d+) \((.*?)\)(?=,| total-vm| score|$)"
)
DAY_S = 86400


def read(journalctl, words, seconds):
    """The entries of so many seconds, newest first, and why these may not be all; None when
    they are.
    """
    since = int(time.time() - seconds)
    argv = [journalctl, "--no-pager", "--quiet", "--all", "--reverse", "--output=json"]
    argv += ["--output-fields=" + FIELDS, "--since=@%d" % since, "--lines=%d" % MOST_ENTRIES]
    child = Journalctl(argv + words, MOST_SECONDS)
    found = [Entry(raw) for raw in child.entries()]
    status = child.end(early=False)
    if child.complaints.unreadable:
        return found, "this user may not read the whole journal"
    if child.overdue:
        return found, "reading the journal took too long"
    return found, None if status == 0 else "journalctl failed"


def errors(journalctl):
    """Per unit, or program without one, how many entries of priority err and worse the last
    hour has and the newest message; most entries first. And why that may not be all.
    """
    entries, why = read(journalctl, ["--priority=err"], 3600)
    found = {}
    for one in entries:
        if one.by_ansible:
            continue
        name = one.unit or one.identifier or "?"
        if name not in found:
            text = cut(one.message or "", EXAMPLE_CHARACTERS, None, False)
            found[name] = {"unit": name, "entries": 0, "example": text.replace("\n", " ")}
        found[name]["entries"] += 1
    return sorted(found.values(), key=lambda one: (-one["entries"], one["unit"])), why


def killed_for_memory(journalctl):
    """The processes that the kernel ended in the last day, newest first. And why these may
    not be all.
    """
    entries, why = read(journalctl, ["_TRANSPORT=kernel", "--priority=err"], DAY_S)
    found = []
    for one in entries:
        words = KILLED.search(one.message or "")
        if words:
            told = {"time": iso(one.time_us // SECOND_US), "pid": int(words.group(1))}
            found.append(dict(told, name=words.group(2)))
    if why is None and is_container():
        why = "the kernel's log does not come to a container"
    elif why is None and not has_files(ON_DISK) and uptime_s() < DAY_S:
        why = "the journal is of this start only"
    return found, why
