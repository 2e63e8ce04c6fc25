"""Mode, owner and group of a file, and what else of an old file a new one in its place has
to keep.
"""

import errno
import grp
import os
import pwd
import re
import stat

from ansible_collections.playrail.host.plugins.module_utils.places import name_of
from ansible_collections.playrail.host.plugins.module_utils.refusals import Refused

NO_OWNER = 2**32 - 1  # to the kernel: leave it as it is


def looked_up(name, find):
    """The number of a user or group. A number needs no name."""
    if re.match(r"[0-9]+\Z", name) and int(name) < NO_OWNER:
        return int(name)
    try:
        return find(name)[2]
    except KeyError:
        raise Refused("owner_not_found", "there is no user or group %s" % name)


class Attributes:
    """Mode, owner and group that the file shall have, as numbers; the old file's where none
    are given, else None.

    Refuses owners that do not exist, or that only root could give the file to.
    """

    def __init__(self, mode, owner, group, status):
        self.mode = int(mode, 8) if mode else stat.S_IMODE(status.st_mode) if status else None
        self.owner = (
            looked_up(owner, pwd.getpwnam)
            if owner is not None
            else status.st_uid
            if status
            else None
        )
        self.group = (
            looked_up(group, grp.getgrnam)
            if group is not None
            else status.st_gid
            if status
            else None
        )
        if os.geteuid() == 0:
            return
        if self.owner not in (None, os.geteuid()):
            name = name_of(self.owner, pwd.getpwuid)
            raise Refused("permission_denied", "only root may write a file that %s owns" % name)
        if self.group not in [None, os.getegid()] + os.getgroups():
            message = "only root or a member may write a file that belongs to the group %s"
            raise Refused("permission_denied", message % name_of(self.group, grp.getgrgid))

    def set(self, descriptor, old=None):
        """Sets them, and what else `old` has. A change of owner clears much, and a mode may
        let others in: so in this order.
        """
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
            was = {
                "mode": "%04o" % stat.S_IMODE(status.st_mode),
                "owner": status.st_uid,
                "group": status.st_gid,
            }
            new = {"mode": "%04o" % self.mode, "owner": self.owner, "group": self.group}
            parts["before"] = {name: was[name] for name in was if was[name] != new[name]}
            parts["after"] = {name: new[name] for name in was if was[name] != new[name]}
        return parts


def new_mode():
    return allowed(0o666)


def allowed(mode):
    """What the user's umask leaves of a mode."""
    umask = os.umask(0)
    os.umask(umask)
    return mode & ~umask


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
