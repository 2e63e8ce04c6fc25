"""What manages a host's packages."""

import os

FAMILIES = (  # what os-release(5) says in ID or ID_LIKE, and what may manage packages there
    ({"debian", "ubuntu"}, ("apt",)),
    ({"fedora", "rhel", "centos"}, ("dnf5", "dnf")),
    ({"suse", "opensuse", "sles"}, ("zypper",)),
    ({"alpine"}, ("apk",)),
    ({"arch"}, ("pacman",)),
)
PROGRAMS = {"apt": "apt-get"}
# dpkg's words for a package with which it has not finished; dpkg(1).
UNFINISHED = (
    "half-installed",
    "unpacked",
    "half-configured",
    "triggers-awaited",
    "triggers-pending",
)
OSTREE = "/run/ostree-booted"


def os_release():
    found = {}
    for place in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            with open(place, errors="replace") as file:
                lines = file.read().splitlines()
        except OSError:
            continue
        for line in lines:
            name, _is, value = line.partition("=")
            found[name.strip()] = value.strip().strip("\"'")
        break
    return found


def manager_of(module, release):
    """Of a system whose image is replaced as a whole (ostree) there is none."""
    if os.path.exists(OSTREE):
        return None
    kin = {release.get("ID", "")} | set(release.get("ID_LIKE", "").split())
    for ids, managers in FAMILIES:
        if kin & ids or any(one.startswith(family + "-") for one in kin for family in ids):
            for name in managers:
                if module.get_bin_path(PROGRAMS.get(name, name)):
                    return name
    return None


def written(module, *argv):
    """What a program prints when it succeeds; nothing otherwise."""
    status, out, _err = module.run_command(
        [module.get_bin_path(argv[0]) or argv[0]] + list(argv[1:])
    )
    return out if status == 0 else ""
