"""Whether a host waits for a reboot: what says so, or that nothing on this host would."""

import os
import re

from ansible_collections.playrail.host.plugins.module_utils.own_container import is_container

NOTES = ("/run/reboot-required", "/var/run/reboot-required")  # of Debian's update-notifier
NOTERS = (
    "/usr/share/update-notifier/notify-reboot-required",
    "/usr/share/unattended-upgrades/unattended-upgrade-shutdown",
)
MODULES = ("/lib/modules", "/usr/lib/modules")
PACKAGES = 10
RELEASE = re.compile(r"(\d[\d.]*(?:-[\d.]+)*)(.*)\Z")


def parts(release):
    """Of a kernel's release the numbers, to be compared, and its flavour, as in
    6.1.0-28-amd64.
    """
    found = RELEASE.match(release)
    if not found:
        return None, release
    flavour = re.sub(r"\d+", "", found.group(2))
    return [int(number) for number in re.findall(r"\d+", release)], flavour


def installed_kernels():
    """The releases whose modules are there."""
    for folder in MODULES:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        if names:
            return [name for name in names if os.path.isdir(os.path.join(folder, name, "kernel"))]
    return []


def newer_of(running, names):
    """The releases of the same flavour that are newer, the newest last."""
    numbers, flavour = parts(running)
    found = [(parts(name), name) for name in names]
    newer = [
        (each, name)
        for (each, kind), name in found
        if each and numbers and kind == flavour and each > numbers
    ]
    return [name for _numbers, name in sorted(newer)]


def noted():
    """What Debian's note says: the packages that wait. None when there is no note."""
    for path in NOTES:
        if os.path.exists(path):
            try:
                with open(path + ".pkgs", errors="replace") as file:
                    return list(dict.fromkeys(file.read(65536).split()))
            except OSError:
                return []
    return None


def pending_reboot():
    """`reboot_required` (None where it is not known), `reboot_reasons` in words, and
    `packages_requiring_reboot`. In a container no kernel is compared: its host's runs.
    """
    packages, running = noted(), os.uname().release
    kernels = [] if is_container() else installed_kernels()
    newer = newer_of(running, kernels)
    reasons = [] if packages is None else [in_words(packages)]
    if newer:
        reasons.append("kernel %s runs, %s is installed" % (running, newer[-1]))
    known = running in kernels or any(os.path.exists(path) for path in NOTERS)
    return {
        "reboot_required": True if reasons else False if known else None,
        "reboot_reasons": reasons,
        "packages_requiring_reboot": sorted(
            set(packages or ()) | {"linux-image-" + one for one in newer}
        ),
    }


def reboot_for_packages():
    """Of pending_reboot() what is told beside packages."""
    found = pending_reboot()
    return {name: found[name] for name in ("reboot_required", "packages_requiring_reboot")}


def in_words(packages):
    if not packages:
        return "a note asks for it"
    more = " and %d more" % (len(packages) - PACKAGES) if len(packages) > PACKAGES else ""
    return "packages: %s%s" % (", ".join(packages[:PACKAGES]), more)
