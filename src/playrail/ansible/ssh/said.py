"""What others said, as a message may repeat it: clean, on one line, bounded, without what
says nothing.
"""

from __future__ import annotations

import re

MESSAGE_LIMIT = 500  # characters of a whole message
QUOTED_LIMIT = 300  # characters of somebody else's words in it
SEARCHED_LIMIT = 20_000  # characters; what a crashing module printed has no limit of its own
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_WRAPPING = re.compile(
    r"^(?:Task failed: |Action failed: |Module failed: |Failed to connect to the host via ssh: "
    r")+"
)
# Lines of ssh that are no reason: of multiplexing, of debugging, warnings, pictures of
# keys, how it ended.
_NOISE = re.compile(
    r"debug[123]: |OpenSSH_|Authenticated to |Transferred: |Bytes per second|Warning: "
    r"Permanently added"
    r"|\*\* |Pseudo-terminal will not|ControlSocket .+ already exists|mux_client_|muxclient: "
    r"|muxserver_listen: "
    r"|control_persist_detach|Warning: (?:the|remote port)|.*: (?:line \d+: )?(?:Unsupported"
    r"|Deprecated) option"
    r"|Warning: (?:Identity file .+ not accessible|No xauth)|Could not create directory "
    r"|hostkeys_foreach failed"
    r"|Connection to \S+ closed\.$|Killed by signal|setsockopt |Master running|Exit request "
    r"sent|[|+].{15,19}[|+]$"
    r"|Host key fingerprint is|Offending .+ key in|@+$|\s*$"
)


def lines_of(text: str) -> list[str]:
    """The lines that may hold a reason, each of them clean."""
    clean = (
        CONTROL.sub(" ", COLOUR.sub("", line)).strip()
        for line in text[-SEARCHED_LIMIT:].splitlines()
    )
    return [line for line in clean if not _NOISE.match(line)]


def bounded(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """The text on one line, without Ansible's words around it."""
    line = _WRAPPING.sub("", CONTROL.sub(" ", COLOUR.sub("", text)).strip())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def with_words(sentence: str, words: str) -> str:
    """Our sentence, and beside it what was said, in any language."""
    quoted = bounded(words, QUOTED_LIMIT)
    return bounded(f"{sentence.rstrip('.')}: {quoted}" if quoted else sentence)
