"""The services of a system that OpenRC starts, from the links by which it notes them;
https://github.com/OpenRC/openrc/blob/master/service-script-guide.md and openrc-run(8).
"""

import os

STATES = "/run/openrc"  # a folder for each state, in which are the services that are in it
SCRIPTS, RUNLEVELS = "/etc/init.d", "/etc/runlevels"
AT_BOOT = ("sysinit", "boot", "default")
OPENRC_STATES = ("failed", "starting", "stopping", "inactive", "started")


def openrc_runs():
    return os.path.isdir(STATES + "/started")


def names(folder):
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


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
        {"unit": name, "state": states.get(name, "stopped"), "enabled": name in starting}
        for name in sorted(set(scripts) | set(states))
    ]
