"""What a unit's name means to systemd: its other names, and whose unit it is."""

import os
import re
import subprocess

PROPERTIES = (
    "Id",
    "Names",
    "LoadState",
    "ActiveState",
    "FragmentPath",
    "DropInPaths",
    "StandardOutput",
    "LogNamespace",
)
SUFFIX = re.compile(
    r"\.(?:service|socket|target|timer|mount|automount|device|swap|path|slice|scope|snapshot)$"
)
SOMETHING = "@playrail."  # an instance that stands for any of a template
# Where systemd.unit(5) looks for units.
FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
ALIAS = re.compile(r"^Alias=(.*)$", re.MULTILINE)
OUTPUT = re.compile(r"^StandardOutput=(\S+)\s*$", re.MULTILINE)
TO_JOURNAL = (
    "",
    "inherit",
    "journal",
    "journal+console",
    "syslog",
    "syslog+console",
    "kmsg",
    "kmsg+console",
)
CONFIGURATION_BYTES = 65536  # of a file, at most
ALIKE = 10  # names that are told when there is none


class Unit:
    """A unit by any of its names. `known`: whether systemd has it; None where systemd
    cannot be asked.
    """

    def __init__(self, name, names, known, output="", namespace=""):
        self.name = name
        self.names = names
        self.known = known
        self.output = output
        self.namespace = namespace
        self.of_users = False

    @property
    def elsewhere(self):
        """Where its output goes when that is not the journal, None otherwise."""
        return None if self.output in TO_JOURNAL else self.output

    def words(self):
        """Journalctl's arguments for its entries, those about it among them."""
        if self.of_users:  # --user-unit= means those of the user who asks
            found = []
            for name in self.names:
                found += ["+"] * bool(found) + [
                    "_SYSTEMD_USER_UNIT=" + name,
                    "+",
                    "USER_UNIT=" + name,
                ]
            return found
        found = ["--unit=" + name for name in self.names]
        if self.name.endswith(".slice"):  # those below it as well
            found.append("--unit=%s-*.slice" % self.name[: -len(".slice")])
        return found + (["--namespace=+" + self.namespace] if self.namespace else [])


def full(name):
    """As systemctl and journalctl complete a name."""
    return name if SUFFIX.search(name) else name + ".service"


def run(argv):
    """What the program prints; None when it is not there or fails."""
    try:
        child = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, LC_ALL="C")
        )
    except OSError:
        return None
    output = child.communicate()[0].decode("utf-8", "replace")
    return output if child.returncode == 0 else None


def shown(name):
    """The unit as `systemctl show` tells of it, without asking anything else."""
    argv = ["systemctl", "show"] + ["--property=" + one for one in PROPERTIES] + ["--", name]
    output = run(argv)
    if not output:
        return Unit(name, [name], None)
    told = dict(line.partition("=")[::2] for line in output.splitlines())
    names = told.get("Names", "").split() or [name]
    files = told.get("FragmentPath", "").split() + told.get("DropInPaths", "").split()
    known = told.get("LoadState") != "not-found"
    if name.endswith(".slice") and not files and told.get("ActiveState") == "inactive":
        known = False  # systemd takes any such name for a slice
    output = told.get("StandardOutput", "")
    if output in ("file", "append", "truncate"):  # the path stands in the unit's files alone
        output = ([output] + [one for path in files for one in OUTPUT.findall(beginning(path))])[-1]
    return Unit(told.get("Id") or name, names, known, output, told.get("LogNamespace", ""))


def beginning(path):
    """The file's beginning; empty when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(CONFIGURATION_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def named_in_files(name):
    """The unit whose file says Alias=NAME: such a name counts only while the unit is
    enabled.
    """
    for folder in FOLDERS:
        try:
            files = sorted(os.listdir(folder))
        except OSError:
            continue
        for file in files:
            path = os.path.join(folder, file)
            if os.path.islink(path) or not SUFFIX.search(file):
                continue
            if any(name in words.split() for words in ALIAS.findall(beginning(path))):
                return file
    return None


def look(given):
    """The unit that a caller means. A template means all its instances."""
    name = full(given)
    of_template = "@." in name
    unit = shown(name.replace("@.", SOMETHING))
    if unit.known is False:
        real = named_in_files(name)
        if real is not None:
            unit = shown(real.replace("@.", SOMETHING))
    asked = name.replace("@.", SOMETHING)
    # Under which it wrote before
    names = unit.names if asked in unit.names else unit.names + [asked]
    if of_template:
        unit.name = unit.name.replace(SOMETHING, "@.")
        names = [one.replace(SOMETHING, "@*.") for one in names]
    unit.names = names
    return unit


def of_users(unit, journalctl):
    """The same name as users' own units have it; instances of a template as the journal
    knows them.
    """
    names = list(unit.names)
    if any("*" in name for name in names):
        listed = (run([journalctl, "--no-pager", "--field=_SYSTEMD_USER_UNIT"]) or "").split()
        patterns = [re.escape(name).replace(r"\*", ".*") + "$" for name in names]
        names = [one for one in listed if any(re.match(pattern, one) for pattern in patterns)]
    found = Unit(unit.name, names, False)
    found.of_users = True
    return found


def alike(name):
    """Names of units that hold the word, at most ALIKE."""
    word = SUFFIX.sub("", name).partition("@")[0]
    output = run(
        [
            "systemctl",
            "list-units",
            "--all",
            "--plain",
            "--no-legend",
            "--no-pager",
            "--",
            "*%s*" % word,
        ]
    )
    found = [line.split()[0] for line in (output or "").splitlines() if line.split()]
    return [one for one in found if one != name][:ALIKE]
