#!/usr/bin/python
"""Searches text files below a directory, line by line, within limits of time and size.

`ansible.builtin.find` only says which files hold a text; `grep` takes some texts for
options, enters the kernel's file systems, and says neither which files it left out nor that
it was cut.
"""

DOCUMENTATION = r"""
module: search_text
short_description: Search text files
description:
  - Finds the lines of regular files that hold a text, below a directory or in one file. Changes
    nothing.
  - Symbolic links below the directory are followed to files, each of which is looked into
    once, but not to directories; the kernel's file systems are not entered. What is left
    out is counted; so are protected, binary and very large files.
options:
  path:
    description: The directory or file. Neither C(~) nor C($NAME) is expanded; C(\\xff) is
      a byte of an odd name.
    type: str
    required: true
  pattern:
    description: The text to look for in each line.
    type: str
    required: true
  regex:
    description: Whether O(pattern) is a regular expression, in Python's syntax.
    type: bool
    default: false
  ignore_case:
    description: Whether upper and lower case are alike.
    type: bool
    default: false
  names:
    description: Glob pattern of the names of files to look into, such as C(*.conf).
    type: str
  limit:
    description: How many lines to return at most.
    type: int
    default: 100
  max_bytes:
    description: How many bytes of JSON the lines may have.
    type: int
    default: 24000
  time_limit_s:
    description: After how many seconds the search ends, wherever it is.
    type: float
    default: 20
  protected:
    description:
      - Glob patterns of what must not be read, nor what lies below. C(default) stands for
        well-known secrets, such as password hashes and private keys of SSH.
    type: list
    elements: str
    default:
      - default
author: Playrail
"""

EXAMPLES = r"""
- name: Find where nginx listens
  playrail.host.search_text:
    path: /etc/nginx
    pattern: listen
    names: "*.conf"
"""

