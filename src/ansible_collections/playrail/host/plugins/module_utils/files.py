"""What the modules that write and remove files share: where a file is, what it is now, and
how a change is told.
"""

import base64
import errno
import grp
import hashlib
import os
import pwd
import stat

from ansible_collections.playrail.host.plugins.module_utils.keys import key_in
from ansible_collections.playrail.host.plugins.module_utils.names import spelled
from ansible_collections.playrail.host.plugins.module_utils.places import (
    check_same,
    name_of,
    real_path,
)
from ansible_collections.playrail.host.plugins.module_utils.refusals import Refused, fixed

CHUNK_BYTES = 1024 * 1024
DIFF_BYTES = 100 * 1024  # of a larger file no difference is shown
INTO = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW


class Place:
    """Where the file is, and what it is now. `old`, its `status` and its `sha256` are None
    when there is no file.

    Whoever owns a directory above may put another one there at any time. So the parent is
    opened, judged and kept open, and all that follows goes through it: `at` is its path,
    whatever becomes of its name. With `parents` directories may be missing: then it is the
    last one that is there, and `missing` has the names of the others.
    """

    def __init__(self, path, rules, parents=False):
        self.path, self.resolved = spelled(path), os.path.realpath(path)
        for each in rules:
            each.check(path, self.resolved)
        folder, self.missing, self.made = os.path.dirname(self.resolved), [], []
        while parents and not os.path.lexists(folder):
            self.missing.insert(0, os.path.basename(folder))
            folder = os.path.dirname(folder)
        self.folder = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        if real_path(self.folder) != folder:
            raise Refused(
                "changed_meanwhile",
                "a directory above %s was replaced; nothing was changed" % self.path,
            )
        self.old, self.status, self.sha256, self.start = None, None, None, b""
        if path.endswith("/"):
            raise Refused("is_a_directory", "%s is a directory" % self.path)
        self.check_names()
        if self.missing:
            return
        try:
            check_type(self.path, os.lstat(self.name))  # first, as opening a device may already act
        except FileNotFoundError:
            return
        self.old = os.open(self.name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW)
        self.status = os.fstat(self.old)
        check_type(self.path, self.status)
        check_same(path, self.status)
        for each in rules:
            each.check_file(path, self.status)
        self.look()

    @property
    def at(self):
        return "/proc/self/fd/%d" % self.folder

    @property
    def name(self):
        return self.beside(os.path.basename(self.resolved) or ".")

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

    def check_names(self, *more):
        """Raises Refused when a name is too long for the file system. `more` are names of
        files beside this one.
        """
        longest = name_max(self.at)
        for name in [os.path.basename(self.resolved)] + self.missing + list(more):
            if len(os.fsencode(name)) > longest:
                words = (spelled(name)[:80], len(os.fsencode(name)), longest)
                raise Refused("name_too_long", "the name %s.. has %d bytes, %d are allowed" % words)

    def check_changeable(self):
        """Raises Refused when a flag keeps the file or its directory as it is."""
        flagged = fixed(
            os.path.join(
                real_path(self.folder), (self.missing + [os.path.basename(self.resolved)])[0]
            )
        )
        if flagged:
            raise Refused("immutable_file", "%s cannot be changed: %s" % (self.path, flagged))

    def check_writable(self):
        """Raises what writing or removing would raise."""
        self.check_changeable()
        if self.old is not None and mount_of(self.old) != mount_of(self.folder):
            raise Refused(
                "mounted_file",
                "%s is a mount point and cannot be replaced" % spelled(self.resolved),
            )
        folder = os.stat(self.at)
        # There only owners may replace and remove files
        if folder.st_mode & stat.S_ISVTX and self.status is not None:
            if os.geteuid() not in (0, folder.st_uid, self.status.st_uid):
                raise OSError(errno.EPERM, "")
        if not os.access(self.at, os.W_OK | os.X_OK):
            read_only = os.statvfs(self.at).f_flag & os.ST_RDONLY
            raise OSError(errno.EROFS if read_only else errno.EACCES, "")

    def make_folders(self):
        """Makes the missing directories. What is made stays in `made`, with the directory
        above each.
        """
        while self.missing:
            name = self.missing.pop(0)
            os.mkdir(name, 0o777, dir_fd=self.folder)
            self.made.append((self.folder, name))
            self.folder = os.open(name, INTO, dir_fd=self.folder)

    def remove_folders(self):
        """Takes back what make_folders did, as far as nothing else lies there."""
        for above, name in reversed(self.made):
            try:
                os.rmdir(name, dir_fd=above)
            except OSError:
                return

    def remove(self):
        """Removes the file that was looked at. Raises Refused when another one has its name
        now, and OSError.
        """
        now = os.lstat(self.name)
        if (now.st_dev, now.st_ino) != (self.status.st_dev, self.status.st_ino):
            raise Refused("changed_meanwhile", "%s was replaced; nothing was removed" % self.path)
        os.unlink(self.name)


def name_max(folder):
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except OSError:
        return 255


def check_type(path, status):
    if stat.S_ISDIR(status.st_mode):
        raise Refused("is_a_directory", "%s is a directory" % path)
    if stat.S_ISLNK(status.st_mode):
        # All links were followed: it leads to itself, or was put there just now
        raise OSError(errno.ELOOP, "")
    if not stat.S_ISREG(status.st_mode):
        raise Refused("not_a_file", "%s is not a regular file" % path)


def mount_of(descriptor):
    """By which mount it was reached (https://docs.kernel.org/filesystems/proc.html,
    fdinfo).
    """
    with open("/proc/self/fdinfo/%d" % descriptor) as told:
        return [line for line in told if line.startswith("mnt_id:")]


def difference(path, old, new, secret=False):
    """What `--diff` shows, in Ansible's own form. Of a file that is not there, now or then,
    the content is None.

    What is not shown has one of the keys (`dst_` before, `src_` after) larger, binary and,
    which is ours alone, secret. Bytes that are no text are kept beside it, in base64:
    `before_base64` and `after_base64`.
    """
    told = {"before_header": spelled(path), "after_header": spelled(path)}
    for key, side, content in (("before", "dst", old), ("after", "src", new)):
        if content is None:
            told[key] = ""
        elif secret or key_in(content):
            told[side + "_binary"] = told[side + "_secret"] = 1
        elif len(content) > DIFF_BYTES:
            told[side + "_larger"] = DIFF_BYTES
        else:
            told.update(shown(key, side, content))
    return told


def shown(key, side, content):
    """One side of a difference."""
    raw = {key + "_base64": base64.b64encode(content).decode("ascii")}
    if b"\0" in content:
        return dict(raw, **{side + "_binary": 1})
    try:
        return {key: content.decode("utf-8")}
    except UnicodeDecodeError:
        return dict(raw, **{key: content.decode("utf-8", "replace")})


def described(mode, owner, group):
    """Mode, owner and group, numbers each, as they are told."""
    return {
        "mode": "%04o" % mode,
        "owner": name_of(owner, pwd.getpwuid),
        "group": name_of(group, grp.getgrgid),
    }


def attributes_of(status):
    """Those of a file with this status, and how many names it has if these are several;
    None without one.
    """
    if status is None:
        return None
    several = {"hard_links": status.st_nlink} if status.st_nlink > 1 else {}
    return dict(described(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid), **several)


def check_expected(place, sha256):
    """Raises Refused when the file is not the one that was meant."""
    if sha256 is not None and sha256.lower() != place.sha256:
        why = "holds another content than expected" if place.status else "does not exist"
        raise Refused("changed_meanwhile", "%s %s; nothing was changed" % (place.path, why))
