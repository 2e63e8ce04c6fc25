#!/usr/bin/python
"""Lists systemd's units, those first that an operator has to know of; or OpenRC's services."""

DOCUMENTATION = r"""
module: list_units
short_description: List services, timers, sockets, mounts and other units
description:
  - Lists what systemd has loaded, failed units first, then what is on its way, what runs, timers
    by their next run, sockets, and the rest. Where OpenRC starts services, its services. Changes
    nothing.
options:
  type:
    description: Only units of this type. Without it, and without a name, services, timers, sockets
      and paths, and others that failed.
    type: str
    choices:
      - service
      - timer
      - socket
      - mount
      - path
      - target
  state:
    description: Only units that are so. The last three are about their files, so units that are
      not loaded are listed too.
    type: str
    choices:
      - failed
      - active
      - inactive
      - enabled
      - disabled
      - masked
  name:
    description: Only units whose name holds this text.
    type: str
  limit:
    description: How many to return at most.
    type: int
    default: 35
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON.
    type: int
    default: 24000
author: Playrail
"""

EXAMPLES = r"""
- name: See which units failed
  playrail.host.list_units:
    state: failed
"""

RETURN = r"""
units:
  description: Per state, in systemd's own words for those of the unit's type, a list of units, each
    with unit, description, unit_file_state (unless static), and of a unit that failed or is on its
    way since, result, exit_code or exit_signal; restarts (unless 0); of a timer next_run, last_run,
    triggers (unless the service of its name); of a socket listens; of a mount mount_point, device.
  type: dict
  returned: success
counts:
  description: Per state how many units there are that were asked for.
  type: dict
  returned: success
total:
  description: How many these are.
  type: int
  returned: success
system_state:
  description: running, degraded (units failed), starting, stopping or maintenance.
  type: str
  returned: where systemd runs
jobs:
  description: How many units systemd is about to start or stop.
  type: int
  returned: where systemd runs
manager:
  description: openrc, where that starts services.
  type: str
  returned: where it is another than systemd
truncated:
  description: Whether units were left out.
  type: bool
  returned: success
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import glob
import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.openrc import (
    OPENRC_STATES,
    openrc_runs,
    openrc_services,
)
from ansible_collections.playrail.host.plugins.module_utils.room import length
from ansible_collections.playrail.host.plugins.module_utils.unit_times import (
    FAILURE,
    OF_TIMERS,
    by_name,
    how_failed,
    iso,
    last_run,
    next_run,
)
from ansible_collections.playrail.host.plugins.module_utils.units import (
    RUNNING,
    Failed,
    Systemd,
    properties_of,
)

PROPERTIES = (
    *("Id", "Names", "Description", "UnitFileState", "NRestarts"),
    *("Triggers", "Listen", "Where", "What"),
    *FAILURE,
    *OF_TIMERS,
)
TYPES = ("service", "timer", "socket", "mount", "path", "target")
USUAL = ("service", "timer", "socket", "path")  # others are of little interest while well
OF_FILES = ("enabled", "disabled", "masked")
SETTLED = ("active", "inactive", "failed")
# The order of what is well; all else goes after these.
ORDER = (
    *(("service", "running"), ("timer", "waiting"), ("timer", "running"), ("timer", "elapsed")),
    *(("socket", "listening"), ("socket", "running"), ("path", "waiting"), ("path", "running")),
    *(("service", "exited"), ("mount", "mounted")),
)
DESCRIPTION_CHARACTERS = 80
MOST_LISTENS = 5
ENVELOPE_BYTES = 300
SHOWN_AT_ONCE = 100


class Unit:
    """One as `systemctl list-units` has it."""

    def __init__(self, name, load, active, sub, at_boot):
        self.name = name
        self.type = name.rpartition(".")[2]
        self.load = load
        self.active = active
        self.sub = sub
        self.at_boot = at_boot
        self.file_state = None

    @property
    def rank(self):
        if self.active == "failed" or self.load in ("error", "bad-setting"):
            return -3
        if self.active not in SETTLED:
            return -2
        if self.type == "service" and self.active == "inactive" and self.at_boot:
            return 0.5  # after services that run
        place = (self.type, self.sub)
        inactive = self.active == "inactive"
        return ORDER.index(place) if place in ORDER else len(ORDER) + inactive


def started_at_boot():
    """The units that somebody enabled: what the folders of links name, systemd.unit(5)."""
    return {
        os.path.basename(path)
        for kind in ("wants", "requires")
        for path in glob.glob("/etc/systemd/system/*.%s/*" % kind)
    }


def loaded_units(systemd):
    """All units that systemd has loaded, but those that it only knows by name. Raises Failed."""
    status, out, err = systemd.run("list-units", "--all", "--plain", "--no-legend", "--full")
    if status != 0:
        raise Failed("task_failed", err.strip() or "systemctl list-units failed")
    linked = started_at_boot()
    lines = (line.split(None, 4) for line in out.splitlines())
    found = [Unit(*words[:4], words[0] in linked) for words in lines if len(words) >= 4]
    return [unit for unit in found if unit.load != "not-found" or unit.active in RUNNING]


def with_files(systemd, found):
    """The units and those that are only files, each with the state of its file. A template is
    no unit.
    """
    status, out, err = systemd.run("list-unit-files", "--plain", "--no-legend", "--full")
    if status != 0:
        raise Failed("task_failed", err.strip() or "systemctl list-unit-files failed")
    states = dict(line.split()[:2] for line in out.splitlines() if len(line.split()) >= 2)
    known = {unit.name for unit in found}
    others = [name for name in states if name not in known and "@." not in name]
    found = found + [
        Unit(name, "", "inactive", "dead", states[name] == "enabled") for name in others
    ]
    for unit in found:
        # That of an instance is its template's, which says nothing of this one
        unit.file_state = states.get(unit.name) or ("enabled" if unit.at_boot else None)
    return found


def is_wanted(unit, given):
    if given["type"] is not None and unit.type != given["type"]:
        return False
    if given["name"] is not None and given["name"].lower() not in unit.name.lower():
        return False
    if given["type"] is None and given["name"] is None:
        if unit.type not in USUAL and unit.rank != -3:
            return False
    state = given["state"]
    if state in OF_FILES:
        return (unit.file_state or "").startswith(state)  # enabled-runtime as well
    if state == "failed":
        return unit.rank == -3
    return state is None or (unit.active in RUNNING if state == "active" else unit.active == state)


def told(unit, shown):
    """What is reported of a unit, by what systemd shows of it."""
    restarts, state = shown.get("NRestarts", ""), shown.get("UnitFileState")
    found = {
        "unit": unit.name,
        "description": shown.get("Description", "")[:DESCRIPTION_CHARACTERS],
        "load_state": None if unit.load in ("loaded", "masked", "") else unit.load,
        "unit_file_state": unit.file_state or (None if state == "static" else state),
        "restarts": int(restarts) if restarts.isdigit() else None,
    }
    if unit.rank < 0:
        found.update(how_failed(shown))
    if unit.type == "timer":
        found.update(next_run=iso(next_run(shown)), last_run=iso(last_run(shown)))
        found["triggers"] = [
            name
            for name in shown.get("Triggers", "").split()
            if name != unit.name[: -len("timer")] + "service"
        ]
    elif unit.type == "socket":
        lines = shown.get("Listen", "").splitlines()[:MOST_LISTENS]
        found["listens"] = [line.replace(" (Stream)", "") for line in lines]
    elif unit.type == "mount":
        found.update(mount_point=shown.get("Where"), device=shown.get("What"))
    if found["description"] in (unit.name, found.get("mount_point")):
        del found["description"]
    return {key: value for key, value in found.items() if key and value}


def described(systemd, chosen):
    """The units as they are reported, timers by their next run."""
    found = []
    for start in range(0, len(chosen), SHOWN_AT_ONCE):
        part = chosen[start : start + SHOWN_AT_ONCE]
        shown = by_name(systemd.show([unit.name for unit in part], PROPERTIES))
        found += [(unit, told(unit, shown.get(unit.name, {}))) for unit in part]
    return sorted(found, key=lambda pair: (pair[0].rank, pair[1].get("next_run", "~")))


def counts_of(states):
    found = {}
    for state in states:
        found[state] = found.get(state, 0) + 1
    return found


def grouped(pairs, room):
    """By their states as many as have room, and how many these are."""
    found, number = {}, 0
    for state, one in pairs:
        room -= length(one) + (0 if state in found else length(state) + 4)
        if room < 0:
            break
        found.setdefault(state, []).append(one)
        number += 1
    return found, number


def of_systemd(systemd, given):
    _status, out, _err = systemd.run("show", "--property=SystemState,NJobs")
    system, found = properties_of(out), loaded_units(systemd)
    if given["state"] in OF_FILES:
        found = with_files(systemd, found)
    wanted = sorted(
        (unit for unit in found if is_wanted(unit, given)), key=lambda one: (one.rank, one.name)
    )
    report = {
        "counts": counts_of(unit.sub for unit in wanted),
        "total": len(wanted),
        "system_state": system.get("SystemState") or None,
        "jobs": int(system.get("NJobs") or 0) or None,
    }
    pairs = described(systemd, wanted[: given["limit"]])
    return report, [(unit.sub, one) for unit, one in pairs]


def of_openrc(given):
    """OpenRC knows services alone."""
    active = {"active": ("started",), "inactive": ("stopped", "inactive")}
    active["failed"] = ("failed", "crashed")
    found = [
        one
        for one in openrc_services()
        if given["type"] in (None, "service")
        and (given["name"] or "").lower() in one["unit"].lower()
        and (given["state"] not in active or one["state"] in active[given["state"]])
        and (given["state"] not in OF_FILES or (given["state"] == "enabled") == one["enabled"])
        and given["state"] != "masked"
    ]
    found.sort(key=lambda one: (OPENRC_STATES.index(one["state"]), not one["enabled"], one["unit"]))
    report = {
        "counts": counts_of(one["state"] for one in found),
        "total": len(found),
        "manager": "openrc",
    }
    pairs = [
        (
            one["state"],
            {"unit": one["unit"], "unit_file_state": "enabled" if one["enabled"] else "disabled"},
        )
        for one in found
    ]
    return report, pairs[: given["limit"]]


def main():
    module = AnsibleModule(
        argument_spec={
            "type": {"type": "str", "choices": list(TYPES)},
            "state": {"type": "str", "choices": ["failed", "active", "inactive", *OF_FILES]},
            "name": {"type": "str"},
            "limit": {"type": "int", "default": 35},
            "max_bytes": {"type": "int", "default": 24000},
        },
        supports_check_mode=True,
    )
    given = module.params
    module.run_command_environ_update = {"LC_ALL": "C", "LANGUAGE": "C"}
    try:
        if openrc_runs():
            report, pairs = of_openrc(given)
        else:
            report, pairs = of_systemd(Systemd(module), given)
    except Failed as failure:
        module.fail_json(msg=str(failure), playrail_code=failure.code)
    room = given["max_bytes"] - min(ENVELOPE_BYTES, given["max_bytes"] // 5) - length(report)
    units, number = grouped(pairs, room)
    module.exit_json(changed=False, units=units, truncated=number < report["total"], **report)


if __name__ == "__main__":
    main()
