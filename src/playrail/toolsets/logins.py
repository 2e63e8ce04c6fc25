"""Who can log in to a server, by what, and who did."""

from __future__ import annotations

from pydantic import Field

from playrail.tools.brief import Brief
from playrail.tools.fields import OwnerName
from playrail.tools.reading import ShortReading
from playrail.tools.tool import PlaybookTool, Report, Risk


class LoginsPart(ShortReading):
    user: OwnerName | None = Field(
        default=None, description="Only this account, in full.", examples=["root"]
    )


class SshKey(Brief):
    type: str
    fingerprint: str
    bits: int | None = Field(default=None, description="Of an RSA key.")
    comment: str | None = None
    options: str | None = Field(default=None, description="What the key is bound to.")
    file: str | None = Field(default=None, description="Where it is not ~/.ssh/authorized_keys.")


class SudoRight(Brief):
    commands: list[str]
    commands_total: int | None = None
    run_as: str | None = Field(default=None, description="Where it is not root.")
    no_password: bool | None = None
    by: str | None = Field(default=None, description="The rule's subject: %group, ALL ..")
    program: str | None = Field(default=None, description="doas, where it is not sudo.")


class LastLogin(Brief):
    time: str
    address: str | None = Field(default=None, description="From where.")


class Account(Brief):
    user: str
    uid: int
    shell: str
    unusual: list[str] = Field(
        default=[], description="What is seldom meant: uid_0, empty_password, keys_elsewhere .."
    )
    ssh: list[str] = Field(
        default=[], description="By which means sshd lets this user in: key, password."
    )
    password: str | None = Field(
        default=None, description="set, locked, empty or never; absent where it is not known."
    )
    password_changed: str | None = None
    expired: str | None = Field(default=None, description="The date on which the account ended.")
    keys: list[SshKey] = Field(default=[])
    keys_total: int | None = None
    sudo: list[SudoRight] = Field(default=[])
    sudo_total: int | None = None
    root_groups: list[str] = Field(
        default=[], description="Groups whose members can make themselves root."
    )
    last_login: LastLogin | None = None


class SshServer(Brief):
    listens: list[str]
    pid: int | None = None
    started_by: str | None = Field(default=None, description="systemd, for each connection.")
    program: str | None = Field(default=None, description="Where it is not sshd.")
    user: str | None = Field(default=None, description="Who started it, where that is not root.")
    config: str | None = Field(default=None, description="Where it is not the usual file.")
    options: str | None = Field(default=None, description="Of its command line.")
    root: str | None = Field(default=None, description="PermitRootLogin.")
    passwords: bool | None = Field(default=None, description="Whether they let anybody in.")
    settings: dict[str, str | list[str]] = Field(
        default={}, description="Others that are not as usual, by sshd -T."
    )
    rules_for_some: list[str] = Field(default=[], description="Its Match blocks.")


class Login(LastLogin):
    user: str
    terminal: str | None = None
    ended: str | None = None
    by: str | None = Field(default=None, description="publickey, password ..")
    fingerprint: str | None = Field(default=None, description="Of the key.")
    service: str | None = Field(default=None, description="What made the session.")


class FailedOrigin(Brief):
    address: str
    times: int
    last: str
    users: list[str] = Field(default=[], description="Three of the names that were tried.")
    users_total: int | None = None


class FailedLogins(Brief):
    total: int
    days: int | None = Field(default=None, description="Of how many days.")
    since: str | None = Field(default=None, description="Where they are more than are read.")
    origins_total: int | None = None
    origins: list[FailedOrigin] = Field(default=[])


class Logins(Brief, Report):
    accounts: list[Account] = Field(
        description="Those that can log in or become root; the unusual ones first."
    )
    accounts_total: int
    ssh_servers: list[SshServer]
    sessions: list[Login] = Field(description="Who is logged in now.")
    sessions_total: int = 0
    logins: list[Login] = Field(description="The latest.")
    failed_logins: FailedLogins | None = None
    not_known: list[str] = Field(
        default=[], description="What could not be looked at, and why: it is not none."
    )
    truncated: bool = Field(default=False, description="Whether accounts were left out.")


list_logins = PlaybookTool(
    name="list_logins",
    summary=(
        "Who can log in to a server: users, SSH keys, passwords, sudo; last and failed logins."
    ),
    risk=Risk.SENSITIVE,
    input=LoginsPart,
    playbook="system/list_logins.yml",
    report=Logins,
)
