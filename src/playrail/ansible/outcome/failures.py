"""What went wrong on a host, made into stable codes; beside each of our sentences stands
what was said there.

Playrail's own host modules need no wording: they name the code themselves, as
`playrail_code`. Whether the work may have been begun is told by where it failed: before ssh
had a session, before another user was become, before a module began.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from playrail.ansible.outcome import failure_rules as rules
from playrail.ansible.outcome.failure_rules import Rule
from playrail.ansible.ssh import reasons as ssh_reasons
from playrail.ansible.ssh.marked_commands import LOST, NO_COMMAND, NOT_BECOME, NOT_BEGUN
from playrail.ansible.ssh.said import SEARCHED_LIMIT, bounded, lines_of, with_words
from playrail.codes import files, hosts, work
from playrail.codes.code import Code
from playrail.codes.every import named
from playrail.errors import Problem
from playrail.settings.targets import own_connections

CODE = re.compile(r"[a-z][a-z_]{0,63}")
UNEXPLAINED = "Ansible gave no reason."
# 2.19, 2.21
_EXITED = re.compile(r"^(?:non-zero return code|The command exited with a non-zero return code\.)$")
# What Ansible says when it could not read what a module wrote.
_UNREADABLE = re.compile(
    r"Module result deserialization failed|MODULE FAILURE|^The module interpreter .+ was not found"
)
_NOT_BECOME = re.compile(
    rf"^(?:Task failed: )?\S+ {NOT_BECOME}(?: \(exit status|: Timeout)"
    r"|waiting for (?:privilege escalation|become success)"
    r"|^(?:Task failed: )?(?:Incorrect|Missing) \w+ password"
    r"|temporary files Ansible .*needs to create"
)
_TEMPORARY = re.compile("temporary files Ansible")
_SSH = re.compile(
    re.escape(NOT_BEGUN.strip())
    + (
        r"|Make sure this host can be reached over ssh:|Invalid/incorrect "
        r".*password.*:"
    )
)
# The number that the module `command` gives as `rc` when a program could not be started;
# ansible-core 2.19 and later say no more than that.
_NOT_STARTED = {
    2: work.COMMAND_NOT_FOUND,
    13: files.PERMISSION_DENIED,
    8: work.COMMAND_NOT_FOUND,
    20: files.NOT_A_DIRECTORY,
}
_SHELL_STATUS = {126, 127}  # of a shell: the program cannot be run, is not there
_BECOME_SAID = re.compile(
    r"^(?:sudo|sudo-rs|su|doas|pbrun|pfexec|dzdo|ksu|runuser): "
    r"(?!unable to resolve host)"
)
# What a connection plugin of Playrail's own says: for which kind of server, a code, the
# seconds to wait where they are known, a sentence.
_OWN_WORDS = r"(?:{}) \[([a-z_]+)(?: ([0-9]+))?\]: (.*)"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A task that failed on a host. `begun`: the work may have been begun, and what came of
    it is not known.
    """

    problem: Problem
    begun: bool = False


def classify(result: Mapping[str, Any], *, unreachable: bool) -> Problem:
    """The problem that a failed task's raw result tells of."""
    return judge(result, unreachable=unreachable).problem


def judge(result: Mapping[str, Any], *, unreachable: bool) -> Failure:
    """What a failed task's raw result tells, and whether its work may have been begun
    without an end that is known.
    """
    code = result.get("playrail_code")
    if isinstance(code, str) and CODE.fullmatch(code):
        return Failure(problem=_problem(named(code), _message(result)))
    message = str(result.get("msg") or result.get("reason") or "")[:SEARCHED_LIMIT]
    number = result.get("rc")
    if message == "Error executing command." and isinstance(number, int) and number in _NOT_STARTED:
        return Failure(
            problem=_problem(
                _NOT_STARTED[number], "The program could not be started on the server."
            )
        )
    return (
        _by_words(rules.HERE, message, message)
        or _refused(message)
        or (_unreachable(message) if unreachable else None)
        or (_unreadable(result, message) if _UNREADABLE.search(message) else None)
        or _by_words(
            (*rules.PREPARING, rules.PYTHON_NOT_FOUND, *rules.TASK), _explanation(result), message
        )
        or Failure(problem=_problem(hosts.TASK_FAILED, _message(result)))
    )


def _refused(message: str) -> Failure | None:
    """By the program that makes one user another."""
    if not _NOT_BECOME.search(message):
        return None
    words = message if _TEMPORARY.search(message) else _after_colon(message)
    return _by_words(rules.BECOME, message, words) or _become(words)


def _unreachable(message: str) -> Failure:
    """Of a connection. Only here may "connection refused" be said of the host and not of,
    say, its Docker engine.
    """
    if (found := _said_by_own_connection(message)) is not None:
        # Any other code says that nothing was run
        lost = found[1] == hosts.CONNECTION_LOST
        return Failure(problem=_of_api(found[1], found[2], found[3], retryable=lost), begun=lost)
    if (lost := message.find(LOST.strip())) >= 0:  # Ansible takes blanks away at the end
        trouble = ssh_reasons.lost(message[lost + len(LOST.strip()) :])
        return _of_trouble(trouble)
    if (ended := message.find(NO_COMMAND)) >= 0:
        return _no_command(message[ended:])
    said = _SSH.search(message)
    for_ssh = said is not None or "ssh" in message.lower()
    prepared = (
        _by_words((*rules.PREPARING, *rules.BECOME), message, _after_colon(message))
        if said is None
        else None
    )
    if prepared is not None:
        return prepared
    trouble = ssh_reasons.trouble(message[said.end() :] if said is not None else message)
    # Another plugin's connection, in its own words
    if trouble.error == ssh_reasons.UNKNOWN and not for_ssh:
        return Failure(problem=_problem(hosts.HOST_UNREACHABLE, bounded(message) or UNEXPLAINED))
    return _of_trouble(trouble)


