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
mode: {description: "Permissions, octal; null when a new file's are not known in check mode.", type: str, returned: success}
owner: {description: "Name of the owner; null as mode is.", type: str, returned: success}
group: {description: "Name of the group; null as mode is.", type: str, returned: success}
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
from ansible.module_utils.playrail_places import (
    PRIVATE_KEY,
    READ,
    WRITE,
    Refused,
    Rules,
    check_same,
    failure,
    name_of,
    real_path,
)

CHUNK_BYTES = 1024 * 1024
NO_OWNER = 2**32 - 1  # to the kernel: leave it as it is
DIFF_BYTES = 104448  # ansible.builtin.copy shows no difference of larger files either


class Place(object):
    """Where the file is, and what it is now. `old`, its `status` and its `sha256` are None when there is no file.

    Whoever owns a directory above may put another one there at any time. So the parent is opened, judged and kept open,
    and all that follows goes through it: `at` is its path, whatever becomes of its name.
    """

    def __init__(self, path, rules):
        self.resolved = os.path.realpath(path)
        for each in rules:
            each.check(path, self.resolved)
        folder = os.path.dirname(self.resolved)
        self.folder = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        if real_path(self.folder) != folder:
            raise Refused("changed_meanwhile", "a directory above %s was replaced; nothing was written" % path)
        self.at = "/proc/self/fd/%d" % self.folder
        self.name = self.beside(os.path.basename(self.resolved) or ".")
        self.old, self.status, self.sha256, self.start = None, None, None, b""
        if path.endswith("/"):
            raise Refused("is_a_directory", "%s is a directory" % path)
        try:
            check_type(path, os.lstat(self.name))  # first, as opening a device may already act
        except FileNotFoundError:
            return
        self.old = os.open(self.name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW)
        self.status = os.fstat(self.old)
        check_type(path, self.status)
        check_same(path, self.status)
        for each in rules:
            each.check_file(path, self.status)
        self.look()

    def beside(self, name):
        return os.path.join(self.at, name)

    def chunks(self):
        os.lseek(self.old, 0, os.SEEK_SET)
        return iter(lambda: os.read(self.old, CHUNK_BYTES), b"")

    def look(self):
        """Finds the hash, and the content as far as a difference is shown."""
        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
            self.start += chunk[: DIFF_BYTES + 1 - len(self.start)]
        self.sha256 = digest.hexdigest()

    def check_writable(self):
        """Raises what writing would raise."""
        if self.old is not None and mount_of(self.old) != mount_of(self.folder):
            raise Refused("mounted_file", "%s is a mount point and cannot be replaced" % self.resolved)
        if not os.access(self.at, os.W_OK | os.X_OK):
            read_only = os.statvfs(self.at).f_flag & os.ST_RDONLY
            raise OSError(errno.EROFS if read_only else errno.EACCES, "")


def check_type(path, status):
    if stat.S_ISDIR(status.st_mode):
        raise Refused("is_a_directory", "%s is a directory" % path)
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, "")  # all links were followed: it leads to itself, or was put there just now
    if not stat.S_ISREG(status.st_mode):
        raise Refused("not_a_file", "%s is not a regular file" % path)


def mount_of(descriptor):
    """By which mount it was reached (https://docs.kernel.org/filesystems/proc.html, fdinfo)."""
    with open("/proc/self/fdinfo/%d" % descriptor) as told:
        return [line for line in told if line.startswith("mnt_id:")]


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
        if mode is None:
            umask = os.umask(0)
            os.umask(umask)
            mode = 0o666 & ~umask
        os.fchmod(descriptor, mode)

    def changes(self, status):
        """What differs from an old file's: before and after, in Ansible's own form."""
        parts = {"before": {}, "after": {}}
        if status:
            was = {"mode": "%04o" % stat.S_IMODE(status.st_mode), "owner": status.st_uid, "group": status.st_gid}
            new = {"mode": "%04o" % self.mode, "owner": self.owner, "group": self.group}
            parts["before"] = dict((name, was[name]) for name in was if was[name] != new[name])
            parts["after"] = dict((name, new[name]) for name in was if was[name] != new[name])
        return parts


def difference(path, old, new):
    """What check mode's `--diff` shows, in Ansible's own form."""
    told = {"before_header": path, "after_header": path}
    for key, side, content in (("before", "dst", old), ("after", "src", new)):
        if len(content) > DIFF_BYTES:
            told[side + "_larger"] = DIFF_BYTES
        elif b"\0" in content or PRIVATE_KEY.search(content):
            told[side + "_binary"] = 1
        else:
            told[key] = content.decode("utf-8", "replace")
    return told


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


def described(status, given, check_mode):
    """Mode, owner and group as they are; in check mode, as they would be."""
    told = {"mode": None, "owner": None, "group": None}
    if status:
        told["mode"] = "%04o" % stat.S_IMODE(status.st_mode)
        told["owner"] = name_of(status.st_uid, pwd.getpwuid)
        told["group"] = name_of(status.st_gid, grp.getgrgid)
    if check_mode:
        told = dict((name, given[name] or value) for name, value in told.items())
    return told


def put(module, content):
    """Writes, or says what would be written. Raises Refused and OSError."""
    given = module.params
    if given["mode"] and not re.match(r"[0-7]{3,4}\Z", given["mode"]):
        raise Refused("invalid_argument", "mode is three or four octal digits")
    given["mode"] = given["mode"] and given["mode"].zfill(4)
    place = Place(given["path"], (Rules(given["protected"], WRITE), Rules(given["unreadable"], READ)))
    if given["expected_sha256"] is not None and given["expected_sha256"].lower() != place.sha256:
        why = "holds another content than expected" if place.status else "does not exist"
        raise Refused("changed_meanwhile", "%s %s; nothing was written" % (given["path"], why))
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
    told = {"size_bytes": len(content), "sha256": sha256, "old_sha256": place.sha256}
    told["backup_file"] = backup and os.path.join(os.path.dirname(place.resolved), backup)
    if module._diff:
        headers = dict.fromkeys(("before_header", "after_header"), "%s (file attributes)" % place.resolved)
        told["diff"] = [difference(place.resolved, place.start, content)] + ([dict(parts, **headers)] if parts["after"] else [])
    told.update(described(status, given, module.check_mode))
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
