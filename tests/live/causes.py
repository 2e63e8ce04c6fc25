"""What may be wrong with a server, each as a user of its own on a host and a name in an
inventory.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .own_host import OwnHost

PASSWORD = "Correct-Horse-9"
BANNER = (
    "Permission denied (publickey).\\nConnection timed out\\nHost key verification failed by "
    "the bank\\n"
)
RAN = "/srv/ran"  # a directory on the host that everybody may write to
WAIT_S = 10  # of a login that never begins, and of a password that nobody asks for


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What is wrong: `setup` is run as root on the host, `{user}` is the user; `given` are
    variables of the host.
    """

    name: str
    code: str
    says: str = ""
    hint: str = ""
    setup: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    retryable: bool = False
    ran: bool = False


SUDO = {"ansible_become": True, "ansible_become_password": PASSWORD}
SUDOER = "echo '{user} ALL=(ALL) ALL' >/etc/sudoers.d/{user}"
FREE = "echo '{user} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{user}"
BASHRC = (
    "printf '%s\\n' {line} | cat - ~{user}/.bashrc >/tmp/new; cp /tmp/new ~{user}/.bashrc; "
    "chown {user} ~{user}/.bashrc"
)


def bashrc(line: str) -> str:
    return BASHRC.replace("{line}", shlex.quote(line))


