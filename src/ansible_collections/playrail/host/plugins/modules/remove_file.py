#!/usr/bin/python
"""Removes a file, unless its place is protected or the file is not the expected one.

`ansible.builtin.file` with C(state: absent) would remove a whole directory as well, and
looks at no content.
"""

DOCUMENTATION = r"""
module: remove_file
short_description: Remove a file
description:
  - Removes a regular file, or a symbolic link and not what it leads to. Refuses protected places,
    directories, devices.
  - With C(--diff) it tells the content of a text file, so that it can be written again.
options:
  path:
    description: The file. Taken literally, neither C(~) nor C($NAME) is expanded.
    type: str
    required: true
  expected_sha256:
    description: SHA-256 of the file's content. When it is another, or there is no file, nothing
      is removed.
    type: str
  empty_parents:
    description: How many of the directories above to remove as well, from the innermost on, where
      nothing else is in them.
    type: int
    default: 0
  secret:
    description: Whether the content is a secret, which no diff shows.
    type: bool
    default: false
  protected:
    description:
      - Glob patterns of what must not be removed, nor what lies below. C(default) stands for the
        usual places, such as the lists of users, sudo's rules and the kernel's file systems.
    type: list
    elements: str
    default:
      - default
  unreadable:
    description: As O(protected), of what must not be read. It is not removed either.
    type: list
    elements: str
    default:
      - default
author: Playrail
"""

EXAMPLES = r"""
- name: Remove a page
  playrail.host.remove_file:
    path: /srv/www/old.html
"""

RETURN = r"""
resolved_path:
  description: The path without symbolic links.
  type: str
  returned: success
old_sha256:
  description: SHA-256 of the content; null when there was no file.
  type: str
  returned: success
old:
  description: Mode, owner and group of the file, of a link instead of the mode where it led; null
    when there was none.
  type: dict
  returned: success
removed_directories:
  description: Directories that are removed as well.
  type: list
  elements: str
  returned: with O(empty_parents)
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import os
import stat

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.files import (
    Place,
    attributes_of,
    check_expected,
    difference,
)
from ansible_collections.playrail.host.plugins.module_utils.links import Link
from ansible_collections.playrail.host.plugins.module_utils.names import meant, spelled
from ansible_collections.playrail.host.plugins.module_utils.places import rules_for_changes
from ansible_collections.playrail.host.plugins.module_utils.refusals import Refused, failure


def remove(module):
    """Removes it, or says what would be removed. Raises Refused and OSError."""
    given, place = module.params, None
    path = meant(given["path"])
    is_link = os.path.islink(path)
    try:
        if given["expected_sha256"] is not None or not is_link:
            place = Place(path, rules_for_changes(given))
    except FileNotFoundError:  # not even its directory is there
        if given["expected_sha256"] is not None:
            raise
    if place is not None:
        check_expected(place, given["expected_sha256"])
    if is_link:
        return remove_link(module, path)
    if place is None:
        return {"changed": False, "resolved_path": given["path"], "old_sha256": None, "old": None}
    removed = []
    if place.status is not None:
        place.check_writable()
        removed = emptied(place, given["empty_parents"])
        if not module.check_mode:
            place.remove()
            removed = [each for each in removed if gone(each)]
    told = {
        "old_sha256": place.sha256,
        "old": attributes_of(place.status),
        "resolved_path": spelled(place.resolved),
    }
    if removed:
        told["removed_directories"] = [spelled(each) for each in removed]
    if module._diff and place.status is not None:
        told["diff"] = [difference(place.resolved, place.start, None, given["secret"])]
    return dict(told, changed=place.status is not None)


def remove_link(module, path):
    """Removes a symbolic link. What it leads to stays."""
    link = Link(path, rules_for_changes(module.params))
    link.check_changeable()
    if not module.check_mode:
        link.remove()
    told = {
        "old": link.state(),
        "old_sha256": None,
        "resolved_path": spelled(link.resolved),
        "changed": True,
    }
    headers = dict.fromkeys(("before_header", "after_header"), link.path)
    return dict(told, **({"diff": [dict(headers, before="", after="")]} if module._diff else {}))


def emptied(place, most):
    """The directories above that hold nothing but the file, and then one another; the
    innermost first.
    """
    path, found = os.path.dirname(place.resolved), []
    inner = os.path.basename(place.resolved)
    while len(found) < most and path != "/" and os.listdir(path) == [inner]:
        found.append(path)
        path, inner = os.path.split(path)
    return found


def gone(path):
    """Removes the directory if it is empty, and says whether."""
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            return False
        os.rmdir(path)
    except OSError:
        return False
    return True


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "expected_sha256": {"type": "str"},
            "empty_parents": {"type": "int", "default": 0},
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
