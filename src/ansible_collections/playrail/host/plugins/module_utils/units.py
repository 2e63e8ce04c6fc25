"""What systemd tells of a unit, in the words of `systemctl show`."""

import calendar
import difflib
import glob
import os
import re
import time

TYPES = (
    "service",
    "socket",
    "timer",
    "path",
    "target",
    "mount",
    "automount",
    "swap",
    "slice",
    "scope",
    "device",
)
PROPERTIES = (
    *(
        "Id",
        "Names",
        "Description",
        "LoadState",
        "LoadError",
        "ActiveState",
        "SubState",
        "UnitFileState",
        "Type",
        "Transient",
    ),
    *(
        "RemainAfterExit",
        "FragmentPath",
        "SourcePath",
        "DropInPaths",
        "NeedDaemonReload",
        "CanReload",
        "MainPID",
    ),
    *(
        "MemoryCurrent",
        "NRestarts",
        "Result",
        "ExecMainCode",
        "ExecMainStatus",
        "ConditionResult",
        "InvocationID",
    ),
    *("ConditionTimestampMonotonic", "ControlGroup"),
    *("TriggeredBy", "Triggers", "WantedBy", "RequiredBy"),
    *(
        "ActiveEnterTimestamp",
        "ActiveExitTimestamp",
        "InactiveEnterTimestamp",
        "InactiveExitTimestamp",
    ),
)
RUNNING = ("active", "reloading", "refreshing")
FILES = (
    "Id",
    "Names",
    "LoadState",
    "ActiveState",
    "FragmentPath",
    "DropInPaths",
    "NeedDaemonReload",
)
# Where systemd looks for unit files, the first counts most; systemd.unit(5).
PLACES = (
    *(
        "/etc/systemd/system.control",
        "/run/systemd/system.control",
        "/etc/systemd/system",
        "/run/systemd/system",
    ),
    *("/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"),
)
MOST_ALIKE = 5
FAILING = ("failed", "activating", "inactive")
STEPS = ("ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecStop", "ExecStopPost")
# A command of a unit as `systemctl show` has it.
COMMAND = re.compile(
    r"\{ path=(.*?) ; argv\[\]=.*? ; ignore_errors=no ; .*? ; code=(\w+) ; status=([\w/]+) \}"
)


class Failed(Exception):
    """With what systemctl said."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def full(name):
    """The name with its type. systemctl takes a bare number for a job or a process."""
    return name if name.rpartition(".")[2] in TYPES and "." in name else name + ".service"


class Systemd:
    """systemctl, by an Ansible module. Raises Failed where systemd does not run."""

    def __init__(self, module):
        self.module = module
        self.path = module.get_bin_path("systemctl")
        if self.path is None or not os.path.isdir("/run/systemd/system"):
            raise Failed(
                "no_systemd", "System has not been booted with systemd as init system (PID 1)"
            )

    def run(self, *words):
        """Returns the exit status, what it wrote, and what it wrote as errors. It writes times in
        the zone of whoever asks.
        """
        argv = [self.path, "--no-ask-password", "--no-pager"] + list(words)
        return self.module.run_command(argv, environ_update={"TZ": "UTC"})

    def show(self, names, properties):
        """The properties of each unit, in the order of the names. What is told of a property
        in several lines, as of several commands, stays in as many.
        """
        status, out, err = self.run("show", "--property=" + ",".join(properties), "--", *names)
        if status != 0 and not out.strip():
            raise Failed("task_failed", err.strip())
        return [properties_of(part) for part in out.strip().split("\n\n")]

    def look(self, name):
        """The unit's properties; none where the name can be no unit's, as that of a
        template without an instance.
        """
        try:
            found = self.show([full(name)], PROPERTIES)[0]
        except Failed as failure:
            if "nit name" in str(failure):
                return {}
            raise
        if self.is_stale(found):  # what systemd tells is that of the old file
            found["NeedDaemonReload"] = "yes"
            _status, out, _err = self.run("is-enabled", "--", found["Id"])
            found["UnitFileState"] = out.strip() or found.get("UnitFileState", "")
        return found

    def active(self, names):
        """Those of the units that are active."""
        names = list(names)
        found = self.show(names, ["Id", "ActiveState"]) if names else []
        return [unit["Id"] for unit in found if unit.get("ActiveState") in RUNNING]

    def enabled(self, names):
        """Those of the units that are started at boot."""
        names = list(names)
        found = self.show(names, ["Id", "UnitFileState"]) if names else []
        return [
            unit["Id"]
            for unit in found
            if unit.get("UnitFileState") in ("enabled", "enabled-runtime")
        ]

    def needs_reload(self, name, unit):
        """Whether files of the unit, or of units that it starts or that start it, are not
        what systemd has read.
        """
        if is_missing(unit):
            return may_be_new(full(name))
        if self.is_stale(unit):
            return True
        others = unit.get("TriggeredBy", "").split() + unit.get("Triggers", "").split()
        return any(self.is_stale(other) for other in (self.show(others, FILES) if others else []))

    def is_stale(self, unit):
        """Whether the unit's files are not what systemd has read.

        systemd itself takes no notice of a directory of drop-ins, or of a file in the place
        of the one that it has read, that is newer than what it knows of all directories.
        """
        if is_missing(unit):
            return False
        if unit.get("NeedDaemonReload") == "yes":
            return True
        unread = unread_files(unit)
        return bool(unread) and max(map(changed_at, unread)) >= self.read_at()

    def read_at(self):
        """When systemd read all unit files, in seconds since 1970; 0 when it does not say."""
        _status, out, _err = self.run("show", "--property=UnitsLoadTimestamp", "--value")
        try:
            return calendar.timegm(
                time.strptime(out.strip().partition(" ")[2], "%Y-%m-%d %H:%M:%S UTC")
            )
        except ValueError:
            return 0

    def alike(self, name):
        """The names of units that are much like this one, the best first."""
        units = set()
        for words in (("list-unit-files",), ("list-units", "--all")):
            _status, out, _err = self.run(words[0], "--no-legend", "--plain", "--full", *words[1:])
            units |= {line.split()[0] for line in out.splitlines() if line.strip()}
        kind = "." + full(name).rpartition(".")[2]
        stems = {unit[: -len(kind)].lower(): unit for unit in sorted(units) if unit.endswith(kind)}
        stem = full(name)[: -len(kind)].lower()
        close = difflib.get_close_matches(stem, stems, MOST_ALIKE, 0.6)
        holding = [
            one
            for one in stems
            if one not in close and len(stem) > 2 and (stem in one or one in stem)
        ]
        return [stems[one] for one in close + [one for one in holding if len(one) > 2]][:MOST_ALIKE]


def properties_of(text):
    """By their names those that `systemctl show` tells of one unit."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found[name] = found[name] + "\n" + value if name in found else value
    return found


