#!/usr/bin/python
"""Run a program with its arguments, without a shell, for a limited time.

The module `command` loses the whole result when a program writes something that is not
UTF-8, although the program ran (ansible-core 2.19, 2.21: "Refusing to deserialize an
invalid UTF8 string value"), and sends all that was written.
"""

DOCUMENTATION = r"""
module: run_program
short_description: Run a program without a shell, for a limited time
description:
  - Runs a program with its arguments and returns the first and the last part of what it wrote.
  - After O(max_seconds) the program is ended with all that it started, in whatever group,
    session or user's name. What is not allowed to be ended is left, and told. What it had
    others start, such as systemd, is not known.
  - What runs on after the program ended by itself is told and left alone.
options:
  argv:
    description: The program and its arguments. Taken literally, neither C(~) nor C($NAME)
      is expanded.
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
  look:
    description:
      - That the program only looks. It is run with this C(argv), also in check mode, in C(/), with
        system directories as its search path and nearly no environment; its input is the file
        C(file). No path in C(places) may be of a device. With C(shows_files) lines of a number
        sign and a path, in what it wrote, name files that it shows.
      - What must not be read is then not shown.
    type: dict
    suboptions:
      argv:
        description: The program and its arguments.
        type: list
        elements: str
        required: true
      file:
        description: The file that it reads as its input.
        type: str
      places:
        description: Paths that it may open.
        type: list
        elements: str
        default: []
      shows_files:
        description: Whether it shows files, each behind a line with its path.
        type: bool
        default: false
  protected:
    description: Glob patterns of what must not be read, as of the module read_part. They count
      for looks.
    type: list
    elements: str
    default:
      - default
  max_bytes:
    description: How much of both outputs together to return at most, as JSON.
    type: int
    default: 65536
author: Playrail
"""

EXAMPLES = r"""
- name: See how long the host has been up
  playrail.host.run_program:
    argv: [uptime, -p]
"""

RETURN = r"""
exit_code:
  description: Null when a signal ended it, when it is left running, or in check mode.
  type: int
  returned: success
signal:
  description: Number of the signal that ended it; null otherwise.
  type: int
  returned: success
timed_out:
  description: Whether max_seconds were over before it ended.
  type: bool
  returned: success
left_running:
  description: Whether it, or what it started, runs on; null where nothing was found and something
    could be overlooked.
  type: bool
  returned: success
left:
  description: Per process that runs on its pid and name, as far as they may be seen.
  type: list
  elements: dict
  returned: success
stdout:
  description: What it wrote; a gap is told in it. Bytes that are no UTF-8 are replaced.
  type: str
  returned: success
stderr:
  description: What it wrote as errors, likewise.
  type: str
  returned: success
stdout_bytes:
  description: How much it wrote.
  type: int
  returned: success
stderr_bytes:
  description: How much it wrote as errors.
  type: int
  returned: success
truncated:
  description: Whether a part of an output was left out.
  type: bool
  returned: success
duration_s:
  description: How long it ran.
  type: float
  returned: success
ran:
  description: False in check mode.
  type: bool
  returned: success
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import errno
import json
import os
import selectors
import signal
import subprocess
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.looking import LOOK, Look
from ansible_collections.playrail.host.plugins.module_utils.process_control import only_look
from ansible_collections.playrail.host.plugins.module_utils.refusals import Refused, failure
from ansible_collections.playrail.host.plugins.module_utils.started import PAUSE_S, Started

TERM_GRACE_S = 5.0
KILL_S = 2.0  # for the kernel to act on SIGKILL
MOMENT_S = 0.15
MAX_LEFT = 20  # processes that are named
DRAIN_S = 0.5  # a daemon that the program left behind may hold its outputs open for ever
CODES = {
    errno.ENOENT: "command_not_found",
    errno.ENOEXEC: "command_not_found",
    errno.EACCES: "permission_denied",
    errno.EPERM: "permission_denied",
    errno.E2BIG: "invalid_argument",
}
NOT_RUN = {  # what check mode tells
    "ran": False,
    "exit_code": None,
    "signal": None,
    "timed_out": False,
    "left_running": False,
    "left": [],
    "stdout": "",
    "stderr": "",
    "stdout_bytes": 0,
    "stderr_bytes": 0,
    "truncated": False,
    "duration_s": None,
}


JUDGED_BYTES = 4 * 1024 * 1024  # of what is shown these are looked through, each first and last


class Output:
    """The first and the last part of what was written, and how much there was."""

    def __init__(self, limit):
        self.limit = limit
        self.head = bytearray()
        self.tail = bytearray()
        self.size = 0

    def take(self, piece):
        self.size += len(piece)
        room = max(0, self.limit - len(self.head))
        self.head += piece[:room]
        self.tail += piece[room:]
        del self.tail[: max(0, len(self.tail) - self.limit)]

    def text(self, limit):
        """At most `limit` bytes of it, with a told gap."""
        kept = self.head + self.tail
        if self.size <= limit:
            return bytes(kept).decode("utf-8", "replace")
        half = limit // 2
        gap = ("\n[... %d bytes left out ...]\n" % (self.size - 2 * half)).encode()
        parts = (bytes(kept[:half]), gap, bytes(kept[len(kept) - half :]))
        return "".join(part.decode("utf-8", "replace") for part in parts)

    def fitting(self, limit):
        """As much of it as has at most `limit` bytes when it is sent as JSON. Returns that,
        and whether it is all.
        """
        share = min(limit, self.size)
        text = self.text(share)
        while share and cost(text) > limit:
            share = min(share - 1, share * limit // cost(text))
            text = self.text(share)
        return text, share >= self.size


def cost(text):
    """Its bytes as JSON, without the marks around it."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) - 2


