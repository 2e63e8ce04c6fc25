#!/usr/bin/python
"""Whether something listens on a port, read from /proc; or whether it takes a connection at
another address.
"""

DOCUMENTATION = r"""
module: listening_port
short_description: Say whether something listens on a port
description:
  - Looks for sockets on which something listens at a port, and for the processes that hold them.
    Changes nothing.
options:
  port:
    description: The port.
    type: int
    required: true
  protocol:
    description: The protocol.
    type: str
    choices:
      - tcp
      - udp
    default: tcp
  address:
    description: Connects to the port there, in place of looking who listens on this host.
    type: str
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON.
    type: int
    default: 24000
author: Playrail
"""

EXAMPLES = r"""
- name: See whether something listens on port 80
  playrail.host.listening_port:
    port: 80
"""

RETURN = r"""
listening:
  description: Whether there is such a socket.
  type: bool
  returned: success
sockets:
  description: Per socket protocol, address, port, user, process (pid, name, and user where it is
    another), processes (their number, where there are several) and sockets (the number of those
    that are alike).
  type: list
  elements: dict
  returned: success
reach:
  description: C(this_server_only) when all are bound to the loopback, C(not_tried) otherwise; null
    without a socket.
  type: str
  returned: success
other_networks:
  description: Per other network of this host in which it is listened on, a process, its container,
    and ports.
  type: list
  elements: dict
  returned: success
processes_known:
  description: Whether every process could be looked at.
  type: bool
  returned: success
connection:
  description: Of an address what came of the connection, C(open) if any of its addresses took it.
  type: str
  returned: when an address was given
attempts:
  description: Per address that the name means outcome, ms and, of those open, from_address.
  type: list
  elements: dict
  returned: when an address was given
truncated:
  description: Whether sockets were left out.
  type: bool
  returned: success
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.connecting import (
    NotConnected,
    attempts,
)
from ansible_collections.playrail.host.plugins.module_utils.room import beside, fitting
from ansible_collections.playrail.host.plugins.module_utils.sockets import (
    described,
    listening,
    listens_elsewhere,
    reach,
)


def looked(protocol, port, max_bytes):
    found = listening(protocol, port)
    sockets, known = described(found)
    elsewhere = listens_elsewhere(protocol, port)
    report = {"listening": bool(found), "reach": reach(found), "processes_known": known}
    room = beside(report, max_bytes)
    kept, room = fitting(sockets, room)
    others, room = fitting(elsewhere, room)
    truncated = len(kept) < len(sockets) or len(others) < len(elsewhere)
    return dict(report, sockets=kept, other_networks=others or None, truncated=truncated)


def reached(address, port):
    """What came of connections to the port at the address."""
    try:
        found = attempts(address, port)
    except NotConnected as failed:
        return {"connection": "name_not_found", "why": str(failed)}
    outcomes = [one["outcome"] for one in found]
    return {"connection": "open" if "open" in outcomes else outcomes[0], "attempts": found}


def main():
    module = AnsibleModule(
        argument_spec={
            "port": {"type": "int", "required": True},
            "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
            "address": {"type": "str"},
            "max_bytes": {"type": "int", "default": 24000},
        },
        supports_check_mode=True,
    )
    given = module.params
    if given["address"] is not None:
        module.exit_json(changed=False, **reached(given["address"], given["port"]))
    try:
        found = looked(given["protocol"], given["port"], given["max_bytes"])
    except OSError as error:
        module.fail_json(
            msg="cannot read the sockets: " + os.strerror(error.errno),
            playrail_code="permission_denied",
        )
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
