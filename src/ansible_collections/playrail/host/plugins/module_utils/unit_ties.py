"""What goes with a unit: the units that are stopped or started again with it, and processes
that outlive its stop.
"""

import glob
import os

from ansible_collections.playrail.host.plugins.module_utils.units import PLACES, RUNNING, is_missing

PROC = "/proc"
STATES = ("Id", "ActiveState", "LoadState", "UnitFileState", "InvocationID")
# Properties that name the units that a stop takes along (systemd.unit(5)), and those that a
# start stops.
STOPPED_WITH_IT = ("RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf", "PropagatesStopTo")
STOPPED_BY_START = ("Conflicts", "ConflictedBy")
MOST_TIES = 200  # units; a target or slice may have nearly all below it
MOST_LEFT = 20


def words_of(unit, names):
    return [word for name in names for word in unit.get(name, "").split()]


def tied(systemd, action, name):
    """The active units that the action would stop, or start again, with the unit: their
    states by name, the nearest first.
    """
    first = {"stop": STOPPED_WITH_IT, "restart": STOPPED_WITH_IT, "start": STOPPED_BY_START}.get(
        action
    )
    if first is None:
        return {}
    found, known = {}, {name}
    wanted = words_of(systemd.show([name], STATES + first)[0], first)
    while wanted and len(found) < MOST_TIES:
        names = [one for one in dict.fromkeys(wanted) if one not in known][:MOST_TIES]
        known.update(names)
        wanted = []
        for unit in systemd.show(names, STATES + STOPPED_WITH_IT) if names else []:
            if (
                unit.get("ActiveState") in RUNNING
                and unit["Id"] not in found
                and unit["Id"] != name
            ):
                found[unit["Id"]] = {key: unit.get(key, "") for key in STATES}
                wanted += words_of(unit, STOPPED_WITH_IT)
    return found


def taken_along(systemd, before):
    """Of these units, looked at again: those that are not active any more, as [before,
    after], and the names of those that were started again.
    """
    stopped, restarted = [], []
    for name, unit in zip(before, systemd.show(list(before), STATES) if before else []):
        now = {key: unit.get(key, "") for key in STATES}
        if unit.get("ActiveState") not in RUNNING:
            stopped.append([before[name], {} if is_missing(now) else now])
        elif unit.get("InvocationID") != before[name]["InvocationID"]:
            restarted.append(name)
    return {"stopped": stopped, "restarted": restarted}


def absent_starters(systemd, name):
    """The units with which it is enabled, when there is none of them: systemd makes the
    links all the same.
    """
    links = [path for place in PLACES for path in glob.glob("%s/*.*/%s" % (place, name))]
    folders = [os.path.basename(os.path.dirname(path)).rpartition(".") for path in links]
    units = sorted(
        {unit for unit, _dot, kind in folders if kind in ("wants", "requires", "upholds")}
    )
    found = systemd.show(units, ("Id", "LoadState")) if units else []
    return units if units and all(unit.get("LoadState") == "not-found" for unit in found) else []


def processes_of(group):
    """Those in the control group or below it: their names by (pid, start)."""
    found = {}
    for pid in os.listdir(PROC) if group else ():
        if not pid.isdigit():
            continue
        try:
            with open("%s/%s/cgroup" % (PROC, pid)) as file:
                groups = [line.rstrip("\n").split(":", 2)[2] for line in file]
            with open("%s/%s/stat" % (PROC, pid), "rb") as file:
                head, _paren, rest = file.read().decode("utf-8", "replace").rpartition(")")
        except (OSError, IndexError):
            continue  # it has ended
        fields = rest.split()
        if fields[0] not in "ZX" and any(
            one == group or one.startswith(group + "/") for one in groups
        ):
            found[int(pid), fields[19]] = head.partition("(")[2]
    return found


def left_of(action, group, before):
    """The processes that a stop, or the stop of a restart, left alive."""
    if action not in ("stop", "restart"):
        return []
    alive = processes_of(group)
    left = sorted(key for key in alive if action == "stop" or key in before)
    return [{"pid": key[0], "name": alive[key]} for key in left[:MOST_LEFT]]
