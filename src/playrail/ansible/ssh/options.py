"""What ssh is told beside what the user tells it, and what its words say when it ends by
itself.

Belongs to plugins/connection/ssh.py.
"""

from __future__ import annotations

import functools
import random
import re
import subprocess
import time
from collections.abc import Sequence

CONNECT_RETRIES = "PLAYRAIL_CONNECT_RETRIES"  # names what the user says of ssh's retries

# Against a configuration of the user's that is made for logins by hand: ssh would run
# something else than it is told, go to the background, or not read what it is given. The
# first value counts.
PLAIN_COMMAND = ("RemoteCommand=none",)
PLAIN_SESSION = ("SessionType=default", "ForkAfterAuthentication=no", "StdinNull=no")
SESSION_OPTIONS_SINCE = (8, 7)  # version of OpenSSH; an earlier one refuses them
NO_TERMINAL = "-T"  # after all: among flags the last counts, and it beats a RequestTTY
UNWANTED_FLAGS = "tfnNsqy"  # no option in front beats them
FLAGS = re.compile(r"-[46AaCfGgKkMNnqsTtVvXxYy]+")  # those that have no argument, as ssh(1) tells
LOG_FILE = re.compile("-E(.*)")  # where ssh's words go instead
LEVEL = re.compile(r"(-o\s*)?loglevel\s*[= ].*", re.IGNORECASE)
SILENT = re.compile(r"loglevel\s*[= ]\s*\"?(quiet|fatal)", re.IGNORECASE)
TOLD_ERRORS = "LogLevel=ERROR"  # so that ssh says why it ends, and no more
TOLD = "LogLevel=INFO"  # the default of ssh

VERSION = re.compile(r"OpenSSH_(\d+)\.(\d+)")
VERSION_DEADLINE_S = 5.0

# ssh's last line when nobody was logged in, and so nothing was run.
NOT_CONNECTED = re.compile(
    r"((kex|ssh)_exchange_identification|banner exchange): .*"
    r"|Connection (closed|reset) by \S+ port \d+"
    r"|Connection timed out during banner exchange"
    r"|ssh: connect to host .+ port .+: .+"
    r"|ssh: Could not resolve hostname .+"
)
# The other side, or a host on the way, ended the login before it began: it limits them.
CUT_OFF = re.compile(
    r"(kex|ssh)_exchange_identification: (read: )?(Connection (closed|reset) by .+|Broken pipe)"
    r"|banner exchange: Connection (to|from) .+: (Connection reset by peer|Broken pipe)"
)
# Another end has these words too, of this ssh or of one on the way: once more would do no
# better.
REFUSED = re.compile(
    r"Permission denied|verification failed|IDENTIFICATION HAS CHANGED|Too many authentication"
    r"|open failed|forwarding failed|no matching .+ found|Bad (configuration|owner)|not resolve",
    re.IGNORECASE,
)
# There was a session, or may have been: then a command may have been sent.
LOGGED_IN = re.compile(
    r"Connection to .+ closed|connection to .+ closed|client_loop|Read from remote host"
    r"|Timeout, server|mux_client_read_packet|read from master failed|packet_write|Authenticated to"
)

LEAST_TRIES = 10  # again, after a login was cut off
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.3, 5.0
PATIENCE_S = 20.0  # after which nothing is tried again


@functools.cache
def session_options(program: str) -> tuple[str, ...]:
    """Return the options about sessions, if this ssh knows them."""
    try:
        done = subprocess.run(
            [program, "-V"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=VERSION_DEADLINE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = VERSION.search((done.stderr + done.stdout).decode(errors="replace"))
    new = found is not None and (int(found[1]), int(found[2])) >= SESSION_OPTIONS_SINCE
    return PLAIN_SESSION if new else ()


def without_unwanted_flags(words: Sequence[str]) -> list[str]:
    """Return ssh's options without the flags that make it more, or less, than a way to a
    command.
    """
    kept = []
    left = iter(words)
    for word in left:
        if found := LOG_FILE.fullmatch(word):
            if not found[1]:
                next(left, None)
            continue
        flags = (
            word.translate(dict.fromkeys(map(ord, UNWANTED_FLAGS)))
            if FLAGS.fullmatch(word)
            else word
        )
        if flags != "-":
            kept.append(flags)
    return kept


def log_options(words: Sequence[str]) -> tuple[str, ...]:
    """Return the option that has ssh say why it ends, whatever these options or ssh's own
    files say.
    """
    if any(SILENT.search(word) or (FLAGS.fullmatch(word) and "q" in word) for word in words):
        return (TOLD_ERRORS,)
    return () if any(LEVEL.fullmatch(word) for word in words) else (TOLD,)


class Connecting:
    """The tries of one command to get a connection. `retries` is how often the user wants
    more.
    """

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._tried = 0
        self._began = time.monotonic()

    def pause_s(self, output: bytes, errors: bytes) -> float | None:
        """Return how long to wait before the next try; None when there may be none.

        That is so when anything came from the host, or ssh's words leave a doubt whether it
        was logged in: what was sent once is never sent again.
        """
        text = errors.decode(errors="replace")
        if (
            output.strip()
            or not never_logged_in(text)
            or time.monotonic() - self._began > PATIENCE_S
        ):
            return None
        cut_off = CUT_OFF.search(text) is not None and REFUSED.search(text) is None
        self._tried += 1
        if self._tried > max(self._retries, LEAST_TRIES if cut_off else 0):
            return None
        longest = min(FIRST_PAUSE_S * 2.0 ** (self._tried - 1), LONGEST_PAUSE_S)
        # so that many do not come back at once
        return longest * random.uniform(0.5, 1.5)  # noqa: S311


def never_logged_in(text: str) -> bool:
    """Whether ssh says that it ended before anybody was logged in."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or not NOT_CONNECTED.fullmatch(lines[-1]) or LOGGED_IN.search(text):
        return False
    # This may be said of a session too, unless ssh says before that there was none.
    closed = lines[-1].startswith("Connection ") and " port " in lines[-1]
    return not closed or CUT_OFF.search(text) is not None
