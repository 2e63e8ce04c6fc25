"""Whether a host waits for a reboot: what says so, or that nothing on this host would."""

import os
import re

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


def newest_of(running, names):
    """The newest of the releases of the same flavour."""
    flavour = parts(running)[1]
    alike = [name for name in names if parts(name)[0] and parts(name)[1] == flavour]
    return max(alike, key=lambda name: parts(name)[0], default=None)


def noted():
    """What Debian's note says: the packages that wait; None when there is no note."""
    for path in NOTES:
        if os.path.exists(path):
            try:
                with open(path + ".pkgs") as file:
                    names = list(dict.fromkeys(file.read(65536).split()))
            except (OSError, ValueError):
                names = []
            more = " and %d more" % (len(names) - PACKAGES) if len(names) > PACKAGES else ""
            return "packages: %s%s" % (", ".join(names[:PACKAGES]), more) if names else path
    return None


def pending_reboot():
    """`reboot_required` with `reboot_reasons`; without the first where it is not known."""
    reasons = [note for note in [noted()] if note]
    running, kernels = os.uname().release, installed_kernels()
    newest = newest_of(running, kernels)
    if newest and parts(newest)[0] > parts(running)[0]:
        reasons.append("kernel %s runs, %s is installed" % (running, newest))
    if reasons:
        return {"reboot_required": True, "reboot_reasons": reasons}
    known = running in kernels or any(os.path.exists(path) for path in NOTERS)
    return {"reboot_required": False} if known else {}
