"""How a program is run that only looks: it is found in the system's directories alone, has
nearly no environment, and shows nothing that must not be read.
"""

import os
import re
import stat
import subprocess

from ansible_collections.playrail.host.plugins.module_utils.places import (
    check_bytes,
    is_unreal,
    open_resolved,
    unreadable,
)
from ansible_collections.playrail.host.plugins.module_utils.refusals import Refused

LOOK = {
    "argv": {"type": "list", "elements": "str", "required": True},
    "file": {"type": "str"},
    "places": {"type": "list", "elements": "str", "default": []},
    "shows_files": {"type": "bool", "default": False},
}
FOLDERS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
# No home, in which programs look for what they are to do, such as where Docker is
ENVIRONMENT = {
    "PATH": ":".join(FOLDERS),
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
    "TERM": "dumb",
}
# Who reads these takes away what they tell, or switches something on
CONSUMED = ("/proc/kmsg", "/sys/kernel/debug", "/sys/kernel/tracing")
WHOLE_BYTES = 16 * 1024 * 1024  # a larger file is not looked through for keys
SHOWN = re.compile(r"^# (/.*)$", re.MULTILINE)


class Look:
    """A program that is ready to be run: `argv`, and its `input`, an open file or none."""

    def __init__(self, told, protected):
        """Raises Refused, and OSError when its file cannot be opened."""
        self.argv = [found(told["argv"][0])] + told["argv"][1:]
        self.rules = unreadable(protected)
        self.shows_files = told["shows_files"]
        for place in told["places"]:
            if is_unreal(os.path.realpath(place)):
                raise Refused("unsupported_path", "to open %s may act" % place)
        self.input = subprocess.DEVNULL
        if told["file"] is not None:
            self.input = self._opened(told["file"])

    def _opened(self, path):
        resolved = os.path.realpath(path)
        self.rules.check(path, resolved)
        if resolved.startswith(CONSUMED):
            raise Refused("unsupported_path", "to read %s may act" % path)
        status = os.stat(resolved)
        if not stat.S_ISREG(status.st_mode):  # to open a device may act already
            raise Refused("not_a_file", "%s is not a regular file" % path)
        if status.st_size > WHOLE_BYTES:
            raise Refused("too_large_to_show", "%s has more than %d bytes" % (path, WHOLE_BYTES))
        return open_resolved(path, resolved, self.rules)

    def environment(self, own):
        """Its environment: of `own` only the mark by which what it starts is found."""
        told = os.environ if own is None else own
        mark = {name: value for name, value in told.items() if name.startswith("PLAYRAIL_")}
        return dict(mark, **ENVIRONMENT)

    def check(self, text, whole):
        """Raises Refused when the text, which it wrote, must not be shown; not the `whole` of it
        tells which files it shows.
        """
        if self.shows_files and not whole:
            raise Refused("too_large_to_show", "%s shows too many files" % self.argv[0])
        for path in SHOWN.findall(text) if self.shows_files else ():
            self.rules.check(path, os.path.realpath(path))
        if self.rules.keys:
            check_bytes(self.argv[0], text.encode("utf-8", "replace"))


def found(program):
    """The path of the program. Raises Refused when no directory of the system has it."""
    for folder in FOLDERS if "/" not in program else ():
        path = os.path.join(folder, program)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    raise Refused("command_not_found", "%s is in none of %s" % (program, ", ".join(FOLDERS)))
