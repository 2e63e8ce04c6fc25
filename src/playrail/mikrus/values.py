"""What the API tells, as values: it gives numbers and dates as texts, and adds fields now
and then.

Below are its fields: under its names ours, and how they are read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

MAX_EXTRA = 20  # fields
MAX_EXTRA_TEXT = 1000  # characters of each, as JSON

Reader = Callable[[Any], Any]
Fields = Mapping[str, tuple[str, Reader]]


def text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("is no text")  # every reader raises ValueError
    return str(value)


def number(value: Any) -> float:
    found = float(text(value))
    if not math.isfinite(found):
        raise ValueError("is no number")
    return found


def whole(value: Any) -> int:
    return int(text(value))


def moment(value: Any) -> datetime:
    """A date and time, such as 2026-06-08 00:00:00. The API names no zone."""
    return datetime.fromisoformat(text(value))


def yes(value: Any) -> bool:
    """`tak` or `nie`."""
    if isinstance(value, bool):
        return value
    return {"tak": True, "nie": False}[text(value).strip().lower()]


def read(raw: Any, fields: Fields) -> dict[str, Any]:
    """The API's `fields`, each under our name and read as what it is; null when it is
    missing, null or empty.

    What is left, and what cannot be read, stands in `extra` under the API's name. Raises
    ValueError when `raw` is no object with at least one of the fields.
    """
    if not isinstance(raw, Mapping) or not fields.keys() & raw.keys():
        raise ValueError("is no object with any of the known fields")
    found: dict[str, Any] = {}
    extra = {name: value for name, value in raw.items() if name not in fields}
    for name, (ours, reader) in fields.items():
        value = raw.get(name)
        found[ours] = None
        if value is None or value == "":
            continue
        try:
            found[ours] = reader(value)
        except (ValueError, KeyError):
            extra[name] = value
    kept = {
        name: value for name, value in list(extra.items())[:MAX_EXTRA] if _is_short(name, value)
    }
    return {**found, "extra": kept, "truncated": len(kept) < len(extra)}


def _is_short(name: str, value: Any) -> bool:
    return len(name) + len(json.dumps(value)) <= MAX_EXTRA_TEXT


INFO: Fields = {
    "server_id": ("server_id", text),
    "imie_id": ("imie_id", text),
    "server_name": ("server_name", text),
    "expires": ("expires", moment),
    "expires_cytrus": ("expires_cytrus", moment),
    "expires_storage": ("expires_storage", moment),
    "param_ram": ("ram_mb", whole),
    "param_disk": ("disk_gb", whole),
    "lastlog_panel": ("last_panel_login", moment),
    "mikrus_pro": ("pro", yes),
}
OWNED: Fields = {
    name: INFO[name] for name in ("server_id", "server_name", "expires", "param_ram", "param_disk")
}
LOG: Fields = {
    "id": ("id", text),
    "server_id": ("server_id", text),
    "task": ("task", text),
    "when_created": ("created", moment),
    "when_done": ("done", moment),
    "output": ("output", text),
}
CLOUD: Fields = {
    "srvID": ("service_id", text),
    "port_nr": ("port", whole),
    "status": ("status", text),
    "expires": ("expires", moment),
    "size": ("size", text),
    "disk_used": ("disk_used", number),
    "disk_total": ("disk_total", number),
    "cpu_percent": ("cpu_percent", number),
    "ram_used": ("ram_used", number),
    "ram_total": ("ram_total", number),
}
STARTED: Fields = {"msg": ("message", text), "task_id": ("task_id", whole)}
ASSIGNED: Fields = {
    "status": ("status", text),
    "domain": ("domain", text),
    "port": ("port", whole),
}
