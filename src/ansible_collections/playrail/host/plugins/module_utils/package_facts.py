"""Which packages are kept as they are, and which one a file is of."""

import fnmatch
import os
import re

from ansible_collections.playrail.host.plugins.module_utils.installed_packages import (
    dpkg_lines,
    native_suffix,
    plain,
)
from ansible_collections.playrail.host.plugins.module_utils.package_managers import written

MERGED = ("/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/libx32/")
LOCKS = {
    "dnf": ("/etc/dnf/plugins/versionlock.list", r"^(?!#)([^\s*]+?)-(?:\d+:)?[^-\s]+-[^-\s]+$"),
    "dnf5": ("/etc/dnf/versionlock.toml", r'^\s*name\s*=\s*"([^"]+)"'),
    "zypper": ("/etc/zypp/locks", r"^solvable_name:\s*(\S+)"),
    "apk": ("/etc/apk/world", r"^([^\s=~<>@]+)[=~<]"),
    "pacman": ("/etc/pacman.conf", r"^\s*IgnorePkg\s*=\s*(.+)$"),
}
EXCLUDED = ("/etc/dnf/dnf.conf", r"^\s*exclude(?:pkgs)?\s*=\s*(.+)$")


def held(module, manager, there):
    """The names of packages that are not to be upgraded; of patterns those that are `there`."""
    if manager == "apt":
        native = native_suffix(module)
        return {plain(line[2], native) for line in dpkg_lines(module) if line[0] == "hold"}
    words = words_of(*LOCKS[manager])
    words += words_of(*EXCLUDED) if manager in ("dnf", "dnf5") else []
    patterns = {one for one in words if re.search(r"[*?\[]", one)}
    matching = {name for one in patterns for name in fnmatch.filter(there, one)}
    return matching.union(set(words) - patterns)


def words_of(path, pattern):
    """The words of what the pattern means in a file; none where there is no file."""
    try:
        with open(path, errors="replace") as file:
            found = re.findall(pattern, file.read(), re.MULTILINE)
    except OSError:
        return []
    return [word for words in found for word in re.split(r"[\s,]+", words) if word]


def owners(module, manager, path):
    """The packages that a file is of. Where /bin and its like are links, packages name a file
    below one or the other.
    """
    other = path[len("/usr") :] if path.startswith("/usr/") else "/usr" + path
    paths = [path] + (
        [other] if (other + "/").startswith(MERGED) or path.startswith(MERGED) else []
    )
    real = os.path.realpath(path)
    for one in paths + ([real] if real not in paths else []):
        found = OWNER[manager](module, one)
        if found:
            return sorted(found)
    return []


def dpkg_owner(module, path):
    # A name with these would be a pattern
    escaped = re.sub(r"([*?\[\]\\])", r"\\\1", path)
    lines = written(module, "dpkg-query", "--search", "--", escaped).splitlines()
    native = native_suffix(module)
    return {
        plain(name, native)
        for line in lines
        if not line.startswith("diversion by ")
        for name in line.partition(": ")[0].split(", ")
    }


def rpm_owner(module, path):
    return set(written(module, "rpm", "-qf", "--qf", "%{NAME}\n", "--", path).split())


def apk_owner(module, path):
    found = re.search(
        r" is owned by (\S+)-\d[^-]*-r\d+$",
        written(module, "apk", "info", "--who-owns", "--", path),
    )
    return {found.group(1)} if found else set()


def pacman_owner(module, path):
    return set(written(module, "pacman", "-Qoq", "--", path).split())


OWNER = {
    "apt": dpkg_owner,
    "dnf": rpm_owner,
    "dnf5": rpm_owner,
    "zypper": rpm_owner,
    "apk": apk_owner,
    "pacman": pacman_owner,
}
