"""Runs journalctl and reads what it tells, line by line."""

import json
import os
import re
import subprocess
import threading

from ansible_collections.playrail.host.plugins.module_utils.moments import utc

FIELDS = (
    "MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_COMM,_PID,_SYSTEMD_UNIT,UNIT,_SYSTEMD_USER_UNIT,"
    "USER_UNIT,_UID"
)
PRIORITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")  # syslog(3)
UNREADABLE = re.compile(
    rb"Failed to open journal (?:file|directory) .*: Permission denied|insufficient permissions"
)
LEVEL = re.compile(rb"<(\d+)>")  # a syslog prefix: eight times the facility, and the priority
ERROR = 3
SECOND_US = 1000000
# What Ansible's modules write when they start: by syslog under their own name, by
# libsystemd within the message. ansible-pull and its kin are programs of their own, whose
# lines count.
BY_ANSIBLE = re.compile(r"ansible-[\w.]+$")
INVOKED = "Invoked with "
IN_MESSAGE = re.compile(r"ansible-[\w.]+ " + INVOKED)
LONGEST_LINE = 1 << 24
HEAD = re.compile(rb'"(__CURSOR|__REALTIME_TIMESTAMP)"\s*:\s*"([^"]*)"')
MARK = "\u2026"
BEFORE_CHARACTERS = 100  # of a long message, shown before what was looked for


class Failed(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Complaints:
    """What journalctl says beside its output, read in the background: its debug messages
    have no end.
    """

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
                self.error = (
                    line[prefix.end() if prefix else 0 :][:1000].decode("utf-8", "replace").strip()
                    or self.error
                )

    def end(self):
        self.thread.join(5)
        if not self.thread.is_alive():
            self.stream.close()


class Journalctl:
    """A journalctl that runs. With `max_seconds` it is ended then, and `overdue` tells."""

    def __init__(self, argv, max_seconds):
        # Only its debug messages tell that it may not open some files: with --output=json
        # it drops that hint.
        environment = dict(
            os.environ, LC_ALL="C", SYSTEMD_LOG_LEVEL="debug", SYSTEMD_LOG_TARGET="console-prefixed"
        )
        self.child = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
        self.complaints = Complaints(self.child.stderr)
        self.overdue = False
        self.timer = threading.Timer(max_seconds, self._is_over)
        self.timer.start()

    def _is_over(self):
        self.overdue = True
        self.child.kill()

    def entries(self):
        """Each entry; journalctl says in words that there is none. Of one without end its
        place alone is known.
        """
        while True:
            line = self.child.stdout.readline(LONGEST_LINE)
            if not line:
                return
            whole = line.endswith(b"\n")
            size, tail = len(line), line[-4096:]
            while not tail.endswith(b"\n"):
                more = self.child.stdout.readline(LONGEST_LINE)
                if not more:
                    return
                size, tail = size + len(more), (tail + more)[-4096:]
            if not line.startswith(b"{"):
                continue
            if whole:
                yield json.loads(line.decode("utf-8", "replace"))
            else:
                place = {
                    key.decode("ascii"): value.decode("utf-8", "replace")
                    for key, value in HEAD.findall(line + tail)
                }
                if len(place) == 2:
                    yield dict(place, MESSAGE="[%d bytes, too long to be read]" % size)

    def end(self, early):
        """Its exit status; None when it was ended `early` or because time was over."""
        if early:
            self.child.kill()
        status = self.child.wait()
        self.timer.cancel()
        self.child.stdout.close()
        self.complaints.end()
        return None if early or self.overdue else status


def text(value):
    """A field's text. journalctl gives the bytes of what is not printable text, and a list
    when a field comes twice.
    """
    if isinstance(value, list) and all(isinstance(one, int) for one in value):
        return bytes(bytearray(value)).decode("utf-8", "replace")
    if isinstance(value, list):
        return "\n".join(text(one) or "" for one in value)
    return None if value is None else str(value)


def short(cursor):
    """The parts of a cursor that journalctl goes by: the entry's number among those of one
    source, and for a journal without that source its time (sd_journal_get_cursor(3)).
    """
    return ";".join(part for part in cursor.split(";") if part[:2] in ("s=", "i=", "t="))


def told_time(time_us):
    return utc(time_us // SECOND_US)


def cut(message, most, term, ignore_case):
    """The message, or of a long one the part around `term`, with a mark where something is
    left out.
    """
    if len(message) <= most:
        return message
    at = 0
    if term:
        at = message.lower().find(term.lower()) if ignore_case else message.find(term)
    start = (
        max(0, min(at - BEFORE_CHARACTERS, len(message) - most))
        if at > most - len(term or "")
        else 0
    )
    end = start + most
    return (MARK if start else "") + message[start:end] + (MARK if end < len(message) else "")


class Entry:
    """One entry of `journalctl --output=json`, whose fields systemd.journal-fields(7)
    lists.
    """

    def __init__(self, raw, of_users=False):
        self.raw = raw
        self.time_us = int(raw["__REALTIME_TIMESTAMP"])
        self.cursor = short(raw["__CURSOR"])
        self.identifier = text(raw.get("SYSLOG_IDENTIFIER")) or text(raw.get("_COMM"))
        self.message = text(raw.get("MESSAGE"))
        names = ("USER_UNIT", "_SYSTEMD_USER_UNIT") if of_users else ("UNIT", "_SYSTEMD_UNIT")
        self.unit = text(raw.get(names[0])) or text(raw.get(names[1]))
        self.user = text(raw.get("_UID")) if of_users else None

    @property
    def by_ansible(self):
        """Whether Ansible wrote it of a module that it ran: what was asked for would be
        found in its own question.
        """
        message = self.message or ""
        own_name = BY_ANSIBLE.match(self.identifier or "") is not None
        return (own_name and message.startswith(INVOKED)) or IN_MESSAGE.match(message) is not None

    def told(self, given, unit):
        """As it is reported; `unit` is told once for all."""
        priority, pid = text(self.raw.get("PRIORITY")) or "", text(self.raw.get("_PID")) or ""
        message = None
        if self.message is not None:
            message = cut(
                self.message, given["message_characters"], given["term"], given["ignore_case"]
            )
        found = {
            "time": told_time(self.time_us),
            "priority": PRIORITIES[int(priority)] if priority in tuple("01234567") else None,
            "unit": None if self.unit == unit else self.unit,
            "user_number": int(self.user) if self.user and self.user.isdigit() else None,
            "identifier": self.identifier,
            "pid": int(pid) if re.match("[0-9]+$", pid) else None,
            "message": message,
            "message_bytes": len(self.message.encode("utf-8", "replace"))
            if message != self.message
            else None,
        }
        return {key: value for key, value in found.items() if value is not None}
