"""What the module that tells who can log in makes of files as hosts have them."""

from __future__ import annotations

import json
import os
import pwd
import socket
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


def test_servers_that_are_not_roots_sshd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ssh = loaded(SHARED / "ssh_servers.py")
    sockets = [
        {"inode": pid, "address": address, "port": pid}
        for pid, address in ((7, "::"), (7, "0.0.0.0"), (8, "::"), (9, "::"))
    ]
    for pid, name in ((7, "sshd"), (8, "dropbear"), (9, "nginx")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "comm").write_text(f"{name}\n")
        (tmp_path / str(pid) / "cmdline").write_text(f"/tmp/{name}\0-p\0{pid}\0")
    monkeypatch.setattr(ssh, "PROC", str(tmp_path))
    monkeypatch.setattr(ssh, "listening", lambda _protocol: sockets)
    monkeypatch.setattr(ssh, "holders", lambda found: ({one: [one] for one in found}, True))
    monkeypatch.setattr(ssh, "command_of", lambda _pid: None)
    monkeypatch.setattr(
        ssh.os, "stat", lambda _path: SimpleNamespace(st_uid=65534, st_mode=0o40755)
    )
    assert ssh.servers()[1] == [
        {"user": pwd.getpwuid(65534).pw_name, "pid": 7, "listens": ["[::]:7", "0.0.0.0:7"]},
        {"program": "dropbear", "pid": 8, "listens": ["[::]:8"]},
    ]


def test_a_server_whose_program_is_not_to_be_had_is_not_asked() -> None:
    ssh = loaded(SHARED / "ssh_servers.py")
    assert ssh.configuration(None, None, ssh.Server(7, [])) is None


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
    found, _not_known = sudo.rights_of(document)
    return [one.told(ANN, ["staff"]) for one in found if one.is_of(ANN, ["staff"])]


def test_rights_as_cvtsudoers_tells_them() -> None:
    assert told_rights(sudoers()) == [{"commands": ["/bin/a", "!/bin/b"], "by": "%staff"}]
    assert told_rights(sudoers(User_List=[{"usergroup": "wheel"}])) == []
    assert told_rights(sudoers(Host_List=[{"hostname": "elsewhere"}])) == []
    assert told_rights(sudoers(User_List=[{"userid": 1001}])) != []
    assert told_rights(sudoers(User_List=[{"usergid": 1001}])) != []
    assert told_rights(sudoers(User_List=[{"usergid": 4294967294}])) == []
    everybody: list[dict[str, Any]] = [{"username": "ALL"}, {"username": "ann", "negated": True}]
    assert told_rights(sudoers(User_List=everybody)) == []
    assert told_rights(sudoers(User_List=everybody[::-1])) != []
    here = {"hostname": socket.gethostname(), "negated": True}
    assert told_rights(sudoers(Host_List=[{"hostname": "ALL"}, here])) == []


NOBODY_ELSE = [{"username": "ALL"}, {"username": "ann", "negated": True}]


@pytest.mark.parametrize(
    ("lines", "none"),
    [
        ([{}], True),
        ([{"Binding": [{"username": "ann"}]}], True),
        ([{"Binding": [{"usergroup": "staff"}]}], True),
        ([{"Binding": [{"username": "bob"}]}], False),
        ([{"Binding": NOBODY_ELSE}], False),
        ([{"Binding": [{"hostname": "ALL"}]}], True),
        ([{"Binding": [{"hostname": "elsewhere"}]}], False),
        ([{"Binding": [{"command": "/bin/a"}]}], False),
        ([{}, {"Binding": [{"username": "ann"}], "Options": [{"authenticate": True}]}], False),
        ([{"Options": [{"exempt_group": "staff"}]}], True),
        ([{"Options": [{"exempt_group": "wheel"}]}], False),
    ],
)
def test_defaults_by_which_no_password_is_asked_for(
    lines: list[dict[str, Any]], none: bool
) -> None:
    listed = [{"Options": [{"authenticate": False}], **line} for line in lines]
    (right,) = told_rights({**sudoers(), "Defaults": listed})
    assert right.get("no_password", False) is none


