"""What OpenSSH says when a connection fails: what it means, at which machine, and whether
anything can have been run.

ssh speaks English whatever the language, each reason in a line of its own. They are read
from the last to the first, and only as whole lines: a banner of the server may hold any
words, and comes before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from playrail.ansible.ssh.lines import BY_HOST, IN_SESSION, LINES, Line
from playrail.ansible.ssh.said import lines_of
from playrail.codes import hosts
from playrail.codes.code import Code

UNKNOWN = "The connection to the server could not be made."
_PROXY_ENDED = re.compile(
    r"(?:.*: )?Connection (?:closed|reset)? ?(?:by|to) UNKNOWN port.*|(?:stdio|mux) forwarding "
    r"failed.*"
)
_FORWARDING = re.compile(r"channel \d+: open failed: (?P<why>.+)")
_HOP = re.compile(
    r"ssh: connect to host (?P<a>\S+) port|\S+?@(?P<b>[^\s:]+(?::[0-9a-fA-F:]+)?): Permission "
    r"denied"
    r"|No \S+ host key is known for (?P<c>\S+) and|[Hh]ost key for (?P<d>\S+) has changed"
    r"|ssh: Could not resolve hostname (?P<e>[^\s:]+)"
)
_KEY_TROUBLE = re.compile(
    r"Load (?:key|pubkey) .+: .+|no such identity: .+|sign_and_send_pubkey: .+|identity_sign: .+"
    r"|Permissions .+ for '.+' are too open\.|It is required that your private key files are NOT.+"
    r"|This private key will be ignored\.|Agent admitted failure.+|.*agent refused operation.*"
)
_UNUSED_KEY = re.compile(r"It is required|This private key will")
_SHELL_MISSING = re.compile(
    r"(?:\S*sh|exec|env|\S+): .*(?:not found|No such file or directory|Permission denied)$"
)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Why there is no connection. `words` are ssh's own, `begun` says whether the command
    may have been.
    """

    code: Code
    error: str
    words: str = ""
    hint: str | None = None
    retryable: bool = False
    begun: bool = False


# Of a shared connection that ended at once
_NO_MASTER = re.compile(r"Failed to connect to new control master")
_ENDED = re.compile(
    r"Connection (?:closed|reset) by .+|Disconnected from .+|Received disconnect from .+"
)
_ENDED_EARLY = re.compile(
    r"(?:kex_exchange_identification|banner exchange): .+"
)  # that a machine before it failed, as well


def may_have_had_session(text: str) -> bool:
    """Whether ssh, when it said this and failed, may have begun the command.

    That the connection ended is said before the login and after it alike: only what stands
    before that tells which.
    """
    lines = lines_of(text)
    return all(_ENDED.match(line) for line in lines) or any(
        IN_SESSION.match(line) for line in lines[-2:]
    )


def lacks_reason(text: str) -> bool:
    """Whether a machine on the way failed, and ssh kept to itself why: it does so while it
    shares connections.
    """
    lines = lines_of(text)
    ends = (_PROXY_ENDED, _ENDED_EARLY, _ENDED)
    return _is_proxied(lines) and all(any(end.match(line) for end in ends) for line in lines)


def trouble(text: str) -> Trouble:
    """What ssh's words mean."""
    lines = lines_of(text)
    proxied = _is_proxied(lines)
    if proxied and (found := _behind_jump_host(lines)):
        return found
    rest = [
        line
        for line in lines
        if not (proxied and (_PROXY_ENDED.match(line) or _ENDED_EARLY.match(line)))
    ]
    reasons = [
        line for line in rest if not _ENDED.match(line) or "Too many" in line or ":14: " in line
    ]
    if known := _known(reasons, LINES):
        return _explained(*_cause(known), rest, proxied=proxied)
    if rest and _NO_MASTER.match(rest[-1]):
        return _ended_at_once(rest)
    return _by_its_end(text, rest, proxied=proxied)


def sent_away(text: str) -> Trouble | None:
    """Why a login that was let in ran nothing, if the host says it. A banner may hold ssh's
    other words.
    """
    known = _known(lines_of(text), BY_HOST)
    return _explained(*known[0], [], proxied=False) if known else None


def _is_proxied(lines: list[str]) -> bool:
    """Whether there is a machine on the way, and the connection through it ended."""
    return any(_PROXY_ENDED.match(line) for line in lines)


def _known(lines: list[str], rules: tuple[Line, ...]) -> list[tuple[Line, str]]:
    """The lines whose meaning is known, the last one first."""
    found = (
        (next((rule for rule in rules if rule.pattern.fullmatch(line)), None), line)
        for line in reversed(lines)
    )
    return [(rule, line) for rule, line in found if rule is not None]


def _cause(known: list[tuple[Line, str]]) -> tuple[Line, str]:
    """Which of these lines says why: the last one, but of host keys, where "verification
    failed" ends what ssh says.
    """
    changed = [each for each in known if each[0].code == hosts.HOST_KEY_CHANGED]
    if changed:
        return changed[0]
    # Which key, ssh says first
    unknown = [each for each in known if each[0].code == hosts.HOST_KEY_UNKNOWN]
    return unknown[-1] if known[0] in unknown else known[0]


