"""What a look at a systemd unit tells: its state, what it runs, what it starts, and the last
lines of its journal.
"""

import re

from ansible_collections.playrail.host.plugins.module_utils.hidden_words import without_secrets
from ansible_collections.playrail.host.plugins.module_utils.journal import (
    FIELDS,
    SECOND_US,
    Entry,
    Journalctl,
    cut,
)
from ansible_collections.playrail.host.plugins.module_utils.unit_ties import processes_of
from ansible_collections.playrail.host.plugins.module_utils.unit_times import (
    OF_TIMERS,
    iso,
    last_run,
    next_run,
)
from ansible_collections.playrail.host.plugins.module_utils.units import (
    FAILING,
    STEPS,
    failed_step,
    is_missing,
)

DETAILS = ("User", "TasksCurrent", "MemoryMax", "CPUUsageNSec", "StatusText", "Listen", *OF_TIMERS)
ARGUMENTS = re.compile(r"argv\[\]=(.*?) ; ignore_errors=")
COMMAND_CHARACTERS = 300
MOST_PROCESSES = 10
MOST_LISTENS = 10
MESSAGES = 10
MESSAGE_CHARACTERS = 300
JOURNAL_S = 10


def state_of(systemd, name):
    """What a look at the unit tells."""
    unit = systemd.look(name)
    told = {"status": unit}
    if is_missing(unit):
        return dict(told, alike=systemd.alike(name))
    shown = systemd.show([unit["Id"]], STEPS + DETAILS)[0]
    if unit.get("ActiveState") in FAILING and unit.get("Result") not in (None, "success"):
        told["failed_step"] = failed_step(shown)
    told["details"] = {key: shown[key] for key in DETAILS[:5] if shown.get(key)}
    command = ARGUMENTS.search(shown.get("ExecStart", ""))
    if command:
        # systemd joins the words by blanks, and has no mark for one within a word
        told["command"] = " ".join(without_secrets(command.group(1).split()))[:COMMAND_CHARACTERS]
    told["listens"] = [
        line.replace(" (Stream)", "") for line in shown.get("Listen", "").splitlines()
    ][:MOST_LISTENS]
    told.update(next_run=iso(next_run(shown)), last_run=iso(last_run(shown)))
    main = unit.get("MainPID")
    others = sorted(
        (pid, name)
        for (pid, _start), name in processes_of(unit.get("ControlGroup", "")).items()
        if str(pid) != main
    )
    told["processes"] = [{"pid": pid, "name": name} for pid, name in others[:MOST_PROCESSES]]
    return told


def messages(journalctl, name, since=None):
    """The last lines of what the unit wrote, and systemd about it, each with its time, and
    whether all could be read. `since`: seconds since 1970.
    """
    if journalctl is None:
        return [], False
    words = [journalctl, "--no-pager", "--quiet", "--all", "--output=json"]
    words += ["--output-fields=" + FIELDS, "--lines=%d" % MESSAGES, "--unit=" + name]
    child = Journalctl(words + (["--since=@%d" % since] if since else []), JOURNAL_S)
    found = [Entry(raw) for raw in child.entries()]
    status = child.end(early=False)
    lines = [
        "%s %s" % (iso(one.time_us // SECOND_US), cut(one.message, MESSAGE_CHARACTERS, None, False))
        for one in found
        if one.message and not one.by_ansible
    ]
    return lines, status == 0 and not child.complaints.unreadable
