#!/usr/bin/python
"""The processes of a host in the order of their tree, read from /proc."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

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
author: Playrail
"""

EXAMPLES = r"""
- name: See what runs
  ansible.legacy.process_tree:
    limit: 50
"""

RETURN = r"""
processes:
  description: "Per process pid, parent_pid, depth, user, state, cpu_percent over its life, memory_bytes,
    memory_percent, started (ISO 8601, UTC) and command."
  type: list
  elements: dict
  returned: success
total: {description: "How many processes there are, of the user when one is named.", type: int, returned: success}
kernel_threads: {description: "How many threads of the kernel were left out.", type: int, returned: success}
all_visible: {description: "Whether other users' processes may be seen.", type: bool, returned: success}
commands_cut: {description: "How many commands were cut.", type: int, returned: success}
truncated: {description: "Whether processes were left out.", type: bool, returned: success}
playrail_code: {description: "What kind of failure.", type: str, returned: failure}
"""

import os
import pwd

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.playrail_processes import Describer, all_visible, is_number, processes


def user_number(user):
    """Raises KeyError when there is no such user."""
    return int(user) if is_number(user) else pwd.getpwnam(user).pw_uid


def in_tree_order(found):
    """Each process with its depth below those that are there, parents first."""
    known = {process.pid for process in found}
    children = {}
    for process in sorted(found, key=lambda process: (process.start, process.pid), reverse=True):
        parent = process.parent if process.parent in known and process.parent != process.pid else 0
        children.setdefault(parent, []).append(process)
    waiting = [(0, process) for process in children.get(0, ())]
    while waiting:
        depth, process = waiting.pop()
        yield depth, process
        waiting.extend((depth + 1, child) for child in children.get(process.pid, ()))


def main():
    module = AnsibleModule(
        argument_spec={"limit": {"type": "int", "default": 200}, "user": {"type": "str"}},
        supports_check_mode=True,
    )
    limit, user = module.params["limit"], module.params["user"]
    try:
        wanted = user_number(user) if user is not None else None
    except KeyError:
        module.fail_json(msg="there is no user %s on this host" % user, playrail_code="owner_not_found")
    seen = [process for process in processes() if process.pid != os.getpid()]
    kernel = sum(process.kernel_thread for process in seen)
    found = [process for process in seen if not process.kernel_thread and wanted in (None, process.uid)]
    describer = Describer()
    listed = []
    for depth, process in in_tree_order(found):
        if len(listed) == limit:
            break
        listed.append(dict(describer.described(process), depth=depth))
    module.exit_json(
        changed=False,
        processes=listed,
        total=len(found),
        kernel_threads=kernel,
        all_visible=all_visible(),
        commands_cut=describer.commands_cut,
        truncated=len(found) > len(listed),
    )


if __name__ == "__main__":
    main()
