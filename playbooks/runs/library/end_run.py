#!/usr/bin/python
"""Ends every process whose environment names a run, with all that is below it."""



DOCUMENTATION = r"""
module: end_run
short_description: Ends the processes of a run
description:
  - Ends every process on the host whose environment has C(PLAYRAIL_RUN) set to the given run, and their descendants.
options:
  run:
    description: The run's id.
    type: str
    required: true
"""

import os
import signal
import time

from ansible.module_utils.basic import AnsibleModule

GRACE_S = 3.0  # between SIGTERM and SIGKILL
KILL_S = 2.0  # for the kernel to act on SIGKILL


def stat_of(pid):
    """Name, state and parent of a process, or None when it is gone (proc(5))."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            before, _, after = file.read().rpartition(")")
    except OSError:
        return None
    state, parent = after.split()[:2]
    return before.partition("(")[2], state, int(parent)


def environment_names(pid, wanted):
    try:
        with open("/proc/%d/environ" % pid, "rb") as file:
            return wanted in file.read().split(b"\0")
    except OSError:
        return False  # gone, or another user's


def processes_of(run):
    """Pid and name of the run's living processes and of all that descends from them."""
    wanted = ("PLAYRAIL_RUN=" + run).encode()
    known = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            found = stat_of(int(entry))
            if found and found[1] not in "ZX":
                known[int(entry)] = found
    chosen = set(pid for pid in known if environment_names(pid, wanted))
    grown = True
    while grown:
        below = set(pid for pid, found in known.items() if found[2] in chosen) - chosen
        chosen |= below
        grown = bool(below)
    chosen.discard(os.getpid())
    return dict((pid, known[pid][0]) for pid in chosen)


def end(run):
    ended = {}
    for number, wait_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, KILL_S)):
        deadline = time.time() + wait_s
        while True:
            living = processes_of(run)
            if not living:
                return ended, {}
            if time.time() > deadline:
                break
            for pid, name in living.items():
                if pid not in ended or number == signal.SIGKILL:
                    ended[pid] = name
                    try:
                        os.kill(pid, number)
                    except OSError:
                        pass
            time.sleep(0.1)
    return ended, processes_of(run)


def main():
    module = AnsibleModule(argument_spec={"run": {"type": "str", "required": True}}, supports_check_mode=True)
    if module.check_mode:
        module.exit_json(changed=False, ended=sorted(processes_of(module.params["run"]).values()), left=[])
    ended, left = end(module.params["run"])
    module.exit_json(changed=bool(ended), ended=sorted(ended.values()), left=sorted(left.values()))


if __name__ == "__main__":
    main()
