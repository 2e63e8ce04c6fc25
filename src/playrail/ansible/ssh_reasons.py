"""What OpenSSH says when a connection fails: what it means, at which machine, and whether anything can have been run.

ssh speaks English whatever the language, each reason in a line of its own. They are read from the last to the first,
and only as whole lines: a banner of the server may hold any words, and comes before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from playrail.ansible.said import lines_of

UNKNOWN = "The connection to the server could not be made."
_PROXY_ENDED = re.compile(
    r"(?:.*: )?Connection (?:closed|reset)? ?(?:by|to) UNKNOWN port.*|(?:stdio|mux) forwarding failed.*"
)
_FORWARDING = re.compile(r"channel \d+: open failed: (?P<why>.+)")
_HOP = re.compile(
    r"ssh: connect to host (?P<a>\S+) port|\S+?@(?P<b>[^\s:]+(?::[0-9a-fA-F:]+)?): Permission denied"
    r"|No \S+ host key is known for (?P<c>\S+) and|[Hh]ost key for (?P<d>\S+) has changed"
    r"|ssh: Could not resolve hostname (?P<e>[^\s:]+)"
)
_KEY_TROUBLE = re.compile(
    r"Load (?:key|pubkey) .+: .+|no such identity: .+|sign_and_send_pubkey: .+|identity_sign: .+"
    r"|Permissions .+ for '.+' are too open\.|It is required that your private key files are NOT.+"
    r"|This private key will be ignored\.|Agent admitted failure.+|.*agent refused operation.*"
)
_UNUSED_KEY = re.compile(r"It is required|This private key will")
_SHELL_MISSING = re.compile(r"(?:\S*sh|exec|env|\S+): .*(?:not found|No such file or directory|Permission denied)$")
# What a client says whose session was there: the command may be at work.
_IN_SESSION = re.compile(
    r"Connection to .+ closed by remote host|client_loop: |Read from remote host |Timeout, server .+ not responding"
    r"|Shared connection to .+ closed|packet_write_wait: |Write failed: |Corrupted MAC|.*message authentication code"
    r"|ssh_dispatch_run_fatal: .*(?:Broken pipe|reset|timed out|Connection corrupted)|.*mux_client_read_packet"
)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Why there is no connection. `words` are ssh's own, `begun` says whether the command may have been."""

    code: str
    error: str
    words: str = ""
    hint: str | None = None
    retryable: bool = False
    begun: bool = False


@dataclass(frozen=True, kw_only=True)
class _Line:
    code: str
    pattern: re.Pattern[str]
    error: str
    hint: str | None = None
    retryable: bool = False
    begun: bool = False


def _line(
    code: str, pattern: str, error: str, hint: str | None = None, *, retryable: bool = False, begun: bool = False
) -> _Line:
    return _Line(code=code, pattern=re.compile(pattern), error=error, hint=hint, retryable=retryable, begun=begun)


_ALGORITHMS = (
    "The server is older or newer than this ssh allows; the operator can name what it offers for this host in the "
    "ssh configuration, such as `HostKeyAlgorithms +ssh-rsa`."
)
_LATER = "The server is off, overloaded, or a firewall drops the connection; try again later."

