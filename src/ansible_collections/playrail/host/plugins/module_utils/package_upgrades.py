"""Which packages could be upgraded, by the lists that a host has: none is fetched, and no
cache is written.
"""

import glob
import os
import re

APT_LISTS = "/var/lib/apt/lists"
APT_CACHE = "/var/cache/apt/pkgcache.bin"
# What its cache is made of; one that is older is read anew, and would be written
APT_SOURCES = (APT_LISTS, "/var/lib/dpkg/status", "/etc/apt", "/etc/apt/sources.list.d")
WITHOUT_CACHE = ("--option=Dir::Cache::pkgcache=", "--option=Dir::Cache::srcpkgcache=")
# Per manager where its lists are, and what else changes when they are fetched and nothing is new
LISTS = {
    "apt": (APT_LISTS + "/*Packages*",),
    "dnf": ("/var/cache/dnf/*/repodata/repomd.xml",),
    "dnf5": ("/var/cache/libdnf5/*/repodata/repomd.xml",),
    "zypper": ("/var/cache/zypp/raw/*/repodata/repomd.xml", "/var/cache/zypp/raw/*/content"),
    "apk": ("/var/cache/apk/APKINDEX.*", "/etc/apk/cache/APKINDEX.*"),
    "pacman": ("/var/lib/pacman/sync/*.db",),
}
FETCHED = {
    "apt": (APT_LISTS, APT_LISTS + "/partial", "/var/lib/apt/periodic/update-success-stamp"),
    "pacman": ("/var/lib/pacman/sync",),
}
NO_SECURITY = "%s does not tell which upgrades are for security"
# What of its lists tells which upgrades are for security: not every repository has it
ADVISORIES = {
    "dnf": "/var/cache/dnf/*/repodata/*updateinfo*",
    "dnf5": "/var/cache/libdnf5/*/repodata/*updateinfo*",
}
NO_ADVISORIES = "no repository of this host tells which upgrades are for security"
BY_PATCH = "zypper tells security by patches: %d are needed"

APT = re.compile(
    r"^Inst (?P<name>\S+) \[[^]]+\] \((?P<new>\S+) (?P<origin>.*?)(?: \[[^]]*\])?\)", re.MULTILINE
)
APK = re.compile(r"^(\S+)-(\d[^- ]*-r\d+) .*\[upgradable from: \S+\]$", re.MULTILINE)
LISTED = re.compile(r"<(?:update|solvable) ([^>]*)>")
ATTRIBUTE = re.compile(r'([a-z-]+)="([^"&]*)"')
PACMAN = re.compile(r"^(\S+) \S+ -> (\S+)", re.MULTILINE)


class Unknown(Exception):
    """What could be upgraded is not known; the text says why."""


def lists_from(manager):
    """When the lists were fetched, in seconds since 1970; None when there are none."""
    lists = [path for pattern in LISTS[manager] for path in glob.glob(pattern)]
    if not lists:
        return None
    # A list may have the time of its server
    times = times_of(FETCHED.get(manager, ())) or times_of(lists)
    return int(max(times)) if times else None


def times_of(paths):
    """When each was written; what is gone meanwhile, as a list that is replaced, has no time."""
    found = []
    for path in paths:
        try:
            found.append(os.stat(path).st_mtime)
        except OSError:
            continue
    return found


def upgrades(module, manager):
    """Per name the new version; the names of those that are for security; and why the latter
    are not known. Raises Unknown.
    """
    return ASKED[manager](module, manager)


def said(module, *argv, **environment):
    """What a program prints. Raises Unknown when it fails."""
    status, out, complaint = module.run_command(
        [module.get_bin_path(argv[0]) or argv[0]] + list(argv[1:]), environ_update=environment
    )
    if status:
        lines = (complaint or out).strip().splitlines() or ["exit status %d" % status]
        raise Unknown("%s: %s" % (argv[0], lines[-1][:200]))
    return out