def _explained(rule: Line, line: str, lines: list[str], *, proxied: bool) -> Trouble:
    who = "the server"
    if proxied:
        hop = next((match for each in reversed(lines) if (match := _HOP.match(each))), None)
        name = next(filter(None, hop.groups()), None) if hop is not None else None
        who = (
            f"the jump host {name}"
            if name
            else "a machine on the way, the jump host or what ProxyCommand runs,"
        )
    error, hint, words = rule.error.format(who=who), rule.hint, line
    if rule.code == hosts.AUTH_FAILED and (
        troubles := [each for each in lines if _KEY_TROUBLE.match(each)]
    ):
        error = f"The private key could not be used, and {who} accepted nothing else"
        hint = _key_hint(troubles)
        words = "; ".join(each for each in [*troubles, line] if not _UNUSED_KEY.match(each))
    if rule.error.startswith("{who}"):
        error = error[:1].upper() + error[1:]
    return Trouble(
        code=rule.code,
        error=error,
        words=words,
        hint=hint,
        retryable=rule.retryable,
        begun=rule.begun and not proxied,
    )


def _key_hint(troubles: list[str]) -> str:
    text = " ".join(troubles)
    if "passphrase" in text:
        what = (
            "the key has a passphrase: the operator has to load it into an ssh-agent, or name "
            "a key without one"
        )
    elif "too open" in text or "bad permissions" in text:
        what = "others can read the key: the operator has to run `chmod 600` on it"
    elif "No such file" in text:
        what = (
            "the operator has to name a key file that exists, or another user if the right key "
            "was offered too"
        )
    elif "libcrypto" in text or "invalid format" in text:
        what = (
            "the file is damaged (often its last newline is missing) or in another program's "
            "format: the operator has "
            "to write it anew (`ssh-keygen -y -f FILE` tells whether it is right)"
        )
    else:
        what = "the operator has to mend the key file or the agent"
    return f"Do not retry; {what}."


def _behind_jump_host(lines: list[str]) -> Trouble | None:
    """The jump host let somebody in, and did not get to the server."""
    for line in reversed(lines):
        if found := _FORWARDING.match(line):
            forbidden = "prohibited" in found["why"]
            return Trouble(
                code=hosts.HOST_UNREACHABLE,
                error="The jump host "
                + (
                    "does not pass connections on to the server"
                    if forbidden
                    else "cannot reach the server"
                ),
                words=line,
                hint=(
                    (
                        "Do not retry; the operator has to allow forwarding there "
                        "(AllowTcpForwarding), or choose another."
                    )
                    if forbidden
                    else (
                        "The jump host was reached; the server behind it is off or at another "
                        "address. Try later."
                    )
                ),
                retryable=not forbidden,
            )
    return None


def _ended_at_once(lines: list[str]) -> Trouble:
    return Trouble(
        code=hosts.AUTH_FAILED,
        error="The server ended the connection as soon as the user was logged in",
        words=" ".join(lines[-2:]),
        hint=(
            "Do not retry; nothing was run. The operator has to look into the server's auth "
            "log: often the directory "
            "of ChrootDirectory, or a limit of this user."
        ),
    )


def _by_its_end(text: str, lines: list[str], *, proxied: bool) -> Trouble:
    """No line is known: it depends on how the connection ended."""
    others = [line for line in lines if not _ENDED.match(line)]
    if proxied:
        return _ended_on_the_way(others)
    if all(_ENDED.match(line) for line in lines):  # said before the login and after it alike
        return lost(text)
    if _ENDED.match(lines[-1]) and not may_have_had_session(text):
        return _ended_at_login(others, lines[-1])
    return Trouble(
        code=hosts.HOST_UNREACHABLE,
        error=UNKNOWN,
        words=" ".join(others[-3:] or lines[-1:]),
        hint=(
            "ssh's own words are in the error; the operator should try `ssh` by hand from "
            "Playrail's machine."
        ),
    )


def _ended_on_the_way(others: list[str]) -> Trouble:
    """What a jump host or ProxyCommand came to, and ssh did not say why."""
    missing = next((line for line in reversed(others) if _SHELL_MISSING.match(line)), None)
    if missing:
        return Trouble(
            code=hosts.CONNECTION_MISCONFIGURED,
            error="The program that the ssh configuration names as ProxyCommand could not be "
            "started",
            words=missing,
            hint=(
                "Do not retry; the operator has to install it on Playrail's machine, or mend "
                "ProxyCommand."
            ),
        )
    return Trouble(
        code=hosts.HOST_UNREACHABLE,
        error="The way to the server, through a jump host or ProxyCommand, came to an end",
        words=" ".join(others[-2:]),
        hint=(
            "Nothing was run. The operator should look at the jump host or the ProxyCommand; "
            "try again later."
        ),
        retryable=True,
    )


def _ended_at_login(others: list[str], last: str) -> Trouble:
    """The server ended the connection before anybody had a session."""
    if others and "reset" not in last:
        return Trouble(
            code=hosts.AUTH_FAILED,
            error="The server ended the login after it had said why",
            words=" ".join(others[-2:]),
            hint=(
                "Do not retry; the operator has to look why the server lets this user not log "
                "in: its auth log, the user's limits, or /etc/nologin while it is under "
                "maintenance."
            ),
        )
    return Trouble(
        code=hosts.HOST_UNREACHABLE,
        error="The server ended the connection before the login was complete",
        words=last,
        hint=(
            "Nothing was run. Try again; if it stays so, the operator should look into the "
            "server's auth log."
        ),
        retryable=True,
    )


def lost(words: str) -> Trouble:
    """The connection broke when a command was at work."""
    said = " ".join(lines_of(words)[-2:])
    return Trouble(
        code=hosts.CONNECTION_LOST,
        error="The connection to the server was lost",
        words=said,
        retryable=True,
        begun=True,
    )
