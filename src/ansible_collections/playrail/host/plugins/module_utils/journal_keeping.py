"""What journald keeps: where, since when, and what it does not, as journald.conf(5) has it."""

import os
import re

from ansible_collections.playrail.host.plugins.module_utils.journal import PRIORITIES
from ansible_collections.playrail.host.plugins.module_utils.journal_units import beginning, run

ON_DISK, IN_MEMORY = "/var/log/journal", "/run/log/journal"
CONFIGURED = (
    "/etc/systemd",
    "/run/systemd",
    "/usr/local/lib/systemd",
    "/usr/lib/systemd",
    "/lib/systemd",
)
SETTING = re.compile(r"^\s*(Storage|MaxLevelStore)\s*=\s*(\S*)\s*$", re.MULTILINE)
MAY_BE_MISSED = 6  # info: a level that stores less leaves out what units usually write


def files_of_settings():
    """The files that say how journald is set, the later one counts: one of each name, of
    the folder that goes first.
    """
    found = [
        path
        for path in (folder + "/journald.conf" for folder in CONFIGURED)
        if os.path.isfile(path)
    ][:1]
    parts = {}
    for folder in reversed(CONFIGURED):
        try:
            names = os.listdir(folder + "/journald.conf.d")
        except OSError:
            continue
        parts.update(
            (name, "%s/journald.conf.d/%s" % (folder, name))
            for name in names
            if name.endswith(".conf")
        )
    return found + [parts[name] for name in sorted(parts)]


def settings():
    """Storage and MaxLevelStore where they are set."""
    found = {}
    for path in files_of_settings():
        found.update((name, value) for name, value in SETTING.findall(beginning(path)) if value)
    return found


def has_files(folder):
    """Whether this machine's journal has files there."""
    try:
        names = os.listdir(os.path.join(folder, beginning("/etc/machine-id").strip() or "?"))
    except OSError:
        return False
    return any(".journal" in name for name in names)


def has_namespaces():
    """Whether units write to journals apart (LogNamespace= in systemd.exec(5))."""
    number = beginning("/etc/machine-id").strip()
    for folder in (ON_DISK, IN_MEMORY):
        try:
            if number and any(name.startswith(number + ".") for name in os.listdir(folder)):
                return True
        except OSError:
            continue
    return False


def journald_runs():
    """True, False, or None where that cannot be asked."""
    output = (
        run(["systemctl", "show", "--property=ActiveState", "--", "systemd-journald.service"]) or ""
    )
    return "=active" in output if "ActiveState=" in output else None


class Keeping:
    """How this host's journal is kept."""

    def __init__(self):
        told = settings()
        self.nothing = told.get("Storage", "").lower() == "none"
        self.level = told.get("MaxLevelStore", "").lower()
        self.on_disk, self.in_memory = has_files(ON_DISK), has_files(IN_MEMORY)
        self.runs = journald_runs()

    @property
    def is_there(self):
        return self.on_disk or self.in_memory

    def why_none(self):
        if self.nothing:
            return "journald keeps nothing on this host (Storage=none in journald.conf)"
        return "this host has no journal files"

    def notes(self):
        """What of it a reader has to know, in sentences."""
        if self.nothing:
            yield "journald is set to keep nothing (Storage=none): what is here is old."
        elif self.runs is False:
            yield "systemd-journald does not run on this host: nothing new is kept."
        if self.in_memory and not self.on_disk:
            yield "The journal is kept in memory only: it is lost whenever the host starts."
        level = PRIORITIES.index(self.level) if self.level in PRIORITIES else len(PRIORITIES)
        if level < MAY_BE_MISSED or self.level in tuple("012345"):
            yield "journald keeps only priority %s and worse (MaxLevelStore)." % self.level
