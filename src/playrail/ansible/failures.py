"""What went wrong on a host: Ansible's own messages, made into stable codes.

The wordings were seen with ansible-core 2.19 and 2.21; the recorded results are in tests/failures/. Playrail's own host
modules need no wording: they name the code themselves, as `playrail_code`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playrail.errors import ApiConnectTimeout, ApiError, PlayrailError, Problem, ServerMisconfigured

MESSAGE_LIMIT = 500  # characters of Ansible's own message
SEARCHED_LIMIT = 20_000  # characters; what a crashing module printed has no limit of its own
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CODE = re.compile(r"[a-z][a-z_]{0,63}")
WRAPPING = re.compile(r"^(?:Task failed: |Action failed: |Module failed: |Failed to connect to the host via ssh: )+")
EXITED = re.compile(r"^(?:non-zero return code|The command exited with a non-zero return code\.)$")  # 2.19, 2.21
UNEXPLAINED = "Ansible gave no reason."


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Where `pattern` occurs, the failure is `code`. `error` and `hint` say it better than the message and HINTS do."""

    code: str
    pattern: re.Pattern[str]
    error: str | None = None
    hint: str | None = None


def _rule(code: str, pattern: str, *, error: str | None = None, hint: str | None = None) -> Rule:
    return Rule(code=code, pattern=re.compile(pattern, re.IGNORECASE), error=error, hint=hint)


RETRYABLE = frozenset({"host_unreachable", "connection_lost", "package_manager_busy"})

HINTS: Mapping[str, str] = {
    "host_unreachable": "Try again in a while; if it stays so, the operator has to look at the server.",
    "connection_lost": "Look whether the server is up, and what state it is in, before you call again.",
    "auth_failed": "Do not retry; the operator has to mend the user, key or password of this server in the settings.",
    "host_key_changed": (
        "Do not retry: either the server was installed anew or something stands in between. The operator has to "
        "compare the new key and, if it is right, remove the old one with `ssh-keygen -R`."
    ),
    "host_key_unknown": (
        "The operator has to verify the server's key and add it to the known_hosts file (`ssh-keyscan` shows it)."
    ),
    "no_python": "Ansible needs Python 3 on the server; the operator has to install the package python3 there.",
    "become_failed": "Do not retry; the operator has to mend the sudo password or the sudo rule for this user.",
    "no_temporary_directory": (
        "The user's home directory on the server is missing, read-only or full; the operator has to look, or set "
        "another remote_tmp in ansible.cfg."
    ),
    "not_found": "Look with list_directory at the directory above for the right name.",
    "permission_denied": "The user that Ansible logs in as may not do this; another path or the operator can help.",
    "not_a_directory": "A part of the path is a file; read_file reads files.",
    "is_a_directory": "Name a file in it; list_directory shows what is there.",
    "not_a_file": "Only regular files can be read and written, not devices, sockets or pipes.",
    "binary_file": "Only text can be read.",
    "protected_path": "Do not look for another way: this place is protected on purpose.",
    "unsupported_path": "Choose another directory; read_file reads single files of the kernel.",
    "changed_meanwhile": "Read the file again, look what has changed, and write with the sha256 of what you then saw.",
    "mounted_file": "Write the file that is mounted there, at its own path; that may be on another server.",
    "owner_not_found": "Choose a user and group that exist on the server.",
    "read_only_file_system": "Nothing can be written there; choose another place or ask the operator.",
    "disk_full": "Free some space first; analyze_disk shows what takes it.",
    "service_not_found": "Check the unit's name; execute_command with `systemctl list-units` shows what there is.",
    "no_systemd": "This server does not run systemd, so its services cannot be managed this way.",
    "no_journal": "Logs are then files, mostly below /var/log; read_file reads them.",
    "search_unsupported": "Read a unit's newest entries with get_journal_logs instead.",
    "process_not_found": "get_process_tree, or manage_process with action list, tells names and numbers.",
    "protected_process": "Do not look for another way: this process is protected on purpose.",
    "package_manager_busy": "Another package run is under way on the server; try again in a few minutes.",
    "package_not_found": "Check the package's name, or update the package lists first.",
    "essential_package": "Do not look for another way: without it this server could not be operated any more.",
    "unsupported_os": "Do not retry; this server's system has no package manager that can do this.",
    "no_docker": "No Docker engine answers on this server: it is not installed, not running, or not for this user.",
    "missing_on_host": "The operator has to install what is missing on the server.",
    "collection_missing": "The operator has to install Playrail's extra `full`, which brings Ansible's collections.",
    "command_not_found": "Check the program's name; it is not installed on the server or not in the search path.",
    "invalid_argument": "Mend the arguments and call again; the tool's input schema has the rules.",
    "exec_failed": "Nothing was run: mikr.us could not prepare it. Look with get_server_stats, or try again.",
    "task_failed": "The message is Ansible's own; look at the host's state before you call again.",
}

