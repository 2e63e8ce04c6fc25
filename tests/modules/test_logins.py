"""What the module that tells who can log in makes of files as hosts have them."""

from __future__ import annotations

import calendar
import os
import pwd
import sqlite3
import struct
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from worlds.host_modules import MODULES, SHARED, loaded, module_answer

# ssh-keygen -t ed25519 and -t rsa -b 1024; ssh-keygen -l tells the fingerprints.
ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAINCUgmWVSs6x8uu7TGpRYu5NCMZyjIuxOUXxPq0Sq7hN"
ANN = pwd.struct_passwd(("ann", "x", 1001, 1001, "", "/home/ann", "/bin/bash"))
ROOT = pwd.struct_passwd(("root", "x", 0, 0, "", "/root", "/bin/bash"))
SETTINGS = {
    "permitrootlogin": "prohibit-password",
    "pubkeyauthentication": "yes",
    "passwordauthentication": "yes",
    "usepam": "yes",
}
ASKS = {"passwordauthentication": "no", "kbdinteractiveauthentication": "yes"}


def test_this_machine() -> None:
    found = module_answer([str(MODULES / "logins.py")], {}, timeout_s=60)
    root = next(one for one in found["accounts"] if one["user"] == "root")
    assert (root["uid"], "sudo" in root) == (0, False)
    assert found["accounts_total"] >= 1
    if os.getuid():
        assert "passwords: permission denied" in found["not_known"]


def test_an_account_that_there_is_not() -> None:
    found = module_answer([str(MODULES / "logins.py")], {"user": "no-such-user"}, timeout_s=60)
    assert found["playrail_code"] == "owner_not_found"


@pytest.mark.parametrize(
    ("field", "state"),
    [
        ("", "empty"),
        ("*", "never"),
        ("!", "never"),
        ("!!", "never"),
        ("$y$j9T$salt$hash", "set"),
        ("!$6$salt$hash", "locked"),
    ],
)
def test_states_of_passwords(field: str, state: str) -> None:
    assert loaded(SHARED / "accounts.py").state_of(field) == state


def test_a_password_as_shadow_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = loaded(SHARED / "accounts.py")
    monkeypatch.setattr(accounts, "ETC", str(tmp_path))
    (tmp_path / "shadow").write_text("ann:$1$salt$abcdefghijklmnopqrstuv:19000:0:99999:7::19001:\n")
    lines = accounts.shadow()
    assert accounts.password(ANN, lines) == {
        "password": "set",
        "weak": True,
        "barred": False,
        "password_changed": "2022-01-08",
        "expired": "2022-01-09",
    }
    assert accounts.password(ROOT, lines) == {"password": "never"}
    assert accounts.password(ANN, None) == {}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"ssh-ed25519 {ED25519} ann@laptop in town", {"comment": "ann@laptop in town"}),
        (f"ssh-ed25519 {ED25519}", {}),
        (
            f'from="10.0.0.0/8",command="echo \\"a b\\"" ssh-ed25519 {ED25519} c',
            {"comment": "c", "options": 'from="10.0.0.0/8",command="echo \\"a b\\""'},
        ),
        ("# ssh-ed25519 AAAA", None),
        ("ssh-ed25519 !!!", None),
        ("ssh-ed25519 AAAA", None),
        ("", None),
    ],
)
def test_lines_of_authorized_keys(line: str, told: dict[str, str] | None) -> None:
    found = loaded(SHARED / "authorized_keys.py").key_of(line)
    fixed = {
        "type": "ssh-ed25519",
        "fingerprint": "SHA256:dFVHa5oiVs45aYpWfHo5+2mJHYQuYXQcqRo4KqbpBzM",
    }
    if told is None:
        assert found is None
    else:
        assert {**found, "fingerprint": ""} == {**fixed, **told, "fingerprint": ""}
        assert len(found["fingerprint"]) == len(fixed["fingerprint"])


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (".ssh/authorized_keys", "/home/ann/.ssh/authorized_keys"),
        ("/etc/keys/%u", "/etc/keys/ann"),
        ("%h/k%%/%U", "/home/ann/k%/1001"),
    ],
)
def test_where_keys_lie(pattern: str, path: str) -> None:
    assert loaded(SHARED / "authorized_keys.py").home_of(pattern, ANN) == path


@pytest.mark.parametrize(
    ("account", "settings", "field", "ways"),
    [
        (ROOT, {}, "$6$salt$hash", ["key"]),
        (ROOT, {"permitrootlogin": "yes"}, "$6$salt$hash", ["key", "password"]),
        (ROOT, {"permitrootlogin": "no"}, "$6$salt$hash", []),
        (ANN, {}, "$6$salt$hash", ["key", "password"]),
        (ANN, {}, "", ["key"]),
        (ANN, {"permitemptypasswords": "yes"}, "", ["key", "password"]),
        (ANN, {"passwordauthentication": "no"}, "$6$salt$hash", ["key"]),
        (ANN, {"usepam": "no"}, "!$6$salt$hash", []),
        (ANN, {"usepam": "no"}, "!", []),
        (ANN, {"usepam": "no"}, "*", ["key"]),
        (ROOT, {"usepam": "no"}, "*", ["key"]),
        (ANN, {}, "!", ["key"]),
        (ANN, {"usepam": "no", **ASKS}, "$6$salt$hash", ["key"]),
        (ANN, ASKS, "$6$salt$hash", ["key", "password"]),
        (ANN, {"allowusers": ["bob", "a*"]}, "$6$salt$hash", ["key", "password"]),
        (ANN, {"allowusers": ["bob"]}, "$6$salt$hash", []),
        (ANN, {"denygroups": ["staff"]}, "$6$salt$hash", []),
        (ANN, {"allowgroups": ["wheel"]}, "$6$salt$hash", []),
    ],
)
def test_ways_in(
    account: pwd.struct_passwd, settings: dict[str, Any], field: str, ways: list[str]
) -> None:
    ssh = loaded(SHARED / "ssh_servers.py")
    given = {**SETTINGS, **settings}
    shadow = {account.pw_name: [account.pw_name, field]}
    about = loaded(SHARED / "accounts.py").password(account, shadow)
    assert ssh.ways_in(given, account, ["staff"], about, ["a key"]) == ways


