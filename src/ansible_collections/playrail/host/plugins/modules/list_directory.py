#!/usr/bin/python
"""Lists a part of a directory, sorted by name.

`ansible.builtin.find` stops at its limit in whatever order the file system has, and reports
no link's target; this sees every name, keeps the wanted ones and asks the file system about
those alone.
"""

DOCUMENTATION = r"""
module: list_directory
short_description: List a part of a directory
description:
  - Lists what lies in a directory, hidden names too, sorted by name, not recursively. Changes
    nothing.
options:
  path:
    description: The directory. Neither C(~) nor C($NAME) is expanded; C(\\xff) is a byte
      of an odd name.
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
  details:
    description: Whether to tell size, mode, owner, group and time of each entry too.
    type: bool
    default: false
  max_bytes:
    description: How many bytes of JSON the entries may have.
    type: int
    default: 24000
author: Playrail
"""

EXAMPLES = r"""
- name: List the first ten entries of /etc
  playrail.host.list_directory:
    path: /etc
    limit: 10
"""

RETURN = r"""
directories:
  description: Names of the directories.
  type: list
  elements: str
  returned: without O(details)
files:
  description: Names of the regular files.
  type: list
  elements: str
  returned: without O(details)
links:
  description: Per symbolic link where it leads, as it is written in it.
  type: dict
  returned: without O(details)
others:
  description: Per socket, pipe or device its type.
  type: dict
  returned: without O(details)
entries:
  description: Per entry name, type, size_bytes, mode, owner, group, modified (ISO 8601, UTC) and,
    of a link, target.
  type: list
  elements: dict
  returned: with O(details)
total:
  description: How many names the directory holds.
  type: int
  returned: success
truncated:
  description: Whether names follow after these.
  type: bool
  returned: success
next_offset:
  description: The offset to go on with; null at the end.
  type: int
  returned: success
escaped_names:
  description: How many of the names hold what is shown as C(\xff), a byte; so written they can
    be given back.
  type: int
  returned: success
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import grp
import heapq
import json
import os
import pwd
import stat

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.moments import utc
from ansible_collections.playrail.host.plugins.module_utils.names import meant, spelled
from ansible_collections.playrail.host.plugins.module_utils.places import name_of
from ansible_collections.playrail.host.plugins.module_utils.refusals import failure

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
    """The first `count` names in order, and how many there are. The memory for it does not
    grow with the directory.
    """
    seen = [0]

    def names():
        for entry in os.scandir(path):
            seen[0] += 1
            yield entry.name

    return heapq.nsmallest(count, names()), seen[0]


class Names:
    """Names of users or groups by number, each looked up once."""

    def __init__(self, find):
        self.find = find
        self.known = {}

    def of(self, number):
        if number not in self.known:
            self.known[number] = name_of(number, self.find)
        return self.known[number]


class Listing:
    """What is told of the entries, as long as it fits into so many bytes."""

    def __init__(self, path, details, max_bytes):
        self.path, self.details, self.left = path, details, max_bytes
        self.users, self.groups = Names(pwd.getpwuid), Names(grp.getgrgid)
        self.told = (
            {"entries": []}
            if details
            else {"directories": [], "files": [], "links": {}, "others": {}}
        )
        self.escaped = self.seen = 0

    def add(self, raw):
        """Adds the entry. False when it does not fit any more; the first one always does."""
        try:
            found = self.look(raw)
        except FileNotFoundError:  # gone meanwhile
            self.seen += 1
            return True
        name, kind = found["name"], found["type"]
        shown = found if self.details else [name, found["target"]] if kind == "link" else name
        self.left -= len(json.dumps(shown, ensure_ascii=False).encode("utf-8")) + 1
        if self.left < 0 and self.seen:
            return False
        self.seen += 1
        self.escaped += name.encode("utf-8") != raw
        if self.details:
            self.told["entries"].append(found)
        elif kind == "link":
            self.told["links"][name] = found["target"]
        elif kind in ("file", "directory"):
            self.told["files" if kind == "file" else "directories"].append(name)
        else:
            self.told["others"][name] = kind
        return True

    def look(self, raw):
        full = os.path.join(self.path, raw)
        status = os.lstat(full)
        found = {"name": spelled(raw), "type": TYPES[stat.S_IFMT(status.st_mode)]}
        if found["type"] == "link":
            found["target"] = spelled(os.readlink(full))
        if self.details:
            found["size_bytes"] = status.st_size
            found["mode"] = "%04o" % stat.S_IMODE(status.st_mode)
            found["owner"], found["group"] = (
                self.users.of(status.st_uid),
                self.groups.of(status.st_gid),
            )
            found["modified"] = utc(status.st_mtime)
        return found


def list_directory(path, offset, limit, details, max_bytes):
    names, total = first_names(path, offset + limit)
    listing = Listing(path, details, max_bytes)
    for name in names[offset:]:
        if not listing.add(name):
            break
    truncated = total > offset + listing.seen and listing.seen > 0
    return dict(
        listing.told,
        total=total,
        truncated=truncated,
        next_offset=offset + listing.seen if truncated else None,
        escaped_names=listing.escaped,
    )


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "offset": {"type": "int", "default": 0},
            "limit": {"type": "int", "default": 200},
            "details": {"type": "bool", "default": False},
            "max_bytes": {"type": "int", "default": 24000},
        },
        supports_check_mode=True,
    )
    given = module.params
    if given["offset"] < 0 or given["limit"] < 1:
        module.fail_json(msg="offset starts at 0, limit at 1", playrail_code="invalid_argument")
    path = os.fsencode(meant(given["path"]))
    try:
        listed = list_directory(
            path, given["offset"], given["limit"], given["details"], given["max_bytes"]
        )
    except OSError as error:
        module.fail_json(**failure(error, "list", given["path"]))
    # No key `path` here: exit_json would add what lstat says of it, and so put other values
    # in place of ours.
    module.exit_json(changed=False, **listed)


if __name__ == "__main__":
    main()