_CONNECTION = (
    _rule(
        "host_key_changed",
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|host key for .+ has changed",
        error="The server's SSH key is not the one that is known for it.",
    ),
    _rule(
        "host_key_unknown",
        r"Host key verification failed|authenticity of host .+ can't be established|No .+ host key is known for",
        error="The server's SSH key is not known, so it cannot be told whether this is the right server.",
    ),
    _rule(
        "auth_failed",
        r"Permission denied \([a-z0-9,-]+\)|Permission denied, please try again|Too many authentication failures"
        r"|Invalid/incorrect (?:username/)?password|Authentication failed",
        error="The server did not accept Playrail's user, key or password.",
    ),
    _rule(
        "host_unreachable",
        r"Could not resolve hostname",
        error="The server's name is not known to DNS.",
        hint="Check the server's address in the settings, or the name servers where Playrail runs.",
    ),
    _rule(
        "host_unreachable",
        r"Connection refused",
        error="The server refused the connection: nothing listens on its SSH port.",
        hint="The SSH service is down or on another port. Try again if it may be starting, or ask the operator.",
    ),
    _rule(
        "host_unreachable",
        r"No route to host|Network is unreachable|Host is down",
        error="There is no way to the server's network address.",
        hint="The server is off, or the network between is down; try again later.",
    ),
    _rule(
        "host_unreachable",
        r"kex_exchange_identification",
        error="The server ended the connection before anybody was logged in.",
    ),
    _rule(
        "connection_lost",
        r"Connection (?:reset|closed) by|Broken pipe|Shared connection to .+ closed|Read from remote host"
        r"|Connection to .+ closed by remote host|server .+ not responding",
        error="The connection to the server was lost.",
    ),
    _rule(
        "host_unreachable",
        r"timed out|timeout",
        error="The server did not answer in time.",
        hint="The server is off, overloaded, or a firewall drops the connection; try again later.",
    ),
    _rule(
        "connection_lost",
        r"Data could not be sent to remote host",  # and ssh said nothing: the connection stood, and then it did not
        error="The connection to the server was lost.",
    ),
)

# Before the task itself ran. Ansible counts some of these as unreachable, some as failed.
_PREPARING = (
    _rule(
        "no_temporary_directory",
        r"Failed to create temporary directory",
        error="Ansible could not make its temporary directory on the server.",
    ),
    _rule(
        "no_temporary_directory",
        r"No usable temporary directory found",  # Python's words, after it has tried to write a file in each
        error="Nothing can be written in the server's directories for temporary files.",
        hint="The server's disk is full or read-only, so no module can run there; the operator has to look.",
    ),
    _rule(
        "host_key_unknown",
        r"not possible because Host Key checking is enabled",
        # Said where a password is used, of a changed key too: Ansible keeps to itself what ssh said.
        error="The server's SSH key is not the known one, or not known at all.",
    ),
    _rule(
        "become_failed",
        r"(?:Incorrect|Missing) \w+ password|is not in the sudoers file|is not allowed to run sudo|may not run sudo"
        r"|sudo: a (?:terminal|password) is required|not allowed to execute|waiting for privilege escalation prompt"
        r"|(?:sudo|su|doas): (?:command )?not found|the temporary files Ansible .*needs to create",
        error="The user could not become another one (sudo).",
    ),
)

