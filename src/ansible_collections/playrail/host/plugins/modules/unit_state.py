#!/usr/bin/python
"""Looks at a systemd unit, or a service of OpenRC."""

DOCUMENTATION = r"""
module: unit_state
short_description: Look at a systemd unit
description:
  - Tells what systemd knows of a unit, and which names are like it where there is none. Where
    OpenRC starts services, its state in the same words. Changes nothing.
options:
  name:
    description: The unit; C(.service) may be left out.
    type: str
    required: true
  messages:
    description: Whether to tell the last lines of its journal as well.
    type: bool
    default: false
author: Playrail
"""

EXAMPLES = r"""
- name: Look at the SSH service
  playrail.host.unit_state:
    name: ssh
"""

RETURN = r"""
status:
  description: The unit's properties, as C(systemctl show) has them.
  type: dict
  returned: success
failed_step:
  description: Which of its commands failed, and how.
  type: str
  returned: when it is not up
details:
  description: More of its properties.
  type: dict
  returned: when there is such a unit
command:
  description: What it runs, without what looks secret.
  type: str
  returned: when it runs something
listens:
  description: Where a socket listens.
  type: list
  elements: str
  returned: when there is such a unit
next_run:
  description: When a timer elapses next (ISO 8601, UTC).
  type: str
  returned: when there is such a unit
last_run:
  description: When it elapsed last.
  type: str
  returned: when there is such a unit
processes:
  description: Per process beside its main one, at most 10, pid and name.
  type: list
  elements: dict
  returned: when there is such a unit
messages:
  description: The last lines of its journal, each with its time.
  type: list
  elements: str
  returned: when asked for
messages_known:
  description: Whether the user may see all of them.
  type: bool
  returned: when asked for
alike:
  description: Names of units that are like the one that is not there.
  type: list
  elements: str
  returned: when there is none
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.openrc import (
    openrc_runs,
    openrc_state,
)
from ansible_collections.playrail.host.plugins.module_utils.unit_facts import messages, state_of
from ansible_collections.playrail.host.plugins.module_utils.units import Failed, Systemd


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "messages": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        if openrc_runs():
            told = openrc_state(module.params["name"])
        else:
            told = state_of(Systemd(module), module.params["name"])
        if module.params["messages"] and "alike" not in told:
            journalctl = None if openrc_runs() else module.get_bin_path("journalctl")
            told["messages"], told["messages_known"] = messages(journalctl, told["status"]["Id"])
        module.exit_json(changed=False, **told)
    except Failed as failure:
        module.fail_json(msg=str(failure), playrail_code=failure.code)


if __name__ == "__main__":
    main()
