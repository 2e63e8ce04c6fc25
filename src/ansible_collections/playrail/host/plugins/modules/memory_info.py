#!/usr/bin/python
"""How much memory a host has and uses, from /proc/meminfo, and the limit of a container."""

DOCUMENTATION = r"""
module: memory_info
short_description: Say how much memory a host has and uses
description:
  - Memory and swap in bytes as the kernel counts them; of a container also the limit of its control
    group, which C(/proc/meminfo) does not know. Changes nothing.
options:
  details:
    description: Whether to tell buffers and shared memory as well.
    type: bool
    default: false
author: Playrail
"""

EXAMPLES = r"""
- name: See how much memory there is
  playrail.host.memory_info:
"""

RETURN = r"""
memory:
  description: Bytes by the names of proc_meminfo(5).
  type: dict
  returned: success
limit_bytes:
  description: The most that this container may use, where that is less than there is.
  type: int
  returned: success
limit_used_bytes:
  description: What counts against it.
  type: int
  returned: success
oom_kills:
  description: How often the kernel ended a process for lack of memory since the start.
  type: int
  returned: success
"""

import os
import re

from ansible.module_utils.basic import AnsibleModule

PROC = "/proc"
GROUPS = "/sys/fs/cgroup"
ALWAYS = ("MemTotal", "MemFree", "MemAvailable", "Cached", "SwapTotal", "SwapFree")
DETAILS = ("Buffers", "Shmem")
LINE = re.compile(r"^(\w+):\s+(\d+) kB$", re.MULTILINE)
# Of each version of control groups: the mark of its line in /proc/PID/cgroup, where groups
# lie, and the files of limit and use.
VERSIONS = (
    ("0::", "", "memory.max", "memory.current"),
    (":memory:", "/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
)


def text(path):
    try:
        with open(path) as file:
            return file.read(65536)
    except OSError:
        return ""


def number(path):
    """The number in a file; None for no file, and for no limit."""
    found = text(path).strip()
    return int(found) if found.isdigit() else None


def groups():
    """Of the first process's control group and those above it the files of limit and use.
    In a container that sees only its own groups, the topmost that it sees has the limit.
    """
    for line in text(PROC + "/1/cgroup").splitlines():
        for mark, folder, limit, use in VERSIONS:
            if mark not in line or (mark == "0::" and not line.startswith(mark)):
                continue
            path = line.partition(mark)[2].rstrip("/")
            while True:
                place = GROUPS + folder + path
                yield os.path.join(place, limit), os.path.join(place, use)
                if not path:
                    break
                path = path.rpartition("/")[0]


def limit(total):
    """The least limit that holds for the whole host, and what counts against it; None for
    none.
    """
    found = []
    for most, used in groups():
        value = number(most)
        if value is not None and value < total:
            found.append((value, number(used)))
    return min(found, default=(None, None), key=lambda one: one[0])


def main():
    module = AnsibleModule(
        argument_spec={"details": {"type": "bool", "default": False}}, supports_check_mode=True
    )
    kept = ALWAYS + (DETAILS if module.params["details"] else ())
    memory = {
        name: int(kib) * 1024 for name, kib in LINE.findall(text(PROC + "/meminfo")) if name in kept
    }
    if "MemTotal" not in memory:
        module.fail_json(
            msg="the kernel does not tell how much memory there is",
            playrail_code="permission_denied",
        )
    most, used = limit(memory["MemTotal"])
    killed = re.search(r"^oom_kill (\d+)$", text(PROC + "/vmstat"), re.MULTILINE)
    module.exit_json(
        changed=False,
        memory=memory,
        limit_bytes=most,
        limit_used_bytes=used,
        oom_kills=int(killed.group(1)) if killed else None,
    )


if __name__ == "__main__":
    main()
