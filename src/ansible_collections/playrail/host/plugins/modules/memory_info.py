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

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.memory import (
    ALWAYS,
    DETAILS,
    limit,
    oom_kills,
    sizes,
)


def main():
    module = AnsibleModule(
        argument_spec={"details": {"type": "bool", "default": False}}, supports_check_mode=True
    )
    kept = ALWAYS + (DETAILS if module.params["details"] else ())
    memory = sizes(kept)
    if "MemTotal" not in memory:
        module.fail_json(
            msg="the kernel does not tell how much memory there is",
            playrail_code="permission_denied",
        )
    most, used = limit(memory["MemTotal"])
    module.exit_json(
        changed=False,
        memory=memory,
        limit_bytes=most,
        limit_used_bytes=used,
        oom_kills=oom_kills(),
    )


if __name__ == "__main__":
    main()
