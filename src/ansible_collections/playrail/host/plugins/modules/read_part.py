#!/usr/bin/python
"""Reads a part of a text file, line by line and within a budget of bytes.

`ansible.builtin.slurp` would carry the whole file, base64-coded; this opens, skips, reads
and stops.
"""

DOCUMENTATION = r"""
module: read_part
short_description: Read a part of a text file
description:
  - Reads lines of a regular file, bounded in lines and in bytes. Changes nothing.
  - Protected files are refused, by whatever name or link they are asked for.
options:
  path:
    description: The file. Neither C(~) nor C($NAME) is expanded; C(\\xff) is a byte of an
      odd name, as list_directory tells it.
    type: str
    required: true
  offset:
    description: The first line to return, counted from 1.
    type: int
    default: 1
  skip_bytes:
    description: How many bytes of that line to leave out. To go on in a line that was cut.
    type: int
    default: 0
  limit:
    description: How many lines to return at most.
    type: int
    default: 500
  max_bytes:
    description: How many bytes of JSON the answer may have; of less than 1000 the text alone.
    type: int
    default: 24000
  last:
    description: How many lines to return at most of the file's end, which is found without
      reading the file.
    type: int
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
- name: Read the second hundred lines
  playrail.host.read_part:
    path: /var/log/dpkg.log
    offset: 101
    limit: 100

- name: Read the last ten lines
  playrail.host.read_part:
    path: /var/log/dpkg.log
    last: 10
"""

