#!/usr/bin/python
"""Run a program with its arguments, without a shell, for a limited time.

The module `command` loses the whole result when a program writes something that is not UTF-8, although the program ran
(ansible-core 2.19, 2.21: "Refusing to deserialize an invalid UTF8 string value"), and sends all that was written.
"""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: run_program
short_description: Run a program without a shell, for a limited time
description:
  - Runs a program with its arguments and returns the first and the last part of what it wrote.
  - After O(max_seconds) the program and those that it started in its process group are ended. When that is not allowed,
    because they run as another user, they are left.
options:
  argv:
    description: The program and its arguments. Taken literally, neither C(~) nor C($NAME) is expanded.
    type: list
    elements: str
    required: true
  chdir:
    description: The directory to run it in.
    type: str
  max_seconds:
    description: How long it may run.
    type: int
    default: 60
  max_bytes:
    description: How much of each output to return at most.
    type: int
    default: 65536
author: Playrail
"""

EXAMPLES = r"""
- name: See how long the host has been up
  ansible.legacy.run_program:
    argv: [uptime, -p]
"""

RETURN = r"""
exit_code: {description: "Null when a signal ended it, when it is left running, or in check mode.", type: int, returned: success}
signal: {description: "Number of the signal that ended it; null otherwise.", type: int, returned: success}
timed_out: {description: "Whether max_seconds were over before it ended.", type: bool, returned: success}
left_running: {description: "Whether it, or what it started, could not be ended then.", type: bool, returned: success}
stdout: {description: "What it wrote; a gap is told in it. Bytes that are no UTF-8 are replaced.", type: str, returned: success}
stderr: {description: "What it wrote as errors, likewise.", type: str, returned: success}
stdout_bytes: {description: "How much it wrote.", type: int, returned: success}
stderr_bytes: {description: "How much it wrote as errors.", type: int, returned: success}
duration_s: {description: "How long it ran.", type: float, returned: success}
ran: {description: "False in check mode.", type: bool, returned: success}
playrail_code: {description: "What kind of failure.", type: str, returned: failure}
"""

import errno
import os
import selectors
import signal
import subprocess
import time

from ansible.module_utils.basic import AnsibleModule

TERM_GRACE_S = 5.0
KILL_S = 2.0  # for the kernel to act on SIGKILL
DRAIN_S = 0.5  # a daemon that the program left behind may hold its outputs open for ever
CODES = {
    errno.ENOENT: "command_not_found",
    errno.ENOEXEC: "command_not_found",
    errno.EACCES: "permission_denied",
    errno.EPERM: "permission_denied",
    errno.E2BIG: "invalid_argument",
}


class Output:
    """The first and the last half of what fits, and how much there was."""

    def __init__(self, limit):
        self.half = limit // 2
        self.head = bytearray()
        self.tail = bytearray()
        self.size = 0

    def take(self, piece):
        self.size += len(piece)
        room = max(0, self.half - len(self.head))
        self.head += piece[:room]
        self.tail += piece[room:]
        del self.tail[:max(0, len(self.tail) - self.half)]

    def text(self):
        gap = self.size - len(self.head) - len(self.tail)
        if not gap:
            return bytes(self.head + self.tail).decode("utf-8", "replace")
        parts = (bytes(self.head), ("\n[... %d bytes left out ...]\n" % gap).encode(), bytes(self.tail))
        return "".join(part.decode("utf-8", "replace") for part in parts)


def start(module):
    argv, chdir = module.params["argv"], module.params["chdir"]
    if not argv or not argv[0]:
        module.fail_json(msg="no program is named", playrail_code="invalid_argument")
    if chdir is not None and not os.path.isdir(chdir):
        module.fail_json(msg="the directory to run it in does not exist", playrail_code="not_found")
    try:
        return subprocess.Popen(
            argv,
            cwd=chdir,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        code = CODES.get(error.errno, "task_failed")
        module.fail_json(msg="%s could not be started: %s" % (argv[0], os.strerror(error.errno)), playrail_code=code)


def kill(process, number):
    try:
        os.killpg(process.pid, number)
    except OSError:
        pass


def states(group):
    """The states of a process group's processes, as far as they are to be seen (proc(5))."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open("/proc/%s/stat" % entry, "rb") as file:
                    state, _parent, its_group = file.read().rpartition(b")")[2].split()[:3]
            except OSError:
                continue  # gone meanwhile
            if int(its_group) == group:
                found.append(state)
    return found


def lives(group):
    """Whether a process of the group lives. Zombies, which wait for somebody to ask for their status, do not."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # another user's
    found = states(group)
    return not found or any(state not in b"ZX" for state in found)


def end_group(process):
    """Ends what the program started and has outlived it. Returns whether something is left."""
    kill(process, signal.SIGKILL)
    deadline = time.monotonic() + KILL_S
    while process.poll() is None or lives(process.pid):
        if time.monotonic() > deadline:
            return True
        time.sleep(0.05)
    return False


def pause(process):
    """Waits a moment, less when the program ends."""
    try:
        process.wait(0.05)
    except subprocess.TimeoutExpired:
        pass


def follow(process, outputs, max_seconds):
    """Reads until the program has ended, or has outlived SIGTERM. Returns whether its time was over."""
    end, timed_out = time.monotonic() + max_seconds, False
    ended = None
    with selectors.DefaultSelector() as selector:
        for pipe, output in outputs:
            selector.register(pipe, selectors.EVENT_READ, output)
        while selector.get_map() or ended is None:
            now = time.monotonic()
            if ended is None and process.poll() is not None:
                ended = now
            if ended is not None and now - ended > DRAIN_S:
                break
            if ended is None and now > end:
                if timed_out:
                    break
                timed_out = True
                kill(process, signal.SIGTERM)
                end = now + TERM_GRACE_S
            if not selector.get_map():
                pause(process)
                continue
            for key, _events in selector.select(0.05):
                piece = os.read(key.fd, 65536)
                if piece:
                    key.data.take(piece)
                else:
                    selector.unregister(key.fileobj)
    return timed_out


def main():
    module = AnsibleModule(
        argument_spec={
            "argv": {"type": "list", "elements": "str", "required": True},
            "chdir": {"type": "str"},
            "max_seconds": {"type": "int", "default": 60},
            "max_bytes": {"type": "int", "default": 65536},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(
            changed=True, ran=False, exit_code=None, signal=None, timed_out=False, left_running=False,
            stdout="", stderr="", stdout_bytes=0, stderr_bytes=0, duration_s=None,
        )
    began = time.monotonic()
    stdout, stderr = Output(module.params["max_bytes"]), Output(module.params["max_bytes"])
    process = start(module)
    timed_out = follow(process, [(process.stdout, stdout), (process.stderr, stderr)], module.params["max_seconds"])
    left_running = timed_out and end_group(process)
    status = process.returncode  # None when it is left running
    module.exit_json(
        changed=True,
        ran=True,
        exit_code=status if status is not None and status >= 0 else None,
        signal=-status if status is not None and status < 0 else None,
        timed_out=timed_out,
        left_running=left_running,
        stdout=stdout.text(),
        stderr=stderr.text(),
        stdout_bytes=stdout.size,
        stderr_bytes=stderr.size,
        duration_s=round(time.monotonic() - began, 3),
    )


if __name__ == "__main__":
    main()
