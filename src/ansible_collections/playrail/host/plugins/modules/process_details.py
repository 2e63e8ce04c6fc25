#!/usr/bin/python
"""One process in depth, read from /proc."""

DOCUMENTATION = r"""
module: process_details
short_description: Tell all about one process
description:
  - Tells what a process runs, as whom, in which unit and container, its memory, threads, open
    files, sockets and connections. Takes a quarter of a second, in which its processor time is
    measured. Changes nothing.
options:
  pid:
    description: Its number.
    type: int
    required: true
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON.
    type: int
    default: 24000
author: Playrail
"""

EXAMPLES = r"""
- name: See what process 4711 has open
  playrail.host.process_details:
    pid: 4711
"""

RETURN = r"""
process:
  description: What is told of it; what does not apply or is not known is left out.
  type: dict
  returned: success
not_permitted:
  description: What of it may not be seen by this user.
  type: list
  elements: str
  returned: success
truncated:
  description: Whether items of lists were left out.
  type: bool
  returned: success
left_out:
  description: Per list of which items were left out, how many.
  type: dict
  returned: success
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import collections
import re
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.names import spelled
from ansible_collections.playrail.host.plugins.module_utils.process_parts import (
    DELETED,
    OpenFiles,
    connections,
    is_replaced,
    link,
    may_be_seen,
    table_of,
    text_of,
)
from ansible_collections.playrail.host.plugins.module_utils.processes import (
    Describer,
    Places,
    Process,
    processes,
)
from ansible_collections.playrail.host.plugins.module_utils.room import beside, fitting

SAMPLE_S = 0.25
# What matters most comes first; the last one is cut first
LISTS = ("listens", "deleted_files", "children", "connections", "files")
MEMORY = {
    "peak_bytes": "VmHWM",
    "anonymous_bytes": "RssAnon",
    "file_bytes": "RssFile",
    "shared_bytes": "RssShmem",
    "swapped_bytes": "VmSwap",
    "virtual_bytes": "VmSize",
}
OPEN_FILES = re.compile(r"^Max open files\s+(\S+)", re.MULTILINE)


def kilobytes(table, name):
    """The value of a line such as `VmRSS:  1234 kB` in bytes; None where there is none."""
    number = table.get(name, "").partition(" ")[0]
    return int(number) * 1024 if number.isdigit() else None


def memory(pid, status):
    told = {key: kilobytes(status, name) for key, name in MEMORY.items()}
    told["proportional_bytes"] = kilobytes(table_of(pid, "smaps_rollup"), "Pss")
    return {key: value for key, value in told.items() if value}


def cpu_now(process, ticks_per_second):
    """The share of one processor in the sample; None when it is gone meanwhile."""
    began = time.monotonic()
    time.sleep(SAMPLE_S)
    try:
        now = Process(process.pid)
    except OSError:
        return None
    used = (now.cpu_ticks - process.cpu_ticks) / float(ticks_per_second)
    return round(100.0 * used / (time.monotonic() - began), 1)


def number_in(pid, name):
    try:
        text = text_of(pid, name).strip()
    except OSError:
        return None
    return int(text) if text.lstrip("-").isdigit() else None


def limit_of_files(pid):
    try:
        found = OPEN_FILES.search(text_of(pid, "limits"))
    except OSError:
        return None
    return int(found.group(1)) if found and found.group(1).isdigit() else None


def paths(pid, not_permitted):
    """What it runs and where it is."""
    program, folder, root = link(pid, "exe"), link(pid, "cwd"), link(pid, "root")
    if not may_be_seen(pid):
        not_permitted.append("program and folder")
    told = {"program_deleted": True} if is_replaced(program) else {}
    if program is not None:
        told["program"] = spelled(program[: -len(DELETED)] if is_replaced(program) else program)
    if folder is not None:
        told["folder"] = spelled(folder)
    if root not in (None, "/"):
        told["root"] = spelled(root)
    return told


def opened(pid, not_permitted):
    """Numbers and lists of what it has open."""
    try:
        found = OpenFiles(pid)
    except PermissionError:
        not_permitted.append("open files and connections")
        return {}, {}
    listens, others = connections(pid, found.inodes)
    states = collections.Counter(one["state"] for one in others)
    told = {"open_files": found.count, "connections_by_state": dict(states)}
    others.sort(key=lambda one: (one["state"] != "established", one["remote"]))
    lists = {
        "listens": listens,
        "deleted_files": [dict(one, path=spelled(one["path"])) for one in found.deleted],
        "connections": others,
        "files": [spelled(path) for path in found.files],
    }
    return told, lists


def described(pid):
    """What is told of the process, of its lists the whole, and what may not be seen. Raises
    OSError when it is gone.
    """
    process = Process(pid)
    describer, places, not_permitted = Describer(), Places(), []
    told = dict(describer.described(process), name=process.name, **places.of(pid))
    status, io = table_of(pid, "status"), table_of(pid, "io")
    every = {one.pid: one for one in processes()}
    parent = every.get(process.parent)
    told["parent"] = parent.name if parent is not None else None
    told["cpu_now_percent"] = cpu_now(process, describer.clock.ticks_per_second)
    told["threads"] = int(status.get("Threads", "0"))
    told["pid_in_container"] = inner_number(status)
    told["memory"] = memory(pid, status)
    told["open_files_limit"] = limit_of_files(pid)
    told["oom_score"] = number_in(pid, "oom_score")
    told["oom_score_adjustment"] = number_in(pid, "oom_score_adj")
    for key, name in (("disk_read_bytes", "read_bytes"), ("disk_written_bytes", "write_bytes")):
        told[key] = int(io[name]) if io.get(name, "").isdigit() else None
    told.update(paths(pid, not_permitted))
    numbers, lists = opened(pid, not_permitted)
    children = [one for one in every.values() if one.parent == pid]
    lists["children"] = [{"pid": one.pid, "name": one.name} for one in children]
    kept = {key: value for key, value in dict(told, **numbers).items() if value not in (None, {})}
    return kept, lists, not_permitted


def inner_number(status):
    """Its number in its container; None where it has but one."""
    numbers = status.get("NSpid", "").split()
    return int(numbers[-1]) if len(numbers) > 1 else None


def fitted(told, lists, not_permitted, max_bytes):
    report = {"not_permitted": not_permitted or None}
    room = beside(dict(report, process=told), max_bytes)
    left_out = {}
    for name in LISTS:
        items = lists.get(name, ())
        kept, room = fitting(items, room - len(name) - 6)
        told.update({name: kept} if kept else {})
        if len(kept) < len(items):
            left_out[name] = len(items) - len(kept)
    return dict(report, process=told, left_out=left_out or None, truncated=bool(left_out))


def main():
    module = AnsibleModule(
        argument_spec={
            "pid": {"type": "int", "required": True},
            "max_bytes": {"type": "int", "default": 24000},
        },
        supports_check_mode=True,
    )
    try:
        told, lists, not_permitted = described(module.params["pid"])
    except OSError:
        message = "no process of this number runs on the host, or none that this user may see"
        module.fail_json(msg=message, playrail_code="process_not_found")
    found = fitted(told, lists, not_permitted, module.params["max_bytes"])
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
