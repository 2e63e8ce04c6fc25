#!/usr/bin/python
"""The kernel's settings (sysctl), beside what the files say that set them at the start."""

DOCUMENTATION = r"""
module: kernel_parameters
short_description: Read the kernel's settings
description:
  - Values below /proc/sys of the settings that are named, and what the files of sysctl.d(5) say
    otherwise, which is what differs after the next start where they are applied then.
  - Changes nothing.
options:
  names:
    description: Settings, as C(net.ipv4.ip_forward), or beginnings of names, as C(net.ipv4).
    type: list
    elements: str
    default: []
  limit:
    description: How many settings to return at most.
    type: int
    default: 50
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON.
    type: int
    default: 24000
author: Playrail
"""

EXAMPLES = r"""
- name: See what differs from the files
  playrail.host.kernel_parameters:
"""

RETURN = r"""
differences:
  description: Settings whose value is not what the files say. Each as name, value (null where
    there is none), next_boot and file; configured in place of next_boot where it is never applied.
  type: list
  elements: dict
  returned: success
differences_total:
  description: How many there are.
  type: int
  returned: success
configured_total:
  description: How many settings the files set.
  type: int
  returned: success
settings:
  description: The value of each setting that is named, and the file that sets it.
  type: list
  elements: dict
  returned: success
settings_total:
  description: How many are named.
  type: int
  returned: success
not_permitted:
  description: Settings that the user may not read.
  type: list
  elements: str
  returned: success
not_applied:
  description: Why files are not applied at the start, all or those of C(configured).
  type: str
  returned: where it is so
unread:
  description: Files that could not be read, and why.
  type: list
  elements: str
  returned: success
truncated:
  description: Whether something was left out.
  type: bool
  returned: success
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import errno
import glob
import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.kernel_settings import (
    SYS,
    Configured,
    below,
    name_of,
    path_of,
    value_of,
)
from ansible_collections.playrail.host.plugins.module_utils.mounts import holding, mounts
from ansible_collections.playrail.host.plugins.module_utils.own_container import is_container
from ansible_collections.playrail.host.plugins.module_utils.room import beside, fitting

ROOT = 0
NAMED = 5  # settings that may not be read
READ_ONLY = "/proc/sys is read-only here: the host of this container decides"
OF_HOST = "some are not this container's to set: its host decides"


class Values:
    """Reads settings, and keeps the names of those that may not be read."""

    def __init__(self):
        self.refused = []

    def of(self, path):
        """None where there is no value to read."""
        try:
            return value_of(path)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM) and os.stat(path).st_mode & 0o444:
                self.refused.append(name_of(path))
            return None


class Start:
    """Which settings are applied at the start: in a container not those that are its host's."""

    def __init__(self):
        on = holding(SYS + "/", mounts())
        self.read_only = on is not None and on.read_only
        self.in_container = is_container()

    def sets(self, path):
        """The kernel gives each setting to the root of who may set it, proc_sysctl.c: what is of
        another has none here.
        """
        try:
            return not self.read_only and os.stat(path).st_uid == ROOT
        except OSError:  # on a host of its own the kernel may come to have it
            return not self.read_only and not self.in_container

    def why_not(self, different):
        if self.read_only:
            return READ_ONLY
        return OF_HOST if any("configured" in one for one in different) else None


def differences(values, configured, start):
    """What is otherwise than the files say, what is applied first. Of what the user may not read,
    nothing is known.
    """
    found = []
    # What somebody of this host wrote goes first
    for path in sorted(
        configured, key=lambda one: (not configured[one][1].startswith("/etc"), one)
    ):
        said, file = configured[path]
        refused = len(values.refused)
        now = values.of(path)
        if len(values.refused) == refused and now != said:
            key = "next_boot" if start.sets(path) else "configured"
            told = {"name": name_of(path), key: said, "file": file}
            found.append(dict(told, value=now) if now is not None else told)
    return sorted(found, key=lambda one: "configured" in one)


def meant(name):
    """The files of the setting of this name, of those below it, or whose names begin so."""
    path = path_of(name.rstrip("./"))
    if os.path.normpath(path) != path:
        return []  # it would lead elsewhere
    starts = [path] if os.path.exists(path) else glob.glob(glob.escape(path) + "*")
    return [one for start in starts for one in below(start)]


def told(values, paths, configured, start):
    """The value of each of these settings that has one, and the file that sets it."""
    found = []
    for path in sorted(paths):
        value = values.of(path)
        if value is not None:
            file = configured[path][1] if path in configured and start.sets(path) else None
            one = {"name": name_of(path), "value": value}
            found.append(dict(one, file=file) if file else one)
    return found


def main():
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "default": []},
            "limit": {"type": "int", "default": 50},
            "max_bytes": {"type": "int", "default": 24000},
        },
        supports_check_mode=True,
    )
    given = module.params
    paths = {name: meant(name) for name in given["names"]}
    missing = [name for name in given["names"] if not paths[name]]
    if missing:
        module.fail_json(
            msg="this host's kernel has no setting %s" % ", ".join(missing),
            playrail_code="setting_not_found",
        )
    values, configured, start = Values(), Configured(), Start()
    different = differences(values, configured.settings, start)
    every = {path for found in paths.values() for path in found}
    settings = told(values, every, configured.settings, start)
    report = {
        "differences_total": len(different),
        "configured_total": len(configured.settings),
        "settings_total": len(settings) if given["names"] else None,
        "not_permitted": sorted(set(values.refused))[:NAMED],
        "not_applied": start.why_not(different),
        "unread": configured.unread[:NAMED],
    }
    room = beside(report, given["max_bytes"])
    kept = {}
    for name, items in (("settings", settings), ("differences", different)):
        kept[name], room = fitting(items[: given["limit"]], room)
    report["truncated"] = len(kept["settings"]) < len(settings) or len(kept["differences"]) < len(
        different
    )
    module.exit_json(changed=False, **dict(report, **kept))


if __name__ == "__main__":
    main()
