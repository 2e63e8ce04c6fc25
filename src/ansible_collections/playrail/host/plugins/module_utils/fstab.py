"""What /etc/fstab says, beside what is mounted. fstab(5), and mount(8) for the options."""

import os
import re

from ansible_collections.playrail.host.plugins.module_utils.mounts import (
    AT_HAND,
    IMAGES,
    PROC,
    UNREAL,
    holding,
    plain,
    shown,
)

FSTAB = "/etc/fstab"
TAGS = {
    "UUID": "by-uuid",
    "LABEL": "by-label",
    "PARTUUID": "by-partuuid",
    "PARTLABEL": "by-partlabel",
}
DISKS = "/dev/disk"
FLAGS = {"ro": "rw", "nosuid": "suid", "nodev": "dev", "noexec": "exec"}
SECRET = re.compile(r"^(pass\w*|secret|key)=.*$")
BY_USERS = {"user", "users", "owner", "group"}  # who may mount it: it is no place for programs
UNITS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/generator.early",
    "/run/systemd/generator",
    "/run/systemd/generator.late",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
NETWORK = ("nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs")


class Entry:
    """A line of fstab."""

    def __init__(self, words):
        self.device, self.point, self.type = (plain(word) for word in words[:3])
        self.point = self.point.rstrip("/") or "/"
        self.options = words[3].split(",") if len(words) > 3 else ["defaults"]

    @property
    def is_swap(self):
        return self.type == "swap"

    def path(self):
        """The device's place; None where that cannot be found out, and for what is none."""
        tag, _is, value = self.device.partition("=")
        if tag in TAGS:
            folder = os.path.join(DISKS, TAGS[tag])
            escaped = re.sub(r"[ /\\]", lambda one: "\\x%02x" % ord(one.group()), value.strip('"'))
            return os.path.join(folder, escaped) if os.path.isdir(DISKS) else None
        return self.device if self.device.startswith("/dev/") else None

    def told(self):
        """The options, without passwords."""
        return ",".join(SECRET.sub(r"\1=(hidden)", shown(word)) for word in self.options)

    def flags(self):
        """Which of FLAGS hold; of several the last one counts."""
        held = set()
        for word in self.options:
            if word in BY_USERS:
                held |= {"nosuid", "nodev", "noexec"}
            elif word in FLAGS:
                held.add(word)
            held -= {flag for flag, off in FLAGS.items() if word in (off, "defaults")}
        return held


def entries():
    """The lines of fstab. Raises OSError but where there is none."""
    try:
        with open(FSTAB, "rb") as file:
            text = file.read().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return []
    lines = [line.split() for line in text.splitlines() if not line.lstrip().startswith("#")]
    return [Entry(words) for words in lines if len(words) > 2]


def swaps():
    """What /proc/swaps tells of each. A kernel without swap has no such file."""
    try:
        with open(PROC + "/swaps", "rb") as file:
            lines = file.read().decode("utf-8", "surrogateescape").splitlines()[1:]
    except FileNotFoundError:
        return []
    return [
        {
            "device": shown(plain(words[0])),
            "type": words[1],
            "size_bytes": int(words[2]) * 1024,
            "used_bytes": int(words[3]) * 1024,
            "priority": int(words[4]),
        }
        for words in (line.split() for line in lines)
        if len(words) == 5
    ]


def differences(listed, active):
    """What of fstab is not mounted, or is otherwise; and where is mounted what would not be at
    the next start. Raises OSError.
    """
    mounted = {mount.point: mount for mount in listed}
    found, points = [], set()
    for entry in entries():
        if entry.is_swap:
            problem = swap_problem(entry, active)
        else:
            place = entry.point if entry.point in mounted else real(entry.point, listed)
            points.add(place)
            problem = mount_problem(entry, mounted.get(place))
        if problem:
            about = {"device": shown(entry.device), "options": entry.told()}
            point = "swap" if entry.is_swap else shown(entry.point)
            found.append(dict(about, mount_point=point, **problem))
    return found, sorted(shown(one.point) for one in listed if forgotten(one, points))


def real(point, listed):
    """The place that a path with links leads to. A file system that may not answer is not
    asked.
    """
    on = holding(point, listed)
    return os.path.realpath(point) if on is not None and on.type in AT_HAND else point


def swap_problem(entry, active):
    path = entry.path() or (entry.device if entry.device.startswith("/") else None)
    if "noauto" in entry.options or path is None:
        return None
    if os.path.realpath(path) in {os.path.realpath(one["device"]) for one in active}:
        return None
    return {"problem": "not_active" if os.path.exists(path) else "device_missing"}


def mount_problem(entry, mount):
    path = entry.path()
    missing = path is not None and not os.path.exists(path)
    if mount is None:
        if "noauto" in entry.options or entry.point == "none":
            return None
        return {"problem": "device_missing" if missing else "not_mounted"}
    if mount.type in UNREAL:
        return None  # the kernel's own; or autofs, which mounts it when somebody looks
    if missing or not is_device(entry, path, mount):
        return {"problem": "other_device", "now": shown(mount.device)}
    now = {flag for flag in FLAGS if flag in mount.options or (flag == "ro" and mount.read_only)}
    other = entry.flags() ^ now
    if "bind" in entry.options or "rbind" in entry.options:
        other &= {"ro"}  # it has the rest of what it shows
    if other:
        told = [flag if flag in now else FLAGS[flag] for flag in sorted(other)]
        return {"problem": "other_options", "now": ",".join(told)}
    return None


def is_device(entry, path, mount):
    """Whether the mount is of the entry's device, as far as that can be told."""
    if mount.device.startswith("/dev/") and path is not None:
        status = os.stat(path)
        real = os.path.realpath(mount.device) == os.path.realpath(path)
        return real or status.st_rdev == mount.device_number
    if entry.type in NETWORK and mount.type in NETWORK:
        return entry.device.rstrip("/") == mount.device.rstrip("/")
    return True


def forgotten(mount, points):
    """Whether a disk or a server's share is mounted by hand: neither fstab nor a unit does so
    at the next start.
    """
    of_disk = mount.device.startswith("/dev/") and mount.type in AT_HAND - IMAGES
    if not (of_disk or mount.type in NETWORK) or mount.point in points or mount.point == "/":
        return False
    if mount.root != "/" and mount.type != "btrfs":
        return False  # a part of what is mounted elsewhere, as container engines do
    return not any(os.path.exists(os.path.join(folder, unit_of(mount.point))) for folder in UNITS)


def unit_of(point):
    """The name of a mount's unit; systemd.unit(5), "String escaping for inclusion"."""
    words = os.fsencode(point.strip("/"))
    escaped = "".join(
        "-" if letter == "/" else letter if re.match(r"[A-Za-z0-9:_.]", letter) else code
        for letter, code in ((chr(one), "\\x%02x" % one) for one in bytearray(words))
    )
    return ("\\x2e" + escaped[1:] if escaped.startswith(".") else escaped) + ".mount"