RETURN = r"""
matches:
  description: Per line file, line (its number), text and, when text is only the part around
    the match, cut.
  type: list
  elements: dict
  returned: success
files_searched:
  description: How many files were looked into.
  type: int
  returned: success
left_out:
  description:
    - How many files or directories were left out as binary, protected, unreadable or too_large;
      as links, those links that lead to directories elsewhere; as kernel, what belongs to
      the kernel's file systems.
  type: dict
  returned: success
truncated:
  description: Whether there are more matches than were returned.
  type: bool
  returned: success
timed_out:
  description: Whether time_limit_s ended the search.
  type: bool
  returned: success
resolved_path:
  description: The path without symbolic links.
  type: str
  returned: success
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import fnmatch
import json
import os
import re
import signal
import stat
import warnings

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.names import meant, spelled
from ansible_collections.playrail.host.plugins.module_utils.places import (
    check_same,
    is_unreal,
    open_resolved,
    unreadable,
)
from ansible_collections.playrail.host.plugins.module_utils.refusals import Refused, failure

CHUNK_BYTES = 1024 * 1024
LONGEST_LINE_BYTES = 1024 * 1024  # what is longer is looked at in pieces
BINARY_SAMPLE_BYTES = 8192  # as git and grep look at the beginning only
# Of a file below a directory; one that is asked for by name may be larger
LARGEST_BYTES = 64 * 1024 * 1024
TEXT_CHARACTERS = 500
BEFORE_CHARACTERS = 100  # of a long line, shown before the match

LEFT_OUT = {
    "protected_path": "protected",
    "binary_file": "binary",
}  # by the code of Refused; else it is unreadable

# File systems whose files the kernel makes up: looking may act, wait or never end.
UNREAL_TYPES = {
    *(
        "autofs",
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "devpts",
        "devtmpfs",
        "efivarfs",
    ),
    *(
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
    ),
    "tracefs",
}


class TimeIsUp(Exception):
    pass


class Enough(Exception):
    pass


def unreal_devices():
    """The device numbers of such file systems
    (https://docs.kernel.org/filesystems/proc.html, mountinfo).
    """
    found = set()
    try:
        with open("/proc/self/mountinfo") as mounts:
            for line in mounts:
                before, _dash, after = line.partition(" - ")
                if after.split()[0] in UNREAL_TYPES:
                    found.add(os.makedev(*map(int, before.split()[2].split(":"))))
    except OSError:
        pass
    return found


class Search:
    """What is looked for, and what was found until now."""

    def __init__(self, given, rules):
        flags = re.IGNORECASE if given["ignore_case"] else 0
        plain = not given["regex"]
        try:
            with warnings.catch_warnings():
                # Of expressions that a later Python will read in another way
                warnings.simplefilter("ignore")
                self.expression = re.compile(
                    re.escape(given["pattern"]) if plain else given["pattern"], flags
                )
        except (re.error, OverflowError, RecursionError) as error:
            raise Refused("invalid_argument", "the pattern is not a regular expression: %s" % error)
        self.needle = given["pattern"].encode("utf-8") if plain and not flags else None
        self.plain = plain
        self.names, self.limit, self.rules = given["names"], given["limit"], rules
        self.max_bytes = given["max_bytes"]
        self.matches, self.bytes, self.searched = [], 0, 0
        self.left_out = dict.fromkeys(
            ("binary", "protected", "unreadable", "too_large", "links", "kernel"), 0
        )
        self.unreal = unreal_devices()
        self.followed = set()  # files that links led to

    def below(self, top):
        """Walks in the order of names. Links are followed to files only."""
        pending = [top]
        while pending:
            path = pending.pop()
            try:
                status = os.lstat(path)
                if stat.S_ISDIR(status.st_mode):
                    if not self.is_kernels(path, status):
                        self.rules.check(path, path)
                        pending += [
                            os.path.join(path, name)
                            for name in sorted(os.listdir(path), reverse=True)
                        ]
                elif stat.S_ISLNK(status.st_mode):
                    self.follow(path, top)
                elif stat.S_ISREG(status.st_mode) and self.has_wanted_name(path):
                    self.look_below(path, path, status)
            except FileNotFoundError:
                continue  # gone meanwhile, or a link that leads nowhere
            except Refused as refusal:
                self.left_out[LEFT_OUT.get(refusal.code, "unreadable")] += 1
            except OSError:
                self.left_out["unreadable"] += 1

    def follow(self, link, top):
        """Looks into the file that the link leads to, unless that is done anyway, under its
        own name or another link's.
        """
        real, status = os.path.realpath(link), os.stat(link)
        is_below = (real + "/").startswith(top.rstrip("/") + "/")
        if stat.S_ISDIR(status.st_mode):
            self.left_out["links"] += not is_below
        elif stat.S_ISREG(status.st_mode) and self.has_wanted_name(link):
            if real in self.followed or (is_below and self.has_wanted_name(real)):
                return
            self.followed.add(real)
            if not self.is_kernels(real, status):
                self.look_below(link, real, status)

    def is_kernels(self, path, status):
        """Whether this is left out, as the kernel makes it up."""
        found = status.st_dev in self.unreal or is_unreal(path)
        self.left_out["kernel"] += found
        return found

    def has_wanted_name(self, path):
        return self.names is None or fnmatch.fnmatchcase(os.path.basename(path), self.names)

    def look_below(self, path, real, status):
        """Looks into a file that was not asked for by name."""
        self.rules.check(path, real)
        if status.st_size > LARGEST_BYTES:
            self.left_out["too_large"] += 1
        else:
            self.look_into(path, real)

    def look_into(self, path, real):
        """Takes down the lines that match. `real` is the path without links."""
        with os.fdopen(open_resolved(path, real, self.rules), "rb") as opened:
            if b"\0" in opened.read(BINARY_SAMPLE_BYTES):
                raise Refused("binary_file", "%s is binary: it holds NUL bytes" % path)
            opened.seek(0)
            self.searched += 1
            number, last = 1, 0
            for block in iter(lambda: opened.read(CHUNK_BYTES), b""):
                block += opened.readline(LONGEST_LINE_BYTES) if not block.endswith(b"\n") else b""
                if self.may_hold(block):
                    for at, line in enumerate(
                        block[: -1 if block.endswith(b"\n") else None].split(b"\n"), number
                    ):
                        if at != last and self.look_at(path, at, line):
                            last = at  # a line that was taken apart is told once
                number += block.count(b"\n")

    def may_hold(self, block):
        """Whether it is worth while to look at each line of the block."""
        if self.needle is not None:
            return self.needle in block
        return (
            not self.plain or self.expression.search(block.decode("utf-8", "replace")) is not None
        )

    def look_at(self, path, number, line):
        """Takes the line down if it matches."""
        text = line.decode("utf-8", "replace").rstrip("\r")
        match = self.expression.search(text)
        if match is None:
            return False
        start = max(0, min(match.start() - BEFORE_CHARACTERS, len(text) - TEXT_CHARACTERS))
        part = text[start : start + TEXT_CHARACTERS]
        found = {"file": spelled(path), "line": number, "text": part}
        if len(part) < len(text):
            found["cut"] = True
        self.bytes += len(json.dumps(found, ensure_ascii=False).encode("utf-8")) + 1
        if len(self.matches) == self.limit or (self.matches and self.bytes > self.max_bytes):
            raise Enough
        self.matches.append(found)
        return True


def begin(given):
    """The search, the path without links and whether that is a directory. Raises Refused
    and OSError.
    """
    rules, path = unreadable(given["protected"]), meant(given["path"])
    resolved = os.path.realpath(path)
    rules.check(path, resolved)
    status = os.stat(resolved)
    check_same(path, status)
    search, is_folder = Search(given, rules), stat.S_ISDIR(status.st_mode)
    if is_folder and search.is_kernels(resolved, status):
        raise Refused(
            "unsupported_path",
            "%s belongs to the kernel's file systems, which are not searched" % given["path"],
        )
    if not is_folder and not stat.S_ISREG(status.st_mode):
        raise Refused("not_a_file", "%s is neither a directory nor a regular file" % given["path"])
    return search, resolved, is_folder


def stop(_number, _frame):
    raise TimeIsUp


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "pattern": {"type": "str", "required": True},
            "regex": {"type": "bool", "default": False},
            "ignore_case": {"type": "bool", "default": False},
            "names": {"type": "str"},
            "limit": {"type": "int", "default": 100},
            "max_bytes": {"type": "int", "default": 24000},
            "time_limit_s": {"type": "float", "default": 20},
            "protected": {"type": "list", "elements": "str", "default": ["default"]},
        },
        supports_check_mode=True,
    )
    given = module.params
    if not given["pattern"] or given["limit"] < 1 or given["time_limit_s"] <= 0:
        message = "pattern must not be empty; limit starts at 1"
        module.fail_json(msg=message, playrail_code="invalid_argument")
    truncated = timed_out = False
    # The signal ends a regular expression as well, however long it would try. It comes
    # again, should one get lost.
    signal.signal(signal.SIGALRM, stop)
    try:
        search, resolved, is_folder = begin(given)
        try:
            signal.setitimer(signal.ITIMER_REAL, given["time_limit_s"], 1)
            if is_folder:
                search.below(resolved)
            else:
                search.look_into(resolved, resolved)
        except Enough:
            truncated = True
        except TimeIsUp:
            timed_out = True
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except (Refused, OSError) as error:
        module.fail_json(**failure(error, "search", given["path"]))
    # No key `path` here: exit_json would add what lstat says of it, and so put other values
    # in place of ours.
    module.exit_json(
        changed=False,
        matches=search.matches,
        files_searched=search.searched,
        left_out=search.left_out,
        truncated=truncated,
        timed_out=timed_out,
        resolved_path=spelled(resolved),
    )


if __name__ == "__main__":
    main()
