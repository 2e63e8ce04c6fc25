"""What the module that tells of logins makes of what hosts write of them."""

from __future__ import annotations

import calendar
import os
import pwd
import sqlite3
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from worlds.host_modules import SHARED, loaded

ANN = pwd.struct_passwd(("ann", "x", 1001, 1001, "", "/home/ann", "/bin/bash"))
ROOT = pwd.struct_passwd(("root", "x", 0, 0, "", "/root", "/bin/bash"))


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    found = loaded(SHARED / "login_records.py")
    monkeypatch.setattr(found, "VAR", str(tmp_path))
    monkeypatch.setattr(found, "RUN", str(tmp_path / "run"))
    (tmp_path / "log").mkdir()
    return found


def record(records: Any, kind: int, seconds: int, user: str = "", place: str = "") -> bytes:
    fields = (kind, 1, b"pts/0", b"", user.encode(), place.encode())
    return bytes(records.RECORD.pack(*fields, 0, 0, 0, seconds, 0, b"", b""))


def test_logins_of_wtmp(records: Any, tmp_path: Path) -> None:
    (tmp_path / "log" / "wtmp").write_bytes(
        record(records, 7, 1000, "ann", "192.0.2.1")
        + record(records, 8, 1060)
        + record(records, 7, 2000, "bob")
    )
    assert records.logins_of_wtmp() == [
        {"user": "bob", "time": "1970-01-01T00:33:20Z", "terminal": "pts/0"},
        {
            "user": "ann",
            "time": "1970-01-01T00:16:40Z",
            "address": "192.0.2.1",
            "terminal": "pts/0",
            "ended": "1970-01-01T00:17:40Z",
        },
    ]


def test_failures_are_summed_by_where_they_came_from(records: Any, tmp_path: Path) -> None:
    now = int(time.time())
    listed = [record(records, 6, now - 90, f"u{number}", "192.0.2.9") for number in range(4)]
    old = record(records, 6, now - 30 * 86400, "ann", "192.0.2.1")
    (tmp_path / "log" / "btmp").write_bytes(old + b"".join(listed))
    found = records.summed(*records.failures_of_btmp())
    assert (found["total"], found["days"], found["origins_total"]) == (4, 7, 1)
    assert found["origins"][0]["users_total"] == 4


