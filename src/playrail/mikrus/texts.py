"""The texts that the API passes on: of free, df, uptime and ps by /stats, and of databases
by /db.

A line of no meaning to a reader is not lost: each returns the lines that it could not read
beside what it could.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from typing import Any

from playrail.mikrus import values

MAX_DISKS = 500
MAX_PROCESSES = 100
MAX_COMMAND = 300  # characters of a process's command line
MAX_UNREAD = 4000  # characters of what could not be read of a text
MIB = 1024 * 1024
UNITS = {unit: 1024**power for power, unit in enumerate("BKMGTPE")}
SIZE = re.compile(r"(\d{1,15}(?:[.,]\d{1,15})?)([BKMGTPE]?)(?:iB?|B)?")
# The API runs a wrong `echo` between uptime and ps, and its complaint is spread over both.
STRAY = re.compile(r"sh: \d+: echo|: not found|sh: \d+: echo: not found")
DF_HEADER = "Filesystem Size Used Avail Use% Mounted on"
PS_HEADER = "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND"
UPTIME = re.compile(
    r"up\s+(?:(?P<days>\d{1,6})\s+days?,\s*)?"
    r"(?:(?P<hours>\d{1,2}):(?P<minutes>\d\d)|(?P<only>\d{1,2})\s+min"
    r"|(?P<seconds>\d{1,2})\s+sec)?[,\s]*"
    r"(?:(?P<users>\d{1,6})\s+users?)?[,\s]*load average:\s*(?P<load>.+)"
)
LOAD = re.compile(r"(\d+)[.,](\d+)")
PORT = re.compile(r"\d{0,5}")
LABELS = {
    "server": "host",
    "serwer": "host",
    "host": "host",
    "port": "port",
    "login": "login",
    "haslo": "password",
    "hasło": "password",
    "baza": "database",
}

Read = tuple[Any, str]
"""What was read, None when nothing; and the lines that were not."""
Reader = Callable[[str], Read]


def stats(raw: Any) -> dict[str, Any]:
    """What /stats tells. Where a text cannot be read as what it should be there is None,
    and the text in `unread`.
    """
    readers = {"free": memory, "df": disks, "uptime": uptime, "ps": processes}
    read, told = _read_texts(raw, readers, clean=html.unescape)
    mounted, found = read["df"], read["ps"]
    heaviest = sorted(found or [], key=lambda one: int(one["rss_bytes"]), reverse=True)[
        :MAX_PROCESSES
    ]
    short = [{**one, "command": one["command"][:MAX_COMMAND]} for one in heaviest]
    cut = short != heaviest or len(found or []) > MAX_PROCESSES or len(mounted or []) > MAX_DISKS
    return {
        "memory": read["free"],
        "disks": mounted if mounted is None else mounted[:MAX_DISKS],
        **(read["uptime"] or {"uptime_s": None, "users": None, "load": None}),
        "processes": None if found is None else short,
        "process_count": None if found is None else len(found),
        **told,
        "truncated": told["truncated"] or cut,
    }


def databases(raw: Any) -> dict[str, Any]:
    """What /db tells, likewise."""
    read, told = _read_texts(raw, dict.fromkeys(("psql", "mysql", "mongo"), database), clean=str)
    return {**read, **told}


def _read_texts(
    raw: Any, readers: Mapping[str, Reader], *, clean: Callable[[str], str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What each reader makes of the API's text of its name, and the report's fields on what
    is left.
    """
    told = values.read(raw, {name: (name, values.text) for name in readers})
    read: dict[str, Any] = {}
    unread: dict[str, str] = {}
    cut = bool(told["truncated"])
    for name, reader in readers.items():
        read[name], rest = reader(clean(told[name] or ""))
        if rest:
            unread[name] = rest[:MAX_UNREAD]
            cut = cut or len(rest) > MAX_UNREAD
    return read, {"unread": unread, "extra": told["extra"], "truncated": cut}


