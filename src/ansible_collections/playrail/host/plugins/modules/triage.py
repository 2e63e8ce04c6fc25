#!/usr/bin/python
"""A first look at a host in trouble: what is full, busy, failed or wrong, in one small answer."""

DOCUMENTATION = r"""
module: triage
short_description: Say in short what is wrong with a host
description:
  - Load, pressure, memory, the busiest and largest processes, full file systems, failed units,
    errors of the last hour by unit, whether a reboot is pending and the clock is kept. What could
    not be looked at is told. Changes nothing.
options:
  messages:
    description: Whether to tell the newest message of each unit that had errors.
    type: bool
    default: false
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON.
    type: int
    default: 4000
author: Playrail
"""

EXAMPLES = r"""
- name: See what is wrong
  playrail.host.triage:
"""

RETURN = r"""
load:
  description: load_1m, load_5m, load_15m, cpu_threads; over half a second cpu_percent (busy),
    iowait_percent, steal_percent; waiting and zombies, the numbers of such processes; pressure, per
    resource the share of the last minute in which something waited for it.
  type: dict
  returned: success
memory:
  description: Bytes by the names of proc_meminfo(5).
  type: dict
  returned: success
limit_bytes:
  description: The most that this container may use, where that is less than there is.
  type: int
  returned: success
limit_used_bytes:
  description: What counts against it.
  type: int
  returned: success
oom_kills:
  description: How often the kernel ended a process for lack of memory since the start.
  type: int
  returned: success
oom_killed:
  description: Per process that the kernel ended in the last day time, pid and name.
  type: list
  elements: dict
  returned: success
processes:
  description: The busiest ones, then the largest, each with pid, user, command, cpu_percent of one
    processor over half a second, memory_bytes, unit and container.
  type: list
  elements: dict
  returned: success
file_systems:
  description: Those that are 80 % full by bytes or inodes, or do not answer; and that of C(/).
  type: list
  elements: dict
  returned: success
failed_units:
  description: Per unit that failed, or is started again and again, unit, since, result, exit_code
    or exit_signal, restarts.
  type: list
  elements: dict
  returned: success
containers:
  description: Per container that restarts, is unhealthy or dead, or failed in the last day,
    container, state and status (in Docker's words).
  type: list
  elements: dict
  returned: where an engine runs
errors:
  description: Per unit that wrote errors in the last hour unit, entries and, when asked for,
    example; most entries first.
  type: list
  elements: dict
  returned: success
totals:
  description: How many there are of each list, and error_entries, all errors of the hour.
  type: dict
  returned: success
reboot_required:
  description: Whether a reboot is pending, with reboot_reasons.
  type: bool
  returned: where that is known
clock:
  description: synchronised, as the kernel says it, and keeper, the program that keeps it.
  type: dict
  returned: success
uptime_s:
  description: Seconds since the start.
  type: int
  returned: success
time:
  description: The host's clock (ISO 8601, UTC).
  type: str
  returned: success
not_known:
  description: Per part of the answer why it is not known, or not wholly.
  type: dict
  returned: success
truncated:
  description: Whether something was left out.
  type: bool
  returned: success
"""

import os
import struct
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.clock_state import keeper, synchronised
from ansible_collections.playrail.host.plugins.module_utils.cpu_use import (
    SAMPLE_S,
    Sample,
    busiest,
    by_process,
    load,
    load_of,
    pressure,
    shares,
)
from ansible_collections.playrail.host.plugins.module_utils.docker import DockerFailed, engine_runs
from ansible_collections.playrail.host.plugins.module_utils.journal_errors import (
    errors,
    killed_for_memory,
)
from ansible_collections.playrail.host.plugins.module_utils.memory import (
    ALWAYS,
    limit,
    oom_kills,
    sizes,
)
from ansible_collections.playrail.host.plugins.module_utils.mounts import (
    SILENT,
    Silent,
    below,
    fullest_first,
    holding,
    mounts,
    usage,
)
from ansible_collections.playrail.host.plugins.module_utils.openrc import (
    openrc_runs,
    openrc_services,
)
from ansible_collections.playrail.host.plugins.module_utils.pending_reboot import pending_reboot
from ansible_collections.playrail.host.plugins.module_utils.processes import (
    all_visible,
    of_playrail,
    uptime_s,
)
from ansible_collections.playrail.host.plugins.module_utils.room import length
from ansible_collections.playrail.host.plugins.module_utils.troubled_containers import (
    troubled_containers,
)
from ansible_collections.playrail.host.plugins.module_utils.unit_times import (
    FAILURE,
    how_failed,
    iso,
)
from ansible_collections.playrail.host.plugins.module_utils.units import Failed, Systemd