def fitted(outputs, limit):
    """The texts of both outputs, which have `limit` bytes together: what one leaves is the
    other's.
    """
    half = limit // 2
    costs = [cost(output.text(output.size)) if output.size <= half else limit for output in outputs]
    rooms = [max(half, limit - costs[1]), max(half, limit - costs[0])]
    return [output.fitting(room) for output, room in zip(outputs, rooms)]


def looking(module):
    """The look that is to be taken, ready; None for an ordinary program. Ends the module when
    it must not be.
    """
    told = module.params["look"]
    if told is None:
        return None
    try:
        return Look(told, module.params["protected"])
    except (Refused, OSError) as error:
        module.fail_json(**failure(error, "read", told["file"] or told["argv"][0]))


def judge(module, look, outputs):
    """Ends the module when what was written must not be shown: all of it, not the part that has
    room in the answer, for what tells that may stand in the other.
    """
    whole = all(output.size <= len(output.head) + len(output.tail) for output in outputs)
    try:
        for output in outputs:
            look.check(output.text(output.size), whole)
    except Refused as refused:
        module.fail_json(**failure(refused, "show", look.argv[0]))


def start(module, environment, look):
    argv, chdir = module.params["argv"], module.params["chdir"]
    stdin = subprocess.DEVNULL
    if look is not None:
        argv, chdir, environment, stdin = look.argv, "/", look.environment(environment), look.input
        only_look()
    if not argv or not argv[0]:
        module.fail_json(msg="no program is named", playrail_code="invalid_argument")
    if chdir is not None and not os.path.isdir(chdir):
        module.fail_json(msg="the directory to run it in does not exist", playrail_code="not_found")
    try:
        return subprocess.Popen(
            argv,
            cwd=chdir,
            env=environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        code = CODES.get(error.errno, "task_failed")
        module.fail_json(
            msg="%s could not be started: %s" % (argv[0], os.strerror(error.errno)),
            playrail_code=code,
        )


def read(selector):
    """Waits a moment for output, and takes it."""
    if not selector.get_map():
        time.sleep(PAUSE_S)
        return
    for key, _events in selector.select(PAUSE_S):
        piece = os.read(key.fd, 65536)
        if piece:
            key.data.take(piece)
        else:
            selector.unregister(key.fileobj)


def follow(program, started, outputs, max_seconds):
    """Reads until the program has ended, or all that it started has outlived SIGTERM.
    Returns whether its time was over.
    """
    end, timed_out = time.monotonic() + max_seconds, False
    ended, told = None, set()
    with selectors.DefaultSelector() as selector:
        for pipe, output in outputs:
            selector.register(pipe, selectors.EVENT_READ, output)
        while True:
            now = time.monotonic()
            if ended is None and program.poll() is not None:
                ended = now
            all_read = ended is not None and (not selector.get_map() or now - ended > DRAIN_S)
            if timed_out:
                if now > end or (all_read and not started.is_left(program)):
                    return True
                told |= started.signal(signal.SIGTERM, told)
            elif all_read:
                return False
            elif ended is None and now > end:
                timed_out, end = True, now + TERM_GRACE_S
                continue
            started.look(program)
            read(selector)


def remains(program, started):
    """Whether something lives on after a moment, in which what is about to end does."""
    deadline = time.monotonic() + MOMENT_S
    while started.is_left(program):
        if time.monotonic() > deadline:
            return True
        time.sleep(PAUSE_S)
    return False


def kill(program, started):
    """Ends what has outlived SIGTERM. Returns whether something is left."""
    deadline = time.monotonic() + KILL_S
    while started.is_left(program):
        if time.monotonic() > deadline:
            return True
        started.signal(signal.SIGKILL, ())
        time.sleep(PAUSE_S)
    return False


def main():
    module = AnsibleModule(
        argument_spec={
            "argv": {"type": "list", "elements": "str", "required": True},
            "chdir": {"type": "str"},
            "max_seconds": {"type": "int", "default": 60},
            "max_bytes": {"type": "int", "default": 65536},
            "look": {"type": "dict", "options": LOOK},
            "protected": {"type": "list", "elements": "str", "default": ["default"]},
        },
        supports_check_mode=True,
    )
    look = looking(module)
    if module.check_mode and look is None:
        module.exit_json(changed=True, **NOT_RUN)
    began, limit = time.monotonic(), module.params["max_bytes"]
    kept = limit if look is None else max(limit, JUDGED_BYTES)
    outputs = Output(kept), Output(kept)
    started = Started()
    program = start(module, started.environment(), look)
    pipes = zip((program.stdout, program.stderr), outputs)
    timed_out = follow(program, started, pipes, module.params["max_seconds"])
    left_running = kill(program, started) if timed_out else remains(program, started)
    left = sorted(started.alive().items()) if left_running else []
    status = program.returncode  # None when it is left running
    if look is not None:
        judge(module, look, outputs)
    (stdout, is_all_stdout), (stderr, is_all_stderr) = fitted(outputs, limit)
    module.exit_json(
        changed=look is None,
        ran=True,
        exit_code=status if status is not None and status >= 0 else None,
        signal=-status if status is not None and status < 0 else None,
        timed_out=timed_out,
        left_running=left_running or (False if started.adopts else None),
        left=[{"pid": pid, "name": name} for (pid, _start), name in left[:MAX_LEFT]],
        stdout=stdout,
        stderr=stderr,
        stdout_bytes=outputs[0].size,
        stderr_bytes=outputs[1].size,
        truncated=not (is_all_stdout and is_all_stderr),
        duration_s=round(time.monotonic() - began, 3),
    )


if __name__ == "__main__":
    main()
