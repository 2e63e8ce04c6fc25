"""The lines by which OpenSSH, and the host behind it, say why a connection or a login
failed; see reasons.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from playrail.codes import hosts
from playrail.codes.code import Code

# What a client says whose session was there: the command may be at work.
IN_SESSION = re.compile(
    r"Connection to .+ closed by remote host|client_loop: |Read from remote host |Timeout, "
    r"server .+ not responding"
    r"|Shared connection to .+ closed|packet_write_wait: |Write failed: |Corrupted MAC"
    r"|.*message authentication code"
    r"|ssh_dispatch_run_fatal: .*(?:Broken pipe|reset|timed out|Connection corrupted)"
    r"|.*mux_client_read_packet"
)
# Our own words, where ssh was ended before it said any
LATE_LOGIN = "the login did not begin in time, it timed out"


@dataclass(frozen=True, kw_only=True)
class Line:
    """What lines of this form mean. The command may have `begun` all the same."""

    code: Code
    pattern: re.Pattern[str]
    error: str
    hint: str | None = None
    retryable: bool = False
    begun: bool = False


def _line(
    code: Code,
    pattern: str,
    error: str,
    hint: str | None = None,
    *,
    retryable: bool = False,
    begun: bool = False,
) -> Line:
    return Line(
        code=code,
        pattern=re.compile(pattern),
        error=error,
        hint=hint,
        retryable=retryable,
        begun=begun,
    )


_ALGORITHMS = (
    "The server is older or newer than this ssh allows; the operator can name what it offers "
    "for this host in the "
    "ssh configuration, such as `HostKeyAlgorithms +ssh-rsa`."
)
_LATER = "The server is off, overloaded, or a firewall drops the connection; try again later."

# {who} is the server, or a machine on the way to it.
BY_HOST = (  # who was let in, and is sent away
    _line(
        hosts.AUTH_FAILED,
        r".*account has expired.*",
        "The user's account on {who} has expired",
        (
            "Do not retry; the operator has to extend the account there (`chage -E`), or log "
            "in as another user."
        ),
    ),
    _line(
        hosts.AUTH_FAILED,
        (
            r".*(?:password has expired|Password change required|required to change your "
            r"password|password expired).*"
        ),
        "The user's password on {who} has expired, and has to be changed at a terminal first",
        (
            "Do not retry; somebody has to log in there as this user and change the password, "
            "or end its expiry (`chage`)."
        ),
    ),
    _line(
        hosts.HOST_UNREACHABLE,
        r".*[Tt]oo many logins for .*",
        "{who} lets this user have no more sessions at once (maxlogins)",
        (
            "Nothing was run. Try again when others have logged out; the operator can raise "
            "the limit in limits.conf."
        ),
        retryable=True,
    ),
    _line(
        hosts.HOST_UNREACHABLE,
        (
            r".*(?:System is (?:booting up|going down)|Unprivileged users are not permitted to "
            r"log in|pam_nologin).*"
        ),
        "{who} is starting or going down, and lets nobody log in",
        "Try again in a minute.",
        retryable=True,
    ),
)
LINES = (
    *BY_HOST,
    # On this machine, before anything was sent.
    _line(
        hosts.CONNECTION_MISCONFIGURED,
        r"Cannot execute command-line and remote command.*",
        "The ssh configuration has a RemoteCommand for this host, so ssh runs no other command",
        (
            "Do not retry; the operator has to set `RemoteCommand none` for this host in the "
            "ssh configuration."
        ),
    ),
    _line(
        hosts.CONNECTION_MISCONFIGURED,
        r"(?:Can't open user config file .+|Bad owner or permissions on .+|.+: terminating, "
        r"\d+ bad configuration .+"
        r"|(?!\S*sh: )\S.* line \d+: .+)",
        "The ssh configuration on Playrail's machine cannot be used",
        (
            "Do not retry; the operator has to mend that file, or write its path in ssh's "
            "arguments as an absolute one."
        ),
    ),
    _line(
        hosts.CONNECTION_MISCONFIGURED,
        r"unix_listener: .+|ControlPath .+|muxserver_listen.+",
        "The ssh connection cannot be shared, because its control path cannot be used",
        (
            "Do not retry; the operator has to set a short control_path_dir in ansible.cfg, in "
            "a directory that exists."
        ),
    ),
    _line(
        hosts.CONNECTION_MISCONFIGURED,
        r"(?:ssh: )?(?:illegal|unknown|invalid) option.*|usage: ssh.*|ssh: option requires an "
        r"argument.*"
        r"|\s+\[-.*|Unknown (?:cipher|mac|key).*|Bad (?:SSH2|key types|port|escape|local|remote"
        r"|dynamic|stdio|hostkey"
        r"|number|configuration|ciphers?|mac).*|Invalid (?:-J|jump|multiplex|ProxyJump).*|Only "
        r"a single -J.*"
        r"|.*percent_expand: .*|hostname contains invalid characters|No user exists for uid.*"
        r"|bind(?: \S+)?: .*|Unsupported (?:option|KEX).*|.*no argument after keyword.*|cannot "
        r"use -.*"
        r"|.*posix_spawn.*|Error: remote port forwarding failed.*|Could not request local "
        r"forwarding.*"
        r"|.*: Cannot assign requested address|proxy dialer: .*|ssh_init_forwarding.*",
        "ssh on Playrail's machine cannot work with the arguments that it was given",
        (
            "Do not retry; the operator has to mend ssh's arguments for this host in the "
            "inventory or ansible.cfg."
        ),
    ),
    _line(
        hosts.CONNECTION_MISCONFIGURED,
        r"Unable to negotiate with .+|.*no matching (?:host key|key exchange|cipher|mac).+"
        r"|Invalid key length|"
        r".*(?:Bad server host key: Invalid key length|error in libcrypto)",
        "ssh and {who} have no algorithm in common",
        _ALGORITHMS,
    ),
    # Who is there?
    _line(
        hosts.HOST_KEY_CHANGED,
        r"Host key for .+ has changed.*|.*REMOTE HOST IDENTIFICATION HAS CHANGED.*|.*REVOKED "
        r"HOST KEY DETECTED.*"
        r"|Host key \S+ was revoked.*",
        "The SSH key of {who} is not the one that is known for it",
    ),
    _line(
        hosts.HOST_KEY_UNKNOWN,
        r"Host key verification failed\.?|No .+ host key is known for .+|The authenticity of "
        r"host .+ can't be "
        r"established.*|Certificate invalid: .+|No matching CA found.*",
        "The SSH key of {who} is not known, so it cannot be told whether this is the right server",
    ),
    # Not let in.
    _line(
        hosts.AUTH_FAILED,
        r".*Too many authentication failures.*",
        "{who} was offered more keys than it takes, and ended the login",
        (
            "Do not retry; the operator has to name the right key with `IdentitiesOnly yes` in "
            "the ssh configuration."
        ),
    ),
    _line(
        hosts.AUTH_FAILED,
        r"\S+@\S+: Permission denied \(.+\)\.?|Permission denied, please try again\.?"
        r"|Permission denied \([a-z0-9,-]+\)\.|Invalid/incorrect (?:username/)?password.*"
        r"|Authentication failed.*"
        r"|.*No more authentication methods.*"
        r"|.*No supported authentication methods.*|Received disconnect from .+:14: .*",
        "{who} did not accept Playrail's user, key or password",
    ),
    # Not there.
    _line(
        hosts.HOST_UNREACHABLE,
        r"ssh: Could not resolve hostname .+: Temporary failure.*",
        "The address of {who} could not be looked up, because no name server answers",
        "Try again in a while; the operator should look at the name servers where Playrail runs.",
        retryable=True,
    ),
    _line(
        hosts.HOST_UNREACHABLE,
        r"ssh: Could not resolve hostname .+",
        "The name of {who} is not known to DNS",
        (
            "The operator has to check the server's address in the settings, or the name "
            "servers where Playrail runs."
        ),
    ),
    _line(
        hosts.HOST_UNREACHABLE,
        r"ssh: connect to host .+: Connection refused",
        "{who} refused the connection: nothing listens on its SSH port",
        (
            "The SSH service is down or on another port. Try again if it may be starting, or "
            "ask the operator."
        ),
        retryable=True,
    ),
    _line(
        hosts.HOST_UNREACHABLE,
        r"ssh: connect to host .+: (?:No route to host|Network is unreachable|Host is down)",
        "There is no way to the network address of {who}",
        "The machine is off, or the network between is down; try again later.",
        retryable=True,
    ),
    _line(
        hosts.HOST_UNREACHABLE,
        (
            r"ssh: connect to host .+: (?:Permission denied|Operation not permitted|Invalid "
            r"argument|Bad address.*)"
        ),
        "This machine may not connect to {who}",
        (
            "Do not retry; a firewall or a rule on Playrail's machine forbids it, which the "
            "operator has to look at."
        ),
    ),
    _line(
        hosts.HOST_UNREACHABLE,
        r"ssh: connect to host .+: (?!failure$).+",
        "{who} cannot be reached",
        _LATER,
        retryable=True,
    ),
    _line(
        hosts.HOST_UNREACHABLE,
        r"(?:\S+: )?(?:Connection|Operation) timed out(?: during banner exchange)?|Connection "
        r"to \S+ port \d+ timed out"
        rf"|(?:Timeout \(\d+s\): )?{LATE_LOGIN}"
        r"|Connection to \S+ timed out.*",
        "{who} did not answer in time",
        _LATER,
        retryable=True,
    ),
    _line(
        hosts.HOST_UNREACHABLE,
        (
            r".*(?:Bad remote protocol version|invalid characters|banner line too long"
            r"|Protocol major versions differ).*"
        ),
        "What listens on the SSH port of {who} does not speak SSH",
        "Do not retry; the operator has to check the address and port of this server.",
    ),
    _line(
        hosts.HOST_UNREACHABLE,
        r"kex_exchange_identification: .+|banner exchange: .+|ssh_exchange_identification: .+"
        r"|Not allowed at this time.*|Exceeded MaxStartups.*",
        "{who} ended the connection before anybody was logged in",
        "Nothing was run. Try again in a while, with fewer servers at a time: it, or a jump "
        "host before it, may limit "
        "logins (MaxStartups), or bar this machine's address.",
        retryable=True,
    ),
    _line(
        hosts.CONNECTION_LOST,
        f"(?:{IN_SESSION.pattern}).*",
        "The connection to the server was lost",
        retryable=True,
        begun=True,
    ),
)