_TASK = (
    _rule(
        "no_python",
        r"The module interpreter .+ was not found|(?:python[0-9.]*|env): (?:command )?not found"
        r"|python[0-9.]*\W?: No such file|No python interpreters found|interpreter discovery",
        error="No usable Python was found on the server.",
    ),
    _rule("disk_full", r"No space left on device|Disk quota exceeded", error="No space is left on the server's disk."),
    _rule("read_only_file_system", r"Read-only file system"),
    _rule(
        "service_not_found",
        r"Could not find the requested service|Unit \S+ (?:could not be found|not found|does not exist)",
    ),
    _rule("no_systemd", r"not been booted with systemd|Failed to connect to bus"),
    _rule("permission_denied", r"lock.+13: Permission denied", error="Only root may install packages."),
    _rule(
        "package_manager_busy",
        r"Could not get lock|Unable to acquire the dpkg|Unable to lock|is another process using it"
        r"|Failed to lock apt|dpkg frontend lock|waiting for cache lock",
        error="Another process holds the lock of the server's package manager.",
    ),
    _rule("package_not_found", r"No package matching .+ is available|Unable to locate package"),
    _rule(
        "no_docker",
        r"Error connecting: Error while fetching server API version|Cannot connect to the Docker daemon"
        r"|Error while fetching server API version",
        error="No Docker engine answers on the server.",
    ),
    _rule("missing_on_host", r"Failed to import the required Python library|must be installed and visible from"),
    _rule("missing_on_host", r"Failed to find required executable"),
    _rule("collection_missing", r"couldn't resolve module/action"),
    _rule("owner_not_found", r"failed to look up (?:user|group)"),
    _rule("is_a_directory", r"\[Errno 21\]|can not use content with a dir as dest|Is a directory"),
    _rule("not_a_directory", r"\[Errno 20\]|Not a directory|is not a directory"),
    _rule(
        "permission_denied",
        r"\[Errno 1\]|\[Errno 13\]|Permission denied|Operation not permitted|not writable|not readable"
        r"|Access denied|is not accessible|(?:chown|chgrp) failed(?!:)",
    ),
    _rule("not_found", r"\[Errno 2\]|No such file or directory|File not found|does not exist|Source .+ not found"),
)

# The number that the module `command` gives as `rc` when a program could not be started; ansible-core 2.19 and later
# say no more than that.
_NOT_STARTED = {2: "command_not_found", 13: "permission_denied", 8: "command_not_found", 20: "not_a_directory"}


# What plugins/connection/mikrus_exec.py says: a code, the seconds to wait where they are known, a sentence.
_OF_API = re.compile(r"mikr\.us \[([a-z_]+)(?: ([0-9]+))?\]: (.*)", re.DOTALL)
_API_KINDS: tuple[type[PlayrailError], ...] = (*ApiError.__subclasses__(), ApiConnectTimeout, ServerMisconfigured)
_API_ERRORS = {kind.code: kind for kind in _API_KINDS}


def classify(result: Mapping[str, Any], *, unreachable: bool) -> Problem:
    """The problem that a failed task's raw result tells of."""
    message = _message(result)
    code = result.get("playrail_code")
    if isinstance(code, str) and CODE.fullmatch(code):
        return _problem(code, message)
    number = result.get("rc")
    if result.get("msg") == "Error executing command." and isinstance(number, int) and number in _NOT_STARTED:
        return _problem(_NOT_STARTED[number], "The program could not be started on the server.")
    if unreachable and (found := _OF_API.search(message)) is not None:
        return _of_api(found[1], found[2], found[3])
    # Only of an unreachable host may "connection refused" be said of the host and not of, say, its Docker engine.
    rules = (*_PREPARING, *_CONNECTION, *_TASK) if unreachable else (*_PREPARING, *_TASK)
    text = _explanation(result)[:SEARCHED_LIMIT]
    for rule in rules:
        if rule.pattern.search(text):
            return _problem(rule.code, rule.error or message, rule.hint)
    return _problem("host_unreachable" if unreachable else "task_failed", message)


def _of_api(code: str, after_s: str | None, sentence: str) -> Problem:
    kind = _API_ERRORS.get(code)
    if kind is None:
        return _problem(code, sentence)
    return kind(sentence, retry_after_s=int(after_s) if after_s else None).problem


def _problem(code: str, error: str, hint: str | None = None) -> Problem:
    return Problem(
        code=code, error=error, hint=hint or HINTS.get(code, HINTS["task_failed"]), retryable=code in RETRYABLE
    )


def _explanation(result: Mapping[str, Any]) -> str:
    """What Ansible says of the failure. Not what a program wrote: its words are about something else."""
    return "\n".join(
        str(result[key]) for key in ("msg", "module_stderr", "module_stdout", "exception") if result.get(key)
    )


def _message(result: Mapping[str, Any]) -> str:
    """Ansible's own message in one bounded line; what a program wrote, when the message is only that it failed."""
    message = str(result.get("msg") or result.get("reason") or "")
    if EXITED.match(message):
        written = result.get("stderr") or result.get("stdout") or ""
        message = f"The command ended with exit status {result.get('rc')}: {written}".rstrip(": ")
    elif message.startswith("Module result deserialization failed"):
        message = f"{message}: {result.get('module_stdout', '')} {result.get('module_stderr', '')}"
    return _bounded(message) or UNEXPLAINED


def _bounded(message: str) -> str:
    line = WRAPPING.sub("", CONTROL.sub(" ", COLOUR.sub("", message)).strip())
    return line if len(line) <= MESSAGE_LIMIT else line[: MESSAGE_LIMIT - 1] + "…"
