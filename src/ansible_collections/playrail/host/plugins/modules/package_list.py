#!/usr/bin/python
"""A host's packages: which are installed, could be upgraded, are held, and own a file."""

DOCUMENTATION = r"""
module: package_list
short_description: List a host's packages
description:
  - Packages that are installed, that could be upgraded by the lists that the host has, that are
    for security or on hold, whose name holds a text, or that own a file.
  - Fetches no lists and writes no cache. Changes nothing.
options:
  only:
    description: Which packages. Without it those that are upgradable, or with a C(name)
      installed.
    type: str
    choices: [upgradable, security, held, installed]
  name:
    description: Only those whose name holds this text; also the one of this name that is not
      installed, where the lists have it.
    type: str
  owner_of:
    description: Only those that own the file with this path.
    type: str
  limit:
    description: How many packages to return at most.
    type: int
    default: 30
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON.
    type: int
    default: 24000
author: Playrail
"""

EXAMPLES = r"""
- name: See what could be upgraded
  playrail.host.package_list:
"""

RETURN = r"""
manager:
  description: Ansible's name of the package manager, such as apt or dnf.
  type: str
  returned: success
installed_total:
  description: How many packages are installed.
  type: int
  returned: success
upgradable_total:
  description: How many could be upgraded; null when that is not known.
  type: int
  returned: success
security_total:
  description: How many of these for security; null when that is not known.
  type: int
  returned: success
held_total:
  description: How many are on hold.
  type: int
  returned: success
lists_from:
  description: When the package lists were fetched, in seconds since 1970; null without any.
  type: int
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
unfinished:
  description: Packages with which dpkg has not finished, and its word for that.
  type: dict
  returned: success
packages:
  description: Those that are meant, each as name, version, available, security and held; for
    security first.
  type: list
  elements: dict
  returned: success
total:
  description: How many are meant.
  type: int
  returned: success
not_known:
  description: Why the rest is not known, by what it is.
  type: dict
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

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.installed_packages import (
    dpkg_lines,
    installed,
)
from ansible_collections.playrail.host.plugins.module_utils.package_facts import held, owners
from ansible_collections.playrail.host.plugins.module_utils.package_managers import (
    UNFINISHED,
    manager_of,
    os_release,
)
from ansible_collections.playrail.host.plugins.module_utils.package_upgrades import (
    Unknown,
    candidate,
    lists_from,
    upgrades,
)
from ansible_collections.playrail.host.plugins.module_utils.pending_reboot import (
    reboot_for_packages,
)
from ansible_collections.playrail.host.plugins.module_utils.room import beside, fitting


def fail(module, code, message):
    module.fail_json(msg=message, playrail_code=code)


def counted(there, newer, security, on_hold):
    """What is told of how many there are."""
    return {
        "installed_total": len(there),
        "upgradable_total": None if newer is None else len(newer),
        "security_total": None if security is None else len(security),
        "held_total": len(on_hold),
    }


def upgradable(module, manager, fetched):
    """New versions, names for security (each None where it is not known), and why not."""
    if fetched is None:
        return None, None, {"upgradable": "this host has no package lists"}
    try:
        newer, security, why = upgrades(module, manager)
    except Unknown as error:
        return None, None, {"upgradable": str(error)}
    return newer, (None if why else security), ({"security": why} if why else {})


def meant(module, manager, there, newer, security, on_hold):
    """The names that are asked for."""
    given = module.params
    if given["owner_of"] is not None:
        return owners(module, manager, given["owner_of"])
    chosen = {
        "upgradable": newer or (),
        "security": security or (),
        "held": on_hold,
        "installed": there,
    }
    names = chosen[given["only"] or ("installed" if given["name"] else "upgradable")]
    word = (given["name"] or "").lower()
    return [name for name in names if word in name.lower()]


def not_installed(module, manager, name):
    """The package of this name that the lists have, if there is one."""
    try:
        available = candidate(module, manager, name)
    except Unknown:
        return []
    return [{"name": name, "available": available}] if available else []


def told(name, there, newer, security, on_hold):
    """What is told of a package: what is so."""
    found = {
        "name": name,
        "version": there.get(name),
        "available": newer.get(name),
        "security": name in security,
        "held": name in on_hold,
    }
    return {key: value for key, value in found.items() if value}


def main():
    module = AnsibleModule(
        argument_spec={
            "only": {
                "type": "str",
                "choices": ["upgradable", "security", "held", "installed"],
            },
            "name": {"type": "str"},
            "owner_of": {"type": "str"},
            "limit": {"type": "int", "default": 30},
            "max_bytes": {"type": "int", "default": 24000},
        },
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LC_ALL": "C", "LANGUAGE": "C"}
    given, release = module.params, os_release()
    manager = manager_of(module, release)
    if manager is None:
        system = release.get("NAME") or "an unknown system"
        fail(
            module,
            "unsupported_os",
            "this host runs %s, whose package manager is not supported" % system,
        )
    there, fetched = installed(module, manager), lists_from(manager)
    if there is None:
        fail(module, "task_failed", "%s tells no package that is installed" % manager)
    on_hold = held(module, manager, there)
    # Of a file only the owner is asked: to find out what could be upgraded takes longest
    of_file = given["owner_of"] is not None
    newer, security, not_known = (
        (None, None, {}) if of_file else upgradable(module, manager, fetched)
    )
    names = meant(module, manager, there, newer, security, on_hold)
    word, urgent = given["name"], security or ()
    names.sort(key=lambda name: (name != word, name not in urgent, name))
    packages = [told(name, there, newer or {}, urgent, on_hold) for name in names]
    if word and word not in there and given["only"] is None and fetched is not None:
        packages = not_installed(module, manager, word) + packages
    report = dict(counted(there, newer, security, on_hold), manager=manager, lists_from=fetched)
    report.update(total=len(packages), not_known=not_known)
    if manager == "apt":
        lines = dpkg_lines(module)
        report.update(
            reboot_for_packages(), unfinished={n: s for _w, s, n, _v in lines if s in UNFINISHED}
        )
    room = beside(report, given["max_bytes"])
    kept = fitting(packages[: given["limit"]], room)[0]
    module.exit_json(changed=False, packages=kept, truncated=len(kept) < len(packages), **report)


if __name__ == "__main__":
    main()
