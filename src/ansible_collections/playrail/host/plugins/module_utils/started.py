"""What a program has started, wherever that went: into a group or session of its own, to
another user, to the background.

Orphans below a subreaper become its children (prctl(2)), so whatever a program starts stays
below the module that started the program. Where that cannot be had, for Python's minimal
packages have no ctypes, the processes are looked for while the program runs, by their
parents and by a mark in their environment; one that loses both at once is overlooked.
"""

import collections
import errno
import os
import time

from ansible_collections.playrail.host.plugins.module_utils.process_control import adopt_orphans

PROC = "/proc"
MARK = "PLAYRAIL_PROGRAM"
Process = collections.namedtuple("Process", "name state parent started")
LOOK_S = 0.25  # between two looks, where processes can be lost sight of
PAUSE_S = 0.05


def stat_of(pid):
    """What /proc/PID/stat tells (proc(5)); None when the process is gone or hidden."""
    try:
        with open("%s/%d/stat" % (PROC, pid), "rb") as file:
            before, _paren, after = file.read().decode("utf-8", "replace").rpartition(")")
    except OSError:
        return None
    fields = after.split()  # from the third on
    return Process(before.partition("(")[2], fields[0], int(fields[1]), int(fields[19]))


def living():
    """The processes that are no zombies, by their number."""
    found = {int(entry): stat_of(int(entry)) for entry in os.listdir(PROC) if entry.isdigit()}
    return {pid: process for pid, process in found.items() if process and process.state not in "ZX"}


class Started:
    """The processes below this one, which has no children but the program and what it
    leaves.
    """

    def __init__(self):
        self.adopts = adopt_orphans()
        self.mark = os.urandom(16).hex()
        self.seen = {}  # (pid, start): name, of those that were ever found where none is adopted
        self.looked = 0.0

    def environment(self):
        """What the program is to be started with."""
        return None if self.adopts else dict(os.environ, **{MARK: self.mark})

    def alive(self):
        """Looks anew. Returns (pid, start): name, of all that live and may be seen."""
        self.looked = time.monotonic()
        processes = living()
        chosen = {os.getpid()}
        if not self.adopts:
            chosen |= {pid for pid, process in processes.items() if self._is_known(pid, process)}
        grown = chosen
        while grown:
            grown = {pid for pid, process in processes.items() if process.parent in chosen} - chosen
            chosen |= grown
        chosen.discard(os.getpid())
        found = {(pid, processes[pid].started): processes[pid].name for pid in chosen}
        self.seen.update({} if self.adopts else found)
        return found

    def _is_known(self, pid, process):
        if (pid, process.started) in self.seen:
            return True
        try:
            with open("%s/%d/environ" % (PROC, pid), "rb") as file:
                return ("%s=%s" % (MARK, self.mark)).encode() in file.read().split(b"\0")
        except OSError:
            return False  # gone, or another user's

    def look(self, program):
        """To be called now and then while the program runs: it may wait for what it left
        behind to be gone, zombies too, and what might be lost sight of is noted.
        """
        self.bury(program)
        if not self.adopts and time.monotonic() - self.looked > LOOK_S:
            self.alive()

    def bury(self, program):
        """Takes the status of adopted processes that have ended, as init would; that of the
        program is not touched. Returns whether there are children that live.
        """
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if ended is None or ended.si_pid == program.pid:
                    return True
                os.waitpid(ended.si_pid, 0)
            except OSError as error:
                if error.errno == errno.ECHILD:
                    return False
                if error.errno != errno.EINTR:
                    return True

    def is_left(self, program):
        """Whether something lives on, seen or not: another user's processes may be hidden
        (mount option hidepid).
        """
        if program.poll() is None:
            return True
        return self.bury(program) or (not self.adopts and bool(self.alive()))

    def signal(self, number, told):
        """Sends the signal to each that lives and was not told before. Returns those."""
        new = set(self.alive()).difference(told)
        # The oldest first: a shell that sees its program die goes on with the next
        for process in sorted(new, key=lambda process: (process[1], process[0])):
            try:
                os.kill(process[0], number)
            except OSError:
                pass  # gone, or another user's
        return new
