#!/usr/bin/python
"""Reads systemd's journal with journalctl, newest entry first, and keeps no more than is asked for."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: read_journal
short_description: Read systemd's journal
description:
  - Reads entries of a unit, of a priority, or with a text in their message. Changes nothing.
  - Tells whether the user may not see all entries, which journalctl only says in its debug messages.
  - Leaves out the entries that Ansible writes when it runs this module.
options:
  lines:
    description: How many entries to return at most.
    type: int
    default: 50
  unit:
    description: Only entries of this systemd unit.
    type: str
  since:
    description: Only entries from this time on, as C(2026-01-31 12:00:00.0 UTC).
    type: str
  hours:
    description: Only entries of so many hours before now, by the host's clock.
    type: int
  before:
    description: Only entries older than this one, a cursor.
    type: str
  priority:
    description: Only entries of this priority and worse.
    type: str
  term:
    description: Only entries whose message holds this text. It is no pattern.
    type: str
  ignore_case:
    description: Whether upper and lower case are the same in O(term).
    type: bool
    default: true
  count_lines:
    description: How many entries to look at at most, to count them by unit. At least O(lines) are.
    type: int
    default: 0
  max_bytes:
    description: How much of messages to return at most. journalctl itself leaves out a message of more than 4 KiB.
    type: int
    default: 262144
  max_seconds:
    description: After that many seconds the reading ends and what was found so far is returned.
    type: int
    default: 40
author: Playrail
"""

EXAMPLES = r"""
- name: See what went wrong in the last hour
  ansible.legacy.read_journal:
    priority: err
    hours: 1
"""

RETURN = r"""
entries:
  description: "Per entry time_us (microseconds since 1970), priority (a number), unit, identifier, pid, message and
    cursor, newest first."
  type: list
  elements: dict
  returned: success
older: {description: "The cursor of the last entry when there are older ones, or may be.", type: str, returned: success}
counts: {description: "Per unit how many entries were looked at.", type: list, elements: dict, returned: success}
counted: {description: "How many entries were looked at.", type: int, returned: success}
complete: {description: "False when max_seconds were over before all was read.", type: bool, returned: success}
incomplete: {description: "Whether the user may not see all entries.", type: bool, returned: success}
truncated: {description: "Whether a message was left out, or entries that would be too much.", type: bool, returned: success}
playrail_code: {description: "What kind of failure.", type: str, returned: failure}
"""

import calendar
import json
import os
import re
import subprocess
import threading
import time

from ansible.module_utils.basic import AnsibleModule

FIELDS = "MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_COMM,_PID,_SYSTEMD_UNIT,UNIT"
PLACES = 50  # of counts
UNREADABLE = re.compile(br"Failed to open journal (?:file|directory) .*: Permission denied|insufficient permissions")
NO_SEARCH = re.compile(r"without pattern matching|PCRE2 support|(?:unrecognized|invalid) option.*grep", re.IGNORECASE)
LEVEL = re.compile(br"<(\d+)>")  # a syslog prefix: eight times the facility, and the priority
ERROR = 3
OWN = "read_journal"
CURSOR_TIME = re.compile(r"(?:^|;)t=([0-9a-f]{1,13})(?:;|$)")  # in microseconds, before the year 2113
LONGEST_LINE = 1 << 20


class Failed(Exception):
    def __init__(self, code, message):
        super(Failed, self).__init__(message)
        self.code = code


def literal(term, ignore_case):
    """A pattern (pcre2pattern(3)) that means just the text. Of other scripts, PCRE does not know upper and lower case."""
    found = []
    for character in term:
        other = character.swapcase()
        if ord(character) < 128:
            found.append(character if character.isalnum() else "\\" + character)
        elif ignore_case and other != character:
            found.append("(?:%s|%s)" % (character, other))
        else:
            found.append(character)
    return "".join(found)