def is_missing(unit):
    """Whether there is no such unit, as far as systemd knows."""
    return unit.get("LoadState") in (None, "not-found") and unit.get("ActiveState") not in RUNNING


def drop_in_directories(name):
    """The names of directories whose files change the unit, as systemd.unit(5) has them."""
    stem, _dot, kind = name.rpartition(".")
    template, at, instance = stem.partition("@")
    stems = [stem] + ([template + "@"] if at and instance else [])
    words = template.split("-")
    stems += ["-".join(words[:count]) + "-" for count in range(1, len(words))]
    return ["%s.%s.d" % (one, kind) for one in stems] + [kind + ".d"]


def unread_files(unit):
    """Files that make the unit, of which systemd does not tell that it has read them."""
    known = {os.path.realpath(path) for path in unit.get("DropInPaths", "").split()}
    names = set(unit.get("Names", "").split() + [unit["Id"]])
    patterns = {
        os.path.join(place, directory, "*.conf")
        for place in PLACES
        for name in names
        for directory in drop_in_directories(name)
    }
    found = [path for pattern in patterns for path in glob.glob(pattern)]
    hidden = {
        os.path.basename(path) for path in known
    }  # a file of the same name in a place that counts more
    unread = [
        path
        for path in found
        if os.path.realpath(path) not in known and os.path.basename(path) not in hidden
    ]
    fragment = unit.get("FragmentPath", "")
    for place in PLACES if fragment else ():
        path = os.path.join(place, unit["Id"])
        if os.path.realpath(place) == os.path.realpath(os.path.dirname(fragment)):
            break
        if os.path.lexists(path) and os.path.realpath(path) != os.path.realpath(fragment):
            unread.append(path)
    return [
        path for path in unread if os.path.realpath(path) != os.devnull or path.endswith(unit["Id"])
    ]


def changed_at(path):
    """When the file, or the link, was put there or changed."""
    return max(
        int(look(path).st_ctime)
        for look in (os.stat, os.lstat)
        if os.path.exists(path) or look is os.lstat
    )


def may_be_new(unit):
    """Whether there is something of which systemd may make the unit, when it looks anew."""
    stem, _dot, kind = unit.rpartition(".")
    names = [unit] + ([stem.partition("@")[0] + "@." + kind] if "@" in stem else [])
    paths = [os.path.join(place, name) for place in PLACES for name in names]
    if kind == "service":
        paths.append("/etc/init.d/" + stem)
    elif kind in ("mount", "automount", "swap"):
        paths.append("/etc/fstab")
    return any(os.path.exists(path) for path in paths)


def failed_step(commands):
    """Which of the unit's commands failed, and how; none of its arguments, which may hold
    what is secret.
    """
    for step in STEPS:
        for path, code, status in COMMAND.findall(commands.get(step, "")):
            if code in ("killed", "dumped") or (code == "exited" and status.split("/")[0] != "0"):
                return "%s %s: %s %s" % (
                    step,
                    path,
                    "exit status" if code == "exited" else "signal",
                    status,
                )
    return None
