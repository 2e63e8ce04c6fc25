#!/usr/bin/python
"""Reads the message of the day."""

DOCUMENTATION = r"""
module: read_message
short_description: Read the message of the day
options:
  path:
    description: Where it lies.
    type: path
    required: true
author: Somebody
"""

EXAMPLES = r"""
- name: Read the message
  motd.host.read_message:
    path: /etc/motd
"""

RETURN = r"""
text:
  description: The message; null where there is none.
  type: str
  returned: success
"""

import os

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule(
        argument_spec={"path": {"type": "path", "required": True}}, supports_check_mode=True
    )
    path = module.params["path"]
    text = None
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            text = file.read()
    module.exit_json(changed=False, text=text)


if __name__ == "__main__":
    main()
