#!/usr/bin/python
"""Looks at a systemd unit."""

DOCUMENTATION = r"""
module: unit_state
short_description: Look at a systemd unit
description:
  - Tells what systemd knows of a unit, and which names are like it where there is none. Changes
    nothing.
options:
  name:
    description: The unit; C(.service) may be left out.
    type: str
    required: true
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

from ansible_collections.playrail.host.plugins.module_utils.units import Failed, Systemd, state_of


def main():
    module = AnsibleModule(
        argument_spec={"name": {"type": "str", "required": True}}, supports_check_mode=True
    )
    try:
        module.exit_json(changed=False, **state_of(Systemd(module), module.params["name"]))
    except Failed as failure:
        module.fail_json(msg=str(failure), playrail_code=failure.code)


if __name__ == "__main__":
    main()
