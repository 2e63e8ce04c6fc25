#!/usr/bin/python
"""What a host is like, in short words that can be compared with those of another host."""

DOCUMENTATION = r"""
module: host_state
short_description: Tell what a host is like, to compare it with another
description:
  - Of packages their versions, of units whether they are enabled and active, of the kernel's
    settings their values, of files their SHA-256, mode and owner. Each is a text, by name.
  - What differs on any two hosts is left out, as counters and the names of network interfaces.
  - Changes nothing.
options:
  areas:
    description: What is told.
    type: list
    elements: str
    choices: [packages, units, sysctl, files]
    default: [packages, units, sysctl, files]
  paths:
    description: Files that are told. Of a directory all below it, without what is mounted there.
    type: list
    elements: str
    default: []
  protected:
    description: Files of which only mode and owner are told, see playrail.host.read_part.
    type: list
    elements: str
    default: [default]
author: Playrail
"""

EXAMPLES = r"""
- name: See what this host is like
  playrail.host.host_state:
    paths: [/etc/nginx]
"""

RETURN = r"""
areas:
  description: By area what is told of each thing, by its name.
  type: dict
  returned: success
not_known:
  description: Why something is not told, by area.
  type: dict
  returned: success
unread:
  description: By area the names of what could not be read, so of which not all is known.
  type: dict
  returned: success
partly:
  description: Areas of which only the first things are told.
  type: list
  elements: str
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
import re
import stat

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.installed_packages import installed
from ansible_collections.playrail.host.plugins.module_utils.kernel_settings import (
    SYS,
    below,
    name_of,
    value_of,
)
from ansible_collections.playrail.host.plugins.module_utils.names import spelled
from ansible_collections.playrail.host.plugins.module_utils.package_managers import (
    manager_of,
    os_release,
)
from ansible_collections.playrail.host.plugins.module_utils.places import (
    is_unreal,
    open_regular,
    unreadable,
)
from ansible_collections.playrail.host.plugins.module_utils.places import (
    name_of as owner_name,
)
from ansible_collections.playrail.host.plugins.module_utils.refusals import Refused
from ansible_collections.playrail.host.plugins.module_utils.unit_states import unit_states

MOST_FILES = 5000
MOST_BYTES = 512 * 1024 * 1024  # of which the SHA-256 is taken
CHUNK_BYTES = 1 << 20
DIGITS = 16  # of a SHA-256: enough to tell two files apart
VALUE_CHARACTERS = 200
# What counts or names, and the same on no two hosts
VOLATILE = re.compile(
    r"fs\.(?:dentry-state|inode-nr|inode-state|file-nr|aio-nr|quota\..*)"
    r"|kernel\.(?:random\..*|ns_last_pid|pty\.nr|hostname|domainname|cad_pid|keys\..*)"
    r"|kernel\.sched_domain\..*|net\.ipv4\.tcp_fastopen_key|dev\.cdrom\..*|fs\.binfmt_misc\..*"
    r"|net\.netfilter\.nf_conntrack_count"
)
INTERFACE = re.compile(r"net\.ipv[46]\.(?:conf|neigh)\.(?!(?:all|default|lo)\.)|net\.mpls\.conf\.")


class Unknown(Exception):
    """An area of which nothing is known; the text says why."""


def packages(module):
    release = os_release()
    manager = manager_of(module, release)
    if manager is None:
        raise Unknown("no package manager that is supported")
    found = installed(module, manager)
    if found is None:
        raise Unknown("%s tells no package that is installed" % manager)
    return found, []


def units(module):
    found = unit_states(module)
    if found is None:
        raise Unknown("this host runs neither systemd nor OpenRC")
    return found, []


def settings(_module):
    found, refused = {}, []
    for path in below(SYS):
        name = name_of(path)
        if VOLATILE.match(name) or INTERFACE.match(name):
            continue
        try:
            if os.stat(path).st_mode & 0o200:
                found[name] = value_of(path)[:VALUE_CHARACTERS]
        except PermissionError:
            refused.append(name)
        except OSError:
            continue  # it is only to be written
    return found, refused


class Files:
    """The files below some paths."""

    def __init__(self, paths, rules):
        self.paths, self.rules = paths, rules
        self.bytes, self.is_cut = 0, False
        self.refused, self.protected, self.large = [], [], []

    def told(self):
        found, pending = {}, list(reversed(self.paths))
        while pending:
            path = pending.pop()
            try:
                status = os.lstat(path)
                if stat.S_ISDIR(status.st_mode) and (
                    path in self.paths or not os.path.ismount(path)
                ):
                    names = sorted(os.listdir(path), reverse=True)
                    pending += [os.path.join(path, name) for name in names]
                what = self.content(path, status)
            except FileNotFoundError:
                continue
            except OSError:
                self.refused.append(spelled(path))
                continue
            owner = owner_name(status.st_uid, pwd.getpwuid)
            group = owner_name(status.st_gid, grp.getgrgid)
            mode = stat.S_IMODE(status.st_mode)
            found[spelled(path)] = "%s %04o %s:%s" % (what, mode, owner, group)
            if len(found) >= MOST_FILES and pending:
                self.is_cut = True
                break
        return found

    def unread(self):
        return self.refused + self.protected + self.large

    def why(self):
        """What of these files is not known, in words; None where all is."""
        counts = (
            (len(self.refused), "%d could not be read"),
            (len(self.protected), "%d are protected"),
            (len(self.large), "%%d are not read: there are more than %d bytes" % MOST_BYTES),
            (MOST_FILES if self.is_cut else 0, "only the first %d files"),
        )
        return ", ".join(text % count for count, text in counts if count) or None

    def content(self, path, status):
        """What a file is, or what it holds. Raises OSError."""
        if stat.S_ISLNK(status.st_mode):
            return "link to %s" % spelled(os.readlink(path))
        if stat.S_ISDIR(status.st_mode):
            return "directory"
        if not stat.S_ISREG(status.st_mode):
            return "special"
        if is_unreal(os.path.realpath(path)):
            return "not read: to read it may act"
        self.bytes += status.st_size
        if self.bytes > MOST_BYTES:
            self.large.append(spelled(path))
            return "%d bytes" % status.st_size
        try:
            descriptor, _real = open_regular(path, self.rules)
        except Refused:
            self.protected.append(spelled(path))
            return "protected"
        digest = hashlib.sha256()
        with os.fdopen(descriptor, "rb") as file:
            for chunk in iter(lambda: file.read(CHUNK_BYTES), b""):
                digest.update(chunk)
        return "sha256:" + digest.hexdigest()[:DIGITS]


def system():
    release = os_release()
    return {
        "os": release.get("PRETTY_NAME") or release.get("NAME") or "?",
        "kernel": os.uname()[2],
        "architecture": os.uname()[4],
    }


def main():
    names = ["packages", "units", "sysctl", "files"]
    module = AnsibleModule(
        argument_spec={
            "areas": {"type": "list", "elements": "str", "default": names, "choices": names},
            "paths": {"type": "list", "elements": "str", "default": []},
            "protected": {"type": "list", "elements": "str", "default": ["default"]},
        },
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LC_ALL": "C", "LANGUAGE": "C"}
    given = module.params
    areas, not_known, unread, partly = {"system": system()}, {}, {}, []
    for name, look in (("packages", packages), ("units", units), ("sysctl", settings)):
        if name in given["areas"]:
            try:
                areas[name], unread[name] = look(module)
                if unread[name]:
                    not_known[name] = "%d may not be read" % len(unread[name])
            except Unknown as error:
                not_known[name] = str(error)
    if given["paths"] and "files" in given["areas"]:
        try:
            files = Files(given["paths"], unreadable(given["protected"]))
        except Refused as error:
            module.fail_json(msg=str(error), playrail_code=error.code)
        areas["files"] = files.told()
        unread["files"] = files.unread()
        partly += ["files"] if files.is_cut else []
        if files.why():
            not_known["files"] = files.why()
    unread = {area: names for area, names in unread.items() if names}
    module.exit_json(changed=False, areas=areas, not_known=not_known, unread=unread, partly=partly)


if __name__ == "__main__":
    main()