RETURN = r"""
content:
  description: The text.
  type: str
  returned: success
first_line:
  description: Number of the first line in content.
  type: int
  returned: success and not last
lines:
  description: How many lines content has; a part of a line counts.
  type: int
  returned: success
line_cut:
  description: Whether content ends (with O(last), begins) within a line because of max_bytes.
  type: bool
  returned: success
next_offset:
  description: The offset to go on with; null at the end of the file.
  type: int
  returned: success and not last
next_skip_bytes:
  description: The skip_bytes to go on with.
  type: int
  returned: success and not last
truncated:
  description: Whether the file has more after content; with O(last), before it.
  type: bool
  returned: success
total_lines:
  description: Lines of the whole file; null unless its end was reached.
  type: int
  returned: success and not last
sha256:
  description: Of the whole file; null when it has more than 10 MiB or does not tell its size.
  type: str
  returned: success and not last
size_bytes:
  description: The file's size; 0 for most files of /proc and /sys.
  type: int
  returned: success
encoding:
  description: C(utf-8) or, when bytes had to be replaced, C(unknown).
  type: str
  returned: success
replaced_bytes:
  description: How many bytes are no UTF-8 and were replaced by U+FFFD.
  type: int
  returned: success
control_characters:
  description: How many are in the part; an answer has none.
  type: int
  returned: when there are
byte_order_mark:
  description: Whether the file begins with one.
  type: bool
  returned: when it does
line_endings:
  description: How the part's lines end when not by a line feed alone.
  type: str
  returned: when so
no_final_newline:
  description: Whether the last line has no line end.
  type: bool
  returned: when so
resolved_path:
  description: The path without symbolic links.
  type: str
  returned: success
modified:
  description: Time of the last change of content, ISO 8601 in UTC.
  type: str
  returned: success
mode:
  description: Permissions, octal.
  type: str
  returned: success
owner:
  description: Name of the owner, its number when it has no name.
  type: str
  returned: success
group:
  description: Name of the group, its number when it has no name.
  type: str
  returned: success
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import grp
import hashlib
import os
import pwd
import stat

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.bytes import Traits
from ansible_collections.playrail.host.plugins.module_utils.moments import utc
from ansible_collections.playrail.host.plugins.module_utils.names import meant, spelled
from ansible_collections.playrail.host.plugins.module_utils.places import (
    name_of,
    open_regular,
    unreadable,
)
from ansible_collections.playrail.host.plugins.module_utils.reader import (
    CHUNK_BYTES,
    Reader,
    decoded,
    fitting,
    whole_characters,
)
from ansible_collections.playrail.host.plugins.module_utils.refusals import Refused, failure

# Of a larger file there is no hash; it could not be written back anyway
HASHED_BYTES = 10 * 1024 * 1024
LEAST_ANSWER_BYTES = 1000
BESIDE_BYTES = 600  # of an answer, for what is told beside the text
CONTINUATIONS = bytes(bytearray(range(0x80, 0xC0)))  # bytes of UTF-8 that do not begin a character


def traits_of(taken, begins, ends):
    """What is to be kept by whoever writes the part back, see module_utils/bytes.py. `begins` and
    `ends`: it has the file's.
    """
    told = Traits([taken]).told()
    if not begins:
        told.pop("byte_order_mark", None)
    if not ends:
        told.pop("no_final_newline", None)
    return told


def read_part(descriptor, offset, skip_bytes, limit, max_bytes):
    reader = Reader(descriptor)
    if reader.looks_binary():
        raise Refused("binary_file", "the file is binary: it holds NUL bytes")
    passed = reader.skip_lines(offset - 1)
    skipped = reader.skip_bytes_of_line(skip_bytes)
    taken = reader.take(limit, max_bytes)
    fits = fitting(taken, max_bytes, decoded(taken)[1])
    reader.put_back(taken[fits:])
    taken = taken[:fits]
    at_end = reader.at_end()
    line_cut = False
    if not at_end and taken and not taken.endswith(b"\n"):
        # The budget ended within a line. That line is left for the next part, unless it is
        # the only one.
        whole = taken.rfind(b"\n") + 1
        line_cut = not whole
        rest = whole or whole_characters(taken)
        reader.put_back(taken[rest:])
        taken = taken[:rest]
    newlines = taken.count(b"\n")
    lines = newlines + (1 if taken and not taken.endswith(b"\n") else 0)
    text, replaced = decoded(taken)
    return (
        {
            "content": text,
            "first_line": offset,
            "lines": lines,
            "line_cut": line_cut,
            "truncated": not at_end,
            "next_offset": None if at_end else offset + newlines,
            "next_skip_bytes": skipped + len(taken) if line_cut else 0,
            "total_lines": passed + max(lines, 1 if skipped else 0) if at_end else None,
            "encoding": "unknown" if replaced else "utf-8",
            "replaced_bytes": replaced,
            **traits_of(taken, offset == 1 and not skipped, at_end),
        },
        taken,
        reader.position(),
    )


def window(descriptor, size):
    """The last `size` bytes of the file and one more, and whether more lie before these."""
    end = os.fstat(descriptor).st_size
    if end:
        start = max(0, end - size - 1)
        os.lseek(descriptor, start, os.SEEK_SET)
        return os.read(descriptor, end - start), start > 0
    # A file of /proc says that it is empty: it has to be read from its beginning.
    kept, passed = b"", 0
    for found in iter(lambda: os.read(descriptor, CHUNK_BYTES), b""):
        passed += len(found)
        kept = (kept + found)[-size - 1 :]
    return kept, passed > len(kept)


def read_end(descriptor, lines, max_bytes):
    """At most the last `lines` lines, of together at most `max_bytes`."""
    found, more = window(descriptor, max_bytes)
    if b"\0" in found:
        raise Refused("binary_file", "the file is binary: its end holds NUL bytes")
    start = len(found) - 1 if found.endswith(b"\n") else len(found)
    for _each in range(lines):
        start = found.rfind(b"\n", 0, start)
        if start < 0:
            break
    taken = found[start + 1 :]
    line_cut = start < 0 and (more or len(found) > max_bytes)
    if line_cut and b"\n" in taken[:-1]:
        # Half a line at the beginning is left out ..
        taken, line_cut = taken.split(b"\n", 1)[1], False
    elif line_cut:
        taken = taken[-max_bytes:]  # .. unless it is the only one
        taken = taken[:3].lstrip(CONTINUATIONS) + taken[3:]
    fits = fitting(taken[::-1], max_bytes, decoded(taken)[1])
    if fits < len(taken):
        taken = taken[len(taken) - fits :]
        line_cut = b"\n" not in taken[:-1]
        taken = (
            taken[:3].lstrip(CONTINUATIONS) + taken[3:] if line_cut else taken.split(b"\n", 1)[1]
        )
    text, replaced = decoded(taken)
    return (
        {
            "content": text,
            "lines": taken.count(b"\n") + (1 if taken and not taken.endswith(b"\n") else 0),
            "line_cut": line_cut,
            "truncated": more or len(taken) < len(found),
            "encoding": "unknown" if replaced else "utf-8",
            "replaced_bytes": replaced,
            **traits_of(taken, False, True),
        },
        taken,
        os.lseek(descriptor, 0, os.SEEK_CUR),
    )


def hash_of(descriptor):
    """SHA-256 of the whole file; None of a large one and of one that does not tell its
    size.
    """
    size = os.fstat(descriptor).st_size
    if size > HASHED_BYTES:
        return None
    found = os.pread(descriptor, size + 1, 0)
    return hashlib.sha256(found).hexdigest() if len(found) == size else None


def described(status):
    return {
        "size_bytes": status.st_size,
        "modified": utc(status.st_mtime),
        "mode": "%04o" % stat.S_IMODE(status.st_mode),
        "owner": name_of(status.st_uid, pwd.getpwuid),
        "group": name_of(status.st_gid, grp.getgrgid),
    }


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "offset": {"type": "int", "default": 1},
            "skip_bytes": {"type": "int", "default": 0},
            "limit": {"type": "int", "default": 500},
            "max_bytes": {"type": "int", "default": 24000},
            "last": {"type": "int"},
            "protected": {"type": "list", "elements": "str", "default": ["default"]},
        },
        supports_check_mode=True,
    )
    given = module.params
    lowest = min(given["offset"], given["limit"], 1 if given["last"] is None else given["last"])
    if lowest < 1 or given["skip_bytes"] < 0 or given["max_bytes"] < 4:
        message = "offset, limit and last start at 1, skip_bytes at 0, max_bytes at 4"
        module.fail_json(msg=message, playrail_code="invalid_argument")
    most = given["max_bytes"] - (BESIDE_BYTES if given["max_bytes"] >= LEAST_ANSWER_BYTES else 0)
    try:
        rules, path = unreadable(given["protected"]), meant(given["path"])
        descriptor, resolved = open_regular(path, rules)
        if given["last"] is not None:
            part, taken, end = read_end(descriptor, given["last"], most)
        else:
            part, taken, end = read_part(
                descriptor, given["offset"], given["skip_bytes"], given["limit"], most
            )
            part["sha256"] = hash_of(descriptor)
        rules.check_part(path, resolved, descriptor, taken, end)
        status = os.fstat(descriptor)
    except (Refused, OSError) as error:
        module.fail_json(**failure(error, "read", given["path"]))
    # No key `path` here: exit_json would add what lstat says of it, and so put other values
    # in place of ours.
    module.exit_json(
        changed=False, resolved_path=spelled(resolved), **dict(part, **described(status))
    )


if __name__ == "__main__":
    main()
