"""What cron, anacron and at are to run, from their files."""

import os
import re
import stat
import time

from ansible_collections.playrail.host.plugins.module_utils.cron_times import (
    NUMBER,
    Schedule,
    Unreadable,
)

SYSTEM = ("/etc/crontab",)
SYSTEM_FOLDERS = ("/etc/cron.d",)
# Of Debian, SUSE, Red Hat and busybox
USERS_FOLDERS = ("/var/spool/cron/crontabs", "/var/spool/cron/tabs", "/var/spool/cron")
USERS_FOLDERS += ("/etc/crontabs",)
SCRIPTS = ("/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly")
SCRIPTS += tuple("/etc/periodic/" + name for name in ("15min", "hourly", "daily", "weekly"))
SCRIPTS += ("/etc/periodic/monthly",)
ANACRON, ANACRON_DONE = "/etc/anacrontab", "/var/spool/anacron"
AT_FOLDERS = ("/var/spool/cron/atjobs", "/var/spool/at", "/var/spool/atjobs")
ANACRONS_PROGRAM = "/usr/sbin/anacron"
DEBIAN, ALPINE = "/etc/debian_version", "/etc/alpine-release"
FILE_BYTES = 262144
MOST_FILES = 1000
DAY_S = 86400
ASSIGNMENT = re.compile(r"""["']?\w+["']?\s*=""")
TIME_ZONE = re.compile(r"""["']?CRON_TZ["']?\s*=\s*["']?([\w/+-]+)""")
PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")  # of what Debian's cron and run-parts take
AT_NAME = re.compile(r"[A-Za-z=]([0-9a-f]{5})([0-9a-f]{8})\Z")
AT_OWNER = re.compile(r"^# atrun uid=(\d+)", re.MULTILINE)
AT_BEGIN = re.compile(r"^cd [^\n]*\|\| \{\n", re.MULTILINE)
AT_WRAPPER = re.compile(r"^.*<< *'?marcinDELIMITER\w*'?$|^marcinDELIMITER\w*$", re.MULTILINE)
PERIODS = {"@daily": 1, "@weekly": 7, "@monthly": 30, "@yearly": 365, "@annually": 365}


def command_of_job(text):
    """What an at job runs: all behind the lines that go to its directory."""
    begin = AT_BEGIN.search(text)
    end = text.find("\n}\n", begin.end() - 1) if begin else -1
    return text[end + 3 :] if end >= 0 else text


class Files:
    """Reads them, and notes what could not be read."""

    def __init__(self):
        self.unreadable = []

    def names(self, folder):
        try:
            return sorted(os.listdir(folder))[:MOST_FILES]
        except OSError as error:
            if isinstance(error, PermissionError):
                self.unreadable.append(folder)
            return []

    def text(self, path):
        """A regular file's text; None when there is none."""
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                return None
            with open(path, "rb") as file:
                return file.read(FILE_BYTES).decode("utf-8", "replace")
        except OSError as error:
            if isinstance(error, PermissionError):
                self.unreadable.append(path)
            return None


