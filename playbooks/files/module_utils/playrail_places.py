"""What the modules for files share: which places are protected, and how a failure is told.

A rule is a glob pattern over an absolute path without symbolic links. It protects what it names and all below it. `*`,
`?` and `[..]` stay within one name, `**` crosses slashes. A rule that starts with `!` is an exception; the last rule
that matches counts. The word `default` in a list stands for the list that is built in here.
"""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import glob
import os
import pwd
import re
import stat

DEFAULT = "default"

READ = (
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/security/opasswd*",
    "/var/backups/shadow*",
    "/var/backups/gshadow*",
    "/etc/ssh/ssh_host_*_key",
    "/etc/ssl/private",
    "/etc/letsencrypt/**/privkey*.pem",
    "/etc/wireguard",
    "/etc/ipsec.secrets",
    "/**/.ssh/id_*",
    "!/**/.ssh/id_*.pub",
    "/**/.ssh/*key",
    "/**/.ssh/*.pem",
)
WRITE = READ + (
    "/etc/passwd",
    "/etc/passwd-",
    "/etc/group",
    "/etc/group-",
    "/etc/ssh/sshd_config",
    "/etc/ssh/sshd_config.d",
    "/**/.ssh/authorized_keys",
    "/**/.ssh/authorized_keys2",
    "/boot",
    "/sys",
    "/proc",
    "/dev",
)
UNREAL = ("/proc", "/sys", "/dev")  # nothing there is kept, and looking may act
MAX_PROTECTED_FILES = 50000  # that are looked at for hard links
PRIVATE_KEY = re.compile(br"^-----BEGIN (?:[A-Z0-9 ]+ )?PRIVATE KEY(?: BLOCK)?-----", re.MULTILINE)
KEY_SAMPLE_BYTES = 4096

CODES = {
    errno.ENOENT: "not_found",
    errno.ENOTDIR: "not_a_directory",
    errno.EISDIR: "is_a_directory",
    errno.EACCES: "permission_denied",
    errno.EPERM: "permission_denied",
    errno.ELOOP: "not_found",
    errno.ENAMETOOLONG: "not_found",
    errno.EAGAIN: "not_a_file",
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EROFS: "read_only_file_system",
    errno.EBUSY: "mounted_file",
}

WILDCARD = re.compile(r"(\*\*/|\*\*|\*|\?|\[[^]/]+\])")
MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


class Refused(Exception):
    def __init__(self, code, message):
        super(Refused, self).__init__(message)
        self.code = code


def failure(error, doing, path):
    """How a module's fail_json tells of a Refused or an OSError."""
    if isinstance(error, Refused):
        return {"msg": str(error), "playrail_code": error.code}
    message = "cannot %s %s: %s" % (doing, path, os.strerror(error.errno) if error.errno else error)
    return {"msg": message, "playrail_code": CODES.get(error.errno, "task_failed")}


def name_of(number, find):
    """The name of a user or group, found with pwd.getpwuid or grp.getgrgid; its number when it has none."""
    try:
        return find(number)[0]
    except KeyError:
        return str(number)


def is_unreal(path):
    return any(path == place or path.startswith(place + "/") for place in UNREAL)


def one_of(characters):
    """A regular expression for what stands in brackets; `!` at its beginning means: none of these."""
    told = re.escape(characters.lstrip("!") or "!").replace("\\-", "-")
    return "[^/%s]" % told if characters.startswith("!") else "[%s]" % told


def expression(rule):
    """A regular expression for what the rule names and all below it."""
    if not rule.startswith("/"):
        raise Refused("invalid_argument", "the rule %r is not an absolute path" % rule)
    parts = WILDCARD.split(rule.rstrip("/"))
    parts[::2] = [re.escape(part) for part in parts[::2]]
    parts[1::2] = [MEANING.get(part) or one_of(part[1:-1]) for part in parts[1::2]]
    try:
        return re.compile("".join(parts) + r"(?:/.*)?\Z", re.DOTALL)
    except re.error:
        raise Refused("invalid_argument", "the rule %r is not a pattern" % rule)