def test_more_failures_than_are_read(
    records: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MOST_RECORDS", 3)
    now = int(time.time())
    raw = b"".join(record(records, 6, now - 90 + second, "u") for second in range(5))
    (tmp_path / "log" / "btmp").write_bytes(raw)
    found = records.summed(*records.failures_of_btmp())
    assert (found["total"], found["since"]) == (3, records.utc(now - 88))
    assert "days" not in found


@pytest.mark.parametrize("name", ["btmp.1", "btmp-20260101"])
def test_failures_of_before_the_file_was_put_aside(records: Any, tmp_path: Path, name: str) -> None:
    now = int(time.time())
    (tmp_path / "log" / "btmp").write_bytes(record(records, 6, now - 60, "new"))
    (tmp_path / "log" / name).write_bytes(record(records, 6, now - 3600, "old"))
    found, since = records.failures_of_btmp()
    assert ([one[1] for one in found], since) == (["new", "old"], None)


def test_last_logins(records: Any, tmp_path: Path) -> None:
    raw = bytearray(records.LAST.size * 1002)
    struct.pack_into(records.LAST.format, raw, records.LAST.size * 1001, 60, b"", b"192.0.2.1")
    (tmp_path / "log" / "lastlog").write_bytes(raw)
    (tmp_path / "lib" / "lastlog").mkdir(parents=True)
    with sqlite3.connect(tmp_path / "lib" / "lastlog" / "lastlog2.db") as database:
        database.execute("CREATE TABLE Lastlog2 (Name, Time, TTY, RemoteHost)")
        database.execute("INSERT INTO Lastlog2 VALUES ('root', 120, 'tty1', NULL)")
    database.close()
    found = records.last_logins([ROOT, ANN])
    assert found["ann"]["time"] == "1970-01-01T00:01:00Z"
    assert found["root"] == {"user": "root", "time": "1970-01-01T00:02:00Z", "terminal": "tty1"}


def test_databases_that_this_python_cannot_read(
    records: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib" / "wtmpdb").mkdir(parents=True)
    (tmp_path / "lib" / "wtmpdb" / "wtmp.db").touch()
    assert records.unread_databases() == []
    monkeypatch.setattr(records, "sqlite3", None)
    assert records.unread_databases() == [str(tmp_path / "lib" / "wtmpdb" / "wtmp.db")]


@pytest.fixture
def sshd_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Of a host without systemd, whose log is the file `messages` of the folder."""
    found = loaded(SHARED / "sshd_log.py")
    monkeypatch.setattr(found, "SYSTEMD", str(tmp_path / "none"))
    monkeypatch.setattr(found, "FILES", (str(tmp_path / "messages"),))
    monkeypatch.setattr(time, "time", lambda: NOW)
    return found


NOW = calendar.timegm((2026, 1, 2, 12, 0, 0))


class Host:
    """A module on whose host there is this journalctl."""

    def __init__(self, journalctl: str = "/usr/bin/journalctl") -> None:
        self.journalctl = journalctl

    def get_bin_path(self, name: str) -> str:
        assert name == "journalctl"
        return self.journalctl


def test_without_a_journal_sshds_log_is_a_file(
    sshd_log: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    (tmp_path / "messages.0").write_text(
        "Dec 25 09:00:00 host auth.info sshd[1]: Failed password for old from 192.0.2.9 port 1\n"
        "Dec 31 09:00:00 host auth.info sshd[2]: Failed password for ann from 192.0.2.2 port 1\n"
    )
    (tmp_path / "messages").write_text(
        "Jan  1 09:00:00 host cron.info crond[3]: Failed password for no from 192.0.2.9 port 1\n"
        "2026-01-01T10:00:00.123456+01:00 host sshd[4]: Invalid user eve from 192.0.2.4 port 1\n"
        "Jan  1 11:00:00 sshd-session[5]: Accepted password for bob from 192.0.2.5 port 1 ssh2\n"
        "2026-99-01T10:00:00Z host sshd[4]: Invalid user odd from 192.0.2.4 port 1\n"
    )
    log = sshd_log.SshdLog(Host())
    eve, ann = log.failures()
    assert eve == (calendar.timegm((2026, 1, 1, 9, 0, 0)), "eve", "192.0.2.4")
    assert ann == (calendar.timegm((2025, 12, 31, 9, 0, 0)), "ann", "192.0.2.2")
    assert [(one["user"], one["time"]) for one in log.logins()] == [("bob", "2026-01-01T11:00:00Z")]
    assert log.known
    monkeypatch.undo()
    time.tzset()


def test_where_nobody_writes_sshds_log_that_is_not_known(sshd_log: Any) -> None:
    log = sshd_log.SshdLog(Host())
    assert (log.failures(), log.known) == ([], False)


def test_more_of_sshds_log_than_is_read(
    sshd_log: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sshd_log, "TAIL_BYTES", 300)
    lines = [
        f"2026-01-01T10:00:{second}Z host sshd[{second}]: Failed password for a from 192.0.2.2 port"
        for second in range(10, 30)
    ]
    (tmp_path / "messages").write_text("\n".join(lines))
    log = sshd_log.SshdLog(Host())
    assert [at for at, _user, _place in log.failures()][-1] == log.since
    assert log.since == calendar.timegm((2026, 1, 1, 10, 0, 27))


ENTRY = '{"__REALTIME_TIMESTAMP":"%d000000","_PID":"%d","MESSAGE":"%s"}'
GUESSED = "Failed password for root from 192.0.2.9 port 1 ssh2"
LET_IN = "Accepted publickey for ann from 192.0.2.1 port 5 ssh2"


@pytest.fixture
def with_journal(sshd_log: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A host's log where the journalctl is a script, which is given."""
    (tmp_path / "none").mkdir()
    monkeypatch.setattr(sshd_log, "has_files", lambda _folder: True)
    monkeypatch.setattr(sshd_log, "MOST_LINES", 3)

    def log(script: str) -> Any:
        program = tmp_path / "journalctl"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return sshd_log.SshdLog(Host(str(program)))

    return log


def test_guessing_does_not_hide_who_got_in(with_journal: Any) -> None:
    guesses = "".join(f"{ENTRY % (90 - each, each, GUESSED)}\n" for each in range(3))
    apart = f"""case "$*" in *--grep=^Accepted*) echo '{ENTRY % (7, 7, LET_IN)}'; exit;; esac"""
    log = with_journal(f"{apart}\nprintf '%s' '{guesses}'")
    assert (len(log.failures()), log.since) == (3, 88)
    assert [one["user"] for one in log.logins()] == ["ann"]
    assert log.logins_since is None


def test_a_journal_that_began_yesterday(with_journal: Any) -> None:
    yesterday = NOW - 86400
    log = with_journal(
        f"""case "$*" in *--reverse*) exit;; esac\necho '{ENTRY % (yesterday, 1, "Up")}'"""
    )
    assert (log.failures(), log.known, log.since) == ([], True, yesterday)


def test_nobody_got_in(with_journal: Any) -> None:
    guesses = "".join(f"{ENTRY % (90 - each, each, GUESSED)}\n" for each in range(3))
    log = with_journal(f"""case "$*" in *--grep*) exit 1;; esac\nprintf '%s' '{guesses}'""")
    assert (log.logins(), log.known) == ([], True)


@pytest.mark.parametrize("script", ["exit 1", "echo '<3>Failed to open files' >&2; exit 1"])
def test_a_journal_that_fails(with_journal: Any, script: str) -> None:
    log = with_journal(script)
    assert (log.failures(), log.logins(), log.known) == ([], [], False)


@pytest.fixture
def history(
    records: Any, sshd_log: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], tuple[dict[str, Any], set[str]]]:
    """What is told of the made-up host, and what is not known, for root."""
    found = loaded(SHARED / "login_history.py")
    for name in ("logins_of_wtmp", "logins_of_wtmpdb", "failures_of_btmp", "summed"):
        monkeypatch.setattr(found, name, getattr(records, name))
    monkeypatch.setattr(found, "sessions", list)
    monkeypatch.setattr(found, "SshdLog", sshd_log.SshdLog)
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def told() -> tuple[dict[str, Any], set[str]]:
        not_known: set[str] = set()
        return found.history(Host(), None, not_known), not_known

    return told


def test_no_record_of_logins_at_all(history: Any) -> None:
    found, not_known = history()
    assert found == {"logins": [], "sessions": []}
    why = "there is no journal, and no file of sshd's log in /var/log"
    assert not_known == {f"failed logins: {why}", f"latest logins: {why}"}


def test_a_log_without_logins(history: Any, tmp_path: Path) -> None:
    (tmp_path / "messages").touch()
    found, not_known = history()
    assert found["failed_logins"] == {"total": 0, "days": 7}
    assert not_known == {"latest logins: sshd's log was read since 2025-12-26T12:00:00Z only"}


def test_what_sshd_writes(sshd_log: Any) -> None:
    journal = sshd_log.SshdLog(None)
    journal.lines = [
        (9, "4", "Accepted publickey for ann from 192.0.2.1 port 5 ssh2: ED25519 SHA256:abc"),
        (8, "3", "Connection closed by invalid user eve 192.0.2.3 port 5 [preauth]"),
        (7, "3", "Invalid user eve from 192.0.2.3 port 5"),
        (6, "2", "Connection closed by authenticating user bob 192.0.2.2 port 5 [preauth]"),
        (5, "2", "Failed password for bob from 192.0.2.2 port 5 ssh2"),
        (4, "2", "Failed password for bob from 192.0.2.2 port 5 ssh2"),
    ]
    (login,) = journal.logins()
    assert (login["user"], login["by"], login["fingerprint"]) == ("ann", "publickey", "SHA256:abc")
    assert [one[1:] for one in journal.failures()] == [
        ("eve", "192.0.2.3"),
        ("bob", "192.0.2.2"),
        ("bob", "192.0.2.2"),
    ]


def test_sessions_of_logind(records: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "systemd" / "sessions"
    folder.mkdir(parents=True)
    text = (
        "USER=ann\nCLASS=user\nSERVICE=sshd\nREMOTE_HOST=192.0.2.1\nREALTIME=60000000\nTTY=pts/0\n"
    )
    (folder / "7").write_text(text)
    (folder / "8").write_text("USER=ann\nCLASS=manager\n")
    assert records.sessions() == [
        {
            "user": "ann",
            "time": "1970-01-01T00:01:00Z",
            "address": "192.0.2.1",
            "terminal": "pts/0",
            "service": "sshd",
        }
    ]
