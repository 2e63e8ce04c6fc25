"""Who may become another user by sudo or doas, by sudo's own word."""

import glob
import grp
import json
import os
import re
import socket

SUDOERS = "/etc/sudoers"
DOAS = ("/etc/doas.conf", "/etc/doas.d/*.conf")
NSSWITCH = "/etc/nsswitch.conf"
SOURCES = re.compile(r"^\s*sudoers:([^#\n]*)", re.MULTILINE)
FOR_SOME = "sudo: whether Defaults for some commands or targets ask for a password"
HOST_KEYS = frozenset(("hostname", "networkaddr", "hostalias"))
MOST_ASKED = 20
MOST_COMMANDS = 5
COMMAND_CHARACTERS = 120
# A line of `sudo -l -U NAME`, such as `    (ALL : ALL) NOPASSWD: /usr/bin/apt`.
RIGHT = re.compile(r"^\s+\((.+?)\)\s+((?:[A-Z_]+: )*)(.+)$", re.MULTILINE)
MAY_RUN = "may run the following commands"
NOT_ASKED = re.compile(r"(?<![\w!])!authenticate\b")  # among its `Matching Defaults entries`
DOAS_RULE = re.compile(
    r"^\s*permit((?:\s+(?:nopass|persist|nolog|keepenv|setenv\s*\{[^}]*\}))*)\s+(\S+)"
    r"(?:\s+as\s+(\S+))?(?:\s+cmd\s+(.+?))?\s*$"
)


def is_meant(who, account, groups):
    """Whether a user's name, #number, %group, %#number or ALL is this account."""
    if who.startswith("%#"):
        number = int(who[2:]) if who[2:].isdecimal() else -1
        try:
            return number == account.pw_gid or grp.getgrgid(number)[0] in groups
        except (KeyError, OverflowError):
            return False
    if who.startswith("%"):
        return who[1:] in groups
    return who in ("ALL", account.pw_name, "#%d" % account.pw_uid)


class Right:
    """What one rule allows. `who` is as is_meant takes it, `excepted` are such names too. Of
    `no_password` None is as `passwords` say.
    """

    def __init__(self, who, run_as, commands, no_password, excepted=(), passwords=None):
        self.who, self.run_as, self.no_password = who, run_as, no_password
        self.commands, self.excepted, self.passwords = commands, excepted, passwords
        self.program = None

    def is_of(self, account, groups):
        return is_meant(self.who, account, groups) and not any(
            is_meant(one, account, groups) for one in self.excepted
        )

    def told(self, account, groups):
        """As it is told of this account: what goes without saying is left out."""
        commands = [one[:COMMAND_CHARACTERS] for one in self.commands[:MOST_COMMANDS]]
        found = {"commands": commands}
        if len(self.commands) > MOST_COMMANDS:
            found["commands_total"] = len(self.commands)
        if self.run_as not in ("ALL", "root"):
            found["run_as"] = self.run_as
        by_passwords = self.passwords and self.passwords.none(account, groups, self.no_password)
        if self.no_password or by_passwords:
            found["no_password"] = True
        if self.who != account.pw_name:
            found["by"] = self.who
        return dict(found, **({"program": self.program} if self.program else {}))


class Passwords:
    """Whom sudo asks for no password by its Defaults, as cvtsudoers tells these."""

    def __init__(self, listed):
        self.lines = []
        self.bound_to_commands = False
        for one in listed:
            bound, options = one.get("Binding"), options_of(one.get("Options", ()))
            if not {"authenticate", "exempt_group"}.intersection(options):
                continue
            if bound and "command" in bound[0]:
                self.bound_to_commands = True
            elif bound and HOST_KEYS.intersection(bound[0]):
                self.lines += [(None, options)] if is_here(bound) else []
            else:
                self.lines.append((bound and subjects(bound), options))

    def none(self, account, groups, by_rule):
        """Whether none is asked for; `by_rule` is what a rule's own NOPASSWD or PASSWD says."""
        asked, exempt = True, None
        for people, options in self.lines:
            if people is None or any(
                is_meant(who, account, groups)
                and not any(is_meant(one, account, groups) for one in excepted)
                for who, excepted in people
            ):
                asked = options.get("authenticate", asked)
                exempt = options.get("exempt_group", exempt)
        return (by_rule is None and not asked) or exempt in groups


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


def subjects(listed):
    """Each that is meant, with those that are excepted after it."""
    found = []
    for one in listed:
        who = named(dict(one, negated=False), USERS)
        if who is not None and one.get("negated"):
            for _other, excepted in found:
                excepted.append(who)
        elif who is not None:
            found.append((who, []))
    return found


