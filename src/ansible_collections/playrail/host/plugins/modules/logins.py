#!/usr/bin/python
"""Who can log in to a host, and by what; who did, and who failed to."""

DOCUMENTATION = r"""
module: logins
short_description: Tell who can log in, and who did
description:
  - Tells accounts that can log in with the state of their passwords, their SSH keys where sshd
    itself looks for them, and their rights by sudo; each sshd that listens; the latest logins,
    those that failed, and the sessions of now. Changes nothing.
options:
  user:
    description: Only this account, with all its keys and rights.
    type: str
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON.
    type: int
    default: 4000
author: Playrail
"""

EXAMPLES = r"""
- name: See who can log in
  playrail.host.logins:
"""

RETURN = r"""
accounts:
  description: Per account user, uid, shell, unusual (words), ssh (key, password), password, keys,
    sudo, root_groups, last_login; the unusual ones first.
  type: list
  elements: dict
  returned: success
accounts_total:
  description: How many accounts can log in.
  type: int
  returned: success
ssh_servers:
  description: Per sshd that listens listens, config, and what it allows.
  type: list
  elements: dict
  returned: success
logins:
  description: The latest logins.
  type: list
  elements: dict
  returned: success
failed_logins:
  description: How many there were in the last days, or since when, and from where.
  type: dict
  returned: where anything tells of them
sessions:
  description: Who is logged in now.
  type: list
  elements: dict
  returned: success
not_known:
  description: What could not be looked at, and why.
  type: list
  elements: str
  returned: success
truncated:
  description: Whether something was left out.
  type: bool
  returned: success
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.accounts import (
    GROUPS_OF_ROOT,
    everyone,
    may_log_in,
    password,
    shadow,
)
from ansible_collections.playrail.host.plugins.module_utils.authorized_keys import home_of, keys_in
from ansible_collections.playrail.host.plugins.module_utils.login_history import history
from ansible_collections.playrail.host.plugins.module_utils.login_records import last_logins
from ansible_collections.playrail.host.plugins.module_utils.room import beside, fitting
from ansible_collections.playrail.host.plugins.module_utils.ssh_servers import (
    CONFIG,
    Server,
    asks_passwords,
    configuration,
    matches,
    servers,
    ways_in,
)
from ansible_collections.playrail.host.plugins.module_utils.sudo_rights import rights

USUAL_KEYS = [".ssh/authorized_keys", ".ssh/authorized_keys2"]
MOST_ASKED = 60  # accounts for which sshd is asked where its configuration has rules for some
LATEST = 10  # logins
FEW = 4  # keys of each account where all are told
# What of an account is seldom meant, what is worst first.
UNUSUAL = (
    *("uid_0", "empty_password", "keys_file_writable_by_others", "sudo_without_password"),
    *("keys_elsewhere", "weak_password_hash", "uid_shared", "system_account_that_can_log_in"),
    *("key_without_login_shell", "group_like_root", "weak_key", "key_without_comment"),
)
# What an sshd's report tells of its configuration where it is not so.
USUAL = {
    "pubkeyauthentication": "yes",
    "permitemptypasswords": "no",
    "authenticationmethods": "any",
    "authorizedkeyscommand": "none",
    "trustedusercakeys": "none",
    "allowusers": None,
    "denyusers": None,
    "allowgroups": None,
    "denygroups": None,
}


class Servers:
    """The SSH servers, and what each says of a user."""

    def __init__(self, module):
        self.module, self.known, self.not_known = module, {}, None
        usual = Server(None, [])
        self.program = module.get_bin_path("sshd")
        self.listed, self.others, by_systemd = servers()
        if not self.listed and self.program:
            ports = self.settings(usual, None).get("port", ["22"])
            waiting = [place for port, place in by_systemd if str(port) in ports]
            if waiting:
                usual.listens = waiting
                self.listed = [usual]
        self.rules = {server: matches(server.file) for server in self.listed}

    def settings(self, server, account):
        """What `sshd -T` says, of an account where it has rules for some; nothing where it does
        not say it.
        """
        has_rules = account is not None and self.rules[server] and may_log_in(account.pw_shell)
        user = account.pw_name if has_rules else None
        key = (server, user)
        if key not in self.known:
            asked = user is None or len(self.known) < MOST_ASKED
            if not asked:
                self.not_known = "sshd's rules for some: of %d accounts only" % MOST_ASKED
            found = configuration(self.module, self.program, server, user) if asked else None
            if found is None and asked:
                why = "sshd -T failed" if self.program else "there is no sshd to ask on the path"
                why = why if os.geteuid() == 0 else "only root may ask"
                self.not_known = "sshd's configuration: " + why
            self.known[key] = found
        found = self.known[key]
        return (self.known.get((server, None)) or {}) if found is None else found

    def told(self):
        found = []
        for server in self.listed:
            settings = self.settings(server, None)
            one = {"listens": server.listens}
            one.update({"pid": server.pid} if server.pid else {"started_by": "systemd"})
            one.update({"config": server.file} if server.file != CONFIG else {})
            if server.given:
                one["options"] = " ".join(server.given)
            if settings:
                root = settings.get("permitrootlogin", "no")
                one["root"] = "prohibit-password" if root == "without-password" else root
                one["passwords"] = asks_passwords(settings)
                one["settings"] = {
                    key: settings[key] for key in USUAL if settings.get(key) not in (USUAL[key], "")
                }
                files = settings.get("authorizedkeysfile", USUAL_KEYS)
                if files != USUAL_KEYS:
                    one["settings"]["authorizedkeysfile"] = files
            if self.rules[server]:
                one["rules_for_some"] = self.rules[server][:5]
            found.append(one)
        return found + self.others


def keys_of(account, found_in, ssh):
    """The keys of an account with the file of each, and those files that others may write."""
    found, loose, seen = [], [], set()
    patterns = set()
    for server in ssh.listed or [None]:
        settings = ssh.settings(server, account) if server else {}
        patterns.update(settings.get("authorizedkeysfile", USUAL_KEYS))
    for path in sorted(home_of(one, account) for one in patterns if one != "none"):
        try:
            keys, writable = keys_in(path)
        except OSError as error:
            if isinstance(error, PermissionError):
                found_in.add("keys: permission denied")
            continue
        usual = path == os.path.join(account.pw_dir, USUAL_KEYS[0])
        loose += [path] if writable and keys else []
        for key in keys:
            if (path, key["fingerprint"]) not in seen:
                seen.add((path, key["fingerprint"]))
                found.append(key if usual else dict(key, file=path))
    return found, loose


def unusual(account, one, loose, several, weak):
    """What of an account is seldom meant, in the words of UNUSUAL and in their order."""
    open_shell = may_log_in(account.pw_shell)
    keys = one.get("keys", [])
    found = {
        "uid_0": account.pw_uid == 0 and account.pw_name != "root",
        "empty_password": one.get("password") == "empty",
        "keys_file_writable_by_others": bool(loose),
        "sudo_without_password": any(right.get("no_password") for right in one.get("sudo", [])),
        "keys_elsewhere": any("file" in key for key in keys),
        "weak_password_hash": weak and one.get("password") in ("set", "locked"),
        "uid_shared": account.pw_uid in several and account.pw_uid != 0,
        "system_account_that_can_log_in": (
            0 < account.pw_uid < 1000 and open_shell and bool(one.get("ssh"))
        ),
        "key_without_login_shell": bool(keys) and not open_shell,
        "group_like_root": bool(one.get("root_groups")),
        "weak_key": any(key["type"] == "ssh-dss" or key.get("bits", 9999) < 2048 for key in keys),
        "key_without_comment": any("comment" not in key for key in keys),
    }
    return [word for word in UNUSUAL if found[word]]


class Accounts:
    """Makes accounts into what is told of them."""

    def __init__(self, module, ssh, not_known):
        self.ssh, self.not_known = ssh, not_known
        self.listed, self.groups = everyone()
        try:
            self.passwords = shadow()
        except OSError as error:
            self.passwords = {} if isinstance(error, FileNotFoundError) else None
            if self.passwords is None:
                not_known.add("passwords: permission denied")
        login = [one for one in self.listed if may_log_in(one.pw_shell) or one.pw_uid == 0]
        self.rights, why = rights(module, login)
        not_known.update(why)
        numbers = [one.pw_uid for one in self.listed]
        self.several = {number for number in set(numbers) if numbers.count(number) > 1}
        self.last = last_logins(self.listed)

    def told(self, account):
        """What is told of the account, None when it can neither log in nor has any right."""
        groups = self.groups[account.pw_name]
        sudo = [
            right.told(account, groups) for right in self.rights if right.is_of(account, groups)
        ]
        keys, loose = keys_of(account, self.not_known, self.ssh)
        open_shell = may_log_in(account.pw_shell)
        by_name = any(right.who == account.pw_name for right in self.rights)
        if not (open_shell or account.pw_uid == 0 or keys or by_name):
            return None
        one = {"user": account.pw_name, "uid": account.pw_uid, "shell": account.pw_shell}
        about = password(account, self.passwords)
        weak = about.get("weak", False)
        shown = ("password", "password_changed", "expired")
        one.update((name, about[name]) for name in shown if about.get(name) is not None)
        one.update({"keys": keys} if keys else {})
        # By root's own right nothing is told
        one.update({"sudo": sudo} if sudo and account.pw_uid != 0 else {})
        strong = [name for name in groups if name in GROUPS_OF_ROOT]
        one.update({"root_groups": strong} if strong and account.pw_uid != 0 else {})
        ways = {
            way
            for server in self.ssh.listed
            for way in ways_in(
                self.ssh.settings(server, account),
                account,
                groups,
                about,
                keys,
            )
        }
        one.update({"ssh": sorted(ways)} if ways and open_shell else {})
        last = self.last.get(account.pw_name)
        if last:
            one["last_login"] = {name: last[name] for name in ("time", "address") if name in last}
        words = unusual(account, one, loose, self.several, weak)
        return dict(one, **({"unusual": words} if words else {}))


def in_short(one, whole):
    """The account with as many keys and rights as are told of each."""
    kept = dict(one)
    for name in ("keys", "sudo") if not whole else ():
        if len(one.get(name, ())) > FEW:
            kept[name] = one[name][:FEW]
            kept[name + "_total"] = len(one[name])
    return kept


def weight(one):
    worst = UNUSUAL.index(one["unusual"][0]) if "unusual" in one else len(UNUSUAL)
    return worst, "ssh" not in one, one["uid"], one["user"]


def answer(module, given):
    not_known = set()
    ssh = Servers(module)
    telling = Accounts(module, ssh, not_known)
    user = given["user"]
    chosen = [one for one in telling.listed if user in (None, one.pw_name)]
    if not chosen:
        module.fail_json(
            msg="there is no user %s on this host" % user, playrail_code="owner_not_found"
        )
    listed = [one for one in map(telling.told, chosen) if one is not None]
    listed.sort(key=weight)
    report = history(module, user, not_known)
    logins, now = report.pop("logins"), report.pop("sessions")
    report["ssh_servers"] = ssh.told()
    not_known.update([ssh.not_known] if ssh.not_known else [])
    if not ssh.listed and os.geteuid() != 0:
        not_known.add("ssh servers: only root may see which process listens")
    report.update(accounts_total=len(listed), sessions_total=len(now), not_known=sorted(not_known))
    room = beside(report, given["max_bytes"])
    # Of many accounts no session and no login may be left untold
    accounts, left = fitting([in_short(one, user) for one in listed], room * 4 // 5)
    room -= room * 4 // 5 - left
    shown, left = fitting(now, room * 2 // 3)
    room -= room * 2 // 3 - left
    latest, _left = fitting(logins[:LATEST], room)
    cut = len(accounts) < len(listed) or len(shown) < len(now)
    return dict(report, accounts=accounts, sessions=shown, logins=latest, truncated=cut)


def main():
    module = AnsibleModule(
        argument_spec={
            "user": {"type": "str"},
            "max_bytes": {"type": "int", "default": 4000},
        },
        supports_check_mode=True,
    )
    try:
        found = answer(module, module.params)
    except OSError as error:
        module.fail_json(
            msg="cannot look at the logins: " + os.strerror(error.errno or 0),
            playrail_code="permission_denied",
        )
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
