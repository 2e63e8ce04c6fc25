#!/usr/bin/python
"""Sets the message of the day."""

DOCUMENTATION = r"""
module: set_message
short_description: Set the message of the day
options:
  path:
    description: Where it lies.
    type: path
    required: true
  text:
    description: The message; empty removes it.
    type: str
    required: true
author: Somebody
"""

EXAMPLES = r"""
- name: Set the message
  motd.host.set_message:
    path: /etc/motd
    text: Backup at 2:00
"""

RETURN = r"""
before:
  description: The message that was there.
  type: str
  returned: success
after:
  description: The message that is there.
  type: str
  returned: success
"""

import os

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "text": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    path, after = module.params["path"], module.params["text"] or None
    before = None
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            before = file.read()
    changed = before != after
    if changed and not module.check_mode:
        if after is None:
            os.unlink(path)
        else:
            with open(path, "w", encoding="utf-8") as file:
                file.write(after)
    module.exit_json(changed=changed, before=before, after=after)


if __name__ == "__main__":
    main()
