"""Whether units are enabled and active, all of them at once."""

import os

from ansible_collections.playrail.host.plugins.module_utils.openrc import (
    ACTIVE,
    openrc_runs,
    openrc_services,
)

TYPES = "service,socket,timer,path"
SYSTEMD = "/run/systemd/system"


def unit_states(module):
    """Per unit two words, as `enabled active`; None where nothing is known that starts
    services.
    """
    if os.path.isdir(SYSTEMD):
        return of_systemd(module)
    if openrc_runs():
        return of_openrc()
    return None


def table(module, command):
    argv = [
        module.get_bin_path("systemctl") or "systemctl",
        command,
        "--type=" + TYPES,
        "--all",
        "--full",
        "--plain",
        "--no-legend",
        "--no-pager",
    ]
    status, out, _complaint = module.run_command(argv)
    return [line.split() for line in out.splitlines() if line.strip()] if status == 0 else []


def of_systemd(module):
    files = {words[0]: words[1] for words in table(module, "list-unit-files") if len(words) > 1}
    # Name, whether it is loaded, active, sub-state, description
    loaded = [words for words in table(module, "list-units") if len(words) > 2]
    states = {words[0]: words[2] for words in loaded if words[1] != "not-found"}
    found = {}
    for name in set(files) | set(states):
        template = "@." in name
        if not template:
            enabled = files.get(name) or files.get(template_of(name)) or "none"
            found[name] = "%s %s" % (enabled, states.get(name, "inactive"))
    return found or None


def template_of(name):
    before, _at, after = name.partition("@")
    return "%s@.%s" % (before, after.rpartition(".")[2])


def of_openrc():
    return {
        one["unit"]: "%s %s"
        % ("enabled" if one["enabled"] else "disabled", ACTIVE.get(one["state"], "inactive"))
        for one in openrc_services()
    }
