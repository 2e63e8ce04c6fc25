"""Words of Ansible, sudo and Python by which a failure is recognised; those of ssh are in
ssh/reasons.py.

They were seen with ansible-core 2.19 and 2.21; the recorded results are in tests/cases/failures/.
Rules only say it better: what is decided from them never depends on a language alone, see
failures.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from playrail.codes import calls, files, hosts, work
from playrail.codes.code import Code


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Where `pattern` occurs, the failure is `code`. `error` and `hint` say it better than
    the message and the code do.

    `begun`: whether the task's own work may have been begun all the same.
    """

    code: Code
    pattern: re.Pattern[str]
    error: str | None = None
    hint: str | None = None
    begun: bool = False


def _rule(
    code: Code,
    pattern: str,
    *,
    error: str | None = None,
    hint: str | None = None,
    begun: bool = False,
) -> Rule:
    return Rule(
        code=code, pattern=re.compile(pattern, re.IGNORECASE), error=error, hint=hint, begun=begun
    )


# On Playrail's machine: no host was asked anything.
HERE = (
    _rule(
        hosts.CONNECTION_MISCONFIGURED,
        r"Unable to execute ssh command line on a controller",
        error="ssh could not be started on Playrail's machine",
        hint=(
            "Do not retry; the operator has to install the ssh client there, or mend "
            "ansible_ssh_executable."
        ),
    ),
    _rule(
        hosts.CONNECTION_MISCONFIGURED,
        r"you must install the sshpass program|sshpass error|paramiko is not installed"
        r"|connection plugin .+ was not found"
        r"|Unable to load connection plugin|may not support ControlPersist",
        error="The way to connect that is configured does not work on Playrail's machine",
        hint=(
            "Do not retry; the operator has to install what is missing there, or choose "
            "another connection."
        ),
    ),
    _rule(
        hosts.BECOME_FAILED,
        r"Invalid become method specified|could not find matching (?:become )?plugin",
        error=(
            "The inventory or ansible.cfg names a way to become another user that Ansible does "
            "not have"
        ),
        hint=(
            "Do not retry; the operator has to mend become_method, or install the collection "
            "that has it."
        ),
    ),
    _rule(
        calls.SERVER_MISCONFIGURED,
        r"Error processing keyword '|Config '\S+' for '\S+' \w+ plugin from .+ has an invalid value"
        r"|Error loading (?:vars|variables)",
        hint=(
            "Do not retry; nothing was run. The operator has to mend this server's variables "
            "in the inventory."
        ),
    ),
    _rule(calls.COLLECTION_MISSING, r"couldn't resolve module/action"),
    _rule(
        hosts.HOST_KEY_UNKNOWN,
        r"not possible because Host Key checking is enabled",
        # Said where a password is used, of a changed key too: Ansible keeps to itself what
        # ssh said.
        error="The server's SSH key is not the known one, or not known at all",
    ),
)

# Before the task itself ran. Ansible counts some of these as unreachable, some as failed.
PREPARING = (
    _rule(
        files.DISK_FULL,
        r"No space left on device|Disk quota exceeded",
        error="No space is left on the server's disk",
    ),
    _rule(
        hosts.NO_TEMPORARY_DIRECTORY,
        r"Failed to create temporary directory",
        error="Ansible could not make its temporary directory on the server",
    ),
    _rule(
        hosts.NO_TEMPORARY_DIRECTORY,
        # Python's words, after it has tried to write a file in each
        r"No usable temporary directory found",
        error="Nothing can be written in the server's directories for temporary files",
        hint=(
            "The server's disk is full or read-only, so no module can run there; the operator "
            "has to look."
        ),
    ),
    _rule(
        hosts.NO_TEMPORARY_DIRECTORY,
        r"failed to transfer file|Failed to write .+ on the server",
        error="Ansible's files could not be brought to the server",
    ),
)

