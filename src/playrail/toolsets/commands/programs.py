"""Which programs a command line runs: the first word, and what others start for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from posixpath import basename

_SHELLS = "sh bash dash ash ksh mksh zsh fish rbash"
SHELLS = frozenset(_SHELLS.split())
_WITH_OTHER_RIGHTS = "sudo doas su pkexec run0 runuser setpriv gosu su-exec chpst sg sudo-rs"
_ELSEWHERE = """
ssh sshpass docker podman nerdctl kubectl lxc-attach machinectl systemd-nspawn chroot nsenter
unshare bwrap firejail
"""
_IN_ANOTHER_WAY = """
env nice ionice nohup setsid stdbuf timeout time chrt taskset flock script screen tmux
systemd-run watch busybox toybox xargs parallel find command exec builtin eval trap strace
start-stop-daemon
"""
# Any word after one of these may be the program that it runs: nobody knows all their options.
WRAPPERS = frozenset(f"{_WITH_OTHER_RIGHTS} {_ELSEWHERE} {_IN_ANOTHER_WAY}".split())
_SCRIPTED = "eval su watch script flock parallel ssh runuser sg run0 trap tmux screen"
SCRIPTED = SHELLS | frozenset(_SCRIPTED.split())
"""A word after one of these may be a script."""
_LOOKING = "man which whereis grep egrep fgrep zgrep ls cat less head tail stat file apt-cache"
# Their arguments are no programs, even behind a wrapper
LOOKING = frozenset(_LOOKING.split())
INTERPRETERS = re.compile(
    r"(?:python|pypy|perl|ruby|irb|node|nodejs|deno|php|lua|luajit|tclsh|guile|Rscript|julia"
    r"|groovy)[\d.]*|[gmn]?awk"
)
CODE_OPTION = re.compile(
    r"-[A-Za-z]*[cerEpn][A-Za-z]*|--(?:eval|exec|print|command|run)(?:=.*)?", re.DOTALL
)
SCRIPT_OPTION = re.compile(r"-[a-z]*[cs](?:$|[^a-z-])|--command|-[a-z]*c$")
FIND_RUNS = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
STARTS = re.compile(r"system|\|")  # in the code of awk: it starts a program


def programs(words: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Each word that may be a program, by its name and its place."""
    wrapped, at = False, 0
    while at < len(words):
        name = basename(words[at])
        if wrapped and name in LOOKING:
            return
        yield name, at
        wrapped |= name in WRAPPERS
        if not wrapped:
            return
        at += 1
        if name == "find":  # what it looks for is no program
            while at < len(words) and words[at - 1] not in FIND_RUNS:
                at += 1


def runs_a_script(argv: Sequence[str]) -> bool:
    """Whether a shell, or another interpreter, is given code on this command line, be it
    through other programs.
    """
    return any(_is_given_code(name, argv[at + 1 :]) for name, at in programs(argv))


def _is_given_code(program: str, after: Sequence[str]) -> bool:
    if program in SHELLS:
        return not after or any(SCRIPT_OPTION.match(word) for word in after)
    if program in ("su", "script", "runuser", "sg"):
        return any(SCRIPT_OPTION.match(word) for word in after)
    if program == "ssh":
        return len(after) > 1
    if INTERPRETERS.fullmatch(program):
        if program.endswith("awk"):
            return any(STARTS.search(word) for word in after)
        return any(CODE_OPTION.fullmatch(word) for word in after)
    return program in SCRIPTED - {"run0"} and any(" " in word for word in after)
