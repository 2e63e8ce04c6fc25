#!/usr/bin/python
"""Writes a whole text file at once, unless its place is protected or the file is not the expected one.

`ansible.builtin.copy` needs a look at the place before, which costs a round trip more, and finds out only after it has
written that there is no such owner.
"""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: write_text
short_description: Write a whole text file
description:
  - Writes a file in place of the old one, all or nothing, and only if it differs. Symbolic links are followed.
  - Refuses protected places, directories, devices and missing parents.
  - The old file's mode, owner and group are kept where no others are given; a user who could not keep them is refused.
  - The new file is made complete beside the old one, which is not touched before the new one takes its place.
options:
  path:
    description: The file. Taken literally, neither C(~) nor C($NAME) is expanded.
    type: str
    required: true
  content:
    description: The text, which is written as UTF-8 and as it is. It does not get into the host's log.
    type: str
    required: true
  mode:
    description: Permissions in octal, such as C(0644).
    type: str
  owner:
    description: Who shall own it; name or number.
    type: str
  group:
    description: Which group shall own it; name or number.
    type: str
  backup:
    description: Whether to keep the old file beside the new one.
    type: bool
    default: false
  expected_sha256:
    description: SHA-256 of the old file's content. When it is another, or there is no file, nothing is written.
    type: str
  secret:
    description: Whether the content is a secret, which no diff shows, nor what was there before.
    type: bool
    default: false
  protected:
    description:
      - Glob patterns of what must not be written, nor what lies below. C(default) stands for the usual places, such as
        the lists of users, sudo's rules and the kernel's file systems.
    type: list
    elements: str
    default: [default]
  unreadable:
    description: As O(protected), of what must not be read. It is not written either, as a backup or a diff would tell it.
    type: list
    elements: str
    default: [default]
author: Playrail
"""

EXAMPLES = r"""
- name: Write a page
  ansible.legacy.write_text:
    path: /srv/www/index.html
    content: "<p>Hello</p>\n"
    mode: "0644"
"""

RETURN = r"""
resolved_path: {description: "The path without symbolic links.", type: str, returned: success}
size_bytes: {description: "Size of the file.", type: int, returned: success}
sha256: {description: "SHA-256 of the file's content.", type: str, returned: success}
old_sha256: {description: "SHA-256 of the content before; null when there was no file.", type: str, returned: success}
mode: {description: "Permissions, octal.", type: str, returned: success}
owner: {description: "Name of the owner.", type: str, returned: success}
group: {description: "Name of the group.", type: str, returned: success}
old: {description: "Mode, owner and group of the file before; null when there was none.", type: dict, returned: success}
backup_file: {description: "Where the old file was kept; null when it was not.", type: str, returned: success}
playrail_code: {description: "What kind of failure.", type: str, returned: failure}
"""

import errno
import grp
import hashlib
import os
import pwd
import re
import stat
import tempfile
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.playrail_files import Place, attributes_of, check_expected, described, difference
from ansible.module_utils.playrail_places import READ, WRITE, Refused, Rules, failure, name_of

NO_OWNER = 2**32 - 1  # to the kernel: leave it as it is


def looked_up(name, find):
    """The number of a user or group. A number needs no name."""
    if re.match(r"[0-9]+\Z", name) and int(name) < NO_OWNER:
        return int(name)
    try:
        return find(name)[2]
    except KeyError:
        raise Refused("owner_not_found", "there is no user or group %s" % name)


class Attributes(object):
    """Mode, owner and group that the file shall have, as numbers; the old file's where none are given, else None.

    Refuses owners that do not exist, or that only root could give the file to.
    """

    def __init__(self, mode, owner, group, status):
        self.mode = int(mode, 8) if mode else stat.S_IMODE(status.st_mode) if status else None
        self.owner = looked_up(owner, pwd.getpwnam) if owner is not None else status.st_uid if status else None
        self.group = looked_up(group, grp.getgrnam) if group is not None else status.st_gid if status else None
        if os.geteuid() == 0:
            return
        if self.owner not in (None, os.geteuid()):
            name = name_of(self.owner, pwd.getpwuid)
            raise Refused("permission_denied", "only root may write a file that %s owns" % name)
        if self.group not in [None, os.getegid()] + os.getgroups():
            message = "only root or a member may write a file that belongs to the group %s"
            raise Refused("permission_denied", message % name_of(self.group, grp.getgrgid))

    def set(self, descriptor, old=None):
        """Sets them, and what else `old` has. A change of owner clears much, and a mode may let others in: so in this order."""
        status, mode = os.fstat(descriptor), self.mode
        owner = -1 if self.owner in (None, status.st_uid) else self.owner
        group = -1 if self.group in (None, status.st_gid) else self.group
        if (owner, group) != (-1, -1):
            os.fchown(descriptor, owner, group)
        if old is not None:
            copy_extended(old, descriptor)
        os.fchmod(descriptor, new_mode() if mode is None else mode)

    def changes(self, status):
        """What differs from an old file's: before and after, in Ansible's own form."""
        parts = {"before": {}, "after": {}}
        if status:
            was = {"mode": "%04o" % stat.S_IMODE(status.st_mode), "owner": status.st_uid, "group": status.st_gid}
            new = {"mode": "%04o" % self.mode, "owner": self.owner, "group": self.group}
            parts["before"] = dict((name, was[name]) for name in was if was[name] != new[name])
            parts["after"] = dict((name, new[name]) for name in was if was[name] != new[name])
        return parts


def new_mode():
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def copy_extended(old, new):
    """Copies access lists, labels and the like, as far as the file system and the user can."""
    try:
        names = os.listxattr(old)
    except OSError:
        return
    for name in names:
        try:
            os.setxattr(new, name, os.getxattr(old, name))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise


def keep(module, place):
    """Copies the old file beside itself and returns the copy's name, which is as Ansible would call it."""
    moment = time.strftime("%Y-%m-%d@%H:%M:%S~")
    name = "%s.%d.%s" % (os.path.basename(place.resolved), os.getpid(), moment)
    path = place.beside(name)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as copy:
            for chunk in place.chunks():
                copy.write(chunk)
            copy.flush()
            Attributes(None, None, None, place.status).set(descriptor, place.old)
            os.utime(descriptor, ns=(place.status.st_atime_ns, place.status.st_mtime_ns))
    except BaseException:
        module.cleanup(path)
        raise
    return name


