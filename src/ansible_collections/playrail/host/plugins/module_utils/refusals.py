"""How the modules for files say what stands in the way: what they refuse, and what the
system refused them.
"""

import array
import errno
import fcntl
import os
import stat

CODES = {
    errno.ENOENT: "not_found",
    errno.ENOTDIR: "not_a_directory",
    errno.EISDIR: "is_a_directory",
    errno.EACCES: "permission_denied",
    errno.EPERM: "permission_denied",
    errno.ELOOP: "link_loop",
    errno.ENAMETOOLONG: "name_too_long",
    errno.EAGAIN: "not_a_file",
    errno.ENXIO: "not_a_file",
    errno.ENODEV: "not_a_file",
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EFBIG: "file_too_large",
    errno.EMLINK: "too_many_links",
    errno.ENOTEMPTY: "directory_not_empty",
    errno.EROFS: "read_only_file_system",
    errno.EBUSY: "file_busy",
    errno.ETXTBSY: "file_busy",
    errno.ESTALE: "stale_file",
    errno.EIO: "io_error",
    errno.EINVAL: "io_error",
    errno.ENOTCONN: "io_error",
    errno.EREMOTEIO: "io_error",
    errno.EOPNOTSUPP: "unsupported_path",
}

# FS_IOC_GETFLAGS of linux/fs.h
GET_FLAGS = 0x80086601 if array.array("l").itemsize == 8 else 0x80046601
IMMUTABLE, APPEND_ONLY = 0x10, 0x20


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def failure(error, doing, path):
    """How a module's fail_json tells of a Refused or an OSError."""
    if isinstance(error, Refused):
        return {"msg": str(error), "playrail_code": error.code}
    flagged = fixed(path) if error.errno == errno.EPERM else None
    if flagged:
        return {
            "msg": "cannot %s %s: %s" % (doing, path, flagged),
            "playrail_code": "immutable_file",
        }
    message = "cannot %s %s: %s" % (doing, path, os.strerror(error.errno) if error.errno else error)
    return {"msg": message, "playrail_code": CODES.get(error.errno, "task_failed")}


def fixed(path):
    """Says which flag keeps the file, or its directory, from being changed by anybody; None
    when none does.
    """
    for each, what in ((path, "it"), (os.path.dirname(path), "its directory")):
        flags = flags_of(each)
        if flags & IMMUTABLE:
            return "%s is immutable (lsattr shows i)" % what
        if flags & APPEND_ONLY:
            return "%s can only be added to (lsattr shows a)" % what
    return None


def flags_of(path):
    """The flags that lsattr shows; 0 when there are none, or the file system has none."""
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            return 0  # to open it may act
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return 0
    try:
        found = array.array("l", [0])
        fcntl.ioctl(descriptor, GET_FLAGS, found, True)
        return found[0]
    except OSError:
        return 0
    finally:
        os.close(descriptor)
