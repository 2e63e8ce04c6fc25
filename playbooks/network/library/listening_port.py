#!/usr/bin/python
"""Whether something listens on a port, read from /proc."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: listening_port
short_description: Say whether something listens on a port
description:
  - Looks for sockets on which something listens at a port, and for the processes that hold them. Changes nothing.
options:
  port:
    description: The port.
    type: int
    required: true
  protocol:
    description: The protocol.
    type: str
    choices: [tcp, udp]
    default: tcp
author: Playrail
"""

EXAMPLES = r"""
- name: See whether something listens on port 80
  ansible.legacy.listening_port:
    port: 80
"""

RETURN = r"""
listening: {description: "Whether there is such a socket.", type: bool, returned: success}
sockets:
  description: "Per socket protocol, address, port, user, process (pid, name and user) and processes, their number."
  type: list
  elements: dict
  returned: success
processes_known: {description: "Whether every process could be looked at.", type: bool, returned: success}
truncated: {description: "Whether sockets were left out.", type: bool, returned: success}
playrail_code: {description: "What kind of failure.", type: str, returned: failure}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.playrail_sockets import described, listening

MAX_SOCKETS = 100  # a server may have one per processor, all alike


def main():
    module = AnsibleModule(
        argument_spec={
            "port": {"type": "int", "required": True},
            "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
        },
        supports_check_mode=True,
    )
    try:
        found = listening(module.params["protocol"], module.params["port"])
        sockets, known = described(found[:MAX_SOCKETS])
    except (IOError, OSError) as error:
        module.fail_json(msg="cannot read the sockets: " + os.strerror(error.errno), playrail_code="permission_denied")
    module.exit_json(
        changed=False,
        listening=bool(found),
        sockets=sockets,
        processes_known=known,
        truncated=len(found) > MAX_SOCKETS,
    )


if __name__ == "__main__":
    main()
