#!/usr/bin/python
"""Lists the largest processes, or sends a signal and waits for what it brings about."""

DOCUMENTATION = r"""
module: signal_process
short_description: List the largest processes, or send them a signal
description:
  - Sends a signal to a process or to all of a name, and tells which have ended.
  - Refuses process 1, threads of the kernel, and what the module itself was started by, such as
    sshd and Ansible.
options:
  action:
    description: What to do.
    type: str
    choices:
      - list
      - kill
    required: true
  process:
    description: A number, or the exact name of a program that does not run in a container. Needed
      to send a signal.
    type: str
  signal:
    description: Which signal to send.
    type: str
    choices:
      - TERM
      - KILL
      - INT
      - HUP
      - QUIT
      - USR1
      - USR2
      - STOP
      - CONT
    default: TERM
  sort:
    description: What the largest have most of.
    type: str
    choices:
      - memory
      - cpu
    default: memory
  limit:
    description: How many processes to list at most.
    type: int
    default: 20
  wait_s:
    description: How many seconds to wait for processes to end.
    type: int
    default: 5
author: Playrail
"""

EXAMPLES = r"""
- name: End a process and all of its name
  playrail.host.signal_process:
    action: kill
    process: sleep
"""

RETURN = r"""
processes:
  description: The largest ones, as process_tree has them.
  type: list
  elements: dict
  returned: success
total:
  description: How many processes there are; of a signal, to how many it was to go.
  type: int
  returned: success
all_visible:
  description: Whether other users' processes may be seen.
  type: bool
  returned: success
not_permitted:
  description: What this user may not see.
  type: list
  elements: str
  returned: success
truncated:
  description: Whether processes were left out.
  type: bool
  returned: success
started_again:
  description: Processes that came in the place of those that ended.
  type: list
  elements: int
  returned: success
signalled:
  description: Per process pid, name, user, ended and how.
  type: list
  elements: dict
  returned: success
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import os
import signal
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.process_parts import Parts
from ansible_collections.playrail.host.plugins.module_utils.processes import (
    NOT_SEEN,
    Describer,
    Places,
    Process,
    Users,
    all_visible,
    in_container,
    is_number,
    of_playrail,
    processes,
    stat,
)
from ansible_collections.playrail.host.plugins.module_utils.refusals import Refused

BRIEF_S = 1.0
AGAIN_S = 0.6  # in which most supervisors start anew what has ended; systemd waits 0.1 s
BRIEF = ("HUP", "USR1", "USR2")  # most programs go on after these
ASKING = 0  # no signal: the kernel only says whether one may be sent; kill(2)
MAX_TOLD = 500  # processes; those of which nothing has come go first
GONE = ("Z", "X", "x")
STOPPED = ("T", "t")


def largest(sort, limit):
    describer = Describer()
    seen = processes()
    own = of_playrail(seen)
    found = [process for process in seen if not process.kernel_thread and process.pid not in own]
    by = {"memory": lambda process: process.memory_bytes, "cpu": describer.clock.cpu_percent}[sort]
    found.sort(key=lambda process: (-by(process), process.pid))
    places, parts = Places(), Parts()
    listed = [
        dict(describer.described(process), **dict(places.of(process.pid), **parts.of(process.pid)))
        for process in found[:limit]
    ]
    return {
        "not_permitted": None if parts.complete else NOT_SEEN,
        "processes": listed,
        "total": len(found),
        "all_visible": all_visible(),
        "truncated": len(found) > len(listed),
    }


def is_named(process, name):
    if process.name == name:
        return True
    words = process.arguments()
    return bool(words) and os.path.basename(words[0]) == name


def chosen(target):
    """The processes of this number or name. Raises Refused when there are none, or one must
    not be touched.
    """
    if is_number(target):
        try:
            found = [Process(int(target))]
        except (OSError, OverflowError):
            found = []
        guard(target, found)
    else:
        named = [
            process
            for process in processes()
            if process.pid != os.getpid() and is_named(process, target)
        ]
        found = [process for process in named if not in_container(process.pid)]
        guard(target, found)
        if named and not found:
            message = (
                "all that have this name run in containers; such a process can be told by its "
                "number"
            )
            raise Refused("process_not_found", message)
    if not found:
        kind = "number" if is_number(target) else "name"
        message = "no process of this %s runs on the host, or none that this user may see" % kind
        raise Refused("process_not_found", message)
    return found


def line_of_ancestors():
    """This process and all that it descends from."""
    found, pid = [], os.getpid()
    while pid > 0 and pid not in found:
        found.append(pid)
        try:
            pid = Process(pid).parent
        except OSError:
            break  # hidden
    return found


def shares_session(process):
    try:
        return os.getsid(process.pid) == os.getsid(0)
    except OSError:
        return False  # gone meanwhile


def guard(target, found):
    """Raises Refused when one of them must not be touched."""
    if is_number(target) and int(target) < 2:
        raise Refused(
            "protected_process", "process %d is protected: the host lives by it" % int(target)
        )
    own = line_of_ancestors()
    for process in found:
        if process.pid == 1:
            why = "the host lives by it"
        elif process.kernel_thread:
            why = "it is a thread of the kernel"
        elif process.pid in own or shares_session(process):
            why = "this connection to the host needs it"
        else:
            continue
        instead = "" if is_number(target) else "; others of that name can be told by their number"
        raise Refused(
            "protected_process",
            "%s (%d) is protected: %s%s" % (process.name, process.pid, why, instead),
        )


def send(process, number):
    """Sends a signal to this very process. Returns what came of it at once, None when that
    is yet to be seen.
    """
    if process.state in GONE:
        return "zombie"
    descriptor = None
    try:
        if hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal"):
            try:
                descriptor = os.pidfd_open(process.pid)
            except ProcessLookupError:
                return "gone"
            except OSError:
                pass  # an old kernel, or none that lets us
        if not is_same(process):
            return "gone"
        if descriptor is not None:
            signal.pidfd_send_signal(descriptor, number)
        else:
            os.kill(process.pid, number)
    except ProcessLookupError:
        return "gone"
    except PermissionError:
        return "not_permitted"
    finally:
        if descriptor is not None:
            os.close(descriptor)
    return None


def is_same(process):
    """Whether the number still belongs to this process."""
    try:
        return int(stat(process.pid)[1][19]) == process.start
    except OSError:
        return False


def seen(process, name):
    """What has come of the signal, None when nothing has."""
    try:
        _name, fields = stat(process.pid)
    except OSError:
        return "ended"
    if int(fields[19]) != process.start or fields[0] in GONE:
        return "ended"
    if name == "STOP" and fields[0] in STOPPED:
        return "stopped"
    if name == "CONT" and fields[0] not in STOPPED:
        return "continued"
    return None


def follow(outcomes, waiting, name, wait_s):
    """Waits for the processes until the time is over."""
    deadline = time.monotonic() + wait_s
    while waiting:
        for process in list(waiting):
            how = seen(process, name)
            if how is not None:
                outcomes[process.pid] = how
                waiting.remove(process)
        if not waiting or time.monotonic() >= deadline:
            return
        time.sleep(0.05)


def same(process):
    """What a process that is started again has in common with this one."""
    return process.name, tuple(process.arguments()), process.uid


def started_again(ended, before):
    """The processes that are like those that ended and were not there before: somebody
    starts them again.
    """
    deadline = time.monotonic() + AGAIN_S
    while ended:
        new = [process for process in processes() if (process.pid, process.start) not in before]
        found = [
            process.pid for process in new if process.state not in GONE and same(process) in ended
        ]
        if found or time.monotonic() >= deadline:
            return sorted(found)[:MAX_TOLD]
        time.sleep(0.1)
    return []


def signalled(found, name, wait_s, check_mode):
    """What came of the signal, per process: see `how` of the tool."""
    number = ASKING if check_mode else getattr(signal, "SIG" + name)
    outcomes = {process.pid: send(process, number) for process in found}
    if check_mode:
        left = "would_be_signalled"
    else:
        waiting = [process for process in found if outcomes[process.pid] is None]
        follow(outcomes, waiting, name, min(wait_s, BRIEF_S) if name in BRIEF else wait_s)
        left = "running" if wait_s and name not in BRIEF else "delivered"
    users = Users()
    return [
        {
            "pid": process.pid,
            "name": process.name,
            "user": users.name(process.uid),
            "ended": outcomes[process.pid] in ("ended", "gone", "zombie"),
            "how": outcomes[process.pid] or left,
        }
        for process in found
    ]


def main():
    module = AnsibleModule(
        argument_spec={
            "action": {"type": "str", "choices": ["list", "kill"], "required": True},
            "process": {"type": "str"},
            "signal": {
                "type": "str",
                "choices": ["TERM", "KILL", "INT", "HUP", "QUIT", "USR1", "USR2", "STOP", "CONT"],
                "default": "TERM",
            },
            "sort": {"type": "str", "choices": ["memory", "cpu"], "default": "memory"},
            "limit": {"type": "int", "default": 20},
            "wait_s": {"type": "int", "default": 5},
        },
        required_if=[("action", "kill", ["process"])],
        supports_check_mode=True,
    )
    given = module.params
    if given["action"] == "list":
        module.exit_json(
            changed=False, signalled=[], started_again=[], **largest(given["sort"], given["limit"])
        )
    try:
        found = chosen(given["process"])
    except Refused as refusal:
        module.fail_json(msg=str(refusal), playrail_code=refusal.code)
    before = {(process.pid, process.start) for process in processes()}
    alike = {process.pid: same(process) for process in found}
    told = signalled(found, given["signal"], given["wait_s"], module.check_mode)
    ended = {alike[one["pid"]] for one in told if one["how"] == "ended" and alike[one["pid"]][1]}
    told.sort(key=lambda one: one["how"] not in ("not_permitted", "running"))
    module.exit_json(
        changed=any(one["how"] not in ("not_permitted", "gone", "zombie") for one in told),
        signalled=told[:MAX_TOLD],
        started_again=started_again(ended, before),
        processes=[],
        total=len(told),
        all_visible=all_visible(),
        truncated=len(told) > MAX_TOLD,
    )


if __name__ == "__main__":
    main()
