#!/usr/bin/python
"""Lists a part of a directory, sorted by name.

`ansible.builtin.find` stops at its limit in whatever order the file system has, and reports no link's target; this sees
every name, keeps the wanted ones and asks the file system about those alone.
"""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: list_part
short_description: List a part of a directory
description:
  - Lists what lies in a directory, hidden names too, sorted by name, not recursively. Changes nothing.
options:
  path:
    description: The directory. Taken literally, neither C(~) nor C($NAME) is expanded.
    type: str
    required: true
  offset:
    description: How many names to leave out at the start.
    type: int
    default: 0
  limit:
    description: How many entries to return at most.
    type: int
    default: 200
author: Playrail
"""

EXAMPLES = r"""
- name: List the first ten entries of /etc
  ansible.legacy.list_part:
    path: /etc
    limit: 10
"""

RETURN = r"""
entries:
  description: "Per entry name, type, size_bytes, mode, owner, group, modified (ISO 8601, UTC) and, of a link, target."
  type: list
  elements: dict
  returned: success
total: {description: "How many names the directory holds.", type: int, returned: success}
truncated: {description: "Whether names follow after these.", type: bool, returned: success}
next_offset: {description: "The offset to go on with; null at the end.", type: int, returned: success}
escaped_names:
  description: "How many of the entries have a name that is no UTF-8; its odd bytes are shown as in a\\xffb."
  type: int
  returned: success
playrail_code: {description: "What kind of failure.", type: str, returned: failure}
"""

import grp
import heapq
import os
import pwd
import stat
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.playrail_places import failure, name_of

TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFSOCK: "socket",
    stat.S_IFIFO: "fifo",
    stat.S_IFBLK: "block",
    stat.S_IFCHR: "char",
}


def first_names(path, count):
    """The first `count` names in order, and how many there are. The memory for it does not grow with the directory."""
    seen = [0]

    def names():
        for entry in os.scandir(path):
            seen[0] += 1
            yield entry.name

    return heapq.nsmallest(count, names()), seen[0]


def text(name):
    return name.decode("utf-8", "backslashreplace")


class Names(object):
    """Names of users or groups by number, each looked up once."""

    def __init__(self, find):
        self.find = find
        self.known = {}

    def of(self, number):
        if number not in self.known:
            self.known[number] = name_of(number, self.find)
        return self.known[number]


def described(path, name, users, groups):
    """One entry, or None when it is gone meanwhile."""
    full = os.path.join(path, name)
    try:
        status = os.lstat(full)
        target = text(os.readlink(full)) if stat.S_ISLNK(status.st_mode) else None
    except FileNotFoundError:
        return None
    return {
        "name": text(name),
        "type": TYPES[stat.S_IFMT(status.st_mode)],
        "size_bytes": status.st_size,
        "mode": "%04o" % stat.S_IMODE(status.st_mode),
        "owner": users.of(status.st_uid),
        "group": groups.of(status.st_gid),
        "modified": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(status.st_mtime)),
        "target": target,
    }


def is_utf8(name):
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def list_part(path, offset, limit):
    names, total = first_names(path, offset + limit)
    wanted = names[offset:]
    users, groups = Names(pwd.getpwuid), Names(grp.getgrgid)
    entries = [described(path, name, users, groups) for name in wanted]
    truncated = total > offset + limit
    return {
        "entries": [entry for entry in entries if entry],
        "total": total,
        "truncated": truncated,
        "next_offset": offset + limit if truncated else None,
        "escaped_names": sum(not is_utf8(name) for name in wanted),
    }


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "offset": {"type": "int", "default": 0},
            "limit": {"type": "int", "default": 200},
        },
        supports_check_mode=True,
    )
    given = module.params
    if given["offset"] < 0 or given["limit"] < 1:
        module.fail_json(msg="offset starts at 0, limit at 1", playrail_code="invalid_argument")
    try:
        listed = list_part(given["path"].encode("utf-8", "surrogateescape"), given["offset"], given["limit"])
    except OSError as error:
        module.fail_json(**failure(error, "list", given["path"]))
    # No key `path` here: exit_json would add what lstat says of it, and so put other values in place of ours.
    module.exit_json(changed=False, **listed)


if __name__ == "__main__":
    main()
