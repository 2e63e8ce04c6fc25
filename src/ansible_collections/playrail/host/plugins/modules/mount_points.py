#!/usr/bin/python
"""What is mounted where, and what of /etc/fstab is not so."""

DOCUMENTATION = r"""
module: mount_points
short_description: Say what is mounted where
description:
  - Every mount with its options, as the kernel tells it; what of /etc/fstab is not mounted or is
    mounted otherwise; what is mounted and would not be at the next start; swap.
  - Asks no file system, so none can keep it waiting. Changes nothing.
options:
  path:
    description: Only the mount that holds this path, and those below it.
    type: str
  all:
    description: Also what the kernel makes up, and the layers of containers.
    type: bool
    default: false
  limit:
    description: How many mounts to return at most.
    type: int
    default: 20
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON.
    type: int
    default: 24000
author: Playrail
"""

EXAMPLES = r"""
- name: See what is mounted
  playrail.host.mount_points:
"""

RETURN = r"""
fstab:
  description: What of /etc/fstab is not so. Each has mount_point, device and options as fstab has
    them, and as problem not_mounted, device_missing, not_active (swap), other_device or
    other_options, the last two with what is so now.
  type: list
  elements: dict
  returned: success
not_in_fstab:
  description: Where disks and shares are mounted that no fstab and no unit mounts at the start.
  type: list
  elements: str
  returned: success
mounts:
  description: By place, each as mount_point, device, fs_type, options, and as root the part of the
    file system that is seen, where it is a part.
  type: list
  elements: dict
  returned: success
total:
  description: How many there are.
  type: int
  returned: success
left_out:
  description: How many of each type are not told without C(all).
  type: dict
  returned: success
swap:
  description: Each as device, type, size_bytes, used_bytes and priority.
  type: list
  elements: dict
  returned: success
not_known:
  description: Why fstab could not be read.
  type: dict
  returned: success
truncated:
  description: Whether something was left out.
  type: bool
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.fstab import differences, swaps
from ansible_collections.playrail.host.plugins.module_utils.mounts import (
    MASKS,
    UNREAL,
    holding,
    mounts,
    shown,
)
from ansible_collections.playrail.host.plugins.module_utils.room import beside, fitting

OPTION_CHARACTERS = 60  # the layers of an overlay are paths of containers


def told(mount):
    found = {
        "mount_point": shown(mount.point),
        "device": shown(mount.device),
        "fs_type": mount.type,
        "options": ",".join(
            shown(word) for word in mount.options if len(word) <= OPTION_CHARACTERS
        ),
    }
    return dict(found, root=shown(mount.root)) if mount.root != "/" else found


def made_up(mount):
    layers = mount.type == "overlay" and mount.point != "/"
    return mount.type in UNREAL or layers or mount.point.startswith(MASKS)


def chosen(listed, path, everything):
    """The mounts that are meant, and how many of each type are left out."""
    meant = listed
    if path is not None:
        above = holding(path, listed)
        below = [one for one in listed if one.point.startswith(path.rstrip("/") + "/")]
        meant = ([above] if above else []) + [one for one in below if one is not above]
    if everything:
        return meant, {}
    kept, left_out = [], {}
    for one in meant:  # a host of containers has tens of thousands
        if made_up(one) and one.point != path:
            left_out[one.type] = left_out.get(one.type, 0) + 1
        else:
            kept.append(one)
    return kept, left_out


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str"},
            "all": {"type": "bool", "default": False},
            "limit": {"type": "int", "default": 20},
            "max_bytes": {"type": "int", "default": 24000},
        },
        supports_check_mode=True,
    )
    given, listed, active = module.params, mounts(), swaps()
    meant, left_out = chosen(listed, given["path"], given["all"])
    not_known = {}
    try:
        different, by_hand = differences(listed, active)
    except OSError as error:
        different, by_hand, not_known = [], [], {"fstab": error.strerror or str(error)}
    report = {"total": len(meant), "left_out": left_out, "swap": active, "not_known": not_known}
    room = beside(report, given["max_bytes"])
    lists = {"fstab": different, "not_in_fstab": by_hand}
    lists["mounts"] = [told(one) for one in sorted(meant, key=lambda one: one.point)]
    kept = {}
    for name, items in lists.items():
        kept[name], room = fitting(items[: given["limit"]], room)
    report["truncated"] = any(len(kept[name]) < len(items) for name, items in lists.items())
    module.exit_json(changed=False, **dict(report, **kept))


if __name__ == "__main__":
    main()
