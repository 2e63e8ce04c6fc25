#!/usr/bin/python
"""What a host runs by itself at set times: systemd's timers, cron, anacron and at."""

DOCUMENTATION = r"""
module: list_schedules
short_description: List what runs when, as whom
description:
  - Lists timers of systemd, the system's and users' crontabs, the folders of scripts that cron and
    anacron run, and jobs of at. What cannot work comes first, then what runs next. Changes nothing.
options:
  limit:
    description: How many to return at most.
    type: int
    default: 25
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON.
    type: int
    default: 24000
author: Playrail
"""

EXAMPLES = r"""
- name: See what runs by itself
  playrail.host.list_schedules:
"""

RETURN = r"""
schedules:
  description: Each with source (a timer, or a file with its line), when, next_run and last_run
    (ISO 8601, UTC), user, command, unit (that a timer starts), time_zone (of a crontab that says
    so), scripts and run_by (of a folder), left_out (files that run-parts takes no notice of) and
    problem.
  type: list
  elements: dict
  returned: success
total:
  description: How many there are.
  type: int
  returned: success
cron_runs:
  description: Whether a daemon of cron runs.
  type: bool
  returned: where there is something for it
at_runs:
  description: Whether atd runs.
  type: bool
  returned: where there is something for it
time_zone:
  description: The host's own, by which cron runs.
  type: str
  returned: success
not_known:
  description: Per source why it could not be looked at.
  type: dict
  returned: success
truncated:
  description: Whether some were left out.
  type: bool
  returned: success
"""

import os
import re
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.crontabs import (
    Files,
    of_anacron,
    of_at,
    of_cron,
    with_folders,
)
from ansible_collections.playrail.host.plugins.module_utils.hidden_words import without_secrets
from ansible_collections.playrail.host.plugins.module_utils.processes import (
    Users,
    all_visible,
    own_processes,
)
from ansible_collections.playrail.host.plugins.module_utils.room import fitting, length
from ansible_collections.playrail.host.plugins.module_utils.unit_facts import ARGUMENTS
from ansible_collections.playrail.host.plugins.module_utils.unit_times import (
    OF_TIMERS,
    by_name,
    iso,
    last_run,
    next_run,
)
from ansible_collections.playrail.host.plugins.module_utils.units import RUNNING, Failed, Systemd

LOCAL_TIME = "/etc/localtime"
CRON = ("cron", "crond", "fcron", "busybox-crond")
BUSYBOX, OF_BUSYBOX = "busybox", "busybox's crond does not read this file"
OF_OTHERS = ("/etc/crontab:", "/etc/cron.d/")
TIMERS = ("Id", "ActiveState", "Triggers", "TimersCalendar", "TimersMonotonic", *OF_TIMERS)
SERVICES = ("Id", "Names", "User", "ExecStart")
# `{ OnCalendar=*-*-* 00:00:00 ; next_elapse=.. }`, as systemctl shows each of a timer's times
EVENT = re.compile(r"\{ (\w+)=(.*?) ; next_elapse=")
COMMAND_CHARACTERS = 200
MOST_SCRIPTS = 20
ENVELOPE_BYTES = 300
LATEST = 1 << 62


def timers_of(systemd):
    """The timers of systemd, those too that are not active."""
    words = ("--all", "--type=timer", "--plain", "--no-legend", "--full")
    status, out, err = systemd.run("list-units", *words)
    if status != 0:
        raise Failed("task_failed", err.strip())
    names = [line.split()[0] for line in out.splitlines() if line.strip()]
    timers = systemd.show(names, TIMERS) if names else []
    started = sorted({name for one in timers for name in one.get("Triggers", "").split()})
    shown = systemd.show(started, SERVICES) if started else []
    services = by_name(shown)
    for one in timers:
        unit = (one.get("Triggers", "").split() or [None])[0]
        service = services.get(unit, {})
        command = ARGUMENTS.search(service.get("ExecStart", ""))
        events = EVENT.findall("%s\n%s" % (one.get("TimersCalendar"), one.get("TimersMonotonic")))
        active = one.get("ActiveState") in RUNNING
        yield {
            "source": one["Id"],
            "when": ", ".join(
                value if name == "OnCalendar" else "%s=%s" % (name.replace("USec", "Sec"), value)
                for name, value in events
            ),
            "next": next_run(one) if active else None,
            "last": last_run(one),
            "user": service.get("User") or "root",
            "unit": unit if unit != one["Id"][: -len("timer")] + "service" else None,
            "command": command.group(1) if command else None,
            "inactive": not active or None,
        }


