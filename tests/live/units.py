"""Units on a host of the tests' own: written there, managed, looked at past Playrail."""

from __future__ import annotations

import shlex
from typing import Any

from playrail.calls.answers import Answer

from .own_host import Operator, OwnHost, reported

STATIC = "[Service]\nExecStart=/bin/sleep infinity\n"
SLEEPS = f"{STATIC}[Install]\nWantedBy=multi-user.target\n"


def write(host: OwnHost, path: str, text: str, *, reload: bool = False) -> None:
    host.sh(
        f"install -D /dev/stdin {path} <<'EOF'\n{text}EOF\n"
        + ("systemctl daemon-reload" if reload else "")
    )


def unit(host: OwnHost, name: str, text: str = SLEEPS, *, reload: bool = True) -> None:
    write(host, f"/etc/systemd/system/{name}", text, reload=reload)


def manage(living: Operator, name: str, action: str, **more: Any) -> Answer:
    return living.call("manage_service", name=name, action=action, **more)


def succeeded(answer: Answer) -> dict[str, Any]:
    assert answer.code == "ok", answer
    return reported(answer)


def shows(host: OwnHost, name: str, *properties: str) -> list[str]:
    return [host.sh(f"systemctl show --value -p {one} {shlex.quote(name)}") for one in properties]


def program_of(host: OwnHost, name: str) -> str:
    return host.sh(
        f"tr '\\0' ' ' </proc/$(systemctl show --value -p MainPID {name})/cmdline"
    ).strip()


def foreseen(answer: Answer) -> str:
    assert answer.code == "ok", answer
    assert answer.data is not None
    return str(answer.data)