def stamp(time_us):
    """A time as every journalctl reads it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time_us // 1000000)) + ".%06d UTC" % (time_us % 1000000)


def microseconds(since):
    whole, _dot, rest = since[:-len(" UTC")].partition(".")
    try:
        moment = calendar.timegm(time.strptime(whole, "%Y-%m-%d %H:%M:%S"))
        return moment * 1000000 + int((rest or "0").ljust(6, "0")[:6])
    except ValueError:
        raise Failed("invalid_argument", "since: must be as 2026-01-31 12:00:00.0 UTC")


def since_us(given):
    """The earliest time that is asked for, None for any."""
    if given["hours"] is not None:
        return int(time.time() * 1000000) - given["hours"] * 3600 * 1000000
    return microseconds(given["since"]) if given["since"] else None


def arguments(given, since):
    """journalctl takes a time or a cursor, not both. A search needs the time, or it would go on to the very oldest
    entry, so there the cursor's time takes its place; otherwise what is too old ends the reading (see `read`).
    """
    found = ["--no-pager", "--reverse", "--output=json", "--output-fields=" + FIELDS]
    if given["unit"] is not None:
        found.append("--unit=" + given["unit"])
    if given["priority"] is not None:
        found.append("--priority=" + given["priority"])
    if given["term"] is not None:
        found.append("--grep=" + literal(given["term"], given["ignore_case"]))
        found.append("--case-sensitive=" + ("false" if given["ignore_case"] else "true"))
    reached = CURSOR_TIME.search(given["before"] or "")
    if given["before"] and not (given["term"] is not None and reached):
        return found + ["--after-cursor=" + given["before"]]
    if given["before"]:
        found.append("--until=" + stamp(int(reached.group(1), 16)))
    if since is not None:
        found.append("--since=" + stamp(since))
    return found


class Complaints(object):
    """What journalctl says beside its output, read in the background: its debug messages have no end."""

    def __init__(self, stream):
        self.stream = stream
        self.unreadable = False
        self.error = ""
        self.thread = threading.Thread(target=self._read)
        self.thread.daemon = True
        self.thread.start()

    def _read(self):
        for line in self.stream:
            self.unreadable = self.unreadable or UNREADABLE.search(line) is not None
            prefix = LEVEL.match(line)
            if prefix is None or int(prefix.group(1)) % 8 <= ERROR:
                self.error = line[prefix.end() if prefix else 0:][:1000].decode("utf-8", "replace").strip() or self.error

    def end(self):
        self.thread.join(5)


def text(value):
    """A field's text. journalctl gives the bytes of what is not printable text, and a list when a field comes twice."""
    if isinstance(value, list) and all(isinstance(one, int) for one in value):
        return bytes(bytearray(value)).decode("utf-8", "replace")
    if isinstance(value, list):
        return "\n".join(text(one) or "" for one in value)
    return None if value is None else str(value)


def entry(raw):
    """One entry of `journalctl --output=json`, whose fields systemd.journal-fields(7) lists."""
    priority, pid = text(raw.get("PRIORITY")) or "", text(raw.get("_PID")) or ""
    return {
        "time_us": int(raw["__REALTIME_TIMESTAMP"]),
        "priority": int(priority) if priority in tuple("01234567") else None,
        "unit": text(raw.get("UNIT")) or text(raw.get("_SYSTEMD_UNIT")),
        "identifier": text(raw.get("SYSLOG_IDENTIFIER")) or text(raw.get("_COMM")),
        "pid": int(pid) if re.match("[0-9]+$", pid) else None,
        "message": text(raw.get("MESSAGE")),
        "cursor": raw["__CURSOR"],
    }


class Found(object):
    """The entries to return, one more than asked for (it tells whether there are older ones), and the counts."""

    def __init__(self, lines, max_bytes):
        self.lines = lines
        self.left = max_bytes
        self.entries = []
        self.full = False
        self.counted = 0
        self.counts = {}

    def take(self, one):
        self.counted += 1
        unit = one["unit"] or one["identifier"] or "?"
        self.counts[unit] = self.counts.get(unit, 0) + 1
        if self.full or len(self.entries) == self.lines:
            return
        self.left -= len((one["message"] or "").encode("utf-8", "replace"))
        if self.left < 0:
            self.full = True
        else:
            self.entries.append(one)

    def told(self, complete):
        more = self.counted > len(self.entries) or not complete
        counts = sorted(self.counts.items(), key=lambda pair: (-pair[1], pair[0]))[:PLACES]
        return {
            "entries": self.entries,
            "older": self.entries[-1]["cursor"] if self.entries and more else None,
            "counts": [{"unit": unit, "entries": count} for unit, count in counts],
            "counted": self.counted,
            "complete": complete,
            "truncated": self.full or any(one["message"] is None for one in self.entries),
        }


