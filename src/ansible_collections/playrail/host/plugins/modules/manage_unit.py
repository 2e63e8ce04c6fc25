#!/usr/bin/python
"""Starts, stops, restarts, reloads, enables or disables a systemd unit, and looks what came
of it.

The module `systemd_service` has systemd read changed unit files only when it is told to,
takes exit status 0 of systemctl for done, and drops what systemctl said then.
"""

DOCUMENTATION = r"""
module: manage_unit
short_description: Change a systemd unit, and tell its state before and after
description:
  - Has systemd read its files anew first when those of the unit, or of units that start it, are
    not what it has read.
  - After a start it looks for a moment whether the unit stays up.
options:
  name:
    description: The unit, or another name of it; C(.service) may be left out.
    type: str
    required: true
  action:
    description: What to do. The first three only look. A reload never starts a unit that is not
      active.
    type: str
    choices:
      - status
      - is-active
      - is-enabled
      - start
      - stop
      - restart
      - reload
      - enable
      - disable
    required: true
author: Playrail
"""

EXAMPLES = r"""
- name: Restart the SSH service
  playrail.host.manage_unit:
    name: ssh
    action: restart
"""

RETURN = r"""
status:
  description: The unit's properties afterwards, as C(systemctl show) has them.
  type: dict
  returned: success
failed_step:
  description: Which of its commands failed, and how.
  type: str
  returned: when it is not up
details:
  description: More of its properties.
  type: dict
  returned: for looks
command:
  description: What it runs, without what looks secret.
  type: str
  returned: for looks at what runs something
listens:
  description: Where a socket listens.
  type: list
  elements: str
  returned: for looks
next_run:
  description: When a timer elapses next (ISO 8601, UTC).
  type: str
  returned: for looks
last_run:
  description: When it elapsed last.
  type: str
  returned: for looks
processes:
  description: Per process beside its main one, at most 10, pid and name.
  type: list
  elements: dict
  returned: for looks
before:
  description: Those of before.
  type: dict
  returned: for changes
job_failed:
  description: Whether systemctl failed.
  type: bool
  returned: for changes
said:
  description: What systemctl said.
  type: str
  returned: for changes
reloads:
  description: Whether systemd read its files anew; in check mode whether it would.
  type: bool
  returned: for changes
starters:
  description: Active units that can start this one.
  type: list
  elements: str
  returned: for changes
boots:
  description: Units that are enabled and start this one.
  type: list
  elements: str
  returned: for changes
ran:
  description: Whether it was seen to be up.
  type: bool
  returned: for changes
restarts:
  description: How often it was started again meanwhile.
  type: int
  returned: for changes
stopped:
  description: Active units that were stopped with it, as [before, after]; in check mode that would
    be, for a restart and started again.
  type: list
  elements: list
  returned: for changes
restarted:
  description: Units that were started again with it.
  type: list
  elements: str
  returned: for changes
absent:
  description: The units with which it is enabled, when none of them is there.
  type: list
  elements: str
  returned: for enable
left:
  description: Per process of the unit that outlived the stop its pid and name.
  type: list
  elements: dict
  returned: for changes
messages:
  description: The last lines of its journal, each with its time.
  type: list
  elements: str
  returned: when it is not up
alike:
  description: Names of units that are like the one that is not there.
  type: list
  elements: str
  returned: when there is none
only_checked:
  description: Whether this was check mode.
  type: bool
  returned: for changes
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import re
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.unit_facts import messages, state_of
from ansible_collections.playrail.host.plugins.module_utils.unit_ties import (
    absent_starters,
    left_of,
    processes_of,
    taken_along,
    tied,
)
from ansible_collections.playrail.host.plugins.module_utils.units import (
    RUNNING,
    Failed,
    Systemd,
    full,
    is_missing,
)

ACTIONS = ("start", "stop", "restart", "reload", "enable", "disable")
LOOKS = ("status", "is-active", "is-enabled")
# A stop is done as the unit was started
READS_FILES = ("start", "restart", "reload", "enable", "disable")
# For which a unit has to stay up of which systemd knows only that its program was started
STAYS_S = 1.5
STAYS_BRIEFLY_S = 0.3
LOOK_S = 0.15
SAID_CHARACTERS = 1000
# Unit files of which there is nothing to disable
SETTLED = ("disabled", "static", "masked", "bad", "transient")


def is_so(action, unit):
    """Whether there is nothing to do."""
    state, file_state = unit.get("ActiveState"), unit.get("UnitFileState")
    return {
        "start": state in RUNNING,
        "stop": state in ("inactive", "failed"),
        "reload": state not in RUNNING,
        "enable": file_state == "enabled",
        "disable": file_state in SETTLED or not file_state,
    }.get(action, False)


def changed_of(before, after):
    """Whether something is another than it was."""
    keys = ("ActiveState", "UnitFileState", "InvocationID", "LoadState")
    return [before.get(key) for key in keys] != [after.get(key) for key in keys]


def watch(systemd, name, restarts):
    """Looks at a unit that was started or reloaded until it has ended or been started
    again, or stays up. Returns the last look, and as `ran` whether it was up in the first.
    """
    unit = systemd.look(name)
    ran = unit.get("ActiveState") in RUNNING
    simple = unit.get("Type") in ("simple", "exec", "idle")
    deadline = time.monotonic() + (STAYS_S if simple else STAYS_BRIEFLY_S)
    while (
        unit.get("ActiveState") in RUNNING
        and unit.get("NRestarts", "0") == restarts
        and time.monotonic() < deadline
    ):
        if unit.get("Type") in (None, "oneshot"):
            break
        time.sleep(LOOK_S)
        unit = systemd.look(name)
    return dict(unit, ran=ran)


def said_of(out, err):
    """What systemctl said, without the advice to look elsewhere."""
    lines = [line.rstrip() for line in (err + "\n" + out).splitlines() if line.strip()]
    advice = re.compile(r'^(?:See "|Hint: |See system logs)')
    return "\n".join(line for line in lines if not advice.match(line))[:SAID_CHARACTERS]


def refuse(status, err):
    """Raises Failed when systemd does not let this user."""
    if status != 0 and re.search(
        r"Access denied|[Aa]uthentication (?:is )?required|Permission denied", err
    ):
        raise Failed("permission_denied", err.strip())


def act(systemd, action, name, before):
    """Does it. Returns whether systemctl failed, what it said, and the state afterwards."""
    status, out, err = systemd.run(action, "--", name)
    refuse(status, err)
    restarts = before.get("NRestarts", "0") if action == "reload" else "0"  # a start counts anew
    watched = action in ("start", "restart", "reload") and status == 0
    after = watch(systemd, name, restarts) if watched else systemd.look(name)
    return status != 0, said_of(out, err), after


def starters_of(systemd, unit):
    """The active units that can start it, and those that do so at boot."""
    triggers = unit.get("TriggeredBy", "").split()
    wanting = unit.get("WantedBy", "").split() + unit.get("RequiredBy", "").split()
    return {
        "starters": systemd.active(triggers),
        "boots": sorted(set(systemd.enabled(triggers) + wanting)),
    }


def reload_files(systemd):
    """Has systemd read its files anew. Raises Failed."""
    status, _out, err = systemd.run("daemon-reload")
    refuse(status, err)
    if status != 0:
        raise Failed("service_failed", "systemd could not read its files anew: %s" % err.strip())


def changed(module, systemd, action, name):
    """What the action came to, or in check mode would come to."""
    before = systemd.look(name)
    to_do = is_missing(before) or not is_so(action, before)
    would_reload = action in READS_FILES and to_do and systemd.needs_reload(name, before)
    if would_reload and not module.check_mode:
        reload_files(systemd)
        before = systemd.look(name)
    told = {
        "before": before,
        "reloads": would_reload,
        "only_checked": module.check_mode,
        "job_failed": False,
        "said": "",
    }
    if is_missing(before):
        told.update(
            status=before, changed=would_reload and module.check_mode, starters=[], boots=[]
        )
        if not would_reload:
            told["alike"] = systemd.alike(name)
        return told
    unit, after = before.get("Id") or full(name), dict(before)
    idle, began = is_so(action, before), time.time()
    done, along = not idle and not module.check_mode, {} if idle else tied(systemd, action, unit)
    group = before.get("ControlGroup", "")
    told.update(stopped=[[one, {}] for one in along.values()], restarted=[], left=[])
    if done:
        processes = processes_of(group) if action == "restart" else {}
        told["job_failed"], told["said"], after = act(systemd, action, unit, before)
        told.update(taken_along(systemd, along), left=left_of(action, group, processes))
    if action == "enable" and not module.check_mode:
        told["absent"] = absent_starters(systemd, unit)
    told["ran"] = bool(after.pop("ran", False))
    told.update(starters_of(systemd, before if is_missing(after) else after), status=after)
    forced = action in ("start", "restart", "reload") and not told["job_failed"]
    told["changed"] = (
        not idle if module.check_mode else done and (forced or changed_of(before, after))
    )
    if (
        done
        and action in ("start", "restart", "reload")
        and (told["job_failed"] or after.get("ActiveState") not in RUNNING)
    ):
        told["messages"], _all = messages(module.get_bin_path("journalctl"), unit, began)
    again = int(after.get("NRestarts") or 0) - (
        int(before.get("NRestarts") or 0) if action == "reload" else 0
    )
    told["restarts"] = again if done and action in ("start", "restart", "reload") else 0
    return told


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "action": {"type": "str", "choices": list(LOOKS + ACTIONS), "required": True},
        },
        supports_check_mode=True,
    )
    name, action = module.params["name"], module.params["action"]
    module.run_command_environ_update = {"LC_ALL": "C", "LANGUAGE": "C"}
    try:
        systemd = Systemd(module)
        if action in LOOKS:
            module.exit_json(changed=False, **state_of(systemd, name))
        module.exit_json(**changed(module, systemd, action, name))
    except Failed as failure:
        module.fail_json(msg=str(failure), playrail_code=failure.code)


if __name__ == "__main__":
    main()
