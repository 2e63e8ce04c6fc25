#!/usr/bin/python
"""Ends every process whose environment names a run, with all that is below it."""

DOCUMENTATION = r"""
module: end_run
short_description: Ends the processes of a run
description:
  - Ends every process on the host whose environment has C(PLAYRAIL_RUN) set to the given run, and
    their descendants.
  - A process is told by its id and the time it was started, so one that cannot be ended is not
    lost sight of when its parent is gone.
options:
  run:
    description: The run's id.
    type: str
    required: true
author: Playrail
"""

EXAMPLES = r"""
- name: End what a run left
  playrail.host.end_run:
    run: 20260101-000000-abcdef01
"""

RETURN = r"""
ended:
  description: Names of the processes that are gone; in check mode of those to end.
  type: list
  returned: success
left:
  description: Names of those that are still there, such as another user's; one line more where
    /proc hides other users'.
  type: list
  returned: success
"""

import collections
import os
import signal
import time

from ansible.module_utils.basic import AnsibleModule

GRACE_S = 3.0  # between SIGTERM and SIGKILL
KILL_S = 2.0  # for the kernel to act on SIGKILL
HIDDEN = "other users' processes, which are hidden here"  # by the mount option hidepid

Process = collections.namedtuple("Process", "name state parent started")


# As in module_utils/started.py, which would make what is sent to end a run twice as large: where
# requests are counted, one more.
def stat_of(pid):
    """What /proc/PID/stat tells (proc(5)), or None when the process is gone."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            before, _paren, after = file.read().decode("utf-8", "replace").rpartition(")")
    except OSError:
        return None
    fields = after.split()  # from the third on
    return Process(before.partition("(")[2], fields[0], int(fields[1]), int(fields[19]))


def living():
    """Every process that is no zombie, by its id."""
    found = {int(entry): stat_of(int(entry)) for entry in os.listdir("/proc") if entry.isdigit()}
    return {pid: process for pid, process in found.items() if process and process.state not in "ZX"}


def is_marked(pid, mark):
    try:
        with open("/proc/%d/environ" % pid, "rb") as file:
            return mark in file.read().split(b"\0")
    except OSError:
        return False  # gone, or another user's


class Run:
    """The processes of a run: all that were ever seen, also when what told that they belong
    to it is gone.
    """

    def __init__(self, run):
        self.mark = ("PLAYRAIL_RUN=" + run).encode()
        self.seen = {}  # (pid, when it was started): its name
        self.modules = set()  # of these, the Pythons that Ansible runs modules in

    def alive(self):
        """Looks anew. Returns (pid, when it was started) of those that live."""
        processes = living()
        chosen = {
            pid
            for pid, process in processes.items()
            if (pid, process.started) in self.seen or is_marked(pid, self.mark)
        }
        grown = True
        while grown:
            below = {pid for pid, process in processes.items() if process.parent in chosen} - chosen
            chosen |= below
            grown = bool(below)
        chosen.discard(os.getpid())
        marked = {pid for pid in chosen if is_marked(pid, self.mark)}
        self.modules.update(
            (pid, processes[pid].started)
            for pid in marked
            if processes[pid].parent not in marked and processes[pid].name.startswith("python")
        )
        found = {(pid, processes[pid].started): processes[pid].name for pid in chosen}
        self.seen.update(found)
        return set(found)

    def signal(self, number, within_s):
        """Sends the signal once to each that lives, also to those that come. Returns who is
        left after the time.
        """
        told = set()
        deadline = time.monotonic() + within_s
        while True:
            left = self.alive()
            if not left or time.monotonic() > deadline:
                return left
            for process in left - told:
                try:
                    # A module that SIGTERM ends leaves its temporary directory;
                    # KeyboardInterrupt lets it clean up.
                    interrupt = number == signal.SIGTERM and process in self.modules
                    os.kill(process[0], signal.SIGINT if interrupt else number)
                except OSError:
                    pass  # gone, or another user's
            told |= left
            time.sleep(0.1)


def main():
    module = AnsibleModule(
        argument_spec={"run": {"type": "str", "required": True}}, supports_check_mode=True
    )
    run = Run(module.params["run"])
    if module.check_mode:
        run.alive()
        module.exit_json(changed=False, ended=sorted(run.seen.values()), left=[])
    left = run.signal(signal.SIGTERM, GRACE_S) and run.signal(signal.SIGKILL, KILL_S)
    ended = sorted(name for process, name in run.seen.items() if process not in left)
    names = sorted(run.seen[process] for process in left)
    module.exit_json(
        changed=bool(ended), ended=ended, left=names if stat_of(1) else names + [HIDDEN]
    )


if __name__ == "__main__":
    main()