class Rules(object):
    """Says what is protected. `listed` is the operator's list, `default` what the word default stands for in it."""

    def __init__(self, listed, default):
        told = [rule for item in listed for rule in (default if item == DEFAULT else [item])]
        self.patterns = [rule for rule in told if not rule.startswith("!")]
        self.ordered = [(expression(rule.lstrip("!")), not rule.startswith("!")) for rule in told]
        self.any = re.compile("|".join("(?:%s)" % each.pattern for each, yes in self.ordered if yes) or r"(?!)", re.S)
        self.exceptions = [expression(rule.lstrip("!")) for rule in listed if rule.startswith("!")]
        self.keys = DEFAULT in listed
        self.files = None
        self.complete = True

    def protect(self, path):
        """Whether this path, which has no links, is protected."""
        if not self.any.match(path):
            return False
        return [yes for each, yes in self.ordered if each.match(path)][-1]

    def protect_file(self, status):
        """Whether this is a protected file by another name: a hard link, a bind mount, or what a link there leads to."""
        if self.files is None:
            self.files = set()
            for pattern in self.patterns:
                for path in existing(pattern):
                    self._add(path)
        if not self.complete and status.st_nlink > 1:
            return True  # there were too many to look at, so it cannot be told
        return (status.st_dev, status.st_ino) in self.files

    def _add(self, path):
        pending = [path]
        while pending:
            path = pending.pop()
            if is_unreal(path):
                continue
            if len(self.files) + len(pending) > MAX_PROTECTED_FILES:
                self.complete = False
                return
            try:
                own, status = os.lstat(path), os.stat(path)
                if stat.S_ISDIR(own.st_mode):
                    pending += [os.path.join(path, name) for name in os.listdir(path)]
            except OSError:
                continue
            # A user must not be able to have any file protected by a link to it.
            if stat.S_ISREG(status.st_mode) and own.st_uid == status.st_uid and self.protect(path):
                self.files.add((status.st_dev, status.st_ino))

    def check(self, path, resolved):
        """Raises Refused for a protected place. `path` as it was given, `resolved` without links."""
        if self.protect(resolved) or self.protect("/" + os.path.normpath(path).lstrip("/")):
            raise Refused("protected_path", "%s is a protected place" % path)

    def check_file(self, path, status):
        """Raises Refused for a file that is protected under another name."""
        if self.protect_file(status):
            raise Refused("protected_path", "%s is a protected file by another name" % path)

    def check_content(self, path, real, descriptor):
        """Raises Refused for a private key, wherever it lies, unless the operator's own list has an exception for it."""
        if not self.keys or real.startswith(("/proc/", "/sys/")) or any(each.match(real) for each in self.exceptions):
            return
        if PRIVATE_KEY.search(os.pread(descriptor, KEY_SAMPLE_BYTES, 0)):
            raise Refused("protected_path", "%s holds a private key" % path)


def existing(pattern):
    """Paths that match. For a leading `/**/` the homes of users stand in: a whole file system is too much to look at.

    Any other `**` stands for one name here, so a hard link to what lies deeper is not recognised.
    """
    if not pattern.startswith("/**/"):
        return glob.glob(pattern)
    homes = set(user.pw_dir for user in pwd.getpwall()) | set(glob.glob("/home/*")) | set(["/root"])
    return [path for home in homes for path in glob.glob(os.path.join(glob.escape(home), pattern[len("/**/") :]))]


def open_regular(path, rules):
    """A descriptor of the file and its path without links. Opens nothing else, as opening a device may already act."""
    resolved = os.path.realpath(path)
    rules.check(path, resolved)
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise Refused("is_a_directory", "%s is a directory" % path)
    if not stat.S_ISREG(status.st_mode):
        raise Refused("not_a_file", "%s is not a regular file" % path)
    return open_resolved(path, resolved, rules), resolved


def open_resolved(path, resolved, rules):
    """A descriptor of the regular file that `path` leads to; `resolved` is the path without links, which was judged.

    It is judged once more when it is open: a link, or a directory above it, may have been put in its place.
    """
    descriptor = os.open(resolved, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW)  # a FIFO does not block
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Refused("not_a_file", "%s is not a regular file" % path)
        check_same(path, status)
        real = real_path(descriptor)
        rules.check(path, real)
        rules.check_file(path, status)
        rules.check_content(path, real, descriptor)
    except (Refused, OSError):
        os.close(descriptor)
        raise
    return descriptor


def real_path(descriptor):
    """Where that which is open lies, without links."""
    return os.readlink("/proc/self/fd/%d" % descriptor)


def check_same(path, status):
    """Raises Refused unless the path leads to what has this status.

    It may have been replaced meanwhile. And the links /proc/PID/root and cwd lead to where their text does not.
    """
    now = os.stat(path)
    if (now.st_dev, now.st_ino) != (status.st_dev, status.st_ino):
        code = "unsupported_path" if is_unreal(path) else "changed_meanwhile"
        raise Refused(code, "%s does not lead, or no longer, to the file that its links name" % path)
