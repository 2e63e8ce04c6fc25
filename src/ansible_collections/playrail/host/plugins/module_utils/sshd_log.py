"""What sshd wrote into a host's log in the last days: into the journal, or where that is not kept
into the files of rsyslog, syslog-ng or busybox's syslogd.
"""

import os
import re
import time
from datetime import datetime

from ansible_collections.playrail.host.plugins.module_utils.journal import (
    SECOND_US,
    Journalctl,
    text,
)
from ansible_collections.playrail.host.plugins.module_utils.journal_keeping import (
    IN_MEMORY,
    ON_DISK,
    has_files,
)
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
MOST_LINES = 2000  # of the journal
MOST_SECONDS = 5
HOUR_S = 3600
OF_ACCEPTED = "--grep=^Accepted"
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
WHEN = r"(?:(?P<short>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)|(?P<long>\d{4}-\d\d-\d\dT\S{8,30})) "
DATED = re.compile(WHEN)
LINE = re.compile(WHEN + r"(?:\S{1,255} ){0,2}sshd(?:-session)?\[(?P<pid>\d+)\]: (?P<text>.*)")


def seconds(found, now):
    """When a line was written; one without a year was in the last twelve months. Raises
    ValueError, OverflowError.
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
    """The lines at the end of a text file, and whether there are earlier ones. Raises OSError."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - TAIL_BYTES))
        lines = file.read(TAIL_BYTES).decode("utf-8", "replace").splitlines()
    return (lines[1:], True) if size > TAIL_BYTES else (lines, False)


def dated(lines, form, now):
    """Of each line of this form when it was written, and the match."""
    for line in lines:
        match = form.match(line)
        try:
            if match:
                yield seconds(match, now), match
        except (ValueError, OverflowError):
            continue


def lines_of_files(now):
    """Seconds, process and text of each line, the latest first, and since when all of them
    were read, None for all the days; None where there is no file.
    """
    found, there, since = [], False, now - FAILED_DAYS * DAY_S
    whole_since = since
    for path in FILES:
        for name in [path + ending for ending in EARLIER] + [path]:
            try:
                lines, is_cut = end_of(name)
            except OSError:
                continue
            there = True
            if is_cut:
                first = next(dated(lines, DATED, now), (now, None))[0]
                whole_since = max(whole_since, first)
            found += [
                (at, match.group("pid"), match.group("text"))
                for at, match in dated(lines, LINE, now)
                if at >= since
            ]
    found.sort(key=lambda line: line[0])
    return (found[::-1], whole_since if whole_since > since else None) if there else None


def lines_of_journal(program, *words):
    """The same of the journal; and where it could not be read, None."""
    argv = [program, "--quiet", "--no-pager", "--all", "--reverse", "--output=json", "_UID=0"]
    argv += ["--output-fields=MESSAGE,_PID", "--since=-%dd" % FAILED_DAYS, "-n%d" % MOST_LINES]
    argv += ["SYSLOG_IDENTIFIER=sshd", "SYSLOG_IDENTIFIER=sshd-session", *words]
    child = Journalctl(argv, MOST_SECONDS)
    found = [
        (int(one["__REALTIME_TIMESTAMP"]) // SECOND_US, text(one.get("_PID")), text(one["MESSAGE"]))
        for one in child.entries()
        if one.get("MESSAGE") is not None
    ]
    status = child.end(early=False)
    # Where --grep meets nothing, that is status 1 without a word
    if status != 0 and not (OF_ACCEPTED in words and status == 1 and not child.complaints.error):
        return None
    return found, found[-1][0] if len(found) >= MOST_LINES else None


def kept_since(program, now):
    """When the journal begins, where that is within the days."""
    since = int(now) - FAILED_DAYS * DAY_S
    argv = [program, "--quiet", "--no-pager", "--output=json", "--output-fields=_PID"]
    child = Journalctl(argv + ["--since=@%d" % since], MOST_SECONDS)
    first = next(child.entries(), None)
    child.end(early=True)
    began = int(first["__REALTIME_TIMESTAMP"]) // SECOND_US if first else since
    return began if began > since + HOUR_S else None


class SshdLog:
    """What sshd, and in the journal only root's, wrote in the last days."""

    def __init__(self, module):
        self.module, self.lines = module, None
        self.known = True  # whether the host keeps such a log
        # When the first line that was read was written, where there are others; of logins, too
        self.since = self.logins_since = None

    def journalctl(self):
        """None without systemd: what is in a journal then is of another time."""
        is_kept = os.path.isdir(SYSTEMD) and (has_files(ON_DISK) or has_files(IN_MEMORY))
        return self.module.get_bin_path("journalctl") if is_kept else None

    def read(self):
        """The lines as seconds, process and text, the latest first."""
        if self.lines is None:
            program, now = self.journalctl(), time.time()
            found = lines_of_journal(program) if program else lines_of_files(now)
            self.known = found is not None
            self.lines, self.since = found or ([], None)
            if program and found and self.since is None:
                self.since = kept_since(program, now)
        return self.lines

    def lines_of_logins(self):
        """Those of the journal are asked for apart, or thousands of tries that failed would
        hide them.
        """
        lines, program = self.read(), self.journalctl()
        apart = lines_of_journal(program, OF_ACCEPTED) if program and self.since else None
        self.logins_since = self.since
        if apart is None:
            return lines
        self.logins_since = apart[1] or kept_since(program, time.time())
        return apart[0]

    def logins(self):
        found = []
        for at, _pid, said in self.lines_of_logins():
            match = ACCEPTED.match(said)
            if match:
                way, user, origin, key = match.groups()
                one = dict(told(user, at, origin), by=way)
                found.append(dict(one, **({"fingerprint": key} if key else {})))
        return found

    def failures(self):
        """The tries that failed, of a connection without one its end, the latest first."""
        tries = []
        for at, pid, said in self.read():
            match = FAILED.match(said)
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
