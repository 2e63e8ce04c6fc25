#!/usr/bin/python
"""Look at a host's packages: who manages them, which versions are installed, and whether a
restart is due.

The facts that the action `package` gathers, to learn the package manager, take many times
as long.
"""

DOCUMENTATION = r"""
module: package_state
short_description: Look at a host's packages
description:
  - Tells the package manager, the installed versions of the named packages, what is on hold, and
    whether a restart is due.
  - Changes nothing.
options:
  names:
    description: The packages to look at. Fails when there are some and no known package manager.
    type: list
    elements: str
    default: []
  version:
    description:
      - The version of the packages that is to be installed. Fails when the package manager cannot
        install a version that is named.
    type: str
  removal:
    description:
      - Fail when the host could not be reached or managed any more without the named packages.
      - With apt also when it could not without what would go with them; the other managers are
        not asked what that is.
    type: bool
    default: false
author: Playrail
"""

EXAMPLES = r"""
- name: See which nginx is installed
  playrail.host.package_state:
    names: [nginx]
"""

RETURN = r"""
manager:
  description: Ansible's name of the package manager, such as apt or dnf; null when it is unknown.
  type: str
  returned: success
distribution:
  description: The system's name.
  type: str
  returned: success
architecture:
  description: The system's own, which packages have unless they name another; of apt only.
  type: str
  returned: success
wanted:
  description: What to ask the package manager for, each name with the version where one is given.
  type: list
  elements: str
  returned: success
versions:
  description: The installed version of each named package, or null.
  type: dict
  returned: success
providers:
  description: The installed packages that provide a named one that is not there; not known of apk.
  type: dict
  returned: success
held:
  description: Packages that are on hold; of apt only.
  type: list
  elements: str
  returned: success
unfinished:
  description: Packages with which dpkg has not finished, and its word for that; of apt only.
  type: dict
  returned: success
reboot_required:
  description: Whether a restart is due; null where that is not known.
  type: bool
  returned: success
packages_requiring_reboot:
  description: The packages because of which.
  type: list
  elements: str
  returned: success
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import re

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.package_managers import (
    UNFINISHED,
    manager_of,
    os_release,
    written,
)
from ansible_collections.playrail.host.plugins.module_utils.pending_reboot import (
    reboot_for_packages,
)

# Of a system without dpkg.
NOT_KNOWN = {
    "architecture": None,
    "held": [],
    "unfinished": {},
    "reboot_required": None,
    "packages_requiring_reboot": [],
}
NEWEST_ONLY = ("pacman",)
# Without these nobody gets in, or nothing can be managed: SSH, what Ansible runs on, init,
# and how the user becomes root.
NEEDED = {
    "openssh-server",
    "openssh",
    "dropbear",
    "python3",
    "python3-minimal",
    "systemd",
    "systemd-sysv",
    "init",
    "sudo",
}


def dpkg_version(module, name):
    form = "--showformat=${db:Status-Status} ${Version}\\n"
    for line in written(module, "dpkg-query", "--show", form, "--", name).splitlines():
        status, _blank, version = line.partition(" ")
        if status not in (
            "not-installed",
            "config-files",
        ):  # another word means that dpkg did not finish
            return version or None
    return None


def rpm_version(module, name):
    lines = written(
        module, "rpm", "-q", "--qf", "%{EPOCHNUM}:%{VERSION}-%{RELEASE}\\n", "--", name
    ).splitlines()
    # Of a kernel, of which there are several, the one installed last
    version = lines[-1] if lines else ""
    return (version[2:] if version.startswith("0:") else version) or None


def apk_version(module, name):
    for line in written(module, "apk", "info", "--verbose", "--installed", "--", name).splitlines():
        if line.startswith(name + "-"):
            return line[len(name) + 1 :]
    return None


def pacman_version(module, name):
    found, _blank, version = written(module, "pacman", "-Q", "--", name).strip().partition(" ")
    # It answers with the one that provides the name, too
    return (version or None) if found == name else None


def providers(module, manager, names):
    """The installed packages that provide each of the names, which are none of a package."""
    found = {name: set() for name in names}
    if names and manager == "apt":
        form = "--showformat=${db:Status-Status}|${Package}|${Provides}\\n"
        for line in written(module, "dpkg-query", "--show", form).splitlines():
            status, package, provided = line.split("|", 2)
            if status == "installed":
                for one in {
                    words.split()[0] for words in provided.split(",") if words.split()
                } & set(found):
                    found[one].add(package)
    elif manager in ("dnf", "dnf5", "zypper"):
        for name in names:
            found[name] |= set(
                written(
                    module, "rpm", "-q", "--whatprovides", "--qf", "%{NAME}\\n", "--", name
                ).split()
            )
    elif manager == "pacman":
        for name in names:
            found[name] |= set(written(module, "pacman", "-Q", "--", name).split()[:1])
    return {name: sorted(packages) for name, packages in found.items()}


VERSION = {
    "apt": dpkg_version,
    "dnf": rpm_version,
    "dnf5": rpm_version,
    "zypper": rpm_version,
    "apk": apk_version,
    "pacman": pacman_version,
}


def dpkg_state(module):
    """The system's architecture, the packages on hold, and those with which dpkg has not
    finished, with its word for how far it came.
    """
    form = "--showformat=${db:Status-Want} ${db:Status-Status} ${binary:Package}\\n"
    lines = [line.split() for line in written(module, "dpkg-query", "--show", form).splitlines()]
    architecture = written(module, "dpkg", "--print-architecture").strip()
    native = ":" + architecture
    plain = [
        (want, status, name[: -len(native)] if name.endswith(native) else name)
        for want, status, name in lines
    ]
    return {
        "architecture": architecture or None,
        "held": sorted({name for want, _status, name in plain if want == "hold"}),
        "unfinished": {name: status for _want, status, name in plain if status in UNFINISHED},
    }


def would_remove(module, manager, names):
    """What would go, as far as it is to be known beforehand."""
    if manager != "apt":
        return set(names)
    out = written(module, "apt-get", "--simulate", "remove", "--", *names)
    return set(names) | set(re.findall(r"^Remv ([^\s:]+)", out, re.MULTILINE))


def essential(module, manager, names):
    """Those without which the system does not work, as Debian marks them."""
    if manager != "apt":
        return set()
    form = "--showformat=${Essential} ${Package}\\n"
    lines = written(module, "dpkg-query", "--show", form, "--", *names).splitlines()
    return {line[len("yes ") :] for line in lines if line.startswith("yes ")}


def refuse_removal(module, manager, installed):
    if not installed:
        return
    needed = sorted(
        NEEDED & would_remove(module, manager, installed) | essential(module, manager, installed)
    )
    if needed:
        module.fail_json(
            msg="without %s this host could not be reached or managed any more; nothing was removed"
            % ", ".join(needed),
            playrail_code="essential_package",
        )


def wanted(manager, names, version):
    """What the package manager is to be asked for."""
    joint = "-" if manager in ("dnf", "dnf5") else "="
    return [name + joint + version for name in names] if version else names


def main():
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "default": []},
            "version": {"type": "str"},
            "removal": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LC_ALL": "C", "LANGUAGE": "C"}
    release, names = os_release(), module.params["names"]
    manager, distribution = manager_of(module, release), release.get("NAME") or "an unknown system"
    if names and manager is None:
        module.fail_json(
            msg="this host runs %s, whose package manager is not supported" % distribution,
            playrail_code="unsupported_os",
        )
    if module.params["version"] and manager in NEWEST_ONLY:
        module.fail_json(
            msg="%s has only the newest version of a package; leave the version out" % manager,
            playrail_code="unsupported_os",
        )
    versions = {name: VERSION[manager](module, name) for name in names}
    provided = providers(module, manager, [name for name in names if versions[name] is None])
    if module.params["removal"]:
        # dnf and zypper remove what provides a name; apt leaves it
        others = (
            [] if manager == "apt" else [one for packages in provided.values() for one in packages]
        )
        refuse_removal(
            module, manager, [name for name in names if versions[name] is not None] + others
        )
    known = dict(dpkg_state(module), **reboot_for_packages()) if manager == "apt" else NOT_KNOWN
    module.exit_json(
        changed=False,
        manager=manager,
        distribution=distribution,
        wanted=wanted(manager, names, module.params["version"]),
        versions=versions,
        providers=provided,
        **known,
    )


if __name__ == "__main__":
    main()
