"""The servers that the environment names: MCP_SERVERS, MIKRUS_SERVERS, or one mikr.us
server in three variables.

Every entry is read by itself: one that is wrong becomes a `FailedServer` and leaves the
others alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from playrail.settings.entry_fields import LOOPBACK, good_tags
from playrail.settings.target import Target
from playrail.settings.targets import TARGETS, UNTYPED

GENERATED_GROUP = "playrail_servers"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_RESERVED_NAMES = frozenset({"all", "ungrouped", GENERATED_GROUP})
_SHOWN = 40  # characters of a name that a message repeats


@dataclass(frozen=True, kw_only=True)
class FailedServer:
    """An entry that cannot be used: its `kind` (as in targets.py, or unknown) and one sentence
    that holds no value of it.
    """

    kind: str
    reason: str
    tags: tuple[str, ...] = ()
    """Those that it has all the same: whoever chooses by them must know that it is missing.
    """


def shown(name: str) -> str:
    """Return a name as a message may repeat it: quoted, on one line, cut."""
    return repr(name if len(name) <= _SHOWN else name[:_SHOWN] + "…")


def parse_servers(text: str) -> dict[str, Any]:
    """Return the entries of MCP_SERVERS, unread. Raises ValueError with a sentence that
    holds no value of the text.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"names {shown(twice)} twice")
        return dict(pairs)

    try:
        entries = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        # `from None`: the exception carries the whole text, passwords and all.
        raise ValueError(
            f"is not JSON ({error.msg} at line {error.lineno}, column {error.colno})"
        ) from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if not isinstance(entries, dict):
        raise ValueError("is not a JSON object")  # one error type for one caller
    if not entries:
        raise ValueError("names no server")
    return entries


def read_servers(
    entries: Mapping[str, Any], *, home: str | None, agent: bool = False
) -> tuple[dict[str, Target], dict[str, FailedServer]]:
    """Return the entries that can be used and the ones that cannot, each under its name and
    in the order given.

    `agent`: there is an ssh-agent, which may hold keys whose files have a passphrase.
    """
    good: dict[str, Target] = {}
    failed: dict[str, FailedServer] = {}
    for name, entry in entries.items():
        outcome = _read_server(name, entry, context={"home": home, "agent": agent})
        if isinstance(outcome, FailedServer):
            failed[name] = outcome
        else:
            good[name] = outcome
    return good, failed


def _read_server(name: str, entry: object, *, context: Mapping[str, Any]) -> Target | FailedServer:
    if not isinstance(entry, dict):
        return FailedServer(kind="unknown", reason="The entry is not a JSON object.")
    kind = entry.get("type", UNTYPED)
    model = TARGETS.get(kind) if isinstance(kind, str) else None
    if model is None:
        known = " nor ".join(f'"{name}"' for name in TARGETS)
        return FailedServer(kind="unknown", reason=f"type: is neither {known}.")
    fields = {field: value for field, value in entry.items() if field != "type"}
    try:
        server = model.model_validate(fields, context=dict(context))
    except ValidationError as error:
        reason = _reason(error, kind=kind, typed="type" in entry, model=model)
        return FailedServer(kind=kind, reason=reason, tags=good_tags(fields.get("tags")))
    problem = _name_problem(name, server)
    return FailedServer(kind=kind, reason=problem, tags=server.tags) if problem else server


def _name_problem(name: str, server: Target) -> str | None:
    """Why a server cannot have this name in an Ansible inventory, or None."""
    if not _NAME.fullmatch(name):
        return "The name must be 1 to 63 letters, digits, or _ . - (neither . nor - first)."
    if name in _RESERVED_NAMES:
        return f"The name {name!r} is a group in every inventory; choose another."
    if name in LOOPBACK and not (server.ssh is not None and server.ssh.host in LOOPBACK):
        return (
            f"The name {name!r} means the machine that Playrail runs on, and this entry is "
            "another one."
        )
    return None


def _reason(error: ValidationError, *, kind: str, typed: bool, model: type[Target]) -> str:
    """One sentence that names the fields and the rules; no value is in it."""
    parts = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        field = shown(str(problem["loc"][-1])).strip("'") if problem["loc"] else "entry"
        match problem["type"]:
            case "missing":
                parts.append(f"{field}: is required")
            case "extra_forbidden":
                parts.append(
                    f"{field}: is not a field of an entry of type {kind} "
                    f"({', '.join(model.field_names())})"
                )
            case "string_pattern_mismatch":
                parts.append(
                    f"{field}: must be 1 to 63 letters, digits, or _ . - (neither . nor - first)"
                )
            case _:
                what = problem["msg"].removeprefix("Value error, ")
                parts.append(f"{field}: {what[:1].lower()}{what[1:]}")
    if not typed:
        parts.append(
            f'an entry without "type" is a {UNTYPED} one; an SSH server needs "type": "ssh"'
        )
    return "; ".join(parts[:4]) + "."
