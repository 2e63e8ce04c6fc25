"""The services of a system that OpenRC starts, from the links and files by which it notes them;
https://github.com/OpenRC/openrc/blob/master/service-script-guide.md and rc_service_state(3).
"""

import difflib
import os
import re

from ansible_collections.playrail.host.plugins.module_utils.processes import (
    all_visible,
    is_number,
    stat,
)

STATES = "/run/openrc"  # a folder for each state, in which are the services that are in it
SCRIPTS, RUNLEVELS = "/etc/init.d", "/etc/runlevels"
AT_BOOT = ("sysinit", "boot", "default")
CRASHED = "crashed"  # it was started, and its process is gone
OPENRC_STATES = ("failed", CRASHED, "starting", "stopping", "inactive", "started", "stopped")
# The words of systemd for these
ACTIVE = {
    "failed": "failed",
    CRASHED: "failed",
    "starting": "activating",
    "stopping": "deactivating",
    "started": "active",
}
FILE_BYTES = 4096
MOST_ALIKE = 5


def openrc_runs():
    return os.path.isdir(STATES + "/started")


def names(folder):
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def text(path):
    try:
        with open(path, "rb") as file:
            return file.read(FILE_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def pid_files(service):
    """The files that its processes' numbers are in, as start-stop-daemon and the script say."""
    folder = os.path.join(STATES, "daemons", service)
    notes = "\n".join(text(os.path.join(folder, name)) for name in names(folder))
    found = re.findall(r"^pidfile=(/.*)$", notes, re.MULTILINE)
    own = text(os.path.join(STATES, "options", service, "pidfile")).strip()
    return list(dict.fromkeys(found + [own] * own.startswith("/")))


def pids(service):
    """The numbers in these files; what may not be read, or is no number, tells nothing."""
    found = [text(path).strip() for path in pid_files(service)]
    return [int(one) for one in found if is_number(one)]


def is_gone(pid):
    """Whether there is no such process; one that may only be hidden is not gone."""
    try:
        return stat(pid)[1][0] in "ZX"
    except FileNotFoundError:
        return all_visible()
    except OSError:
        return False


def state(service, noted):
    return CRASHED if noted == "started" and any(map(is_gone, pids(service))) else noted


def openrc_services():
    """Of each service its name, state (a word of OpenRC) and whether it is started at boot."""
    states = {}
    for word in reversed(OPENRC_STATES):
        states.update((name, word) for name in names(os.path.join(STATES, word)))
    starting = {name for level in AT_BOOT for name in names(os.path.join(RUNLEVELS, level))}
    scripts = [
        name
        for name in names(SCRIPTS)
        if not name.endswith(".sh") and os.access(os.path.join(SCRIPTS, name), os.X_OK)
    ]
    return [
        {
            "unit": name,
            "state": state(name, states.get(name, "stopped")),
            "enabled": name in starting,
        }
        for name in sorted(set(scripts) | set(states))
    ]


def openrc_state(name):
    """What a look at the service tells, in the words of `systemctl show`."""
    stem = name[: -len(".service")] if name.endswith(".service") else name
    services = {one["unit"]: one for one in openrc_services()}
    if stem not in services:
        return {"status": {}, "alike": difflib.get_close_matches(stem, services, MOST_ALIKE, 0.6)}
    found = services[stem]
    numbers = pids(stem) if found["state"] == "started" else []
    status = {
        "Id": stem,
        "LoadState": "loaded",
        "ActiveState": ACTIVE.get(found["state"], "inactive"),
        "SubState": found["state"],
        "UnitFileState": "enabled" if found["enabled"] else "disabled",
        "MainPID": str((numbers or [0])[0]),
        "FragmentPath": os.path.join(SCRIPTS, stem),
    }
    return {"status": status}
