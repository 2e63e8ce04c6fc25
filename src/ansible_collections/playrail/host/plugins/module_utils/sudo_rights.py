"""Who may become another user by sudo or doas, by sudo's own word."""

import glob
import json
import os
import re
import socket

SUDOERS = "/etc/sudoers"
DOAS = ("/etc/doas.conf", "/etc/doas.d/*.conf")
MOST_ASKED = 20
MOST_COMMANDS = 5
COMMAND_CHARACTERS = 120
# A line of `sudo -l -U NAME`, such as `    (ALL : ALL) NOPASSWD: /usr/bin/apt`.
RIGHT = re.compile(r"^\s+\((.+?)\)\s+((?:[A-Z_]+: )*)(.+)$", re.MULTILINE)
DOAS_RULE = re.compile(
    r"^\s*permit((?:\s+(?:nopass|persist|nolog|keepenv|setenv\s*\{[^}]*\}))*)\s+(\S+)"
    r"(?:\s+as\s+(\S+))?(?:\s+cmd\s+(.+?))?\s*$"
)


class Right:
    """What one rule allows. `who` is a user's name, %group, #number or ALL."""

    def __init__(self, who, run_as, commands, no_password, is_doas=False):
        self.who, self.run_as, self.no_password = who, run_as, no_password
        self.commands, self.is_doas = commands, is_doas

    def is_of(self, account, groups):
        if self.who == "ALL":
            return True
        if self.who.startswith("%"):
            return self.who[1:] in groups
        return self.who in (account.pw_name, "#%d" % account.pw_uid)

    def told(self, account):
        """As it is told of this account: what goes without saying is left out."""
        commands = [one[:COMMAND_CHARACTERS] for one in self.commands[:MOST_COMMANDS]]
        found = {"commands": commands}
        if len(self.commands) > MOST_COMMANDS:
            found["commands_total"] = len(self.commands)
        if self.run_as not in ("ALL", "root"):
            found["run_as"] = self.run_as
        if self.no_password:
            found["no_password"] = True
        if self.who != account.pw_name:
            found["by"] = self.who
        return dict(found, **({"program": "doas"} if self.is_doas else {}))


def named(one, kinds):
    """How a member of a list in cvtsudoers' JSON is written; None for one that is excepted."""
    if one.get("negated"):
        return None
    for key, form in kinds.items():
        if key in one:
            return form % one[key]
    return None


USERS = {
    "username": "%s",
    "usergroup": "%%%s",
    "userid": "#%s",
    "usergid": "%%#%s",
    "netgroup": "+%s",
    "useralias": "%s",
    "nonunixgroup": "%%:%s",
}
COMMANDS = {"command": "%s", "cmndalias": "%s"}


def is_here(hosts):
    """Whether a rule for these hosts is for this one. What is no name is taken to be."""
    names = {"ALL", socket.gethostname(), socket.gethostname().partition(".")[0]}
    plain = [one["hostname"] for one in hosts if "hostname" in one and not one.get("negated")]
    return len(plain) < len(hosts) or bool(names.intersection(plain))


def options_of(listed):
    return {key: value for one in listed for key, value in one.items()}


def rights_of(document):
    """The rights in what cvtsudoers says in JSON; cvtsudoers(1)."""
    for_all = {}
    for each in document.get("Defaults", ()):
        if "Binding" not in each:
            for_all.update(options_of(each.get("Options", ())))
    found = []
    for spec in document.get("User_Specs", ()):
        if not is_here(spec.get("Host_List", ())):
            continue
        people = [named(one, USERS) for one in spec.get("User_List", ())]
        for rule in spec.get("Cmnd_Specs", ()):
            options = dict(for_all, **options_of(rule.get("Options", ())))
            run_as = [named(one, USERS) for one in rule.get("runasusers", ())]
            commands = [
                ("!" if one.get("negated") else "")
                + (named(dict(one, negated=False), COMMANDS) or "?")
                for one in rule.get("Commands", ())
            ]
            for who in people:
                if who is not None:
                    text = ",".join(one for one in run_as if one) or "root"
                    found.append(Right(who, text, commands, options.get("authenticate") is False))
    return found


def doas_rights():
    """The rights that doas.conf(5) gives. Raises OSError."""
    found = []
    for path in sorted(path for pattern in DOAS for path in glob.glob(pattern)):
        with open(path, "rb") as file:
            text = file.read(65536).decode("utf-8", "replace")
        for line in text.splitlines():
            rule = DOAS_RULE.match(line.partition("#")[0])
            if rule:
                options, who, run_as, command = rule.groups()
                who = "%" + who[1:] if who.startswith(":") else who
                words = [command or "ALL"]
                found.append(Right(who, run_as or "root", words, "nopass" in options, True))
    return found


def asked(module, sudo, accounts):
    """The rights of these accounts as sudo itself lists them, where it has no cvtsudoers."""
    found = []
    for account in accounts[:MOST_ASKED]:
        words = [sudo, "-n", "-l", "-U", account.pw_name]
        _status, output, _errors = module.run_command(words, environ_update={"LC_ALL": "C"})
        for run_as, options, command in RIGHT.findall(output):
            user = run_as.partition(":")[0].strip() or "root"
            no_password = "NOPASSWD: " in options
            found.append(Right(account.pw_name, user, [command.strip()], no_password))
    return found


def rights(module, accounts):
    """Every right, and why those of sudo are not known, None where they are."""
    try:
        found = doas_rights()
    except OSError as error:
        return [], "doas: %s" % os.strerror(error.errno or 0)
    sudo = module.get_bin_path("sudo")
    if sudo is None:
        return found, None
    if os.geteuid() != 0:
        return found, "sudo: only root may ask"
    program = module.get_bin_path("cvtsudoers")
    if program is not None and os.path.exists(SUDOERS):
        status, output, _errors = module.run_command([program, "-e", "-f", "json", SUDOERS])
        try:
            if status == 0:
                return found + rights_of(json.loads(output)), None
        except ValueError:
            pass
    return found + asked(module, sudo, accounts), (
        "sudo: only the first %d accounts were asked for" % MOST_ASKED
        if len(accounts) > MOST_ASKED
        else None
    )
