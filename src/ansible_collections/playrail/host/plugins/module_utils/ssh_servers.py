"""The SSH servers of a host: those that listen, and what their configuration says by their
own word, `sshd -T`.
"""

import fnmatch
import glob
import os
import re

from ansible_collections.playrail.host.plugins.module_utils.processes import Users
from ansible_collections.playrail.host.plugins.module_utils.sockets import holders, listening

PROC = "/proc"
CONFIG = "/etc/ssh/sshd_config"
LISTENER = re.compile(r"sshd: (.*?) \[listener\]")
TAKEN = {"-f": "file", "-p": "port", "-o": "option"}
MOST_SERVERS = 4
FILE_BYTES = 256 * 1024
# Words of `sshd -T` that may stand several times, or have several values.
LISTS = frozenset(
    ("allowusers", "denyusers", "allowgroups", "denygroups", "authorizedkeysfile", "port")
)


class Server:
    """An sshd: the words it was started with, as far as they say how it is configured."""

    def __init__(self, pid, words, folder="/"):
        self.pid, self.given, self.file, self.listens = pid, [], CONFIG, []
        waiting = None
        for word in words:
            if waiting is None and word[:2] in TAKEN and len(word) > 2:
                waiting, word = word[:2], word[2:]
            elif waiting is None:
                waiting = word if word in TAKEN else None
                continue
            if waiting == "-f":
                self.file = os.path.join(folder, word)
            else:
                self.given += [waiting, word]
            waiting = None

    def words(self):
        own = [] if self.file == CONFIG else ["-f", self.file]
        return own + self.given


def command_of(pid):
    """The words of the command that started this sshd; None for another program."""
    try:
        with open("%s/%d/cmdline" % (PROC, pid), "rb") as file:
            raw = file.read(65536)
        # Where a program lies that others than root started, is theirs to say
        if os.stat("%s/%d" % (PROC, pid)).st_uid != 0 and os.geteuid() == 0:
            return None
    except OSError:
        return None
    text = raw.decode("utf-8", "replace")
    title = LISTENER.match(text.replace("\0", " "))
    if title:
        return title.group(1).split()
    words = text.rstrip("\0").split("\0")
    return words if os.path.basename(words[0]) == "sshd" else None


def folder_of(pid):
    try:
        return os.readlink("%s/%d/cwd" % (PROC, pid))
    except OSError:
        return "/"


def servers():
    """Every sshd that listens, the oldest first, and where other SSH servers listen. One that
    systemd starts for each connection is that of the usual configuration.
    """
    sockets = listening("tcp")
    held, _complete = holders({one["inode"] for one in sockets})
    found, others, for_others = {}, {}, []
    for one in sockets:
        place = "%s:%d" % (
            "[%s]" % one["address"] if ":" in one["address"] else one["address"],
            one["port"],
        )
        for pid in held[one["inode"]]:
            words = command_of(pid)
            if words is not None:
                server = found.setdefault(pid, Server(pid, words[1:], folder_of(pid)))
                server.listens.append(place)
            elif other_server(pid):
                others.setdefault(pid, dict(other_server(pid), listens=[]))["listens"].append(place)
            elif pid == 1:
                for_others.append((one["port"], place))
    return [found[pid] for pid in sorted(found)][:MOST_SERVERS], list(others.values()), for_others


def other_server(pid):
    """What is told of an SSH server whose configuration is not asked: a dropbear, or an sshd that
    somebody else than root started. None for another program.
    """
    name = name_of(pid)
    if name == "dropbear":
        return {"program": name, "pid": pid}
    try:
        user = os.stat("%s/%d" % (PROC, pid)).st_uid
    except OSError:
        return None
    return {"user": Users().name(user), "pid": pid} if name == "sshd" and user else None


def name_of(pid):
    try:
        with open("%s/%d/comm" % (PROC, pid), "rb") as file:
            return file.read(64).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def lines_of(path, depth=0):
    """The lines of a configuration and of those that it includes."""
    try:
        with open(path, "rb") as file:
            lines = file.read(FILE_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        words = line.replace("=", " ", 1).split()
        if len(words) > 1 and words[0].lower() == "include" and depth < 3:
            for pattern in words[1:]:
                for each in sorted(glob.glob(os.path.join("/etc/ssh", pattern.strip('"')))):
                    yield from lines_of(each, depth + 1)
        else:
            yield line


def matches(path):
    """The conditions of the blocks `Match` in a configuration."""
    words = [line.split(None, 1) for line in lines_of(path)]
    return [one[1].strip() for one in words if len(one) > 1 and one[0].lower() == "match"]


def configuration(module, program, server, user=None):
    """What `sshd -T` says of this server, for a user where one is named; None where it does
    not say it, or there is no such program.
    """
    if program is None:
        return None
    words = [program, "-T"] + server.words()
    if user is not None:
        words += ["-C", "user=%s,host=localhost,addr=127.0.0.1" % user]
    status, output, _errors = module.run_command(words)
    if status != 0:
        return None
    found = {}
    for line in output.splitlines():
        name, _blank, value = line.partition(" ")
        if name in LISTS:
            found.setdefault(name, []).extend(value.split())
        else:
            found.setdefault(name, value)
    return found


def lets_in(settings, user, groups):
    """Whether the lists of users and groups let this user in; sshd_config(5) has their order."""

    def named(word, names):
        patterns = [pattern.partition("@")[0] for pattern in settings.get(word, ())]
        return any(fnmatch.fnmatchcase(name, one) for name in names for one in patterns)

    if named("denyusers", [user]) or named("denygroups", groups):
        return False
    if settings.get("allowusers") and not named("allowusers", [user]):
        return False
    return not settings.get("allowgroups") or named("allowgroups", groups)


def asks_passwords(settings):
    """Whether a password can let somebody in; without PAM keyboard-interactive asks for none."""
    by_pam = settings.get("usepam") == settings.get("kbdinteractiveauthentication") == "yes"
    return by_pam or settings.get("passwordauthentication") == "yes"


def ways_in(settings, account, groups, about, keys):
    """By which means this account, its password as accounts.password() tells, can log in over
    SSH: key, password.
    """
    root = settings.get("permitrootlogin", "no") if account.pw_uid == 0 else "yes"
    if root == "no" or not lets_in(settings, account.pw_name, groups):
        return []
    found = []
    barred = about.get("barred", False) and settings.get("usepam") != "yes"
    if keys and settings.get("pubkeyauthentication") == "yes" and not barred:
        found.append("key")
    state = about.get("password")
    empty = state == "empty" and settings.get("permitemptypasswords") == "yes"
    if asks_passwords(settings) and root == "yes" and (state == "set" or empty):
        found.append("password")
    return found