def lines(text):
    """Those that are no comments and not empty, with their numbers."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line.strip()


def crontab(text, path, user, now):
    """What a crontab has. `user` is whose it is; None where each line says that."""
    zone = None
    for number, line in lines(text):
        if ASSIGNMENT.match(line):
            found = TIME_ZONE.match(line)
            zone = found.group(1) if found else zone
            continue
        fields = 1 if line.startswith("@") else 5
        words = line.lstrip("-").split(None, fields + (user is None))
        told = {"source": "%s:%d" % (path, number), "when": " ".join(words[:fields])}
        if len(words) <= fields + (user is None):
            yield dict(told, problem="the line is not complete")
            continue
        told.update(user=user or words[fields], command=words[-1], time_zone=zone)
        try:
            told["next"] = None if zone else Schedule(told["when"]).next_run(now)
        except Unreadable:
            told["problem"] = "cron cannot read its time"
        yield told


def untaken(path):
    """Why cron takes no notice of a file in cron.d; None when it does."""
    if os.path.exists(DEBIAN) and not PLAIN_NAME.match(os.path.basename(path)):
        return "cron leaves files with such names out"
    try:
        found = os.stat(path)
    except OSError:
        return None
    if found.st_uid != 0:
        return "cron takes only files of root"
    return "others than root may write it, so cron leaves it out" if found.st_mode & 0o22 else None


def of_cron(files, now):
    for path in SYSTEM:
        yield from crontab(files.text(path) or "", path, None, now)
    for folder in SYSTEM_FOLDERS:
        for name in files.names(folder):
            path = os.path.join(folder, name)
            if name.startswith(".") or name.endswith(("~", ".dpkg-dist", ".rpmsave", ".rpmnew")):
                continue
            for told in crontab(files.text(path) or "", path, None, now):
                problem = told.get("problem") or untaken(path)
                yield dict(told, problem=problem, next=None if problem else told.get("next"))
    seen = set()
    for folder in USERS_FOLDERS:
        for name in files.names(folder):
            path = os.path.join(folder, name)
            if os.path.realpath(path) in seen or name.startswith((".", "tmp.", "cron.")):
                continue
            seen.add(os.path.realpath(path))
            yield from crontab(files.text(path) or "", path, name, now)


def of_anacron(files):
    """Its jobs, each with the day of its last run and the next that is due."""
    text = files.text(ANACRON) if os.path.exists(ANACRONS_PROGRAM) else None
    for number, line in lines(text or ""):
        words = line.split(None, 3)
        if ASSIGNMENT.match(line) or len(words) < 4:
            continue
        told = {"source": "%s:%d" % (ANACRON, number), "user": "root", "command": words[3]}
        days = int(words[0]) if NUMBER.match(words[0]) else PERIODS.get(words[0])
        if days is None:
            yield dict(told, when=words[0], problem="anacron cannot read its period")
            continue
        told["when"] = "daily" if days == 1 else "every %d days" % days
        done = (files.text(os.path.join(ANACRON_DONE, words[2])) or "").strip()
        try:
            told["last"] = int(time.mktime(time.strptime(done, "%Y%m%d")))
            told["next"] = told["last"] + days * DAY_S
        except ValueError:
            pass  # it has not run yet
        yield told


def with_folders(files, others):
    """The entries, with the folders of scripts in place of those that run these."""
    runners = {}
    for one in others:
        folders = [folder for folder in SCRIPTS if folder in one.get("command", "")]
        if not folders or "run-parts" not in one["command"]:
            yield one
        for folder in folders:
            runners.setdefault(folder, one)
    for folder in SCRIPTS:
        names = [name for name in files.names(folder) if not name.startswith(".")]
        taken = [name for name in names if is_taken(os.path.join(folder, name))]
        left_out = [name for name in names if name not in taken and name != "README"]
        told = {"source": folder, "scripts": taken, "left_out": left_out, "user": "root"}
        runner = runners.get(folder)
        if runner is not None:
            told.update(when=runner["when"], run_by=runner["source"])
            told.update((key, runner.get(key)) for key in ("next", "last", "problem"))
        elif taken:
            told["problem"] = "no crontab runs this folder"
        if names:
            yield told


def is_taken(path):
    """Whether run-parts would run it: that of Red Hat takes any name."""
    return (
        os.path.isfile(path)
        and os.access(path, os.X_OK)
        and (not os.path.exists(DEBIAN) or PLAIN_NAME.match(os.path.basename(path)) is not None)
    )


def of_at(files, users):
    """The jobs of at; the name of each file has its number and time, as atd reads them."""
    for folder in AT_FOLDERS:
        for name in files.names(folder):
            found = AT_NAME.match(name)
            text = files.text(os.path.join(folder, name)) if found else None
            if not found:
                continue
            told = {
                "source": "at job %d" % int(found.group(1), 16),
                "when": "once",
                "next": int(found.group(2), 16) * 60,
            }
            if text is not None:
                owner = AT_OWNER.search(text)
                told["user"] = users.name(int(owner.group(1))) if owner else None
                told["command"] = AT_WRAPPER.sub("", command_of_job(text)).strip()
            yield told
