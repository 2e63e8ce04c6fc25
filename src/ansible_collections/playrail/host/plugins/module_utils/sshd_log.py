"""What sshd wrote into a host's log in the last days: into the journal, or where that is not kept
into the files of rsyslog, syslog-ng or busybox's syslogd.
"""

import json
import os
import re
import time
from datetime import datetime

from ansible_collections.playrail.host.plugins.module_utils.login_records import (
    DAY_S,
    FAILED_DAYS,
    told,
)

SYSTEMD = "/run/systemd/system"
# Of Debian, Red Hat and Alpine; of each the one before, as logrotate and busybox name it
FILES = ("/var/log/auth.log", "/var/log/secure", "/var/log/messages")
EARLIER = (".1", ".0")
TAIL_BYTES = 1024 * 1024
MOST_LINES = 2000
ACCEPTED = re.compile(
    r"Accepted (\S+) for (.{1,64}?) from (\S{1,64}) port \d+(?: ssh2)?(?:: \S+ (SHA256:\S+))?"
)
# One connection may be told of several times: each try, and its end.
FAILED = re.compile(
    r"(Failed) \S+ for (?:invalid user )?(?P<user>.{0,64}?) from (?P<place>\S{1,64}) port"
    r"|Invalid user (?P<invalid>.{0,64}?) from (?P<stranger>\S{1,64})"
    r"|Connection (?:closed|reset) by (?:authenticating|invalid) user (?P<closed>.{0,64}?)"
    r" (?P<address>\S{1,64}) port"
)
# `Nov 29 05:58:34 host sshd[7]: ..`, where busybox puts `auth.info` before the name; or RFC 3339
LINE = re.compile(
    r"(?:(?P<short>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)|(?P<long>\d{4}-\d\d-\d\dT\S{8,30}))"
    r" (?:\S{1,255} ){0,2}sshd(?:-session)?\[(?P<pid>\d+)\]: (?P<text>.*)"
)


def seconds(found, now):
    """When a line was written; one without a year was in the last twelve months. Raises
    ValueError.
    """
    if found.group("long"):
        return int(datetime.fromisoformat(found.group("long").replace("Z", "+00:00")).timestamp())
    year = time.localtime(now).tm_year
    for each in (year, year - 1):
        when = time.strptime("%d %s" % (each, found.group("short")), "%Y %b %d %H:%M:%S")
        written = int(time.mktime(when))
        if written <= now + DAY_S:
            break
    return written


def end_of(path):
    """The end of a text file. Raises OSError."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - TAIL_BYTES))
        return file.read(TAIL_BYTES).decode("utf-8", "replace")


def lines_of_files(now):
    """Seconds, process and text of each line, the latest first; None where there is no file."""
    found, there = [], False
    for path in FILES:
        for name in [path + ending for ending in EARLIER] + [path]:
            try:
                text = end_of(name)
            except OSError:
                continue
            there = True
            for line in text.splitlines():
                match = LINE.match(line)
                try:
                    at = seconds(match, now) if match else 0
                except (ValueError, OverflowError):
                    continue
                if at >= now - FAILED_DAYS * DAY_S:
                    found.append((at, match.group("pid"), match.group("text")))
    found.sort(key=lambda line: line[0])
    return found[::-1][:MOST_LINES] if there else None


class SshdLog:
    """What sshd, and in the journal only root's, wrote in the last days."""

    def __init__(self, module):
        self.module, self.lines = module, None
        self.known = True  # whether the host keeps such a log

    def read(self):
        """The lines as seconds, process and text, the latest first."""
        if self.lines is None:
            program = self.module.get_bin_path("journalctl")
            # Without systemd, what is in a journal is of another time
            by_journal = program is not None and os.path.isdir(SYSTEMD)
            found = self.of_journal(program) if by_journal else lines_of_files(time.time())
            self.known = found is not None
            self.lines = found or []
        return self.lines

    def of_journal(self, program):
        words = [program, "--quiet", "--no-pager", "--reverse", "--output=json", "_UID=0"]
        words += ["--output-fields=MESSAGE,_PID", "--since=-%dd" % FAILED_DAYS, "-n%d" % MOST_LINES]
        words += ["SYSLOG_IDENTIFIER=sshd", "SYSLOG_IDENTIFIER=sshd-session"]
        _status, output, _errors = self.module.run_command(words, environ_update={"LC_ALL": "C"})
        found = []
        for line in output.splitlines():
            try:
                entry = json.loads(line)
                at = int(entry["__REALTIME_TIMESTAMP"]) // 10**6
            except (ValueError, KeyError, TypeError):
                continue
            if isinstance(entry.get("MESSAGE"), str):
                found.append((at, entry.get("_PID"), entry["MESSAGE"]))
        return found

    def logins(self):
        found = []
        for at, _pid, text in self.read():
            match = ACCEPTED.match(text)
            if match:
                way, user, origin, key = match.groups()
                one = dict(told(user, at, origin), by=way)
                found.append(dict(one, **({"fingerprint": key} if key else {})))
        return found

    def failures(self):
        """The tries that failed, of a connection without one its end, the latest first."""
        tries = []
        for at, pid, text in self.read():
            match = FAILED.match(text)
            if match:
                user = match.group("user") or match.group("invalid") or match.group("closed")
                place = match.group("place") or match.group("stranger") or match.group("address")
                tries.append((pid, bool(match.group(1)), (at, user or "", place)))
        plain_ones, found, seen = {pid for pid, is_try, _one in tries if is_try}, [], set()
        for pid, is_try, one in tries:
            if is_try or pid not in plain_ones | seen:
                found.append(one)
                seen.add(pid)
        return found
