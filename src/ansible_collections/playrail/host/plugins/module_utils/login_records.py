"""Who logged in when, who failed to, and who is logged in now, as a host has written it down:
utmp(5) and its like, lastlog2(8), wtmpdb(8), and systemd-logind's files.
"""

import glob
import os
import platform
import re
import struct
import time

try:
    import sqlite3
except ImportError:  # a minimal Python
    sqlite3 = None

from ansible_collections.playrail.host.plugins.module_utils.moments import utc
from ansible_collections.playrail.host.plugins.module_utils.processes import Clock, processes

RUN, VAR = "/run", "/var"
# glibc's struct utmp: of these machines times have 64 bits, of all others 32; bits/utmpx.h.
WIDE = platform.machine() in ("aarch64", "riscv64", "loongarch64", "alpha")
RECORD = struct.Struct("=hxxi32s4s32s256shhqqq16s20s4x" if WIDE else "=hxxi32s4s32s256shhiii16s20s")
LAST = struct.Struct("=q32s256s" if WIDE else "=i32s256s")
USER_PROCESS, DEAD_PROCESS, BOOT_TIME = 7, 8, 2
MOST_RECORDS = 5000
FAILED_DAYS = 7
DAY_S = 86400
SESSION = re.compile(r"sshd(?:-session)?: ([^ @]{1,64})@(\S+)\s*\Z")