def _said_by_own_connection(message: str) -> re.Match[str] | None:
    titles = "|".join(re.escape(kind.title) for kind in own_connections().values())
    return re.search(_OWN_WORDS.format(titles), message, re.DOTALL)


def _of_trouble(trouble: ssh_reasons.Trouble) -> Failure:
    problem = _problem(
        trouble.code,
        with_words(f"{trouble.error}.", trouble.words),
        trouble.hint,
        retryable=trouble.retryable,
    )
    return Failure(problem=problem, begun=trouble.begun)


def _no_command(message: str) -> Failure:
    """The login came to an end of its own: the account, or its shell, runs nothing."""
    text = message.partition(": ")[2]
    if (trouble := ssh_reasons.sent_away(text)) is not None:
        return _of_trouble(trouble)
    status = message.removeprefix(NO_COMMAND).partition(":")[0].strip(" ()")
    lines = lines_of(text)
    telling = [line for line in lines if any(rule.pattern.search(line) for rule in rules.SHELL)]
    words = " ".join((telling or lines)[-2:]) or f"{status}, without a word"
    return _by_words(rules.SHELL, text, words) or Failure(
        problem=_problem(hosts.NO_SHELL, with_words(hosts.NO_SHELL.meaning, words))
    )


def _unreadable(result: Mapping[str, Any], message: str) -> Failure:
    """No result of a module. What it wrote to its output may be what it read, so that is
    never told.
    """
    wrote = str(result.get("module_stdout") or "")[-SEARCHED_LIMIT:]
    said = lines_of(str(result.get("module_stderr") or "")[-SEARCHED_LIMIT:])
    status = result.get("rc")
    words = ""
    if not _may_hold_result(wrote):
        said += lines_of(wrote)  # the shell's words, or sudo's
        words = " ".join(said[-2:])
        if (found := _not_started(message, said, status, words)) is not None:
            return found
    killed = isinstance(status, int) and status > 128  # noqa: PLR2004  a shell's word for a signal
    how = "was killed before it told what came of it" if killed else "told nothing that can be read"
    ended = f" (exit status {status})" if isinstance(status, int) else ""
    return Failure(
        problem=_problem(
            hosts.RESULT_UNREADABLE, with_words(f"Ansible's module {how}{ended}.", words)
        ),
        begun=True,
    )


def _not_started(message: str, said: list[str], status: object, words: str) -> Failure | None:
    """Why the module was not even begun; None when it may have been."""
    text = "\n".join([message, *said])
    refusal = next((line for line in reversed(said) if _BECOME_SAID.match(line)), None)
    if refusal is not None:
        return _by_words(rules.BECOME, text, words) or _become(refusal)
    found = _by_words((rules.SHELL_RESTRICTED, *rules.PYTHON, *rules.PREPARING), text, words)
    if found is None and status in _SHELL_STATUS:
        python = _problem(hosts.NO_PYTHON, with_words(hosts.NO_PYTHON.meaning, words))
        found = _by_words(rules.BECOME, text, words) or Failure(problem=python)
    return found or _by_words(rules.BECOME_ONLY, text, words)


def without_output(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The result without what a module wrote that could not be read: it may be what it
    read.
    """
    wrote = result.get("module_stdout")
    if not isinstance(wrote, str) or not _may_hold_result(wrote):
        return result
    return {**result, "module_stdout": f"({len(wrote)} characters that could not be read)"}


def _may_hold_result(text: str) -> bool:
    return "{" in text


def _become(words: str) -> Failure:
    return Failure(
        problem=_problem(hosts.BECOME_FAILED, with_words(hosts.BECOME_FAILED.meaning, words))
    )


def _by_words(group: Iterable[Rule], text: str, words: str) -> Failure | None:
    """By the first rule whose words are in the text."""
    for rule in group:
        if rule.pattern.search(text[:SEARCHED_LIMIT]):
            error = (
                with_words(f"{rule.error}.", words) if rule.error else bounded(words) or UNEXPLAINED
            )
            return Failure(problem=_problem(rule.code, error, rule.hint), begun=rule.begun)
    return None


def _of_api(code: str, after_s: str | None, sentence: str, *, retryable: bool) -> Problem:
    return Problem.of(
        named(code),
        bounded(sentence) or UNEXPLAINED,
        retryable=retryable or None,
        retry_after_s=int(after_s) if after_s else None,
    )


def _problem(
    code: Code, error: str, hint: str | None = None, *, retryable: bool | None = None
) -> Problem:
    return Problem.of(code, bounded(error) or UNEXPLAINED, hint=hint, retryable=retryable)


def _after_colon(message: str) -> str:
    """What stands behind the first words of the one who tells."""
    text = bounded(message, SEARCHED_LIMIT)
    return text.partition(": ")[2] or text


def _explanation(result: Mapping[str, Any]) -> str:
    """What Ansible says of the failure. Not what a program wrote: its words are about
    something else.
    """
    return "\n".join(
        str(result[key]) for key in ("msg", "module_stderr", "exception") if result.get(key)
    )


def _message(result: Mapping[str, Any]) -> str:
    """Ansible's own message in one bounded line; what a program wrote, when the message is
    only that it failed.
    """
    message = str(result.get("msg") or result.get("reason") or "")
    if _EXITED.match(message):
        written = result.get("stderr") or result.get("stdout") or ""
        message = f"The command ended with exit status {result.get('rc')}: {written}".rstrip(": ")
    return bounded(message) or UNEXPLAINED