# {who} is the server, or a machine on the way to it.
_LINES = (
    # On this machine, before anything was sent.
    _line(
        "connection_misconfigured",
        r"Cannot execute command-line and remote command.*",
        "The ssh configuration has a RemoteCommand for this host, so ssh runs no other command",
        "Do not retry; the operator has to set `RemoteCommand none` for this host in the ssh configuration.",
    ),
    _line(
        "connection_misconfigured",
        r"(?:Can't open user config file .+|Bad owner or permissions on .+|.+: terminating, \d+ bad configuration .+"
        r"|(?!\S*sh: )\S.* line \d+: .+)",
        "The ssh configuration on Playrail's machine cannot be used",
        "Do not retry; the operator has to mend that file, or write its path in ssh's arguments as an absolute one.",
    ),
    _line(
        "connection_misconfigured",
        r"unix_listener: .+|ControlPath .+|muxserver_listen.+",
        "The ssh connection cannot be shared, because its control path cannot be used",
        "Do not retry; the operator has to set a short control_path_dir in ansible.cfg, in a directory that exists.",
    ),
    _line(
        "connection_misconfigured",
        r"(?:ssh: )?(?:illegal|unknown|invalid) option.*|usage: ssh.*|ssh: option requires an argument.*"
        r"|\s+\[-.*|Unknown (?:cipher|mac|key).*|Bad (?:SSH2|key types|port|escape|local|remote|dynamic|stdio|hostkey"
        r"|number|configuration|ciphers?|mac).*|Invalid (?:-J|jump|multiplex|ProxyJump).*|Only a single -J.*"
        r"|.*percent_expand: .*|hostname contains invalid characters|No user exists for uid.*"
        r"|bind(?: \S+)?: .*|Unsupported (?:option|KEX).*|.*no argument after keyword.*|cannot use -.*"
        r"|.*posix_spawn.*|Error: remote port forwarding failed.*|Could not request local forwarding.*"
        r"|.*: Cannot assign requested address|proxy dialer: .*|ssh_init_forwarding.*",
        "ssh on Playrail's machine cannot work with the arguments that it was given",
        "Do not retry; the operator has to mend ssh's arguments for this host in the inventory or ansible.cfg.",
    ),
    _line(
        "connection_misconfigured",
        r"Unable to negotiate with .+|.*no matching (?:host key|key exchange|cipher|mac).+|Invalid key length|"
        r".*(?:Bad server host key: Invalid key length|error in libcrypto)",
        "ssh and {who} have no algorithm in common",
        _ALGORITHMS,
    ),
    # Who is there?
    _line(
        "host_key_changed",
        r"Host key for .+ has changed.*|.*REMOTE HOST IDENTIFICATION HAS CHANGED.*|.*REVOKED HOST KEY DETECTED.*"
        r"|Host key \S+ was revoked.*",
        "The SSH key of {who} is not the one that is known for it",
    ),
    _line(
        "host_key_unknown",
        r"Host key verification failed\.?|No .+ host key is known for .+|The authenticity of host .+ can't be "
        r"established.*|Certificate invalid: .+|No matching CA found.*",
        "The SSH key of {who} is not known, so it cannot be told whether this is the right server",
    ),
    # Not let in.
    _line(
        "auth_failed",
        r".*account has expired.*",
        "The user's account on {who} has expired",
        "Do not retry; the operator has to extend the account there (`chage -E`), or log in as another user.",
    ),
    _line(
        "auth_failed",
        r".*(?:password has expired|Password change required|required to change your password|password expired).*",
        "The user's password on {who} has expired, and has to be changed at a terminal first",
        "Do not retry; somebody has to log in there as this user and change the password, or end its expiry (`chage`).",
    ),
    _line(
        "auth_failed",
        r".*Too many authentication failures.*",
        "{who} was offered more keys than it takes, and ended the login",
        "Do not retry; the operator has to name the right key with `IdentitiesOnly yes` in the ssh configuration.",
    ),
    _line(
        "auth_failed",
        r"\S+@\S+: Permission denied \(.+\)\.?|Permission denied, please try again\.?"
        r"|Permission denied \([a-z0-9,-]+\)\.|Invalid/incorrect (?:username/)?password.*|Authentication failed.*"
        r"|.*No more authentication methods.*"
        r"|.*No supported authentication methods.*|Received disconnect from .+:14: .*",
        "{who} did not accept Playrail's user, key or password",
    ),
    _line(
        "host_unreachable",
        r".*[Tt]oo many logins for .*",
        "{who} lets this user have no more sessions at once (maxlogins)",
        "Nothing was run. Try again when others have logged out; the operator can raise the limit in limits.conf.",
        retryable=True,
    ),
    _line(
        "host_unreachable",
        r".*(?:System is (?:booting up|going down)|Unprivileged users are not permitted to log in|pam_nologin).*",
        "{who} is starting or going down, and lets nobody log in",
        "Try again in a minute.",
        retryable=True,
    ),
    # Not there.
    _line(
        "host_unreachable",
        r"ssh: Could not resolve hostname .+: Temporary failure.*",
        "The address of {who} could not be looked up, because no name server answers",
        "Try again in a while; the operator should look at the name servers where Playrail runs.",
        retryable=True,
    ),
    _line(
        "host_unreachable",
        r"ssh: Could not resolve hostname .+",
        "The name of {who} is not known to DNS",
        "The operator has to check the server's address in the settings, or the name servers where Playrail runs.",
    ),
    _line(
        "host_unreachable",
        r"ssh: connect to host .+: Connection refused",
        "{who} refused the connection: nothing listens on its SSH port",
        "The SSH service is down or on another port. Try again if it may be starting, or ask the operator.",
        retryable=True,
    ),
    _line(
        "host_unreachable",
        r"ssh: connect to host .+: (?:No route to host|Network is unreachable|Host is down)",
        "There is no way to the network address of {who}",
        "The machine is off, or the network between is down; try again later.",
        retryable=True,
    ),
    _line(
        "host_unreachable",
        r"ssh: connect to host .+: (?:Permission denied|Operation not permitted|Invalid argument|Bad address.*)",
        "This machine may not connect to {who}",
        "Do not retry; a firewall or a rule on Playrail's machine forbids it, which the operator has to look at.",
    ),
    _line(
        "host_unreachable",
        r"ssh: connect to host .+: (?!failure$).+",
        "{who} cannot be reached",
        _LATER,
        retryable=True,
    ),
    _line(
        "host_unreachable",
        r"(?:\S+: )?(?:Connection|Operation) timed out(?: during banner exchange)?|Connection to \S+ port \d+ timed out"
        r"|(?:Timeout \(\d+s\): )?the login did not begin in time, it timed out"
        r"|Connection to \S+ timed out.*",
        "{who} did not answer in time",
        _LATER,
        retryable=True,
    ),
    _line(
        "host_unreachable",
        r".*(?:Bad remote protocol version|invalid characters|banner line too long|Protocol major versions differ).*",
        "What listens on the SSH port of {who} does not speak SSH",
        "Do not retry; the operator has to check the address and port of this server.",
    ),
    _line(
        "host_unreachable",
        r"kex_exchange_identification: .+|banner exchange: .+|ssh_exchange_identification: .+"
        r"|Not allowed at this time.*|Exceeded MaxStartups.*",
        "{who} ended the connection before anybody was logged in",
        "Nothing was run. Try again in a while, with fewer servers at a time: it, or a jump host before it, may limit "
        "logins (MaxStartups), or bar this machine's address.",
        retryable=True,
    ),
    _line(
        "connection_lost",
        f"(?:{_IN_SESSION.pattern}).*",
        "The connection to the server was lost",
        retryable=True,
        begun=True,
    ),
)
_NO_MASTER = re.compile(r"Failed to connect to new control master")  # of a shared connection that ended at once
_ENDED = re.compile(r"Connection (?:closed|reset) by .+|Disconnected from .+|Received disconnect from .+")
_TIRED = re.compile(r"(?:kex_exchange_identification|banner exchange): .+")  # that a machine before it failed, as well