_TERMINAL_WANTED = _rule(
    hosts.BECOME_FAILED,
    r"must have a tty|you must have a terminal",
    error="sudo wants a terminal (requiretty), and Playrail gives none",
    hint=(
        "Do not retry; the operator has to put `Defaults:USER !requiretty` into sudoers, with "
        "the user's name."
    ),
)
_SUDO_RS_WITHOUT_PASSWORD = _rule(
    hosts.BECOME_FAILED,
    r"sudo-rs.+(?:prompt|tty|askpass)",
    error="sudo-rs did not take the password",
    hint="Do not retry; the operator can name another sudo with ansible_become_exe.",
)
_NOT_ALLOWED = _rule(
    hosts.BECOME_FAILED,
    r"is not in the sudoers file|is not allowed to (?:run|execute)|may not run sudo|not "
    r"allowed to execute"
    r"|doas: Operation not permitted|I'm sorry .+\. I'm afraid",
    error="The user may not become another one",
    hint=(
        "Do not retry; the operator has to add a rule for this user (sudoers, doas.conf), or "
        "log in as another."
    ),
)
# Those whose words nobody else says, where it is not known that sudo was asked.
BECOME_ONLY = (_TERMINAL_WANTED, _SUDO_RS_WITHOUT_PASSWORD, _NOT_ALLOWED)
# How sudo and the others refuse. What a rule adds is only the better hint.
BECOME = (
    _TERMINAL_WANTED,
    _SUDO_RS_WITHOUT_PASSWORD,
    _rule(
        hosts.BECOME_FAILED,
        r"(?:sudo|su|doas|pbrun|pfexec|dzdo|ksu|machinectl|\S+): (?:\d+: |line \d+: "
        r")?(?:command )?not found"
        r"|: (?:command )?not found|(?:sudo|su|doas)\S*: No such file or directory",
        error="The program for becoming another user is not on the server",
        hint=(
            "Do not retry; the operator has to install it there, or choose another "
            "ansible_become_method."
        ),
    ),
    _rule(
        hosts.BECOME_FAILED,
        (
            r"no new privileges|must be owned by uid 0|must be setuid|effective uid is not 0"
            r"|not installed setuid"
        ),
        error="The program for becoming another user may not raise rights on this server",
        hint=(
            "Do not retry; the operator has to mend its installation, or what holds the login "
            "down (a container?)."
        ),
    ),
    _NOT_ALLOWED,
    _rule(
        hosts.BECOME_FAILED,
        r"unknown user|user .+ does not exist|No passwd entry for user",
        error="The user that is to be become does not exist on the server",
        hint="Do not retry; the operator has to mend ansible_become_user.",
    ),
    _rule(
        hosts.BECOME_FAILED,
        r"the temporary files Ansible .*needs to create",
        error="The user could not become another one who is not root",
        hint=(
            "Do not retry; the operator has to install the package acl on the server, or "
            "become root."
        ),
    ),
    _rule(
        hosts.BECOME_FAILED,
        r"Incorrect \w+ password|Authentication failure|incorrect password|try again",
        error="The password for becoming another user was not accepted",
        hint=(
            "Do not retry; the operator has to mend the sudo password (become password) of "
            "this server."
        ),
    ),
    _rule(
        hosts.BECOME_FAILED,
        r"Missing \w+ password|password is required|no password is set for it|terminal is required",
        error="The user could not become another one, and no password for it is set",
        hint=(
            "Do not retry; the operator has to set the sudo password (become password) of this "
            "server, or a rule "
            "without password (NOPASSWD)."
        ),
    ),
)

