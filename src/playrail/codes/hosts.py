"""The way to a host, and what every play needs there: a login, rights, Python, room."""

from __future__ import annotations

from playrail.codes.code import Code

HOST_UNREACHABLE = Code(
    "host_unreachable",
    "The connection to the host could not be made; nothing was run.",
    "Try again in a while; if it stays so, the operator has to look at the server.",
)
CONNECTION_LOST = Code(
    "connection_lost",
    "The connection to the host was lost while the play was at work.",
    "Look whether the server is up, and what state it is in, before you call again.",
)
AUTH_FAILED = Code(
    "auth_failed",
    "The host did not let Playrail's user log in.",
    "Do not retry; the operator has to mend the user, key or password of this server in the "
    "settings.",
)
CONNECTION_MISCONFIGURED = Code(
    "connection_misconfigured",
    "The way to connect that is configured does not work on Playrail's machine.",
    "Do not retry; the operator has to mend how Playrail's machine connects: ssh's "
    "configuration, its arguments in the inventory or ansible.cfg, or what is missing there.",
)
HOST_KEY_CHANGED = Code(
    "host_key_changed",
    "The host's SSH key is not the one that is known for it.",
    "Do not retry: either the server was installed anew or something stands in between. The "
    "operator has to compare the new key and, if it is right, remove the old one with "
    "`ssh-keygen -R`.",
)
HOST_KEY_UNKNOWN = Code(
    "host_key_unknown",
    "The host's SSH key is not known, so it cannot be told whether this is the right server.",
    "The operator has to verify the server's key and add it to the known_hosts file "
    "(`ssh-keyscan` shows it).",
)
NO_SHELL = Code(
    "no_shell",
    "The user's login on the server runs no commands.",
    "Do not retry; the operator has to give this user a login shell that runs commands, whose "
    "start-up files (.bashrc) do not end it, or name another user.",
)
BECOME_FAILED = Code(
    "become_failed",
    "The user could not become another one.",
    "Do not retry; the operator has to mend the sudo password or the sudo rule for this user.",
)
NO_PYTHON = Code(
    "no_python",
    "Python could not be started on the server.",
    "Do not retry; the operator has to install the package python3 there, or mend "
    "ansible_python_interpreter where the inventory names another one.",
)
NO_TEMPORARY_DIRECTORY = Code(
    "no_temporary_directory",
    "Ansible could not bring its files to the server.",
    "The user's home directory on the server is missing, read-only or full; the operator has "
    "to look, or set another remote_tmp in ansible.cfg.",
)
RESULT_UNREADABLE = Code(
    "result_unreadable",
    "A module told nothing that can be read; what it did is not known.",
    "Try once more; if it stays so, the operator should look what ends or disturbs programs on "
    "the server: memory, a limit, or a login that prints text (.bashrc).",
)
TASK_TIMED_OUT = Code(
    "task_timed_out",
    "Ansible's own limit (task_timeout) ended the task.",
    "The operator can raise task_timeout of ansible.cfg (ANSIBLE_TASK_TIMEOUT); ask for less "
    "at a time.",
)
TASK_FAILED = Code(
    "task_failed",
    "A task failed, and the error holds Ansible's words.",
    "The message is Ansible's own; look at the host's state before you call again.",
)
MISSING_ON_HOST = Code(
    "missing_on_host",
    "A library or program that the task needs is not on the server.",
    "The operator has to install what is missing on the server.",
)