SYSTEMD = "/run/systemd/system"
MOST = 5  # of each list, but of processes that many by each measure
FULL_PERCENT = 80.0
TROUBLED = "failed,auto-restart"
ENVELOPE_BYTES = 200
NO_JOURNAL, OWN_ALONE = "there is no journal", "this user may only see its own processes"
UNFORESEEN = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError),
    *(RuntimeError, EOFError, struct.error, Failed, DockerFailed),
)
# What is shortened where there is no room: the end of the longest of these lists
LISTS = ("processes", "errors", "failed_units", "containers", "file_systems", "oom_killed")


class Triage:
    """The report as it grows, with what is not known."""

    def __init__(self, module):
        self.module = module
        self.told = {}
        self.totals = {}
        self.not_known = {}
        self.has_engine = False

    def tell(self, part, listed):
        """The first of a list, and how many there are."""
        self.told[part] = listed[:MOST]
        self.totals[part] = len(listed)

    def note(self, **reasons):
        """Why parts are not known, or not wholly; None where they are."""
        self.not_known.update((part, why) for part, why in reasons.items() if why)

    def look_at_processors(self):
        before = Sample()
        time.sleep(SAMPLE_S)
        after = Sample()
        own = of_playrail(after.processes)
        found = [one for one in after.processes if one.pid not in own]
        waiting = sum(one.state == "D" for one in found)
        zombies = sum(one.state == "Z" for one in found)
        told = dict(load(), **shares(before, after))
        waited, why = pressure()
        told.update(waiting=waiting or None, zombies=zombies or None, pressure=waited)
        self.note(load=load_of(), pressure=why)
        self.told.update(load=told, processes=busiest(found, by_process(before, after), MOST))
        self.told["clock"] = {"synchronised": synchronised(), "keeper": keeper(found)}
        self.has_engine = engine_runs(found)
        if self.told["clock"]["synchronised"] is None:
            self.not_known["clock"] = "the kernel may not be asked"
        if not all_visible():
            self.not_known["processes"] = OWN_ALONE

    def look_at_memory(self, journalctl):
        memory = sizes(ALWAYS)
        most, used = limit(memory["MemTotal"]) if "MemTotal" in memory else (None, None)
        kills = oom_kills()
        self.told.update(memory=memory, limit_bytes=most, limit_used_bytes=used, oom_kills=kills)
        self.note(oom_kills="the kernel does not count them here" if kills is None else None)
        if journalctl is None:
            self.not_known["oom_killed"] = NO_JOURNAL
            return
        killed, why = killed_for_memory(journalctl)
        if killed or not why:
            self.tell("oom_killed", killed)
        self.note(oom_killed=why)

    def look_at_file_systems(self):
        listed = mounts()
        own = holding("/", listed)
        found, _left_out, _seen = below("/", listed, own)
        try:
            whole = usage(own)
            keys = ("mount_point", "fs_type", "size_bytes", "used_percent", "inodes_percent")
            found.append({key: whole[key] for key in keys if whole[key] is not None})
        except (OSError, Silent):
            self.not_known["/"] = SILENT
        found.sort(key=fullest_first)
        told = [
            dict(one, read_only=one.get("read_only") or None)
            for one in found
            if one.get("why") == SILENT or is_full(one) or one["mount_point"] == "/"
        ]
        self.tell("file_systems", told)
        refused = sum(one.get("why") not in (None, SILENT) for one in found)
        if refused:
            self.not_known["file_systems"] = "%d may not be asked" % refused

    def look_at_units(self):
        try:
            systemd = Systemd(self.module)
            words = ("--all", "--state=" + TROUBLED, "--plain", "--no-legend", "--full")
            status, out, err = systemd.run("list-units", *words)
            if status != 0:
                raise Failed("task_failed", err.strip())
            names = [line.split()[0] for line in out.splitlines() if line.strip()]
            shown = systemd.show(names[:MOST], ("Id", "NRestarts", *FAILURE)) if names else []
            self.told["failed_units"] = [failed_unit(one) for one in shown]
            self.totals["failed_units"] = len(names)
        except Failed as failure:
            if openrc_runs():
                self.tell("failed_units", failed_of_openrc())
            else:
                self.not_known["failed_units"] = str(failure)[:100] or "systemctl failed"

    def look_at_containers(self):
        if not self.has_engine:
            if not all_visible():
                self.not_known["containers"] = OWN_ALONE
            return
        try:
            self.tell("containers", troubled_containers())
        except DockerFailed as failed:
            self.not_known["containers"] = str(failed)[:100]

    def look_at_errors(self, journalctl):
        if journalctl is None:
            self.not_known["errors"] = NO_JOURNAL
            return
        found, why = errors(journalctl)
        if not self.module.params["messages"]:
            found = [{key: one[key] for key in ("unit", "entries")} for one in found]
        if found or not why:
            self.tell("errors", found)
            self.totals["error_entries"] = sum(one["entries"] for one in found)
        self.note(errors=why)

    def look_at_reboot(self):
        pending = pending_reboot()
        self.told["reboot_required"] = pending["reboot_required"]
        self.told["reboot_reasons"] = pending["reboot_reasons"] or None
        if pending["reboot_required"] is None:
            self.not_known["reboot_required"] = "nothing on this host notes it"

    def report(self):
        journalctl = self.module.get_bin_path("journalctl")
        if not os.path.isdir(SYSTEMD):  # what journalctl would tell is of another time
            journalctl = None
        for part, look, given in (
            ("processes", self.look_at_processors, ()),
            ("memory", self.look_at_memory, (journalctl,)),
            ("file_systems", self.look_at_file_systems, ()),
            ("failed_units", self.look_at_units, ()),
            ("containers", self.look_at_containers, ()),
            ("errors", self.look_at_errors, (journalctl,)),
            ("reboot_required", self.look_at_reboot, ()),
        ):
            try:
                look(*given)
            # One part that meets what nobody foresaw, as another form of what a program says,
            # must not take the rest along: this is the look of a host on which much is wrong.
            except UNFORESEEN as error:
                is_of_host = isinstance(error, (OSError, ValueError))
                words = str(error) if is_of_host else "%s: %s" % (type(error).__name__, error)
                self.not_known[part] = words[:100]
        return dict(
            self.told,
            uptime_s=uptime_s(),
            time=iso(time.time()),
            totals=self.totals,
            not_known=self.not_known or None,
        )


