"""What packages are installed on a host, by each package manager's own records."""

from ansible_collections.playrail.host.plugins.module_utils.package_managers import written

# apk's records; https://wiki.alpinelinux.org/wiki/Apk_spec has their letters
APK_RECORDS = ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")
RPM_FORM = "%{NAME}\\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\\t%{ARCH}\\n"
DPKG_FORM = (
    "--showformat=${db:Status-Want}\\t${db:Status-Status}\\t${binary:Package}\\t${Version}\\n"
)
GONE = ("not-installed", "config-files")


def installed(module, manager):
    """The version of each package by its name; of several of one name, all of them. None where
    it cannot be read.
    """
    found = {}
    for name, version in sorted(set(READ[manager](module))):
        found[name] = found[name] + ", " + version if name in found else version
    return found or None


def of_dpkg(module):
    native = native_suffix(module)
    for _want, status, name, version in dpkg_lines(module):
        if status not in GONE:
            yield plain(name, native), version


def native_suffix(module):
    """What dpkg puts after some names of packages of the system's own architecture."""
    return ":" + written(module, "dpkg", "--print-architecture").strip()


def plain(name, native):
    """The name without that; one of another architecture keeps it."""
    return name[: -len(native)] if name.endswith(native) else name


def dpkg_lines(module):
    lines = written(module, "dpkg-query", "--show", DPKG_FORM).splitlines()
    return [line.split("\t") for line in lines if line.count("\t") == 3]


def of_rpm(module):
    for line in written(module, "rpm", "-qa", "--qf", RPM_FORM).splitlines():
        name, version, _architecture = line.split("\t")
        if name != "gpg-pubkey":  # a key is no package
            yield name, version[2:] if version.startswith("0:") else version


def of_apk(_module):
    for path in APK_RECORDS:
        try:
            with open(path, errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        for block in text.split("\n\n"):
            fields = dict(line.split(":", 1) for line in block.splitlines() if line[1:2] == ":")
            if "P" in fields:
                yield fields["P"], fields.get("V", "")
        return


def of_pacman(module):
    for line in written(module, "pacman", "-Q").splitlines():
        name, _blank, version = line.partition(" ")
        yield name, version


READ = {
    "apt": of_dpkg,
    "dnf": of_rpm,
    "dnf5": of_rpm,
    "zypper": of_rpm,
    "apk": of_apk,
    "pacman": of_pacman,
}
