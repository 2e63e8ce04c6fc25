"""Symbolic links: made and removed as what they are, whatever they lead to."""

import errno
import grp
import os
import pwd
import stat

from ansible_collections.playrail.host.plugins.module_utils.names import spelled
from ansible_collections.playrail.host.plugins.module_utils.places import name_of, real_path
from ansible_collections.playrail.host.plugins.module_utils.refusals import Refused, fixed


class Link:
    """The place of a symbolic link, which its directory's descriptor holds; `old` is where
    it leads, None when it is not there.

    `rules` are those for changes: its own place is judged by both, and what it leads to by
    what must not be read, as nobody is to have a secret by another name.
    """

    def __init__(self, path, rules):
        self.path = spelled(path)
        folder = os.path.realpath(os.path.dirname(path))
        self.resolved = os.path.join(folder, os.path.basename(path))
        _unwritable, self.unreadable = rules
        for each in rules:
            each.check(path, self.resolved)
        self.folder = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        if real_path(self.folder) != folder:
            raise Refused(
                "changed_meanwhile",
                "a directory above %s was replaced; nothing was changed" % self.path,
            )
        self.name = "/proc/self/fd/%d/%s" % (self.folder, os.path.basename(path))
        try:
            self.status = os.lstat(self.name)
        except FileNotFoundError:
            self.status, self.old = None, None
            return
        if not stat.S_ISLNK(self.status.st_mode):
            raise Refused(
                "not_a_link", "%s is there and no symbolic link; it stays as it is" % self.path
            )
        self.old = os.readlink(self.name)
        self.check_target(self.old)

    def check_target(self, target):
        full = os.path.join(os.path.dirname(self.resolved), target)
        self.unreadable.check(full, os.path.realpath(full))

    def check_changeable(self):
        flagged = fixed(self.resolved)
        if flagged:
            raise Refused("immutable_file", "%s cannot be changed: %s" % (self.path, flagged))
        if not os.access("/proc/self/fd/%d" % self.folder, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, "")

    def point(self, target):
        """Makes it lead there, at once."""
        temporary = "%s.%d" % (
            os.path.join(os.path.dirname(self.name), ".ansible_tmp"),
            os.getpid(),
        )
        os.symlink(target, temporary)
        try:
            if self.status is None:
                # Fails when something is there by now
                os.link(temporary, self.name, follow_symlinks=False)
            else:
                self.check_same()
                os.rename(temporary, self.name)
        finally:
            if os.path.lexists(temporary):
                os.unlink(temporary)

    def remove(self):
        self.check_same()
        os.unlink(self.name)

    def check_same(self):
        now = os.lstat(self.name)
        if (now.st_dev, now.st_ino) != (self.status.st_dev, self.status.st_ino):
            raise Refused("changed_meanwhile", "%s was replaced; nothing was changed" % self.path)

    def state(self):
        """Where it leads, and whose it is; None when it is not there."""
        if self.old is None:
            return None
        owner, group = (
            name_of(self.status.st_uid, pwd.getpwuid),
            name_of(self.status.st_gid, grp.getgrgid),
        )
        return {"link": spelled(self.old), "owner": owner, "group": group}