def failed_of_openrc():
    return [
        {"unit": one["unit"], "result": one["state"]}
        for one in openrc_services()
        if one["state"] in ("failed", "crashed")
    ]


def failed_unit(shown):
    restarts = int(shown.get("NRestarts") or 0) or None
    return dict(how_failed(shown), unit=shown["Id"], restarts=restarts)


def is_full(told):
    return max(told.get("used_percent") or 0, told.get("inodes_percent") or 0) >= FULL_PERCENT


def without_nothing(value):
    """Without what is null, and in lists' members alike."""
    if isinstance(value, dict):
        return {key: without_nothing(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [without_nothing(one) for one in value]
    return value


def shortened(report, most):
    """The report without the ends of its longest lists, until it has room."""
    truncated = False
    while length(report) > most:
        name = max(LISTS, key=lambda part: length(report.get(part) or []))
        if not report.get(name):
            break
        report = dict(report, **{name: report[name][:-1]})
        truncated = True
    return dict(report, truncated=truncated)


def main():
    module = AnsibleModule(
        argument_spec={
            "messages": {"type": "bool", "default": False},
            "max_bytes": {"type": "int", "default": 4000},
        },
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LC_ALL": "C", "LANGUAGE": "C", "TZ": "UTC"}
    report = without_nothing(Triage(module).report())
    most = module.params["max_bytes"] - ENVELOPE_BYTES
    module.exit_json(changed=False, **shortened(report, most))


if __name__ == "__main__":
    main()