@pytest.mark.parametrize(
    ("tag", "group", "none"),
    [(True, "wheel", False), (True, "staff", True), (False, "wheel", True)],
)
def test_what_a_rule_itself_says_of_a_password(tag: bool, group: str, none: bool) -> None:
    rule = {"Commands": [{"command": "ALL"}], "Options": [{"authenticate": tag}]}
    defaults = [{"Options": [{"authenticate": not tag, "exempt_group": group}]}]
    (right,) = told_rights({**sudoers(Cmnd_Specs=[rule]), "Defaults": defaults})
    assert right.get("no_password", False) is none


SUDOERS = """
Defaults:ann !authenticate
{line}
ann ALL=(ALL) ALL
"""
OTHERS = ["sudo: members of +web", "sudo: rules kept by sss"]
FOR_SOME = "sudo: whether Defaults for some commands or targets ask for a password"


@pytest.mark.parametrize(
    ("line", "sources", "not_known"),
    [
        ("", "files", []),
        ("Defaults>bob !authenticate", "files", [FOR_SOME]),
        ("Defaults!/bin/a !authenticate", "files", [FOR_SOME]),
        ("+web ALL=ALL", "files sss [NOTFOUND=return]", OTHERS),
    ],
)
def test_what_of_sudo_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, sources: str, not_known: list[str]
) -> None:
    sudo = loaded(SHARED / "sudo_rights.py")
    for name, text in (
        ("SUDOERS", SUDOERS.format(line=line)),
        ("NSSWITCH", f"passwd: files\nsudoers: {sources}\n"),
    ):
        path = tmp_path / name
        path.write_text(text)
        monkeypatch.setattr(sudo, name, str(path))
    module = SimpleNamespace(
        get_bin_path=lambda name: f"/made-up/{name}",
        run_command=lambda words, **_: (0, json.dumps(as_cvtsudoers(line, words)), ""),
    )
    found, why = sudo.sudo_rights(module, "/usr/bin/sudo", [ANN])
    assert found[0].told(ANN, [])["no_password"] is True
    assert why == not_known


def as_cvtsudoers(line: str, words: list[str]) -> dict[str, Any]:
    """What it says of SUDOERS, of the kinds of Defaults that it is asked for."""
    off = {"Options": [{"authenticate": False}]}
    if "runas" in words:
        return {"Defaults": [{**off, "Binding": [{"username": "bob"}]}]} if ">" in line else {}
    defaults = [{**off, "Binding": [{"username": "ann"}]}]
    defaults += [{**off, "Binding": [{"command": "/bin/a"}]}] if "!/bin/a" in line else []
    specs = sudoers(User_List=[{"username": "ann"}])["User_Specs"]
    specs += sudoers(User_List=[{"netgroup": "web"}])["User_Specs"] if "+web" in line else []
    return {"Defaults": defaults, "User_Specs": specs}


def test_rights_as_sudo_lists_them() -> None:
    output = (
        "Matching Defaults entries for ann on c:\n    env_reset{}\n\n"
        "User ann may run the following commands on c:\n"
        "    (ALL : ALL) ALL\n    (www-data) NOPASSWD: SETENV: /usr/bin/apt update\n"
        "    (root) PASSWD: /bin/ls\n"
    )
    sudo = loaded(SHARED / "sudo_rights.py")

    def told(more: str) -> list[dict[str, Any]]:
        answer = (0, output.format(more), "")
        module = SimpleNamespace(run_command=lambda _words, **_: answer)
        return [one.told(ANN, []) for one in sudo.asked(module, "/usr/bin/sudo", [ANN])]

    assert told("") == [
        {"commands": ["ALL"]},
        {"commands": ["/usr/bin/apt update"], "run_as": "www-data", "no_password": True},
        {"commands": ["/bin/ls"]},
    ]
    assert [one.get("no_password") for one in told(", !authenticate")] == [True, True, None]


def test_rights_by_doas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sudo = loaded(SHARED / "sudo_rights.py")
    path = tmp_path / "doas.conf"
    path.write_text("# permit bob\npermit nopass :staff as root cmd /bin/ls\ndeny ann\n")
    monkeypatch.setattr(sudo, "DOAS", (str(path),))
    assert [one.told(ANN, []) for one in sudo.doas_rights()] == [
        {"commands": ["/bin/ls"], "no_password": True, "by": "%staff", "program": "doas"}
    ]