def plain(raw):
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def end_of(path, most):
    """The last records of a file, as its bytes. Raises OSError."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size // RECORD.size
        file.seek(max(0, size - most) * RECORD.size)
        return file.read(most * RECORD.size)


def put_aside(path, most):
    """The end of the one before it that logrotate keeps, nothing where there is none."""
    kept = glob.glob(path + ".1") + sorted(glob.glob(path + "-" + "[0-9]" * 8))[-1:]
    try:
        return end_of(kept[0], most) if kept and most else b""
    except OSError:
        return b""


def records(path):
    """The latest records of a file like wtmp, oldest first. Raises OSError."""
    raw = end_of(path, MOST_RECORDS)
    raw = put_aside(path, MOST_RECORDS - len(raw) // RECORD.size) + raw
    for at in range(0, len(raw) // RECORD.size * RECORD.size, RECORD.size):
        fields = RECORD.unpack_from(raw, at)
        yield {
            "kind": fields[0],
            "pid": fields[1],
            "terminal": plain(fields[2]),
            "user": plain(fields[4]),
            "address": plain(fields[5]),
            "at": fields[9],
        }


def logins_of_wtmp():
    """The logins of wtmp, the latest first, with their end where it is written."""
    open_ones, found = {}, []
    for one in records(VAR + "/log/wtmp"):
        if one["kind"] == USER_PROCESS and one["user"]:
            login = told(one["user"], one["at"], one["address"], one["terminal"])
            open_ones[one["terminal"]] = login
            found.append(login)
        elif one["kind"] == DEAD_PROCESS and one["terminal"] in open_ones:
            open_ones.pop(one["terminal"])["ended"] = utc(one["at"])
        elif one["kind"] == BOOT_TIME:
            open_ones = {}
    return found[::-1]


def told(user, seconds, origin, terminal=""):
    found = {"user": user, "time": utc(seconds)}
    found.update({"address": origin} if origin else {})
    return dict(found, **({"terminal": terminal} if terminal not in ("", "ssh") else {}))


def unread_databases():
    """The databases of logins that this Python cannot read, by their paths."""
    return [] if sqlite3 else [path for path in (wtmpdb(), lastlog2()) if os.path.exists(path)]


def wtmpdb():
    return VAR + "/lib/wtmpdb/wtmp.db"


def lastlog2():
    return VAR + "/lib/lastlog/lastlog2.db"


def rows(path, question):
    """What a database of SQLite answers, opened so that nothing is written; no rows where
    it or Python's module is not there.
    """
    if sqlite3 is None or not os.path.exists(path):
        return []
    try:
        database = sqlite3.connect("file:%s?mode=ro&immutable=1" % path, uri=True)
        try:
            return database.execute(question).fetchall()
        finally:
            database.close()
    except sqlite3.Error:
        return []


def logins_of_wtmpdb():
    asked = "SELECT User, Login, RemoteHost, TTY FROM wtmp WHERE Type = 3 ORDER BY Login DESC"
    found = rows(wtmpdb(), asked + " LIMIT %d" % MOST_RECORDS)
    return [told(str(one[0]), int(one[1]) // 10**6, one[2] or "", one[3] or "") for one in found]


def last_logins(accounts):
    """The last login of accounts by name, as lastlog and lastlog2 know it."""
    found = {}
    for name, seconds, terminal, origin in rows(
        lastlog2(), "SELECT Name, Time, TTY, RemoteHost FROM Lastlog2"
    ):
        if seconds:
            found[name] = told(name, int(seconds), origin or "", terminal or "")
    try:
        with open(VAR + "/log/lastlog", "rb") as file:
            for account in accounts:
                file.seek(account.pw_uid * LAST.size)
                raw = file.read(LAST.size)
                seconds, _terminal, origin = (
                    LAST.unpack(raw) if len(raw) == LAST.size else (0, 0, 0)
                )
                if seconds:
                    one = told(account.pw_name, seconds, plain(origin))
                    found.setdefault(account.pw_name, one)
    except (OSError, OverflowError):
        pass
    return found


def failures_of_btmp():
    """Those of the last days, the latest first, and since when, where not all were read. Raises
    OSError.
    """
    since = time.time() - FAILED_DAYS * DAY_S
    listed = list(records(VAR + "/log/btmp"))
    is_cut = len(listed) == MOST_RECORDS and listed[0]["at"] > since
    found = [(one["at"], one["user"], one["address"]) for one in listed if one["at"] >= since]
    return found[::-1], listed[0]["at"] if is_cut else None


def summed(failures, since=None, most=5):
    """What failed logins come to: how many in the last days, or since when, and from where most
    of them.
    """
    places = {}
    for seconds, user, origin in failures:
        place = places.setdefault(
            origin or "this_server", {"times": 0, "users": [], "last": seconds}
        )
        place["times"] += 1
        if user and user not in place["users"]:
            place["users"].append(user)
    ordered = sorted(places.items(), key=lambda item: (-item[1]["times"], item[0]))
    by_origin = []
    for origin, place in ordered[:most]:
        one = {"address": origin, "times": place["times"], "last": utc(place["last"])}
        one["users"] = place["users"][:3]
        by_origin.append(dict(one, users_total=len(place["users"])) if place["users"][3:] else one)
    found = {"total": len(failures)}
    found.update({"since": utc(since)} if since else {"days": FAILED_DAYS})
    return dict(found, origins_total=len(places), origins=by_origin) if failures else found


def sessions():
    """Who is logged in now, by systemd-logind's files, by utmp, or by the titles of sshd's
    processes. Raises OSError.
    """
    folder = RUN + "/systemd/sessions"
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    found = [
        one
        for name in names
        if not name.endswith(".ref")
        for one in session(os.path.join(folder, name))
    ]
    if not found and os.path.exists(RUN + "/utmp"):
        found = [
            told(one["user"], one["at"], one["address"], one["terminal"])
            for one in records(RUN + "/utmp")
            if one["kind"] == USER_PROCESS and os.path.exists("/proc/%d" % one["pid"])
        ]
    return found or list(sessions_by_title())


def sessions_by_title():
    clock = Clock()
    for process in processes():
        if process.name.startswith("sshd"):
            match = SESSION.match(" ".join(process.arguments()))
            if match:
                terminal = match.group(2) if match.group(2) != "notty" else ""
                one = {"user": match.group(1), "time": clock.started(process), "service": "sshd"}
                yield dict(one, **({"terminal": terminal} if terminal else {}))


def session(path):
    try:
        with open(path, "rb") as file:
            text = file.read(65536).decode("utf-8", "replace")
    except OSError:
        return
    told_of = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if told_of.get("CLASS") in ("user", "user-early") and told_of.get("USER"):
        started = int(told_of.get("REALTIME", "0")) // 10**6
        one = told(told_of["USER"], started, told_of.get("REMOTE_HOST", ""), told_of.get("TTY", ""))
        if told_of.get("SERVICE"):
            one["service"] = told_of["SERVICE"]
        yield one
