"""What is mounted on a host, how full each file system is, and files that are deleted but
still open there.
"""

import os
import re
import stat
import subprocess
import time

PROC = "/proc"
# File systems whose files the kernel makes up: they take no disk space.
UNREAL = frozenset(
    [
        "autofs",
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "devpts",
        "efivarfs",
        "fuse.gvfsd-fuse",
        "fuse.lxcfs",
        "fuse.portal",
        "fusectl",
        "hugetlbfs",
        "mqueue",
        "nsfs",
        "proc",
        "pstore",
        "rpc_pipefs",
        "securityfs",
        "selinuxfs",
        "sysfs",
        "tracefs",
    ]
)
# Always full, and not to be written
IMAGES = frozenset(("cramfs", "erofs", "iso9660", "squashfs", "udf"))
# Those that answer at once; any other may have its other end elsewhere, and that may be
# gone.
AT_HAND = (
    frozenset(
        [
            "aufs",
            "bcachefs",
            "btrfs",
            "devtmpfs",
            "exfat",
            "ext2",
            "ext3",
            "ext4",
            "f2fs",
            "hfsplus",
            "jfs",
            "msdos",
            "nilfs2",
            "ntfs",
            "ntfs3",
            "overlay",
            "ramfs",
            "reiserfs",
            "rootfs",
            "tmpfs",
            "ubifs",
            "vfat",
            "xfs",
            "zfs",
        ]
    )
    | IMAGES
)
ANSWER_S = 3.0
DELETED = " (deleted)"
MASKS = ("/proc/", "/sys/")  # what hides parts of the kernel from containers
BLOCK_BYTES = 512  # of st_blocks


class Mount:
    """A line of mountinfo; https://docs.kernel.org/filesystems/proc.html has its fields."""

    def __init__(self, line):
        before, _dash, after = line.partition(" - ")
        words, kind = before.split(" "), after.split(" ")
        major, _colon, minor = words[2].partition(":")
        self.device_number = os.makedev(int(major), int(minor))
        self.root = plain(words[3])
        self.point = plain(words[4])
        self.type = kind[0]
        self.device = plain(kind[1]) if len(kind) > 1 else ""
        own, whole = words[5].split(","), kind[2].split(",") if len(kind) > 2 else []
        self.read_only = "ro" in own or "ro" in whole
        # Of the mount, then of the whole file system
        self.options = own + [plain(word) for word in whole if word not in own and word != "rw"]

    def holds(self, path):
        return path == self.point or path.startswith(self.point.rstrip("/") + "/")