PYTHON_NOT_FOUND = _rule(
    hosts.NO_PYTHON,
    r"The module interpreter .+ was not found|(?:python[0-9.]*|env): (?:command )?not found"
    r"|python[0-9.]*\W*: No such file|No python interpreters found|interpreter discovery"
    r"|bad interpreter|cannot execute: required file not found",
    error="The Python that Ansible was to use was not found on the server",
)
PYTHON = (
    PYTHON_NOT_FOUND,
    _rule(
        hosts.NO_PYTHON,
        r"requires? a minimum of Python|requires Python|interpreter.+(?:too old|not supported)",
        error="The server's Python is too old for Ansible",
        hint=(
            "The operator has to install a newer Python 3 there, and name it with "
            "ansible_python_interpreter."
        ),
    ),
    _rule(
        hosts.NO_PYTHON,
        r"Fatal Python error: |Could not find platform (?:in)?dependent libraries"
        r"|ModuleNotFoundError: No module named '(?:encodings|zipfile|json|base64|zlib|tempfile"
        r"|importlib[\w.]*)'",
        error="The server's Python is damaged or not whole: it does not start",
        hint=(
            "Do not retry; the operator has to install the whole package python3 there, or name "
            "another Python with ansible_python_interpreter."
        ),
    ),
    _rule(
        hosts.NO_PYTHON,
        r"(?:cannot execute binary file|Exec format error|python\S*: Permission denied)",
        error="The Python that Ansible was to use cannot be run on the server",
        hint=(
            "The operator has to look at that program, or name another with "
            "ansible_python_interpreter."
        ),
    ),
)

SHELL_RESTRICTED = _rule(
    hosts.NO_SHELL,
    r"sh: .*: restricted|: restricted: |cannot specify `/' in command names",
    error=(
        "The user's login shell on the server is a restricted one, which runs no programs by "
        "their path"
    ),
)
SHELL = (
    SHELL_RESTRICTED,
    _rule(
        hosts.NO_SHELL,
        (
            r"account is currently not available|sftp connections only|interactive shell|not "
            r"allow shell"
        ),
    ),
)

# The task itself. Never asked of a host that was not reached: there, "no such file" is
# about another machine.
TASK = (
    _rule(files.READ_ONLY_FILE_SYSTEM, r"Read-only file system"),
    _rule(
        hosts.TASK_TIMED_OUT,
        r"^(?:Task failed: )?Timed out after [0-9.]+ second",
        error="Ansible's own limit (task_timeout) ended the task",
        hint=(
            "The limit is task_timeout of ansible.cfg (ANSIBLE_TASK_TIMEOUT); the operator can "
            "raise it."
        ),
        begun=True,
    ),
    _rule(
        work.SERVICE_NOT_FOUND,
        (
            r"Could not find the requested service|Unit \S+ (?:could not be found|not found"
            r"|does not exist)"
        ),
    ),
    _rule(work.NO_SYSTEMD, r"not been booted with systemd|Failed to connect to bus"),
    _rule(
        files.PERMISSION_DENIED,
        r"lock.+13: Permission denied",
        error="Only root may install packages",
    ),
    _rule(
        work.PACKAGE_MANAGER_BUSY,
        r"Could not get lock|Unable to acquire the dpkg|Unable to lock|is another process using it"
        r"|Failed to lock apt|dpkg frontend lock|waiting for cache lock",
        error="Another process holds the lock of the server's package manager",
    ),
    _rule(work.PACKAGE_NOT_FOUND, r"No package matching .+ is available|Unable to locate package"),
    _rule(
        work.NO_DOCKER,
        r"Error connecting: Error while fetching server API version|Cannot connect to the "
        r"Docker daemon"
        r"|Error while fetching server API version",
        error="No Docker engine answers on the server",
    ),
    _rule(
        hosts.MISSING_ON_HOST,
        r"Failed to import the required Python library|must be installed and visible from",
    ),
    _rule(hosts.MISSING_ON_HOST, r"Failed to find required executable"),
    _rule(files.OWNER_NOT_FOUND, r"failed to look up (?:user|group)"),
    _rule(
        files.IS_A_DIRECTORY, r"\[Errno 21\]|can not use content with a dir as dest|Is a directory"
    ),
    _rule(files.NOT_A_DIRECTORY, r"\[Errno 20\]|Not a directory|is not a directory"),
    _rule(
        files.PERMISSION_DENIED,
        r"\[Errno 1\]|\[Errno 13\]|Permission denied|Operation not permitted|not writable|not "
        r"readable"
        r"|Access denied|is not accessible|(?:chown|chgrp) failed(?!:)",
    ),
    _rule(
        files.NOT_FOUND,
        r"\[Errno 2\]|No such file or directory|File not found|does not exist|Source .+ not found",
    ),
)