def may_have_had_session(text: str) -> bool:
    """Whether ssh, when it said this and failed, may have begun the command.

    That the connection ended is said before the login and after it alike: only what stands before that tells which.
    """
    lines = lines_of(text)
    return all(_ENDED.match(line) for line in lines) or any(_IN_SESSION.match(line) for line in lines[-2:])


def lacks_reason(text: str) -> bool:
    """Whether a machine on the way failed, and ssh kept to itself why: it does so while it shares connections."""
    lines = lines_of(text)
    proxied = any(_PROXY_ENDED.match(line) for line in lines)
    return proxied and all(_PROXY_ENDED.match(line) or _TIRED.match(line) or _ENDED.match(line) for line in lines)


def trouble(text: str) -> Trouble:
    """What ssh's words mean."""
    lines = lines_of(text)
    proxied = any(_PROXY_ENDED.match(line) for line in lines)
    if proxied and (found := _forwarded(lines)):
        return found
    rest = [line for line in lines if not (proxied and (_PROXY_ENDED.match(line) or _TIRED.match(line)))]
    reasons = [line for line in rest if not _ENDED.match(line) or "Too many" in line or ":14: " in line]
    told = [(rule, line) for line in reversed(reasons) if (rule := _rule_for(line)) is not None]
    changed = [each for each in told if each[0].code == "host_key_changed"]  # "verification failed" comes after it
    unknown = [each for each in told if each[0].code == "host_key_unknown"]  # which one is said first
    if told and told[0][0].code == "host_key_unknown":
        told = unknown[-1:]
    for rule, line in [*changed, *told]:
        return _told(rule, line, rest, proxied=proxied)
    return _ended_at_once(rest) if rest and _NO_MASTER.match(rest[-1]) else _untold(text, rest, proxied=proxied)


def _rule_for(line: str) -> _Line | None:
    return next((rule for rule in _LINES if rule.pattern.fullmatch(line)), None)


