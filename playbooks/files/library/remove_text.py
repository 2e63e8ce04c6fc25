#!/usr/bin/python
"""Removes a file, unless its place is protected or the file is not the expected one.

`ansible.builtin.file` with C(state: absent) would remove a whole directory as well, and looks at no content.
"""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: remove_text
short_description: Remove a file
description:
  - Removes a regular file. Refuses protected places, symbolic links, directories and devices.
  - With C(--diff) it tells the content of a text file, so that it can be written again.
options:
  path:
    description: The file. Taken literally, neither C(~) nor C($NAME) is expanded.
    type: str
    required: true
  expected_sha256:
    description: SHA-256 of the file's content. When it is another, or there is no file, nothing is removed.
    type: str
  secret:
    description: Whether the content is a secret, which no diff shows.
    type: bool
    default: false
  protected:
    description:
      - Glob patterns of what must not be removed, nor what lies below. C(default) stands for the usual places, such as
        the lists of users, sudo's rules and the kernel's file systems.
    type: list
    elements: str
    default: [default]
  unreadable:
    description: As O(protected), of what must not be read. It is not removed either.
    type: list
    elements: str
    default: [default]
author: Playrail
"""

EXAMPLES = r"""
- name: Remove a page
  ansible.legacy.remove_text:
    path: /srv/www/old.html
"""

RETURN = r"""
resolved_path: {description: "The path without symbolic links.", type: str, returned: success}
old_sha256: {description: "SHA-256 of the content; null when there was no file.", type: str, returned: success}
old: {description: "Mode, owner and group of the file; null when there was none.", type: dict, returned: success}
playrail_code: {description: "What kind of failure.", type: str, returned: failure}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.playrail_files import Place, attributes_of, check_expected, difference
from ansible.module_utils.playrail_places import READ, WRITE, Refused, Rules, failure


def remove(module):
    """Removes it, or says what would be removed. Raises Refused and OSError."""
    given, place = module.params, None
    try:
        place = Place(given["path"], (Rules(given["protected"], WRITE), Rules(given["unreadable"], READ)))
    except FileNotFoundError:  # not even its directory is there
        if given["expected_sha256"] is not None:
            raise
    if os.path.islink(given["path"]):
        raise Refused("not_a_file", "%s is a symbolic link, which is not removed" % given["path"])
    if place is None:
        return {"changed": False, "resolved_path": given["path"], "old_sha256": None, "old": None}
    check_expected(place, given["path"], given["expected_sha256"])
    if place.status is not None:
        place.check_writable()
        if not module.check_mode:
            place.remove(given["path"])
    told = {"old_sha256": place.sha256, "old": attributes_of(place.status), "resolved_path": place.resolved}
    if module._diff and place.status is not None:
        told["diff"] = [difference(place.resolved, place.start, None, given["secret"])]
    return dict(told, changed=place.status is not None)


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "expected_sha256": {"type": "str"},
            "secret": {"type": "bool", "default": False},
            "protected": {"type": "list", "elements": "str", "default": ["default"]},
            "unreadable": {"type": "list", "elements": "str", "default": ["default"]},
        },
        supports_check_mode=True,
    )
    try:
        told = remove(module)
    except (Refused, OSError) as error:
        module.fail_json(**failure(error, "remove", module.params["path"]))
    module.exit_json(**told)


if __name__ == "__main__":
    main()