def lines_of(stream):
    """Each line that is an entry; journalctl says in words that there is none."""
    while True:
        line = stream.readline(LONGEST_LINE)
        if not line:
            return
        if line.startswith(b"{") and line.endswith(b"\n"):
            yield json.loads(line.decode("utf-8", "replace"))


def wanted(stream, given):
    """The entries that are asked for, newest first; too old ones may follow."""
    # The entry itself and newer ones of the same microsecond come when its time stood for a cursor.
    ahead = given["before"] if given["term"] is not None and CURSOR_TIME.search(given["before"] or "") else None
    until = int(CURSOR_TIME.search(ahead).group(1), 16) if ahead else None
    for raw in lines_of(stream):
        one = entry(raw)
        if ahead and one["time_us"] >= until:
            if one["cursor"] == ahead:
                ahead = None
            continue
        if not (one["identifier"] or "").endswith(OWN):  # Ansible logs that it asks, and what for
            yield one


def read(program, given):
    """What journalctl tells. Raises Failed."""
    since = since_us(given)
    # Only its debug messages tell that it may not open some files: with --output=json it drops that hint.
    environment = dict(os.environ, LC_ALL="C", SYSTEMD_LOG_LEVEL="debug", SYSTEMD_LOG_TARGET="console-prefixed")
    child = subprocess.Popen(
        [program] + arguments(given, since), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    complaints = Complaints(child.stderr)
    overdue = []
    timer = threading.Timer(given["max_seconds"], lambda: (overdue.append(True), child.kill()))
    timer.start()
    found = Found(given["lines"], given["max_bytes"])
    enough, ended = max(given["lines"] + 1, given["count_lines"]), True
    for one in wanted(child.stdout, given):
        ended = since is None or one["time_us"] >= since
        if ended:
            found.take(one)
            ended = found.counted < enough
        if not ended:
            child.kill()
            break
    status = child.wait()
    timer.cancel()
    complaints.end()
    nothing = status == 1 and given["term"] is not None and not complaints.error  # as grep says it
    if ended and not overdue and status != 0 and not nothing:
        raise why(complaints)
    return dict(found.told(complete=not (ended and overdue)), incomplete=complaints.unreadable)


def why(complaints):
    """What journalctl's failure means."""
    if "insufficient permissions" in complaints.error:
        return unreadable()
    if "seek to cursor" in complaints.error:
        return Failed("invalid_argument", "before: is no place in this host's journal")
    if NO_SEARCH.search(complaints.error):
        return Failed("search_unsupported", "the host's journalctl cannot search: it was built without PCRE2")
    return Failed("task_failed", "journalctl failed: " + complaints.error[:300])


def unreadable():
    return Failed("permission_denied", "the journal has no such entries that this user may read")


def look_at_unit(unit):
    """Raises Failed when systemd knows no such unit, or does not run."""
    argv = ["systemctl", "show", "--property=LoadState", "--", unit]
    try:
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, LC_ALL="C"))
    except OSError:
        raise no_journal()
    output = child.communicate()[0]
    if b"LoadState=not-found" in output:
        raise Failed("service_not_found", "there is no unit %s on this host" % unit)


def no_journal():
    return Failed("no_journal", "systemd does not run on this host, so it keeps no journal")


def main():
    module = AnsibleModule(
        argument_spec={
            "lines": {"type": "int", "default": 50},
            "unit": {"type": "str"},
            "since": {"type": "str"},
            "hours": {"type": "int"},
            "before": {"type": "str"},
            "priority": {"type": "str"},
            "term": {"type": "str"},
            "ignore_case": {"type": "bool", "default": True},
            "count_lines": {"type": "int", "default": 0},
            "max_bytes": {"type": "int", "default": 262144},
            "max_seconds": {"type": "int", "default": 40},
        },
        supports_check_mode=True,
    )
    given = module.params
    program = module.get_bin_path("journalctl")
    try:
        if program is None:
            raise no_journal()
        found = read(program, given)
        if not found["entries"] and not given["before"] and found["complete"]:
            if not os.path.isdir("/run/systemd/system") and not found["incomplete"]:
                raise no_journal()
            if given["unit"] is not None:
                look_at_unit(given["unit"])
            if found["incomplete"]:
                raise unreadable()
    except Failed as failed:
        module.fail_json(msg=str(failed), playrail_code=failed.code)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
