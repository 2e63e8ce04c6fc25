#!/usr/bin/python
"""How full a file system is, what is largest one level below a path, and what else takes
its space.

Only the largest leave the host: a directory may have any number of entries.
"""

DOCUMENTATION = r"""
module: disk_usage
short_description: Say how full a file system is and what fills it
description:
  - Numbers of the file system that holds a path, and the largest files and directories one
    level below the path.
  - Other file systems mounted below it are not counted; how full each of them is, is told
    beside.
  - Files that are deleted and still open are told, as they take space that no directory shows.
    Changes nothing.
options:
  path:
    description: A directory or file. Taken literally, neither C(~) nor C($NAME) is expanded.
    type: str
    required: true
  limit:
    description: How many of the largest entries to return at most.
    type: int
    default: 10
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON.
    type: int
    default: 24000
  max_seconds:
    description: After that many seconds the measuring ends and what was measured so far is
      returned.
    type: int
    default: 100
author: Playrail
"""

EXAMPLES = r"""
- name: See what fills /var
  playrail.host.disk_usage:
    path: /var
"""

RETURN = r"""
file_system:
  description: mount_point, device, fs_type, size_bytes, used_bytes, available_bytes, used_percent,
    inodes_percent, inodes_free, read_only and reserved_bytes; what it does not count, or is not
    so, is null.
  type: dict
  returned: success
mounts:
  description: Other file systems below the path, the fullest first.
  type: list
  elements: dict
  returned: success
mounts_left_out:
  description: 'How many of each type are not told: they have no space of their own.'
  type: dict
  returned: success
entries:
  description: The largest, as path and size_bytes.
  type: list
  elements: dict
  returned: success
entries_total:
  description: How many entries were measured.
  type: int
  returned: success
total_bytes:
  description: All below the path together; null when not all was measured.
  type: int
  returned: success
unaccounted_bytes:
  description: What the file system has in use and is not found below the path, where that is all
    of the file system.
  type: int
  returned: success
deleted_open:
  description: Per file pid, name, bytes and path, the largest first.
  type: list
  elements: dict
  returned: success
deleted_open_bytes:
  description: What all of them take.
  type: int
  returned: success
processes_known:
  description: Whether every process could be looked at for such files.
  type: bool
  returned: success
unreadable:
  description: How many files or directories could not be read.
  type: int
  returned: success
unreadable_paths:
  description: The first of them.
  type: list
  elements: str
  returned: success
not_measured:
  description: What was not looked into, as a file system below it does not answer.
  type: list
  elements: str
  returned: success
complete:
  description: Whether all was measured.
  type: bool
  returned: success
truncated:
  description: Whether entries were left out.
  type: bool
  returned: success
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import contextlib
import errno
import heapq
import os
import stat
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.mounts import (
    BLOCK_BYTES,
    Silent,
    below,
    deleted_open,
    holding,
    mounts,
    numbers,
    usage,
)
from ansible_collections.playrail.host.plugins.module_utils.room import length

NAMED = 10  # paths that could not be read, and files that are deleted and open

CODES = {
    errno.ENOENT: "not_found",
    errno.ENOTDIR: "not_a_directory",
    errno.EACCES: "permission_denied",
    errno.ELOOP: "not_found",
    errno.ENAMETOOLONG: "not_found",
}


class Largest:
    """The largest of all entries that are added, at most `limit`."""

    def __init__(self, limit):
        self.limit = limit
        self.kept = []
        self.count = 0

    def add(self, size, name):
        self.count += 1
        heapq.heappush(self.kept, (size, name))
        if len(self.kept) > self.limit:
            heapq.heappop(self.kept)

    def entries(self):
        return [
            {"path": name.decode("utf-8", "backslashreplace"), "size_bytes": size}
            for size, name in sorted(self.kept, key=lambda kept: (-kept[0], kept[1]))
        ]


class Walk:
    """Measures what takes space, by the blocks that each file has, and stays on one file
    system. Of several names of one file the first that is met has it; so has the first of
    several places of a folder, of which `bound` are the inodes.
    """

    def __init__(self, max_seconds, bound=()):
        self.ends = time.monotonic() + max_seconds
        self.device = None
        self.linked = set()
        self.bound, self.met = frozenset(bound), set()
        self.unreadable, self.paths = 0, []
        self.complete = True

    def itself(self, found):
        """What it takes without what is below it."""
        if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
            if (found.st_dev, found.st_ino) in self.linked:
                return 0
            self.linked.add((found.st_dev, found.st_ino))
        return found.st_blocks * BLOCK_BYTES

    def children(self, folder, but=()):
        """What is in a folder, but for some paths: path, and what lstat says."""
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if time.monotonic() >= self.ends:
                        self.complete = False
                        return
                    found = self.look(entry) if entry.path not in but else None
                    if found is not None:
                        yield entry.path, found
        except OSError as error:
            self.note(folder, error)

    def look(self, entry):
        """What lstat says of it; None where it is on another file system, gone, or was met in
        another place.
        """
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError as error:
            self.note(entry.path, error)
            return None
        if not stat.S_ISDIR(found.st_mode):
            return found
        again = found.st_ino in self.met
        if found.st_ino in self.bound:
            self.met.add(found.st_ino)
        return None if again or found.st_dev != self.device else found

    def note(self, path, error):
        if isinstance(error, FileNotFoundError):
            return  # it went meanwhile
        self.unreadable += 1
        if len(self.paths) < NAMED:
            self.paths.append(path.decode("utf-8", "backslashreplace"))

    def whole(self, path, found):
        """What it takes, with all below it."""
        total = self.itself(found)
        waiting = [path] if stat.S_ISDIR(found.st_mode) else []
        while waiting and self.complete:
            for child, below_it in self.children(waiting.pop()):
                total += self.itself(below_it)
                if stat.S_ISDIR(below_it.st_mode):
                    waiting.append(child)
        return total


def measure(path, silent, limit, walk):
    """The largest entries, what all take together, and what is not looked into: the way to a
    file system that does not answer, on which one would wait for ever.
    """
    prefix, own = path.rstrip(b"/") + b"/", os.stat(path)
    left_out = sorted({prefix + point[len(prefix) :].split(b"/")[0] for point in silent})
    largest, total = Largest(limit), walk.itself(own)
    walk.device = own.st_dev
    if not stat.S_ISDIR(own.st_mode):
        return largest, total, left_out
    for name, found in walk.children(path, left_out):
        size = walk.whole(name, found)
        largest.add(size, name)
        total += size
    return largest, total, left_out


def bound_below(path, listed, own):
    """Inodes of the folders that may be met twice: those that are mounted below a path of the
    same file system.
    """
    inodes = set()
    prefix = path.rstrip("/") + "/"
    for mount in listed:
        if mount.device_number == own.device_number and mount.point.startswith(prefix):
            with contextlib.suppress(OSError):
                inodes.add(os.stat(mount.point).st_ino)
    return inodes


def mount_of(path, listed):
    """The mount of a path that need not be real, asked whether it answers before anything
    else waits for it.
    """
    mount = holding(path, listed)
    if mount is None:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    numbers(mount.point, mount.type)
    return mount


def analyzed(given):
    path, listed = given["path"], mounts()
    mount_of(path, listed)
    real = os.path.realpath(path)
    own = mount_of(real, listed)
    others, left_out, devices = below(real, listed, own)
    silent = [
        os.fsencode(one["mount_point"]) for one in others if one.get("why") == "does not answer"
    ]
    # Through a link, names are told as they were asked for; where a mount is left out, as
    # they are.
    name = os.fsencode(real if silent else path).rstrip(b"/") or b"/"
    walk = Walk(given["max_seconds"], bound_below(real, listed, own))
    largest, total_bytes, not_measured = measure(name, silent, given["limit"], walk)
    complete = walk.complete and not not_measured
    system = usage(own, real)
    deleted, known = deleted_open(devices | {os.stat(real).st_dev})
    whole = real == own.point and own.root == "/" and own.type != "overlay"
    unaccounted = system["used_bytes"] - total_bytes if whole and complete else 0
    return {
        "file_system": {key: value for key, value in system.items() if value is not None},
        "mounts": others,
        "mounts_left_out": left_out or None,
        "entries": largest.entries(),
        "entries_total": largest.count,
        "total_bytes": total_bytes if complete else None,
        "unaccounted_bytes": unaccounted if unaccounted > 0 else None,
        "deleted_open": deleted[:NAMED],
        "deleted_open_bytes": sum(one["bytes"] for one in deleted) or None,
        "processes_known": known,
        "unreadable": walk.unreadable,
        "unreadable_paths": walk.paths,
        "not_measured": [one.decode("utf-8", "backslashreplace") for one in not_measured] or None,
        "complete": complete,
        "truncated": largest.count > given["limit"] or not complete or len(deleted) > NAMED,
    }


def fitted(found, max_bytes):
    """The report with as much of its lists, what matters most first, as there is room for."""
    lists = {key: found[key] for key in ("mounts", "entries", "deleted_open", "unreadable_paths")}
    told = dict(found, **dict.fromkeys(lists, []))
    # The answer has more than this report
    room = max_bytes - min(500, max_bytes // 20) - length(told)
    for key, items in lists.items():
        kept = []
        for item in items:
            room -= length(item)
            if room < 0:
                told["truncated"] = True
                break
            kept.append(item)
        told[key] = kept
        if len(kept) < len(items) and key == "mounts":
            told["mounts_left_out"] = dict(
                told["mounts_left_out"] or {}, too_many=len(items) - len(kept)
            )
    return told


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "limit": {"type": "int", "default": 10},
            "max_bytes": {"type": "int", "default": 24000},
            "max_seconds": {"type": "int", "default": 100},
        },
        supports_check_mode=True,
    )
    given = module.params
    os.nice(10)  # looking must not slow down what is looked at
    try:
        found = fitted(analyzed(given), given["max_bytes"])
    except Silent as silent:
        message = "the file system at %s does not answer: its server may be gone" % silent
        module.fail_json(msg=message, playrail_code="file_system_silent")
    except OSError as error:
        why = error.strerror or str(error)
        code = CODES.get(error.errno, "task_failed")
        module.fail_json(msg="cannot analyze %s: %s" % (given["path"], why), playrail_code=code)
    # No key `path` here: exit_json would add what lstat says of it, and so put other values
    # in place of ours.
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