def of_apt(module, _manager):
    words = ("--simulate", "--quiet", "--ignore-hold", "--option=Debug::NoLocking=true")
    words += apt_options() + ("dist-upgrade",)
    told = list(APT.finditer(said(module, "apt-get", *words)))
    found = {one.group("name"): one.group("new") for one in told}
    security = {one.group("name") for one in told if "security" in one.group("origin").lower()}
    return found, security, None


def apt_options():
    """What keeps apt from writing its cache, which takes it longer; nothing is needed where
    that is as new as what it is made of.
    """
    try:
        made = os.stat(APT_CACHE).st_mtime
    except OSError:
        return WITHOUT_CACHE
    fresh = all(one <= made for one in times_of(APT_SOURCES))
    return () if fresh else WITHOUT_CACHE


def of_dnf(module, manager):
    found = repoquery(module, manager, "--upgrades")
    if not glob.glob(ADVISORIES[manager]):
        return found, set(), NO_ADVISORIES
    return found, set(repoquery(module, manager, "--upgrades", "--security")), None


def repoquery(module, manager, *words):
    # Its log would be written anywhere else
    options = ("--quiet", "--cacheonly", "--setopt=logdir=" + module.tmpdir)
    form = "--qf=%{name}\t%{evr}\n" if manager == "dnf5" else "--qf=%{name}\t%{evr}"
    told = said(module, manager, *(options + ("repoquery", form) + words))
    return dict(line.split("\t") for line in told.splitlines() if line.count("\t") == 1)


def of_zypper(module, _manager):
    found = zypper(module, "list-updates")
    patches = zypper(module, "list-patches", "--category=security")
    return found, set(), BY_PATCH % len(patches)


def zypper(module, *words):
    """What zypper lists, of elements `update` or `solvable`."""
    options = ("--non-interactive", "--no-refresh", "--xmlout")
    text = said(module, "zypper", *(options + words), ZYPP_LOGFILE="/dev/null")
    found = [dict(ATTRIBUTE.findall(one)) for one in LISTED.findall(text)]
    whole = [one for one in found if {"name", "edition"} <= set(one)]
    return {one["name"]: one["edition"] for one in reversed(whole)}  # the newest goes first


def of_apk(module, manager):
    told = said(module, "apk", "--no-network", "list", "--upgradable")
    return dict(APK.findall(told)), set(), NO_SECURITY % manager


def of_pacman(module, manager):
    # It fails when there are none
    status, out, complaint = module.run_command([module.get_bin_path("pacman") or "pacman", "-Qu"])
    if status and (out or complaint):
        raise Unknown("pacman: %s" % (complaint or out).strip().splitlines()[-1][:200])
    return dict(PACMAN.findall(out)), set(), NO_SECURITY % manager


ASKED = {
    "apt": of_apt,
    "dnf": of_dnf,
    "dnf5": of_dnf,
    "zypper": of_zypper,
    "apk": of_apk,
    "pacman": of_pacman,
}


def candidate(module, manager, name):
    """The version of a package that could be installed; None when there is none. Raises
    Unknown.
    """
    if manager == "apt":
        told = said(module, "apt-cache", *(apt_options() + ("policy", "--", name)))
        found = dict(re.findall(r"^  (Candidate): (?!\(none\))(\S+)", told, re.MULTILINE))
    elif manager in ("dnf", "dnf5"):
        found = repoquery(module, manager, "--latest-limit=1", "--", name)
    elif manager == "zypper":
        found = zypper(module, "search", "--details", "--match-exact", "--", name)
    elif manager == "apk":
        told = said(module, "apk", "--no-network", "list", "--", name)
        found = dict(re.findall(r"^(\S+)-(\d[^- ]*-r\d+) ", told, re.MULTILINE))
    else:
        told = said(module, "pacman", "-Si", "--", name)
        found = dict(re.findall(r"^(Version)\s*: (\S+)", told, re.MULTILINE))
    return next(iter(found.values()), None)
