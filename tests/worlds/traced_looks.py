"""Every command line that the grammar of looks makes of its options, run under strace, and what
of it is more than a look.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from playrail.toolsets.commands.looks import Form, Look, Looks
from worlds.host_modules import SHARED, loaded

ENVIRONMENT: Mapping[str, str] = loaded(SHARED / "looking.py").ENVIRONMENT

CALLS = (
    "open,openat,openat2,creat,truncate,ftruncate,unlink,unlinkat,rename,renameat,renameat2,mkdir,"
    "mkdirat,rmdir,link,linkat,symlink,symlinkat,mknod,mknodat,chmod,fchmod,fchmodat,chown,fchown,"
    "lchown,fchownat,setxattr,fsetxattr,lsetxattr,removexattr,utimensat,kill,tkill,tgkill,"
    "pidfd_send_signal,rt_sigqueueinfo,connect,sendto,sendmsg,sendmmsg,mount,umount2,sethostname,"
    "settimeofday,clock_settime,adjtimex,clock_adjtime,reboot,swapon,swapoff,init_module,"
    "finit_module,delete_module,setpriority,sched_setaffinity,bpf,execve"
)
WRITES = re.compile(r"O_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND)")
HARMLESS = re.compile(r'"/dev/(?:null|tty|pts/\d+)"')
SOCKETS = {
    "systemd": r"/run/systemd/(?:private|userdb/.*)",
    "dbus": r"(?:/var)?/run/dbus/system_bus_socket",
    "docker": r"(?:/var)?/run/docker\.sock",
    "nss": r"(?:/var/run/nscd/socket|/run/systemd/userdb/.*)",
    "journald": r"/dev/log|/run/systemd/journal/.*",
}
# An address that is no host's: so the C library asks the kernel for its own
NOWHERE = re.compile(r'inet_addr\("0\.0\.0\.0"\)|AF_INET6.*"::"|AF_UNSPEC')
SYSTEM = re.compile(r'execve\("(?:/usr)?/s?bin/')


@dataclass(frozen=True)
class Line:
    """A command line, and the look that it is."""

    words: tuple[str, ...]
    look: Look
    asks: frozenset[str]


def lines(looks: Looks) -> Iterator[Line]:
    """Each example, and each option of each program and subcommand by itself; one that all
    subcommands have, with the first.
    """
    seen = set()
    for name, form in looks.programs.items():
        for words, asks in _of_form((name,), form):
            if words not in seen:
                seen.add(words)
                look = looks.look(words)
                assert look is not None, f"{shlex.join(words)} is no look"
                yield Line(words, look, asks)


def _of_form(
    before: Sequence[str], form: Form, tried: frozenset[str] = frozenset()
) -> Iterator[tuple[tuple[str, ...], frozenset[str]]]:
    for example in form.examples:
        yield tuple(shlex.split(example)), form.asks
    for name, inner in form.subcommands.items():
        yield from _of_form([*before, *([] if name == "none" else [name])], inner, tried)
        tried |= _options(form) & _options(inner)
    if form.subcommands or form.whole:
        return
    arguments = [] if form.argument is None else [form.argument.example] * form.least
    if form.joined is not None and before[0] == "find":
        arguments = ["/etc/apt"]
    needed = sorted(form.needs)[:1]
    base = [*before, *needed]
    options = [
        *([flag] for flag in sorted(form.flags - form.needs)),
        *([option, kind.example] for option, kind in sorted(form.values.items())),
        *(
            [f"{option}={kind.example}" if option.startswith("--") else option + kind.example]
            for option, kind in sorted(form.attached.items())
        ),
        *([need] for need in sorted(form.needs)),
    ]
    if not needed:
        yield (*base, *arguments), form.asks
    for option in options:
        if tried.intersection({option[0], option[0].partition("=")[0]}):
            continue
        ordered = [*arguments, *option] if form.single_dash else [*option, *arguments]
        yield (*base, *ordered), form.asks


def _options(form: Form) -> frozenset[str]:
    return frozenset({*form.flags, *form.values, *form.attached})


def more_than_a_look(line: Line, trace: str) -> list[str]:
    """The system calls that wrote, signalled, or connected to what was not declared."""
    found = []
    for call in trace.splitlines():
        name = re.search(r"^(?:\d+ +)?(\w+)\(", call)  # what is resumed was judged when it began
        if name is not None and not _is_harmless(name[1], call, line.asks):
            found.append(call)
    return found


def _is_harmless(name: str, call: str, asks: frozenset[str]) -> bool:
    if '"/nonexistent/' in call:  # below the home, which is not there
        return True
    match name:
        case "open" | "openat" | "openat2":
            # A file without a name is memory
            return not WRITES.search(call) or "O_TMPFILE" in call or bool(HARMLESS.search(call))
        case "execve":
            return bool(SYSTEM.search(call)) or "= -1 ENOENT" in call
        case "connect" | "sendto" | "sendmsg" | "sendmmsg":
            return _is_declared(name, call, asks)
        case "kill" | "tkill":
            return ", 0)" in call  # asks whether it lives
        case "tgkill":
            return "SIGURG" in call  # Go's to its own threads
    return False


def _is_declared(name: str, call: str, asks: frozenset[str]) -> bool:
    """Whether it talks to the kernel or a declared service; what is sent over a connection was
    judged when that was made.
    """
    if "AF_NETLINK" in call or NOWHERE.search(call):
        return True
    path = re.search(r'sun_path=@?"([^"]*)"', call)
    if path is None:
        return name != "connect" and "sa_family=" not in call
    return any(re.fullmatch(SOCKETS[ask], path[1]) for ask in {*asks, "nss"})


def traced(run: Callable[[str], str], chosen: Sequence[Line]) -> list[str]:
    """What of these lines was more than a look; `run` runs a script on a host."""
    environment = " ".join(f"{name}={value}" for name, value in ENVIRONMENT.items())
    script = ["mkdir -p /tmp/traces; cd /"]
    for number, line in enumerate(chosen):
        file = shlex.quote(line.look.file) if line.look.file else "/dev/null"
        script.append(
            f"env -i {environment} timeout 20 strace -f -qq -s 200 -e trace={CALLS} "
            f"-o /tmp/traces/{number} {shlex.join(line.look.argv)} <{file} >/dev/null 2>&1"
        )
    script.append('cd /tmp/traces; for file in *; do echo "@@@ $file"; cat $file; done')
    script.append("rm -r /tmp/traces")
    found, parts = [], run("\n".join(script)).split("@@@ ")[1:]
    assert len(parts) == len(chosen)
    for part in parts:
        name, _, trace = part.partition("\n")
        line = chosen[int(name)]
        assert "execve(" in trace, f"{shlex.join(line.words)} was not run: {trace}"
        found += [f"{shlex.join(line.words)}: {call}" for call in more_than_a_look(line, trace)]
    return found