CAUSES = [
    # The login is refused.
    Cause(
        name="expired",
        setup="chage -E 2020-01-01 {user}",
        code="auth_failed",
        says="account has expired",
        hint="chage",
    ),
    Cause(name="aged", setup="chage -d 0 {user}", code="auth_failed", says="assword", hint="chage"),
    Cause(
        name="strange",
        setup="rm ~{user}/.ssh/authorized_keys",
        code="auth_failed",
        says="Permission denied (publickey",
    ),
    Cause(
        name="locked_key",
        given={"key": "passphrase"},
        code="auth_failed",
        says="Permission denied",
        hint="passphrase",
    ),
    Cause(
        name="cut_key", given={"key": "cut"}, code="auth_failed", says="Load key", hint="newline"
    ),
    Cause(name="public_key", given={"key": "public"}, code="auth_failed", says="Load key"),
    Cause(
        name="no_key",
        given={"key": "/nonexistent/id"},
        code="auth_failed",
        says="/nonexistent/id",
        hint="exists",
    ),
    Cause(
        name="no_login",
        setup="usermod -s /usr/sbin/nologin {user}",
        code="no_shell",
        says="not available",
    ),
    Cause(
        name="restricted",
        setup="ln -sf /bin/bash /bin/rbash; usermod -s /bin/rbash {user}",
        code="no_shell",
        says="restricted",
    ),
    Cause(
        name="forced",
        setup="sed -i 's#^#command=\"echo sorry, no\" #' ~{user}/.ssh/authorized_keys",
        code="no_shell",
        says="sorry, no",
    ),
    Cause(
        name="forced_repeats",
        setup=(
            "sed -i 's#^#command=\"echo sorry, not $SSH_ORIGINAL_COMMAND; exit 1\" #' "
            "~{user}/.ssh/authorized_keys"
        ),
        code="no_shell",
        says="sorry, not",
    ),
    # ssh here.
    Cause(
        name="no_config",
        given={"args": "-F /nonexistent/ssh_config"},
        code="connection_misconfigured",
        says="/nonexistent/ssh_config",
    ),
    Cause(
        name="bad_option",
        given={"args": "-o NoSuchOption=yes"},
        code="connection_misconfigured",
        says="nosuchoption",
    ),
    Cause(name="bad_flag", given={"args": "-Z"}, code="connection_misconfigured"),
    Cause(
        name="no_ssh",
        given={"ansible_ssh_executable": "/nonexistent/ssh"},
        code="connection_misconfigured",
        says="nonexistent",
    ),
    Cause(
        name="no_control",
        given={"args": "-o ControlPath=/nonexistent/%C"},
        code="connection_misconfigured",
        says="/nonexistent",
    ),
    Cause(
        name="no_proxy",
        given={"args": "-o ProxyCommand=/nonexistent/proxy"},
        code="connection_misconfigured",
        says="/nonexistent/proxy",
        hint="ProxyCommand",
    ),
    Cause(
        name="no_plugin",
        given={"ansible_connection": "nosuch"},
        code="connection_misconfigured",
        says="nosuch",
    ),
    # On the way.
    Cause(
        name="jump_refused",
        given={"args": "-o ProxyJump=nobody@{address}:1"},
        code="host_unreachable",
        says="jump host {address}",
        retryable=True,
    ),
    Cause(
        name="jump_strange",
        given={"jump": "strange"},
        code="auth_failed",
        says="jump host {address}",
    ),
    Cause(
        name="behind_jump",
        given={"jump": "plain", "ansible_host": "127.0.0.1", "ansible_port": 1},
        code="host_unreachable",
        says="refused",
        hint="jump host",
        retryable=True,
    ),
    Cause(
        name="no_name",
        given={"ansible_host": "nosuchhost.invalid"},
        code="host_unreachable",
        says="nosuchhost.invalid",
    ),
    Cause(
        name="no_port",
        given={"ansible_port": 1},
        code="host_unreachable",
        says="Connection refused",
        retryable=True,
    ),
    # Becoming another user.
    Cause(
        name="wrong_sudo",
        setup=SUDOER,
        given={**SUDO, "ansible_become_password": "wrong"},
        code="become_failed",
        says="password",
    ),
    Cause(
        name="no_sudo_password",
        setup=SUDOER,
        given={"ansible_become": True},
        code="become_failed",
        says="password",
        hint="sudo password",
    ),
    Cause(
        name="polish",
        setup=SUDOER + "; " + bashrc("export LC_ALL=pl_PL.UTF-8"),
        given={"ansible_become": True},
        code="become_failed",
        says="sudo: wymagane jest hasło",
        hint="sudo password",
    ),
    Cause(
        name="polish_wrong",
        setup=SUDOER + "; " + bashrc("export LC_ALL=pl_PL.UTF-8"),
        given={**SUDO, "ansible_become_password": "wrong"},
        code="become_failed",
    ),
    Cause(
        name="no_sudoer",
        given=SUDO,
        code="become_failed",
        says="sudoers",
        hint="rule for this user",
    ),
    Cause(
        name="limited",
        setup="echo '{user} ALL=(ALL) /usr/bin/true' >/etc/sudoers.d/{user}",
        given=SUDO,
        code="become_failed",
        says="not allowed to execute",
        hint="rule for this user",
    ),
    Cause(
        name="limited_terminal",
        setup="echo '{user} ALL=(ALL) /usr/bin/true' >/etc/sudoers.d/{user}",
        given={**SUDO, "ansible_pipelining": False},
        code="become_failed",
        says="not allowed to execute",
        hint="rule for this user",
    ),
    Cause(
        name="terminal",
        setup=FREE + "; echo 'Defaults:{user} requiretty' >>/etc/sudoers.d/{user}",
        given={"ansible_become": True},
        code="become_failed",
        says="tty",
        hint="!requiretty",
    ),
    Cause(
        name="terminal_password",
        setup=SUDOER + "; echo 'Defaults:{user} requiretty' >>/etc/sudoers.d/{user}",
        given=SUDO,
        code="become_failed",
        says="tty",
        hint="!requiretty",
    ),
    Cause(
        name="unknown_user",
        setup=FREE,
        given={"ansible_become": True, "ansible_become_user": "nosuchuser"},
        code="become_failed",
        says="nosuchuser",
    ),
    Cause(
        name="wrong_su",
        given={**SUDO, "ansible_become_method": "su", "ansible_become_password": "wrong"},
        code="become_failed",
    ),
    Cause(
        name="no_su_password",
        given={
            "ansible_become": True,
            "ansible_become_method": "su",
            "ansible_timeout": WAIT_S,
        },
        code="become_failed",
    ),
    Cause(
        name="no_doas",
        given={"ansible_become": True, "ansible_become_method": "community.general.doas"},
        code="become_failed",
        says="doas",
        hint="install",
    ),
    Cause(
        name="no_pbrun",
        given={**SUDO, "ansible_become_method": "community.general.pbrun"},
        code="become_failed",
        says="pbrun",
    ),
    Cause(
        name="no_sudo_program",
        given={**SUDO, "ansible_become_exe": "/nonexistent/sudo"},
        code="become_failed",
        says="/nonexistent/sudo",
        hint="install",
    ),
    Cause(
        name="silent_sudo",
        setup=(
            "printf '#!/bin/sh\\nexec sleep 30\\n' >/usr/local/bin/silent-sudo; chmod 755 "
            "/usr/local/bin/silent-sudo"
        ),
        given={
            **SUDO,
            "ansible_become_exe": "/usr/local/bin/silent-sudo",
            "ansible_timeout": WAIT_S,
        },
        code="become_failed",
        says="asked for nothing",
    ),
    Cause(
        name="slow_login",
        setup=FREE + "; " + bashrc("sleep 30"),
        given={"ansible_become": True, "ansible_timeout": WAIT_S},
        code="host_unreachable",
        says="did not begin in time",
        retryable=True,
    ),
    Cause(
        name="no_method",
        given={"ansible_become": True, "ansible_become_method": "nosuch"},
        code="become_failed",
        says="nosuch",
    ),
    # Python.
    Cause(
        name="no_python",
        given={"ansible_python_interpreter": "/opt/nosuch/bin/python3"},
        code="no_python",
        says="/opt/nosuch/bin/python3",
        hint="ansible_python_interpreter",
    ),
    Cause(
        name="no_python_sudo",
        setup=FREE,
        given={"ansible_become": True, "ansible_python_interpreter": "/opt/nosuch/bin/python3"},
        code="no_python",
        says="/opt/nosuch/bin/python3",
    ),
    Cause(
        name="not_executable",
        given={"ansible_python_interpreter": "/etc/hostname"},
        code="no_python",
        says="/etc/hostname",
    ),
    Cause(
        name="no_home",
        given={"ansible_remote_tmp": "/proc/nosuch", "ansible_pipelining": False},
        code="no_temporary_directory",
    ),
    # Noise: nothing is wrong.
    Cause(name="plain", code="ok", ran=True),
    Cause(name="json_first", setup=bashrc('echo "{\\"host\\": \\"x\\"}"'), code="ok", ran=True),
    Cause(
        name="json_last", setup=bashrc('trap \'echo "{\\"bye\\": 1}"\' EXIT'), code="ok", ran=True
    ),
    Cause(
        name="json_files",
        setup=bashrc('echo "{\\"host\\": \\"x\\"}"'),
        given={"ansible_pipelining": False},
        code="ok",
        ran=True,
    ),
    Cause(
        name="json_sudo",
        setup=FREE + ";" + bashrc('echo "{\\"host\\": \\"x\\"}"'),
        given={"ansible_become": True},
        code="ok",
        ran=True,
    ),
    Cause(name="sudo", setup=SUDOER, given=SUDO, code="ok", ran=True),
    Cause(name="su", given={**SUDO, "ansible_become_method": "su"}, code="ok", ran=True),
    Cause(name="fish", setup="usermod -s /usr/bin/fish {user}", code="ok", ran=True),
    Cause(name="csh", setup="usermod -s /bin/csh {user}", code="ok", ran=True),
]


def user_of(cause: Cause) -> str:
    return f"u-{cause.name.replace('_', '-')}"


def variables(cause: Cause, host: OwnHost, keys: Mapping[str, str]) -> dict[str, Any]:
    given = dict(cause.given)
    key = given.pop("key", host.key)
    known = f"-o UserKnownHostsFile={host.known_hosts}"
    args = [known, str(given.pop("args", "")).replace("{address}", host.address)]
    if jump := given.pop("jump", None):
        proxy = f"ssh -i {host.key} -o BatchMode=yes {known} -W %h:%p u-{jump}@{host.address}"
        args.append(f'-o ProxyCommand="{proxy}"')
    return {
        "ansible_host": host.address,
        "ansible_user": user_of(cause),
        "ansible_ssh_private_key_file": keys.get(key, key),
        "ansible_ssh_common_args": " ".join(filter(None, args)),
        "ansible_timeout": 40,  # all log in at once
        **given,
    }