def memory(text: str) -> Read:
    """What `free` tells; numbers without a unit are MiB."""
    found: dict[str, int | None] = {}
    names: list[str] = []
    rest = []
    for line in _lines(text):
        words = line.split()
        if words[:2] == ["total", "used"]:
            names = [word.replace("/", "_") for word in words]
            continue
        try:
            sizes = [_size(word, plain=MIB) for word in words[1:]]
        except ValueError:
            sizes = []
        if words[0] not in {"Mem:", "Swap:"} or not sizes or len(sizes) > len(names):
            rest.append(line)
            continue
        prefix = "swap_" if words[0] == "Swap:" else ""
        found |= {f"{prefix}{name}_bytes": size for name, size in zip(names, sizes, strict=False)}
    return found or None, "\n".join(rest)


def disks(text: str) -> Read:
    """What `df -h` tells, without its header."""

    def disk(line: str) -> dict[str, Any]:
        filesystem, size, used, available, percent, mount = line.split(None, 5)
        return {
            "filesystem": filesystem,
            "size_bytes": _size(size),
            "used_bytes": _size(used),
            "available_bytes": _size(available),
            "used_percent": None if percent == "-" else int(percent.removesuffix("%")),
            "mount": mount,
        }

    return _table(text, DF_HEADER, disk)


def uptime(text: str) -> Read:
    """What `uptime` tells: `uptime_s`, `users`, `load` of 1, 5 and 15 minutes."""
    found: dict[str, Any] | None = None
    rest = []
    for line in _lines(text):
        match = UPTIME.search(line)
        if match is None or found is not None:
            rest.append(line)
            continue
        times = {name: match[name] for name in ("days", "hours", "minutes", "only", "seconds")}
        count = {name: int(value or 0) for name, value in times.items()}
        minutes = count["days"] * 1440 + count["hours"] * 60 + count["minutes"] + count["only"]
        load = [float(f"{whole}.{part}") for whole, part in LOAD.findall(match["load"])]
        found = {
            "uptime_s": minutes * 60 + count["seconds"] if any(times.values()) else None,
            "users": int(match["users"]) if match["users"] else None,
            "load": load if len(load) == 3 else None,  # noqa: PLR2004  of 1, 5 and 15 minutes
        }
    return found, "\n".join(rest)


def processes(text: str) -> Read:
    """What `ps aux` tells, without its header."""

    def process(line: str) -> dict[str, Any]:
        user, pid, cpu, share, _vsz, rss, _tty, state, _start, _time, command = line.split(None, 10)
        return {
            "user": user,
            "pid": int(pid),
            "cpu_percent": values.number(cpu.replace(",", ".")),
            "memory_percent": values.number(share.replace(",", ".")),
            "rss_bytes": int(rss) * 1024,
            "state": state,
            "command": command,
        }

    return _table(text, PS_HEADER, process)


def database(text: str) -> Read:
    """Where a database is and how to log in to it, from lines such as `Haslo: secret`."""
    found: dict[str, Any] = {}
    rest = []
    for line in _lines(text):
        label, colon, value = (part.strip() for part in line.partition(":"))
        name = LABELS.get(label.lower())
        if (
            not colon
            or name is None
            or name in found
            or (name == "port" and not PORT.fullmatch(value))
        ):
            rest.append(line)
        else:
            found[name] = (int(value) if name == "port" else value) if value else None
    return (found if any(found.values()) else None), "\n".join(rest)


def _lines(text: str) -> list[str]:
    return [
        line
        for line in text.replace("\r", "").split("\n")
        if line.strip() and not STRAY.fullmatch(line.strip())
    ]


def _table(text: str, header: str, row: Callable[[str], Mapping[str, Any]]) -> Read:
    """The rows below the header; without one there are none."""
    found: list[Mapping[str, Any]] | None = None
    rest = []
    for line in _lines(text):
        if found is None and line.split() == header.split():
            found = []
            continue
        try:
            if found is None:
                raise ValueError("no header yet")  # noqa: TRY301
            found.append(row(line))
        except ValueError:
            rest.append(line)
    return found, "\n".join(rest)


def _size(word: str, *, plain: int = 1) -> int | None:
    """Bytes; of a number without a unit it is `plain` that counts."""
    if word == "-":
        return None
    match = SIZE.fullmatch(word)
    if match is None:
        raise ValueError("is no size")
    return round(float(match[1].replace(",", ".")) * (UNITS[match[2]] if match[2] else plain))
