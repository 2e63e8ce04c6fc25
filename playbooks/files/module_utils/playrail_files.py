"""What the modules that write and remove files share: where a file is, what it is now, and how a change is told."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import grp
import hashlib
import os
import pwd
import stat

from ansible.module_utils.playrail_places import PRIVATE_KEY, Refused, check_same, name_of, real_path

CHUNK_BYTES = 1024 * 1024
DIFF_BYTES = 100 * 1024  # of a larger file no difference is shown


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
        """Raises what writing or removing would raise."""
        if self.old is not None and mount_of(self.old) != mount_of(self.folder):
            raise Refused("mounted_file", "%s is a mount point and cannot be replaced" % self.resolved)
        folder = os.stat(self.at)
        if folder.st_mode & stat.S_ISVTX and self.status is not None:  # there only owners may replace and remove files
            if os.geteuid() not in (0, folder.st_uid, self.status.st_uid):
                raise OSError(errno.EPERM, "")
        if not os.access(self.at, os.W_OK | os.X_OK):
            read_only = os.statvfs(self.at).f_flag & os.ST_RDONLY
            raise OSError(errno.EROFS if read_only else errno.EACCES, "")

    def remove(self, path):
        """Removes the file that was looked at. Raises Refused when another one has its name now, and OSError."""
        now = os.lstat(self.name)
        if (now.st_dev, now.st_ino) != (self.status.st_dev, self.status.st_ino):
            raise Refused("changed_meanwhile", "%s was replaced; nothing was removed" % path)
        os.unlink(self.name)


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


def difference(path, old, new, secret=False):
    """What `--diff` shows, in Ansible's own form. Of a file that is not there, now or then, the content is None.

    What is not shown has one of the keys (`dst_` before, `src_` after) larger, binary and, which is ours alone, secret.
    """
    told = {"before_header": path, "after_header": path}
    for key, side, content in (("before", "dst", old), ("after", "src", new)):
        if content is None:
            told[key] = ""
        elif secret or PRIVATE_KEY.search(content):
            told[side + "_binary"] = told[side + "_secret"] = 1
        elif len(content) > DIFF_BYTES:
            told[side + "_larger"] = DIFF_BYTES
        elif b"\0" in content:
            told[side + "_binary"] = 1
        else:
            told[key] = content.decode("utf-8", "replace")
    return told


def described(mode, owner, group):
    """Mode, owner and group, numbers each, as they are told."""
    return {"mode": "%04o" % mode, "owner": name_of(owner, pwd.getpwuid), "group": name_of(group, grp.getgrgid)}


def attributes_of(status):
    """Those of a file with this status; None without one."""
    return status and described(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def check_expected(place, path, sha256):
    """Raises Refused when the file is not the one that was meant."""
    if sha256 is not None and sha256.lower() != place.sha256:
        why = "holds another content than expected" if place.status else "does not exist"
        raise Refused("changed_meanwhile", "%s %s; nothing was changed" % (path, why))