def write(module, place, content, attributes):
    """Puts the new file in the old one's place; what fails leaves no trace. Returns its status and the backup's name."""
    backup = None
    descriptor, temporary = tempfile.mkstemp(prefix=".ansible_tmp", dir=place.at)
    try:
        with os.fdopen(descriptor, "wb") as new:
            new.write(content)
            new.flush()
            if place.old is None and module.selinux_enabled():
                module.set_context_if_different(temporary, module.selinux_default_context(place.resolved), False)
            attributes.set(descriptor, place.old)
            os.fsync(descriptor)
            if place.old is not None and module.params["backup"]:
                backup = keep(module, place)
            os.rename(temporary, place.name)
            return os.fstat(descriptor), backup
    except BaseException:
        module.cleanup(temporary)
        if backup:
            module.cleanup(place.beside(backup))
        raise


def foreseen(attributes, place):
    """Mode, owner and group as they would be. A new file's group may be that of its directory."""
    folder = os.fstat(place.folder)
    group = folder.st_gid if folder.st_mode & stat.S_ISGID else os.getegid()
    return described(
        new_mode() if attributes.mode is None else attributes.mode,
        os.geteuid() if attributes.owner is None else attributes.owner,
        group if attributes.group is None else attributes.group,
    )


def put(module, content):
    """Writes, or says what would be written. Raises Refused and OSError."""
    given = module.params
    if given["mode"] and not re.match(r"[0-7]{3,4}\Z", given["mode"]):
        raise Refused("invalid_argument", "mode is three or four octal digits")
    given["mode"] = given["mode"] and given["mode"].zfill(4)
    place = Place(given["path"], (Rules(given["protected"], WRITE), Rules(given["unreadable"], READ)))
    check_expected(place, given["path"], given["expected_sha256"])
    attributes = Attributes(given["mode"], given["owner"], given["group"], place.status)
    parts = attributes.changes(place.status)
    sha256 = hashlib.sha256(content).hexdigest()
    differs, status, backup = sha256 != place.sha256, place.status, None
    if differs:
        place.check_writable()
    if differs and not module.check_mode:
        status, backup = write(module, place, content, attributes)
    elif parts["after"] and not module.check_mode:
        attributes.set(place.old)
        status = os.fstat(place.old)
    told = {"size_bytes": len(content), "sha256": sha256, "old_sha256": place.sha256, "old": attributes_of(place.status)}
    told["backup_file"] = backup and os.path.join(os.path.dirname(place.resolved), backup)
    if module._diff:
        headers = dict.fromkeys(("before_header", "after_header"), "%s (file attributes)" % place.resolved)
        old = place.start if place.status else None
        told["diff"] = [difference(place.resolved, old, content, given["secret"])]
        told["diff"] += [dict(parts, **headers)] if parts["after"] else []
    told.update(foreseen(attributes, place) if module.check_mode else attributes_of(status))
    return dict(told, changed=differs or bool(parts["after"]), resolved_path=place.resolved)


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "content": {"type": "str", "required": True, "no_log": True},
            "mode": {"type": "str"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "backup": {"type": "bool", "default": False},
            "expected_sha256": {"type": "str"},
            "secret": {"type": "bool", "default": False},
            "protected": {"type": "list", "elements": "str", "default": ["default"]},
            "unreadable": {"type": "list", "elements": "str", "default": ["default"]},
        },
        supports_check_mode=True,
    )
    # `no_log` has kept the content out of the host's log. Its other effect is not wanted: every text of the answer that
    # holds the content would be masked, with a content of "a" any path that has an a.
    module.no_log_values.clear()
    content = module.params.pop("content").encode("utf-8")
    try:
        told = put(module, content)
    except (Refused, OSError) as error:
        module.fail_json(**failure(error, "write", module.params["path"]))
    # No key `path` here: exit_json would add what lstat says of it, and so put other values in place of ours.
    module.exit_json(**told)


if __name__ == "__main__":
    main()