def test_rules_for_some_are_found_in_what_is_included(tmp_path: Path) -> None:
    (tmp_path / "more.conf").write_text("match User bob\n  X11Forwarding no\n")
    config = tmp_path / "sshd_config"
    config.write_text(f"Include {tmp_path}/*.conf\n# Match no\nMatch Group sftp,web\n")
    found = loaded(SHARED / "ssh_servers.py").matches(str(config))
    assert found == ["User bob", "Group sftp,web"]


def sudoers(**rule: Any) -> dict[str, Any]:
    spec = {
        "User_List": [{"usergroup": "staff"}],
        "Host_List": [{"hostname": "ALL"}],
        "Cmnd_Specs": [
            {"Commands": [{"command": "/bin/a"}, {"command": "/bin/b", "negated": True}]}
        ],
    }
    return {"User_Specs": [{**spec, **rule}]}


def told_rights(document: dict[str, Any]) -> list[dict[str, Any]]:
    sudo = loaded(SHARED / "sudo_rights.py")
    return [one.told(ANN) for one in sudo.rights_of(document) if one.is_of(ANN, ["staff"])]


def test_rights_as_cvtsudoers_tells_them() -> None:
    assert told_rights(sudoers()) == [{"commands": ["/bin/a", "!/bin/b"], "by": "%staff"}]
    assert told_rights(sudoers(User_List=[{"usergroup": "wheel"}])) == []
    assert told_rights(sudoers(Host_List=[{"hostname": "elsewhere"}])) == []
    assert told_rights(sudoers(User_List=[{"userid": 1001}])) != []
    everything = {**sudoers(), "Defaults": [{"Options": [{"authenticate": False}]}]}
    assert told_rights(everything)[0]["no_password"] is True


def test_rights_as_sudo_lists_them() -> None:
    output = (
        "User ann may run the following commands on c:\n"
        "    (ALL : ALL) ALL\n    (www-data) NOPASSWD: SETENV: /usr/bin/apt update\n"
    )
    module = SimpleNamespace(run_command=lambda _words, **_: (0, output, ""))
    found = loaded(SHARED / "sudo_rights.py").asked(module, "/usr/bin/sudo", [ANN])
    assert [one.told(ANN) for one in found] == [
        {"commands": ["ALL"]},
        {"commands": ["/usr/bin/apt update"], "run_as": "www-data", "no_password": True},
    ]


def test_rights_by_doas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sudo = loaded(SHARED / "sudo_rights.py")
    path = tmp_path / "doas.conf"
    path.write_text("# permit bob\npermit nopass :staff as root cmd /bin/ls\ndeny ann\n")
    monkeypatch.setattr(sudo, "DOAS", (str(path),))
    assert [one.told(ANN) for one in sudo.doas_rights()] == [
        {"commands": ["/bin/ls"], "no_password": True, "by": "%staff", "program": "doas"}
    ]


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
    found = records.summed(records.failures_of_btmp())
    assert (found["total"], found["origins_total"]) == (4, 1)
    assert found["origins"][0]["users_total"] == 4


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


@pytest.fixture
def sshd_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Of a host without systemd, whose log is the file `messages` of the folder."""
    found = loaded(SHARED / "sshd_log.py")
    monkeypatch.setattr(found, "SYSTEMD", str(tmp_path / "none"))
    monkeypatch.setattr(found, "FILES", (str(tmp_path / "messages"),))
    monkeypatch.setattr(time, "time", lambda: NOW)
    return found


NOW = calendar.timegm((2026, 1, 2, 12, 0, 0))


class Journalctl:
    """A module on whose host there is a journalctl that is not to be asked."""

    def get_bin_path(self, name: str) -> str:
        return f"/usr/bin/{name}"


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
    log = sshd_log.SshdLog(Journalctl())
    eve, ann = log.failures()
    assert eve == (calendar.timegm((2026, 1, 1, 9, 0, 0)), "eve", "192.0.2.4")
    assert ann == (calendar.timegm((2025, 12, 31, 9, 0, 0)), "ann", "192.0.2.2")
    assert [(one["user"], one["time"]) for one in log.logins()] == [("bob", "2026-01-01T11:00:00Z")]
    assert log.known
    monkeypatch.undo()
    time.tzset()


def test_where_nobody_writes_sshds_log_that_is_not_known(sshd_log: Any) -> None:
    log = sshd_log.SshdLog(Journalctl())
    assert (log.failures(), log.known) == ([], False)


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