def _told(rule: _Line, line: str, lines: list[str], *, proxied: bool) -> Trouble:
    who = "the server"
    if proxied:
        hop = next((match for each in reversed(lines) if (match := _HOP.match(each))), None)
        name = next(filter(None, hop.groups()), None) if hop is not None else None
        who = f"the jump host {name}" if name else "a machine on the way, the jump host or what ProxyCommand runs,"
    error, hint, words = rule.error.format(who=who), rule.hint, line
    if rule.code == "auth_failed" and (troubles := [each for each in lines if _KEY_TROUBLE.match(each)]):
        error = f"The private key could not be used, and {who} accepted nothing else"
        hint = _key_hint(troubles)
        words = "; ".join(each for each in [*troubles, line] if not _UNUSED_KEY.match(each))
    if rule.error.startswith("{who}"):
        error = error[:1].upper() + error[1:]
    return Trouble(
        code=rule.code, error=error, words=words, hint=hint, retryable=rule.retryable, begun=rule.begun and not proxied
    )


def _key_hint(troubles: list[str]) -> str:
    text = " ".join(troubles)
    if "passphrase" in text:
        what = "the key has a passphrase: the operator has to load it into an ssh-agent, or name a key without one"
    elif "too open" in text or "bad permissions" in text:
        what = "others can read the key: the operator has to run `chmod 600` on it"
    elif "No such file" in text:
        what = "the operator has to name a key file that exists, or another user if the right key was offered too"
    elif "libcrypto" in text or "invalid format" in text:
        what = (
            "the file is damaged (often its last newline is missing) or in another program's format: the operator has "
            "to write it anew (`ssh-keygen -y -f FILE` tells whether it is right)"
        )
    else:
        what = "the operator has to mend the key file or the agent"
    return f"Do not retry; {what}."


def _forwarded(lines: list[str]) -> Trouble | None:
    """The jump host let somebody in, and did not get to the server."""
    for line in reversed(lines):
        if found := _FORWARDING.match(line):
            forbidden = "prohibited" in found["why"]
            return Trouble(
                code="host_unreachable",
                error="The jump host "
                + ("does not pass connections on to the server" if forbidden else "cannot reach the server"),
                words=line,
                hint=(
                    "Do not retry; the operator has to allow forwarding there (AllowTcpForwarding), or choose another."
                    if forbidden
                    else "The jump host was reached; the server behind it is off or at another address. Try later."
                ),
                retryable=not forbidden,
            )
    return None


def _ended_at_once(lines: list[str]) -> Trouble:
    return Trouble(
        code="auth_failed",
        error="The server ended the connection as soon as the user was logged in",
        words=" ".join(lines[-2:]),
        hint="Do not retry; nothing was run. The operator has to look into the server's auth log: often the directory "
        "of ChrootDirectory, or a limit of this user.",
    )


def _untold(text: str, lines: list[str], *, proxied: bool) -> Trouble:
    """No line is known: it depends on how the connection ended."""
    others = [line for line in lines if not _ENDED.match(line)]
    if proxied:
        missing = next((line for line in reversed(others) if _SHELL_MISSING.match(line)), None)
        if missing:
            return Trouble(
                code="connection_misconfigured",
                error="The program that the ssh configuration names as ProxyCommand could not be started",
                words=missing,
                hint="Do not retry; the operator has to install it on Playrail's machine, or mend ProxyCommand.",
            )
        return Trouble(
            code="host_unreachable",
            error="The way to the server, through a jump host or ProxyCommand, came to an end",
            words=" ".join(others[-2:]),
            hint="Nothing was run. The operator should look at the jump host or the ProxyCommand; try again later.",
            retryable=True,
        )
    if all(_ENDED.match(line) for line in lines):  # said before the login and after it alike
        return lost(text)
    if _ENDED.match(lines[-1]) and not may_have_had_session(text):
        if others and "reset" not in lines[-1]:
            return Trouble(
                code="auth_failed",
                error="The server ended the login after it had said why",
                words=" ".join(others[-2:]),
                hint="Do not retry; the operator has to look why the server lets this user not log in: its auth log, "
                "the user's limits, or /etc/nologin while it is under maintenance.",
            )
        return Trouble(
            code="host_unreachable",
            error="The server ended the connection before the login was complete",
            words=lines[-1],
            hint="Nothing was run. Try again; if it stays so, the operator should look into the server's auth log.",
            retryable=True,
        )
    hint = "ssh's own words are in the error; the operator should try `ssh` by hand from Playrail's machine."
    return Trouble(code="host_unreachable", error=UNKNOWN, words=" ".join(others[-3:] or lines[-1:]), hint=hint)


def lost(words: str) -> Trouble:
    """The connection broke when a command was at work."""
    said = " ".join(lines_of(words)[-2:])
    return Trouble(
        code="connection_lost", error="The connection to the server was lost", words=said, retryable=True, begun=True
    )