def told(one):
    """As it is reported."""
    command = one.get("command")
    if command:
        command = " ".join(without_secrets(command.split()))
        if len(command) > COMMAND_CHARACTERS:
            command = command[: COMMAND_CHARACTERS - 1] + "\u2026"
    found = dict(one, next_run=iso(one.get("next")), last_run=iso(one.get("last")))
    found.update(command=command, next=None, last=None)
    for name in ("scripts", "left_out"):
        found[name] = (one.get(name) or [])[:MOST_SCRIPTS]
    return {key: value for key, value in found.items() if value}


def order(one):
    """What cannot work first, then by the next run; what is not active last."""
    return (not one.get("problem"), bool(one.get("inactive")), one.get("next") or LATEST)


def is_cron(process):
    return process.name in CRON or (
        process.name == BUSYBOX and process.arguments()[1:2] == ["crond"]
    )


def cron_is_busyboxs():
    """Whether the cron that runs is busybox's, which reads crontabs of users alone; False where
    this may not be seen.
    """
    for one in own_processes(is_cron):
        try:
            return os.path.basename(os.readlink("/proc/%d/exe" % one.pid)) == BUSYBOX
        except OSError:
            continue
    return False


def taken(found):
    """The entries, with a problem where the cron that runs takes no notice of the file."""
    apart = cron_is_busyboxs()
    for one in found:
        if apart and one["source"].startswith(OF_OTHERS):
            one = dict(one, problem=OF_BUSYBOX, next=None)
        yield one


def daemons(found):
    """Whether those run for which there is something to do."""
    of_at = any(one["source"].startswith("at job") for one in found)
    of_cron = any(one["source"].startswith("/") for one in found)
    running = {
        "cron_runs": bool(own_processes(is_cron)),
        "at_runs": bool(own_processes(lambda one: one.name == "atd")),
    }
    wanted = {"cron_runs": of_cron, "at_runs": of_at}
    return {name: running[name] for name in running if wanted[name]}


def time_zone():
    """The name of the host's zone, such as Europe/Warsaw; else how it is called now."""
    _folder, _mark, name = os.path.realpath(LOCAL_TIME).partition("/zoneinfo/")
    return name or time.tzname[time.localtime().tm_isdst > 0]


def main():
    module = AnsibleModule(
        argument_spec={
            "limit": {"type": "int", "default": 25},
            "max_bytes": {"type": "int", "default": 24000},
        },
        supports_check_mode=True,
    )
    given = module.params
    module.run_command_environ_update = {"LC_ALL": "C", "LANGUAGE": "C", "TZ": "UTC"}
    files, not_known = Files(), {}
    found = list(of_anacron(files)) + list(taken(of_cron(files, time.time())))
    found = list(with_folders(files, found)) + list(of_at(files, Users()))
    try:
        found += timers_of(Systemd(module))
    except Failed as failure:
        if failure.code != "no_systemd":
            not_known["timers"] = str(failure)[:100]
    not_known.update((path, "this user may not read it") for path in files.unreadable[:10])
    if not all_visible():
        not_known["processes"] = "this user may only see its own"
    report = {
        "total": len(found),
        "time_zone": time_zone(),
        "not_known": not_known or None,
    }
    report.update(daemons(found) if all_visible() else {})
    room = given["max_bytes"] - min(ENVELOPE_BYTES, given["max_bytes"] // 5) - length(report)
    listed = [told(one) for one in sorted(found, key=order)[: given["limit"]]]
    kept, _room = fitting(listed, room)
    module.exit_json(changed=False, schedules=kept, truncated=len(kept) < len(found), **report)


if __name__ == "__main__":
    main()