def is_here(hosts):
    """Whether a rule for these hosts is for this one. What is no name is taken to be."""
    names = {"ALL", socket.gethostname(), socket.gethostname().partition(".")[0]}
    excepted = {one.get("hostname") for one in hosts if one.get("negated")}
    plain = [one["hostname"] for one in hosts if "hostname" in one and not one.get("negated")]
    others = any("hostname" not in one for one in hosts)
    return (others or bool(names.intersection(plain))) and not names.intersection(excepted)


def options_of(listed):
    return {key: value for one in listed for key, value in one.items()}


def rights_of(document):
    """The rights in what cvtsudoers says in JSON, cvtsudoers(1), and what cannot be judged."""
    passwords = Passwords(document.get("Defaults", ()))
    found, not_judged = [], set()
    for spec in document.get("User_Specs", ()):
        if not is_here(spec.get("Host_List", ())):
            continue
        people = subjects(spec.get("User_List", ()))
        not_judged.update(who for who, _excepted in people if who.startswith(("+", "%:")))
        for rule in spec.get("Cmnd_Specs", ()):
            authenticate = options_of(rule.get("Options", ())).get("authenticate")
            run_as = [named(one, USERS) for one in rule.get("runasusers", ())]
            commands = [
                ("!" if one.get("negated") else "")
                + (named(dict(one, negated=False), COMMANDS) or "?")
                for one in rule.get("Commands", ())
            ]
            text = ",".join(one for one in run_as if one) or "root"
            no_password = None if authenticate is None else not authenticate
            found += [
                Right(who, text, commands, no_password, excepted, passwords)
                for who, excepted in people
            ]
    why = ["sudo: members of " + ", ".join(sorted(not_judged)[:5])] if not_judged else []
    return found, why + ([FOR_SOME] if passwords.bound_to_commands else [])


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
                found.append(Right(who, run_as or "root", [command or "ALL"], "nopass" in options))
                found[-1].program = "doas"
    return found


def asked(module, sudo, accounts):
    """The rights of these accounts as sudo itself lists them, where it has no cvtsudoers."""
    found = []
    for account in accounts[:MOST_ASKED]:
        words = [sudo, "-n", "-l", "-U", account.pw_name]
        _status, output, _errors = module.run_command(words, environ_update={"LC_ALL": "C"})
        by_defaults = NOT_ASKED.search(output.partition(MAY_RUN)[0]) is not None
        for run_as, options, command in RIGHT.findall(output):
            user = run_as.partition(":")[0].strip() or "root"
            no_password = "NOPASSWD: " in options or (by_defaults and "PASSWD: " not in options)
            found.append(Right(account.pw_name, user, [command.strip()], no_password))
    return found


def others():
    """Where sudo looks for rules besides its file, such as sss; nsswitch.conf(5), sudo.conf(5)."""
    try:
        with open(NSSWITCH, "rb") as file:
            found = SOURCES.search(file.read(65536).decode("utf-8", "replace"))
    except OSError:
        return []
    words = re.sub(r"\[.*?\]", " ", found.group(1)).split() if found else []
    return [one for one in words if one != "files"]


def converted(module, program, *words):
    """What cvtsudoers makes of the file, None where it fails."""
    argv = [program, "-e", "-f", "json", *words, SUDOERS]
    status, output, _errors = module.run_command(argv)
    try:
        return json.loads(output) if status == 0 else None
    except ValueError:
        return None


def sudo_rights(module, sudo, accounts):
    """The rights that sudo gives, and what of them is not known."""
    program = module.get_bin_path("cvtsudoers")
    is_there = program is not None and os.path.exists(SUDOERS)
    # In JSON those for a user and those for whom that user becomes look the same
    document = converted(module, program, "-d", "global,user,host,command") if is_there else None
    if document is None:
        why = "sudo: only the first %d accounts were asked for" % MOST_ASKED
        return asked(module, sudo, accounts), [why] if len(accounts) > MOST_ASKED else []
    found, why = rights_of(document)
    of_target = converted(module, program, "-d", "runas", "-s", "privileges,aliases") or {}
    if Passwords(of_target.get("Defaults", ())).lines and FOR_SOME not in why:
        why.append(FOR_SOME)
    elsewhere = others()
    return found, why + (["sudo: rules kept by " + ", ".join(elsewhere)] if elsewhere else [])


def rights(module, accounts):
    """Every right, and what of them is not known, in sentences."""
    try:
        found = doas_rights()
    except OSError as error:
        return [], ["doas: %s" % os.strerror(error.errno or 0)]
    sudo = module.get_bin_path("sudo")
    if sudo is None:
        return found, []
    if os.geteuid() != 0:
        return found, ["sudo: only root may ask"]
    more, why = sudo_rights(module, sudo, accounts)
    return found + more, why
