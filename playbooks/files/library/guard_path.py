#!/usr/bin/python
"""Says where a file would really be written, and refuses places that must not be written to."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: guard_path
short_description: Check the place of a file before it is written
description:
  - Resolves symbolic links and refuses protected places, directories, devices and missing parents. Changes nothing.
  - Owner and group are looked up too, as M(ansible.builtin.copy) finds out only after it has written.
options:
  path:
    description: The file. Taken literally, neither C(~) nor C($NAME) is expanded.
    type: str
    required: true
  owner:
    description: Who shall own it; name or number.
    type: str
  group:
    description: Which group shall own it; name or number.
    type: str
author: Playrail
"""

EXAMPLES = r"""
- name: Check the place
  ansible.legacy.guard_path:
    path: /srv/www/index.html
"""

RETURN = r"""
resolved_path: {description: "The path without symbolic links.", type: str, returned: success}
exists: {description: "Whether the file exists.", type: bool, returned: success}
playrail_code: {description: "What kind of failure.", type: str, returned: failure}
"""

import errno
import fnmatch
import grp
import os
import pwd
import stat

from ansible.module_utils.basic import AnsibleModule

PROTECTED = (
    "/etc/passwd",
    "/etc/passwd-",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssh/sshd_config",
    "/etc/ssh/sshd_config.d",
    "/boot",
    "/sys",
    "/proc",
    "/dev",
)
PROTECTED_PATTERNS = ("*/.ssh/authorized_keys", "*/.ssh/authorized_keys2")

CODES = {
    errno.ENOENT: "not_found",
    errno.ENOTDIR: "not_a_directory",
    errno.EACCES: "permission_denied",
    errno.ELOOP: "not_found",
    errno.ENAMETOOLONG: "not_found",
}


class Refused(Exception):
    def __init__(self, code, message):
        super(Refused, self).__init__(message)
        self.code = code


def is_protected(path):
    """Whether this path, which has no links, is a protected place or lies below one."""
    if any(path == place or path.startswith(place + "/") for place in PROTECTED):
        return True
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in PROTECTED_PATTERNS)


def is_linked_to_protected(status):
    """Whether this is a hard link to a protected file."""
    if status.st_nlink < 2:
        return False
    for place in PROTECTED:
        try:
            if os.path.samestat(os.stat(place), status):
                return True
        except OSError:
            continue
    return False


def looked_up(name, find):
    """The number of a user or group. A number needs no name."""
    if name.isdigit():
        return int(name)
    try:
        return find(name)[2]
    except KeyError:
        raise Refused("owner_not_found", "there is no user or group %s" % name)


def check_owner(owner, group, status):
    """Refuses owners that do not exist, or that only root could give a file to."""
    may_give_away = os.geteuid() == 0
    if owner is not None:
        number = looked_up(owner, pwd.getpwnam)
        if not may_give_away and number != (status.st_uid if status else os.geteuid()):
            raise Refused("permission_denied", "only root may give a file to %s" % owner)
    if group is not None:
        number = looked_up(group, grp.getgrnam)
        if not may_give_away and number not in os.getgroups() + [os.getegid()]:
            raise Refused("permission_denied", "only root or a member may give a file to the group %s" % group)


def check_parent(path):
    parent = os.path.dirname(path)
    if not stat.S_ISDIR(os.stat(parent).st_mode):
        raise Refused("not_a_directory", "%s is not a directory" % parent)


def check_path(path):
    """The path without links and the file's status, None when there is no file yet."""
    resolved = os.path.realpath(path)
    if is_protected(resolved) or is_protected(os.path.normpath(path)):
        raise Refused("protected_path", "%s is a protected place" % path)
    # The `path` type of Ansible's modules expands variables; there is no way to write them.
    if os.path.expandvars(resolved) != resolved:
        raise Refused("unsupported_path", "Ansible would take a part of %s for a variable's name" % path)
    try:
        status = os.stat(resolved)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        check_parent(resolved)
        status = None
    if status and stat.S_ISDIR(status.st_mode) or path.endswith("/"):
        raise Refused("is_a_directory", "%s is a directory" % path)
    if status and not stat.S_ISREG(status.st_mode):
        raise Refused("not_a_file", "%s is not a regular file" % path)
    if status and is_linked_to_protected(status):
        raise Refused("protected_path", "%s is a protected file by another name" % path)
    return resolved, status


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "owner": {"type": "str"},
            "group": {"type": "str"},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        resolved, status = check_path(given["path"])
        check_owner(given["owner"], given["group"], status)
    except Refused as refusal:
        module.fail_json(msg=str(refusal), playrail_code=refusal.code)
    except OSError as error:
        message = "cannot write %s: %s" % (given["path"], os.strerror(error.errno))
        module.fail_json(msg=message, playrail_code=CODES.get(error.errno, "task_failed"))
    # No key `path` here: exit_json would add what lstat says of it, and so put other values in place of ours.
    module.exit_json(changed=False, resolved_path=resolved, exists=status is not None)


if __name__ == "__main__":
    main()
