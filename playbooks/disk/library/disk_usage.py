#!/usr/bin/python
"""How full a file system is, and what is largest one level below a path.

Runs GNU `df` and `du`. The output of `du` is as long as the directory has entries, so only the largest leave the host.
"""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: disk_usage
short_description: Say how full a file system is and what fills it
description:
  - Numbers of the file system that holds a path, and the largest files and directories one level below the path.
  - Other file systems mounted below it are left out. Changes nothing.
options:
  path:
    description: A directory or file. Taken literally, neither C(~) nor C($NAME) is expanded.
    type: str
    required: true
  limit:
    description: How many of the largest entries to return at most.
    type: int
    default: 20
  max_seconds:
    description: After that many seconds the measuring ends and what was measured so far is returned.
    type: int
    default: 100
requirements: [GNU coreutils]
author: Playrail
"""

EXAMPLES = r"""
- name: See what fills /var
  ansible.legacy.disk_usage:
    path: /var
"""

RETURN = r"""
file_system:
  description: "device, mount_point, fs_type, size_bytes, used_bytes, available_bytes, used_percent, inodes_total,
    inodes_used and inodes_free; inodes are null where the file system does not count them."
  type: dict
  returned: success
entries: {description: "The largest, as path and size_bytes.", type: list, elements: dict, returned: success}
entries_total: {description: "How many entries were measured.", type: int, returned: success}
total_bytes: {description: "All below the path together; null when not all was measured.", type: int, returned: success}
unreadable: {description: "How many files or directories du could not read.", type: int, returned: success}
complete: {description: "False when max_seconds were over before all was measured.", type: bool, returned: success}
truncated: {description: "Whether entries were left out.", type: bool, returned: success}
playrail_code: {description: "What kind of failure.", type: str, returned: failure}
"""

import errno
import heapq
import os
import subprocess
import threading

from ansible.module_utils.basic import AnsibleModule

CHUNK_BYTES = 65536
NUMBERS = ("size_bytes", "used_bytes", "available_bytes", "inodes_total", "inodes_used", "inodes_free")

CODES = {
    errno.ENOENT: "not_found",
    errno.ENOTDIR: "not_a_directory",
    errno.EACCES: "permission_denied",
    errno.ELOOP: "not_found",
    errno.ENAMETOOLONG: "not_found",
}


def plain_environment():
    return dict(os.environ, LC_ALL="C")


def df_column(path, columns):
    """The values of one df line. The last column may hold spaces. Raises CalledProcessError."""
    argv = ["df", "--block-size=1", "--output=" + columns, "--", path]
    output = subprocess.check_output(argv, env=plain_environment(), stderr=subprocess.STDOUT)
    return output.decode("utf-8", "backslashreplace").splitlines()[1].strip().split(None, columns.count(","))


def file_system(path):
    values = df_column(path, "size,used,avail,itotal,iused,iavail,fstype,target")
    found = {name: int(value) if value.isdigit() else None for name, value in zip(NUMBERS, values)}
    used, available = found["used_bytes"] or 0, found["available_bytes"] or 0
    # As df counts: blocks reserved for root belong to neither.
    percent = round(100.0 * used / (used + available), 1) if used + available else None
    if not found["inodes_total"]:
        found.update(inodes_total=None, inodes_used=None, inodes_free=None)
    device = df_column(path, "source")[0]
    return dict(found, used_percent=percent, fs_type=values[6], mount_point=values[7], device=device)


class Largest(object):
    """The largest entries of what du prints, which is at most `limit` and the path itself."""

    def __init__(self, path, limit):
        self.path = path
        self.limit = limit
        self.kept = []
        self.count = 0
        self.total_bytes = None

    def add(self, record):
        size, name = record.split(b"\t", 1)
        if name == self.path:
            self.total_bytes = int(size)
            return
        self.count += 1
        heapq.heappush(self.kept, (int(size), name))
        if len(self.kept) > self.limit:
            heapq.heappop(self.kept)

    def entries(self):
        return [
            {"path": name.decode("utf-8", "backslashreplace"), "size_bytes": size}
            for size, name in sorted(self.kept, key=lambda kept: (-kept[0], kept[1]))
        ]


class Complaints(object):
    """Counts the lines of a stream in the background, so that the other end never waits."""

    def __init__(self, stream):
        self.count = 0
        self.stream = stream
        self.thread = threading.Thread(target=self._read)
        self.thread.daemon = True
        self.thread.start()

    def _read(self):
        for _line in self.stream:
            self.count += 1

    def counted(self):
        self.thread.join(5)
        return self.count


def measure(path, limit, max_seconds):
    """Runs du. Returns the largest entries, how many complaints, and whether it ended by itself."""
    name = path.rstrip(b"/") or b"/"
    argv = [b"du", b"--all", b"--one-file-system", b"--dereference-args", b"--block-size=1", b"--max-depth=1", b"--null"]
    child = subprocess.Popen(
        argv + [b"--", name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=plain_environment()
    )
    complaints = Complaints(child.stderr)
    overdue = threading.Timer(max_seconds, child.kill)
    overdue.start()
    largest, rest = Largest(name, limit), b""
    while True:
        found = os.read(child.stdout.fileno(), CHUNK_BYTES)
        if not found:
            break
        records = (rest + found).split(b"\0")
        rest = records.pop()
        for record in records:
            largest.add(record)
    status = child.wait()
    overdue.cancel()
    return largest, complaints.counted(), status >= 0


def analyzed(path, limit, max_seconds):
    os.stat(path)  # df and du tell of a missing path only in words
    system = file_system(path)
    largest, unreadable, complete = measure(path, limit, max_seconds)
    return {
        "file_system": system,
        "entries": largest.entries(),
        "entries_total": largest.count,
        "total_bytes": largest.total_bytes,
        "unreadable": unreadable,
        "complete": complete,
        "truncated": largest.count > limit or not complete,
    }


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "limit": {"type": "int", "default": 20},
            "max_seconds": {"type": "int", "default": 100},
        },
        supports_check_mode=True,
    )
    given = module.params
    os.nice(10)  # looking must not slow down what is looked at
    try:
        found = analyzed(given["path"].encode("utf-8", "surrogateescape"), given["limit"], given["max_seconds"])
    except subprocess.CalledProcessError as error:
        module.fail_json(msg="df failed: " + error.output.decode("utf-8", "replace").strip()[:300])
    except OSError as error:
        message = "cannot analyze %s: %s" % (given["path"], os.strerror(error.errno))
        module.fail_json(msg=message, playrail_code=CODES.get(error.errno, "task_failed"))
    # No key `path` here: exit_json would add what lstat says of it, and so put other values in place of ours.
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
