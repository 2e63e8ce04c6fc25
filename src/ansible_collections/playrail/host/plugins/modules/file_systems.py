#!/usr/bin/python
"""How full every file system is, and what takes space that no directory shows.

Asks the kernel, the journal's folders and the Docker engine: walks no directories.
"""

DOCUMENTATION = r"""
module: file_systems
short_description: Say how full all file systems are
description:
  - Bytes and inodes of every file system that takes space, the fullest first; the largest files
    that are deleted and still open; what the journal and the Docker engine take.
  - Walks no directories, so it is quick; M(playrail.host.disk_usage) tells what fills one of them.
    Changes nothing, and starts no engine.
options:
  limit:
    description: How many file systems to return at most.
    type: int
    default: 20
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON.
    type: int
    default: 24000
author: Playrail
"""

EXAMPLES = r"""
- name: See which file system is full
  playrail.host.file_systems:
"""

RETURN = r"""
file_systems:
  description: Each as mount_point, device, fs_type, size_bytes, available_bytes, used_percent,
    inodes_percent and read_only, without what is not so or not counted; or why its numbers are
    not known.
  type: list
  elements: dict
  returned: success
total:
  description: How many there are.
  type: int
  returned: success
left_out:
  description: 'How many of each type are not told: they have no space of their own.'
  type: dict
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
journal_bytes:
  description: What the journal's files take; null where it has none.
  type: int
  returned: success
docker:
  description: 'Where the engine that runs keeps its data, and what that takes: images_bytes,
    containers_bytes, volumes_bytes, build_cache_bytes, logs_bytes, and the largest log.'
  type: dict
  returned: success
not_known:
  description: Why the rest could not be looked at, by what it is.
  type: dict
  returned: success
truncated:
  description: Whether something was left out.
  type: bool
  returned: success
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.docker import (
    SOCKETS,
    DockerFailed,
    Engine,
    engine_runs,
)
from ansible_collections.playrail.host.plugins.module_utils.mounts import (
    BLOCK_BYTES,
    MASKS,
    below,
    briefly,
    deleted_open,
    fullest_first,
    holding,
    mounts,
    shown,
)
from ansible_collections.playrail.host.plugins.module_utils.processes import all_visible
from ansible_collections.playrail.host.plugins.module_utils.room import beside, fitting

OWN_ALONE = "this user may only see its own processes"
NAMED = 5  # files that are deleted and open
JOURNALS = ("/var/log/journal", "/run/log/journal")
ENGINE_S = 5.0  # to measure what containers and volumes take it walks them
KEYS = ("device", "size_bytes", "available_bytes", "used_percent", "inodes_percent", "read_only")


def file_systems():
    """All that take space, the fullest first; how many of each type do not; and the devices
    of all.
    """
    listed = mounts()
    own = holding("/", listed) or listed[0]
    found, left_out, devices = below("/", listed, own, KEYS)
    found = [briefly(own, KEYS)] + found
    kept = [one for one in found if not one["mount_point"].startswith(MASKS)]
    if len(kept) < len(found):
        left_out["tmpfs"] = len(found) - len(kept)
    return sorted(kept, key=fullest_first), left_out, devices | {os.stat("/").st_dev}


def names_in(folder):
    """None of what is no folder, or gone meanwhile. Raises PermissionError."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def taken_by(folder, names):
    """What these files take on the disk; one that is gone meanwhile takes nothing."""
    total = 0
    for name in names:
        try:
            total += os.lstat(os.path.join(folder, name)).st_blocks * BLOCK_BYTES
        except FileNotFoundError:
            continue
    return total


def journal_bytes():
    """What the journal's files take, and why that is not known. A folder of files for each
    machine that wrote one.
    """
    total, there = 0, False
    try:
        for folder in JOURNALS:
            for machine in names_in(folder):
                place = os.path.join(folder, machine)
                there = True
                total += taken_by(place, names_in(place))
    except OSError as error:
        return None, (error.strerror or "cannot be read").lower()
    return (total if there else None), None


def container_logs(engine, folder):
    """What the files take to which the engine writes what containers print, and the largest
    container's. Where it does not write files, or they may not be looked at, nothing.
    """
    sizes = []
    for one in engine.ask_json("containers", "json", all=1):
        place = os.path.join(folder, "containers", one["Id"])
        try:
            size = taken_by(place, [name for name in names_in(place) if "-json.log" in name])
        except OSError:
            continue
        sizes.append((size, (one.get("Names") or [one["Id"][:12]])[0].lstrip("/")))
    largest, name = max(sizes or [(0, "")])
    if not largest:
        return {}
    return {
        "logs_bytes": sum(size for size, _name in sizes),
        "largest_log": {"container": name, "size_bytes": largest},
    }


def listed_as(mount):
    """Where the file system of a mount is told to be mounted: a mount may be a part of it."""
    same = [one.point for one in mounts() if one.device_number == mount.device_number]
    return shown(min(same, key=lambda point: (len(point), point)))


def docker(sockets):
    """What the engine takes, and why that, or a part of it, is not known."""
    if not engine_runs():
        return None, None if all_visible() else OWN_ALONE
    found = {}
    try:
        engine = Engine(sockets, timeout_s=ENGINE_S)
        folder = engine.ask_json("info").get("DockerRootDir") or "/"
        found.update(path=shown(folder), mount_point=listed_as(holding(folder, mounts())))
        found.update(container_logs(engine, folder))
        used = engine.ask_json("system", "df")
    except DockerFailed as failed:
        return found or None, str(failed)[:200]
    if "LayersSize" not in used:  # since API 1.52 sums have other names
        return found, "this engine tells in another form what its data take"
    volumes = [volume.get("UsageData") or {} for volume in used.get("Volumes") or ()]
    found.update(
        images_bytes=used.get("LayersSize") or 0,
        containers_bytes=summed(used.get("Containers"), "SizeRw"),
        volumes_bytes=summed(volumes, "Size"),
        build_cache_bytes=summed(used.get("BuildCache"), "Size"),
    )
    return found, None


def summed(items, key):
    return sum(max(0, one.get(key) or 0) for one in items or ())


def main():
    module = AnsibleModule(
        argument_spec={
            "limit": {"type": "int", "default": 20},
            "max_bytes": {"type": "int", "default": 24000},
            "sockets": SOCKETS,
        },
        supports_check_mode=True,
    )
    given = module.params
    found, left_out, devices = file_systems()
    deleted, known = deleted_open(devices)
    journal, no_journal = journal_bytes()
    engine, no_engine = docker(given["sockets"])
    why = {"journal": no_journal, "docker": no_engine}
    report = {
        "total": len(found),
        "left_out": left_out,
        "deleted_open": deleted[:NAMED],
        "deleted_open_bytes": sum(one["bytes"] for one in deleted) or None,
        "processes_known": known,
        "journal_bytes": journal,
        "docker": engine,
        "not_known": {name: reason for name, reason in why.items() if reason},
    }
    room = beside(report, given["max_bytes"])
    kept = fitting(found[: given["limit"]], room)[0]
    truncated = len(kept) < len(found) or len(deleted) > NAMED
    module.exit_json(changed=False, file_systems=kept, truncated=truncated, **report)


if __name__ == "__main__":
    main()
