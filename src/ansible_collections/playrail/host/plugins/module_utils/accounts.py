"""The accounts of a host: who may log in, and what is known of their passwords."""

import grp
import os
import pwd
import time

ETC = "/etc"
DAY_S = 86400
IN_SHADOW = "x"  # where a password would stand
# What stands in the place of a shell where nobody shall log in.
NO_SHELLS = frozenset(("nologin", "false", "true", "sync", "shutdown", "halt"))
# What a password that never was set looks like; shadow(5). A `!` before a hash locks it.
NEVER_SET = frozenset(("*", "!", "!!", "!*", "*LK*", "x", "!x"))
# Hashes that are soon found out: DES of 13 characters, and MD5; crypt(5).
WEAK = ("$1$", "$md5")
# Whose members can make themselves root, without sudo.
GROUPS_OF_ROOT = ("docker", "lxd", "incus-admin", "libvirt", "disk", "shadow")
MOST_ACCOUNTS = 20000


def may_log_in(shell):
    """Whether this shell lets somebody in; without one it is /bin/sh, passwd(5)."""
    return os.path.basename(shell) not in NO_SHELLS


def everyone():
    """Every account that the host lists, and the names of the groups of each."""
    listed = pwd.getpwall()[:MOST_ACCOUNTS]
    names = {one.gr_gid: one.gr_name for one in grp.getgrall()}
    groups = {one.pw_name: [names.get(one.pw_gid, str(one.pw_gid))] for one in listed}
    for group in grp.getgrall():
        for member in group.gr_mem:
            if member in groups and group.gr_name not in groups[member]:
                groups[member].append(group.gr_name)
    return listed, groups


def shadow():
    """The fields of each line of the list of passwords by the account's name. Raises OSError."""
    with open(ETC + "/shadow", "rb") as file:
        lines = [line.split(":") for line in file.read().decode("utf-8", "replace").splitlines()]
    return {line[0]: line for line in lines if len(line) > 1}


def state_of(field):
    """What a password's field tells: set, locked, empty, never."""
    if not field:
        return "empty"
    if field in NEVER_SET:
        return "never"
    return "locked" if field.startswith(("!", "*")) else "set"


def is_barred(field):
    """Whether an sshd without PAM takes the account for locked. On Linux by the first letter
    alone: `*` only says that no password fits, LOCKED_PASSWD_PREFIX in OpenSSH's configure.ac.
    """
    return field.startswith("!")


def is_weak(field):
    found = field.lstrip("!")
    return found.startswith(WEAK) or (len(found) == 13 and not found.startswith("$"))


def date(days):
    """The date of so many days after 1970 began; None for no number."""
    if not days.lstrip("-").isdigit():
        return None
    return time.strftime("%Y-%m-%d", time.gmtime(min(int(days), 200000) * DAY_S))


def password(account, lines):
    """What is known of the password: `password`, `password_changed`, `expired`, whether its
    hash is weak, and whether its field bars the account. `lines` are those of shadow(), None
    where it may not be read.
    """
    if account.pw_passwd != IN_SHADOW:
        field = account.pw_passwd
        return {"password": state_of(field), "weak": is_weak(field), "barred": is_barred(field)}
    if lines is None:
        return {}
    line = lines.get(account.pw_name)
    if line is None:
        return {"password": "never"}
    found = {"password": state_of(line[1]), "weak": is_weak(line[1]), "barred": is_barred(line[1])}
    if found["password"] in ("set", "locked") and len(line) > 2:
        found["password_changed"] = date(line[2])
    if len(line) > 7 and line[7].isdigit() and int(line[7]) * DAY_S < time.time():
        found["expired"] = date(line[7])
    return found
