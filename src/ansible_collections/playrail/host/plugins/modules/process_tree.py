#!/usr/bin/python
"""The processes of a host in the order of their tree, read from /proc."""

DOCUMENTATION = r"""
module: process_tree
short_description: List processes as a tree
description:
  - Lists processes, each one after its parent, without the kernel's threads. Changes nothing.
options:
  limit:
    description: How many processes to return at most.
    type: int
    default: 200
  user:
    description: Only processes of this user, a name or a number.
    type: str
  pid:
    description: Only this process and what descends from it.
    type: int
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON. Those that take most
      of processor and memory go first, with those that they descend from.
    type: int
    default: 24000
author: Playrail
"""

EXAMPLES = r"""
- name: See what runs
  playrail.host.process_tree:
    limit: 50
"""

RETURN = r"""
processes:
  description: Per process pid, parent_pid, state (unless sleeping), cpu_percent over its life
    (unless 0), memory_bytes, command and, where they are not its parent's, user, started (ISO
    8601, UTC), unit, container, listens and program_deleted.
  type: list
  elements: dict
  returned: success
total:
  description: How many processes there are, of the user when one is named.
  type: int
  returned: success
kernel_threads:
  description: How many threads of the kernel were left out.
  type: int
  returned: success
of_playrail:
  description: How many were left out by which Playrail is at work there.
  type: int
  returned: success
all_visible:
  description: Whether other users' processes may be seen.
  type: bool
  returned: success
commands_cut:
  description: How many commands were cut.
  type: int
  returned: success
not_permitted:
  description: What this user may not see.
  type: list
  elements: str
  returned: success
truncated:
  description: Whether processes were left out.
  type: bool
  returned: success
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import pwd

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.process_parts import Parts
from ansible_collections.playrail.host.plugins.module_utils.processes import (
    NOT_SEEN,
    Describer,
    Places,
    all_visible,
    is_number,
    of_playrail,
    processes,
)
from ansible_collections.playrail.host.plugins.module_utils.room import beside, length

FROM_PARENT = ("user", "started")
QUIET = {"state": "sleeping", "cpu_percent": 0.0, "memory_bytes": 0}  # what goes without saying


def user_number(user):
    """Raises KeyError when there is no such user."""
    return int(user) if is_number(user) else pwd.getpwnam(user).pw_uid


def in_tree_order(found):
    """Parents before what they started, the oldest first."""
    known = {process.pid for process in found}
    children = {}
    for process in sorted(found, key=lambda process: (process.start, process.pid), reverse=True):
        parent = process.parent if process.parent in known and process.parent != process.pid else 0
        children.setdefault(parent, []).append(process)
    waiting = children.get(0, [])
    while waiting:
        process = waiting.pop()
        yield process
        waiting.extend(children.get(process.pid, ()))


def descendants(found, top):
    """The process and all that descend from it."""
    below, known = [one for one in found if one.pid == top], {top}
    for process in sorted(found, key=lambda process: process.start):
        if process.parent in known and process.pid != top:
            known.add(process.pid)
            below.append(process)
    return below


class Told:
    """Makes processes into what is reported of them, each once."""

    def __init__(self):
        self.describer = Describer()
        self.places = Places()
        self.parts = Parts()

    def told(self, process):
        found = self.describer.described(process)
        del found["memory_percent"]
        found = {key: value for key, value in found.items() if QUIET.get(key) != value}
        parents = dict(self.places.of(process.parent), **self.parts.of(process.parent))
        own = dict(self.places.of(process.pid), **self.parts.of(process.pid))
        found.update((name, value) for name, value in own.items() if parents.get(name) != value)
        return found


def by_weight(ordered, telling):
    """The processes, those that take most of processor or memory first, each followed by
    its ancestors.
    """
    by_number = {process.pid: process for process in ordered}
    total = float(telling.describer.memory_total or 1)

    def weight(process):
        return max(
            telling.describer.clock.cpu_percent(process), 100.0 * process.memory_bytes / total
        )

    seen = set()
    for process in sorted(by_number.values(), key=lambda one: (-weight(one), one.start, one.pid)):
        pid = process.pid
        while pid in by_number and pid not in seen:
            seen.add(pid)
            yield by_number[pid]
            pid = by_number[pid].parent


def chosen(ordered, telling, limit, room):
    """Those that are told, in the order of the tree: of too many those that take most, with
    their ancestors. User and start are told where they are not the parent's.
    """
    told = {}
    for process in by_weight(ordered, telling):
        one = telling.told(process)
        room -= length(one)
        if room < 0 or len(told) == limit:
            break
        told[process.pid] = one
    return [
        {
            key: value
            for key, value in told[process.pid].items()
            if key not in FROM_PARENT or told.get(process.parent, {}).get(key) != value
        }
        for process in ordered
        if process.pid in told
    ]


def main():
    module = AnsibleModule(
        argument_spec={
            "limit": {"type": "int", "default": 200},
            "user": {"type": "str"},
            "pid": {"type": "int"},
            "max_bytes": {"type": "int", "default": 24000},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        wanted = user_number(given["user"]) if given["user"] is not None else None
    except KeyError:
        module.fail_json(
            msg="there is no user %s on this host" % given["user"], playrail_code="owner_not_found"
        )
    seen = processes()
    own = of_playrail(seen)
    kernel = sum(process.kernel_thread for process in seen)
    rest = [process for process in seen if not process.kernel_thread and process.pid not in own]
    found = [process for process in rest if wanted in (None, process.uid)]
    if given["pid"] is not None:
        found = descendants(found, given["pid"])
        if not found:
            message = "no process of this number runs on the host, or none that this user may see"
            module.fail_json(msg=message, playrail_code="process_not_found")
    telling = Told()
    report = {
        "total": len(found),
        "kernel_threads": kernel,
        "of_playrail": len(own) - 1,  # without this module's
        "all_visible": all_visible(),
        "commands_cut": len(found),
        "truncated": False,
    }
    room = beside(report, given["max_bytes"])
    listed = chosen(list(in_tree_order(found)), telling, given["limit"], room)
    report.update({} if telling.parts.complete else {"not_permitted": NOT_SEEN})
    report.update(commands_cut=sum(one["command"].endswith("\u2026") for one in listed))
    module.exit_json(
        changed=False, processes=listed, **dict(report, truncated=len(found) > len(listed))
    )


if __name__ == "__main__":
    main()
