"""What manages a host's packages, and whether they ask for a restart."""

import os
import re

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
REBOOT = "/run/reboot-required"
KERNEL = re.compile(r"^vmlinuz-(.+)$")
NUMBERS = re.compile(r"\d+")


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


def newer_kernels(running, directory="/boot"):
    """Installed kernels of the running one's kind that are newer than it. In a container
    the host's kernel runs.
    """
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    found = [match.group(1) for match in map(KERNEL.match, names) if match]
    kind = NUMBERS.sub("#", running)
    alike = [one for one in found if NUMBERS.sub("#", one) == kind]
    if running not in alike:
        return []
    order = lambda one: [int(number) for number in NUMBERS.findall(one)]  # noqa: E731
    return sorted((one for one in alike if order(one) > order(running)), key=order)


def restart():
    """Whether a restart is due, and because of which packages. Debian itself tells it only
    with update-notifier.
    """
    packages = []
    try:
        with open(REBOOT + ".pkgs", errors="replace") as file:
            packages = file.read().split()
    except OSError:
        pass
    packages += ["linux-image-" + one for one in newer_kernels(os.uname()[2])]
    return {
        "reboot_required": bool(packages) or os.path.exists(REBOOT),
        "packages_requiring_reboot": sorted(set(packages)),
    }
