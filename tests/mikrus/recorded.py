"""Bodies of api.mikr.us: what public clients have recorded or declare. The texts of /db and
/cloud are made up, their labels and fields are not; nobody has published a body of
/restart, /amfetamina or an error.
"""

from __future__ import annotations

from typing import Any

INFO: dict[str, Any] = {
    "server_id": "j230",
    "server_name": None,
    "expires": "2026-06-08 00:00:00",
    "expires_cytrus": None,
    "expires_storage": None,
    "param_ram": "1024",
    "param_disk": "10",
    "lastlog_panel": "2024-06-05 10:02:55",
    "mikrus_pro": "nie",
}
SERWERY: list[dict[str, Any]] = [
    {
        "server_id": "a133",
        "server_name": None,
        "expires": "2025-06-05 00:00:00",
        "param_ram": "1024",
        "param_disk": "10",
    },
    {
        "server_id": "j139",
        "server_name": None,
        "expires": "2026-06-08 00:00:00",
        "param_ram": "1024",
        "param_disk": "10",
    },
]
LOGS: list[dict[str, Any]] = [
    {
        "id": "3752",
        "server_id": "j230",
        "task": "kluczssh",
        "when_created": "2024-06-05 10:05:34",
        "when_done": "2024-06-05 10:06:01",
        "output": "Wrzuciłem klucz SSH\n",
    },
    {
        "id": "3751",
        "server_id": "j230",
        "task": "restart",
        "when_created": "2024-06-05 09:57:54",
        "when_done": "2024-06-05 09:58:07",
        "output": "OK\n",
    },
    {
        "id": "3748",
        "server_id": "j230",
        "task": "upgrade",
        "when_created": "2024-06-05 08:59:28",
        "when_done": "2024-06-05 09:00:04",
        "output": (
            "=== Aktualne parametry: 768 RAM / 10 DYSK\n2 / 20\nDodaje: +256MB RAM oraz +0GB "
            "dysku\n"
            "Po zmianie: 1024 MB / 10 GB\n[succes] GOTOWE!\n"
        ),
    },
]
STATS: dict[str, str] = {
    "free": (
        "total        used        free      shared  buff/cache   available\n"
        "Mem:           1024          43         816           0         164         980\n"
        "Swap:             0           0           0"
    ),
    "df": (
        "Filesystem                        Size  Used Avail Use% Mounted on\n"
        "/dev/mapper/pve-vm--230--disk--0  9.8G  2.7G  6.7G  29% /\n"
        "udev                               63G     0   63G   0% /dev/net"
    ),
    "uptime": "16:32:02 up 6 days,  8:33,  0 users,  load average: 0.00, 0.00, 0.00\nsh: 1: echo",
    "ps": (
        ": not found\n"
        "USER       PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND\n"
        "root     21605  0.0  0.3   9504  3368 ?        S    16:32   0:00 bash -c cat | sh\n"
    ),
}
DB: dict[str, str] = {
    "psql": "Server: psql01.mikr.us\nlogin: j230\nHaslo: A1b2-c3d4\nBaza: db_j230",
    "mysql": "Server: mysql01.mikr.us\nlogin: j230\nHaslo: e5F6:g7h8\nBaza: db_j230",
    "mongo": "Host: mongo01.mikr.us\nPort: 27017\nLogin: j230\nHaslo: i9j0\nBaza: db_j230",
}
PORTY: list[int] = [20359, 30359, 40176, 40177, 40279, 40281, 40282]
CLOUD: list[dict[str, str]] = [
    {
        "srvID": "c17",
        "port_nr": "10017",
        "status": "running",
        "expires": "2026-06-08 00:00:00",
        "size": "XS",
        "disk_used": "120",
        "disk_total": "1024",
        "cpu_percent": "0.50",
        "ram_used": "31",
        "ram_total": "128",
    }
]
DOMAINS: list[dict[str, str]] = [{"name": "abc.byst.re"}]


def answers() -> dict[str, Any]:
    """The body of each endpoint that only looks."""
    return {
        "/info": INFO,
        "/serwery": SERWERY,
        "/logs": LOGS,
        "/stats": STATS,
        "/db": DB,
        "/porty": PORTY,
        "/cloud": CLOUD,
    }