def plain(text):
    """The text of a field, in which blanks and such are written as numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), text)


def mounts():
    """Every mount, of several at one place the one that is seen."""
    found = {}
    with open(PROC + "/self/mountinfo", "rb") as file:
        for line in file.read().decode("utf-8", "surrogateescape").splitlines():
            mount = Mount(line)
            found.pop(mount.point, None)
            found[mount.point] = mount
    return list(found.values())


def holding(path, listed):
    """The mount that a path is on; None for an unknown one."""
    return max(
        (one for one in listed if one.holds(path)), key=lambda one: len(one.point), default=None
    )


class Silent(Exception):
    """A file system that does not answer, as one whose server is gone."""


def numbers(path, kind):
    """The file system's block size, blocks, those free and free for all, inodes and free
    ones. Raises OSError, Silent.

    One that may have its other end elsewhere is asked by a process apart: it may wait for
    ever.
    """
    if kind in AT_HAND:
        told = os.statvfs(path)
        return told.f_frsize, told.f_blocks, told.f_bfree, told.f_bavail, told.f_files, told.f_ffree
    # In the words that busybox understands, too
    argv = ["stat", "-f", "-c", "%S %b %f %a %c %d", "--", path]
    child = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, LC_ALL="C")
    )
    deadline = time.time() + ANSWER_S
    while child.poll() is None and time.time() < deadline:
        time.sleep(0.02)
    silent = child.poll() is None
    if silent:
        child.kill()
        try:
            child.wait(0.5)
        except subprocess.TimeoutExpired:
            pass  # a process that waits for a disk may not even die
    words, complaint = (b"", b"") if silent else child.communicate()
    child.stdout.close()
    child.stderr.close()
    if silent:
        raise Silent(path)
    words = words.split()
    if len(words) != 6:
        why = complaint.decode("utf-8", "replace").strip().rpartition(": ")[2]
        raise OSError(0, why or "stat failed")
    return tuple(int(word) if word.isdigit() else 0 for word in words)


def percent(used, free):
    return round(100.0 * used / (used + free), 1) if used + free > 0 else None


def usage(mount, path=None):
    """How full the file system is, as df counts: what is reserved for root belongs to
    neither. Raises OSError, Silent.
    """
    size, blocks, free, available, inodes, free_inodes = numbers(path or mount.point, mount.type)
    used = (blocks - free) * size
    found = {
        "mount_point": shown(mount.point),
        "device": shown(mount.device),
        "fs_type": mount.type,
        "size_bytes": blocks * size,
        "used_bytes": used,
        "available_bytes": available * size,
        "used_percent": percent(used, available * size),
        "inodes_percent": percent(inodes - free_inodes, free_inodes) if inodes else None,
        "inodes_free": free_inodes if inodes else None,
    }
    reserved = (free - available) * size
    return dict(
        found, read_only=mount.read_only or None, reserved_bytes=reserved if reserved > 0 else None
    )


def shown(path):
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


SILENT = "does not answer"
IN_SHORT = ("size_bytes", "used_percent", "inodes_percent", "read_only")


def below(path, listed, own, keys=IN_SHORT):
    """The other file systems mounted below a path, each once and the fullest first, and how
    many of each type are left out as they have no space of their own: images, and what
    containers are stacked of. `keys` are what is told of each beside its place and type.
    """
    found, left_out, seen = [], {}, {own.device_number}
    numbers_of_own = None
    for mount in sorted(listed, key=lambda one: (len(one.point), one.point)):
        if mount.point == path or not (mount.point + "/").startswith(path.rstrip("/") + "/"):
            continue
        if mount.type in UNREAL or mount.device_number in seen:
            continue
        seen.add(mount.device_number)
        if mount.type in IMAGES:
            left_out[mount.type] = left_out.get(mount.type, 0) + 1
            continue
        told = briefly(mount, keys)
        if mount.type == "overlay" and own.type != "overlay":
            numbers_of_own = numbers_of_own or briefly(own, keys)
            if told.get("size_bytes") in sizes(found) | {numbers_of_own.get("size_bytes")}:
                left_out["overlay"] = left_out.get("overlay", 0) + 1
                continue
        if told.get("size_bytes") == 0:
            continue
        found.append(told)
        if mount.type in AT_HAND and "why" not in told:
            seen.add(os.stat(mount.point).st_dev)  # of btrfs it is another
    return sorted(found, key=fullest_first), left_out, seen


def fullest_first(told):
    """Before them those that do not answer, after them those that may not be asked: a plain
    user has one for each container, and no trouble by them.
    """
    share = max(told.get("used_percent") or 0, told.get("inodes_percent") or 0)
    why = told.get("why")
    return why != SILENT, why is not None, -share, told["mount_point"]


def sizes(found):
    return {one.get("size_bytes") for one in found}


def briefly(mount, keys):
    """How full it is in short, or why that is not known."""
    told = {"mount_point": shown(mount.point), "fs_type": mount.type}
    try:
        full = usage(mount)
    except Silent:
        return dict(told, why=SILENT)
    except OSError as error:
        return dict(told, why=error.strerror or "cannot be asked")
    return dict(told, **{key: full[key] for key in keys if full[key] is not None})


def deleted_open(devices):
    """Files of these file systems that are deleted and still open, the largest first, and
    whether all processes could be looked at. Each is told once, with the first process that
    holds it.
    """
    found, complete = {}, True
    for entry in sorted((entry for entry in os.listdir(PROC) if entry.isdigit()), key=int):
        folder = "%s/%s/fd" % (PROC, entry)
        try:
            descriptors = os.listdir(folder)
        except OSError as error:
            complete = complete and not isinstance(error, PermissionError)
            continue
        for descriptor in descriptors:
            path = "%s/%s" % (folder, descriptor)
            try:
                target = os.readlink(path)
                if not target.endswith(DELETED):
                    continue
                status = os.stat(path)
            except OSError:
                continue  # closed meanwhile
            key = (status.st_dev, status.st_ino)
            if (
                stat.S_ISREG(status.st_mode)
                and not status.st_nlink
                and status.st_dev in devices
                and key not in found
            ):
                found[key] = (status.st_blocks * BLOCK_BYTES, int(entry), target[: -len(DELETED)])
    listed = [
        {"pid": pid, "name": name_of(pid), "bytes": size, "path": shown(path)}
        for size, pid, path in sorted(found.values(), key=lambda one: (-one[0], one[1]))
        if size
    ]
    return listed, complete and os.path.exists(PROC + "/1/fd")


def name_of(pid):
    try:
        with open("%s/%s/comm" % (PROC, pid), "rb") as file:
            return file.read(64).decode("utf-8", "replace").rstrip("\n")
    except OSError:
        return "?"
