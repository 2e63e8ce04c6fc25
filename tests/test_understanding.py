"""What a call is found to be, before anything of it is done or written down."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from callers import ANN
from local_plays import inventory, playrail
from playrail.calls.call import Call, Granted
from playrail.door.understanding import Understood
from playrail.errors import InvalidArgument, NotOnMikrus, UnknownServer, UnknownTool
from playrail.policy.rules import Decision

POLICY = """
limits:
  callers: {ann: {hosts_per_call: 2}}
rules:
  - {name: reads, risk: READ, then: allow}
  - {name: commands, tools: [execute_command], then: client_approval}
  - {name: services, tools: [manage_service], hosts: [web1], then: preview_first}
"""
WRITE = {"path": "/tmp/x", "content": "x", "server": "web1"}


async def never() -> None:
    pytest.fail("nothing is started")


GRANTED = Granted(plan_id="plan-1", hosts=("web1",), closes=True, check_start=never)


def understood(
    place: Path,
    name: str,
    arguments: dict[str, Any],
    *,
    policy: bool = True,
    writes: bool = True,
    **how: Any,
) -> Understood:
    """The call, by a door that has three hosts and is not opened."""
    given = {"PLAYRAIL_INVENTORY": str(inventory(place, "web1", "web2", "web3"))}
    if policy:
        (place / "policy.yml").write_text(POLICY)
        (place / "policy.yml").chmod(0o600)
        given["PLAYRAIL_POLICY"] = str(place / "policy.yml")
    door = playrail(place / "place", ENABLE_WRITE_OPERATIONS=str(int(writes)), **given)

    async def understand() -> Understood:
        async with door:
            parsed = door.understanding.parse(name, arguments)
            call = Call(name=name, caller=ANN, **how)
            return await door.understanding.understand(parsed, call)

    found = asyncio.run(understand())
    assert not (place / "place" / "state").exists(), "nothing is written"
    return found


@pytest.fixture(autouse=True)
def place(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir(mode=0o700)
    return tmp_path


def test_a_call_is_parsed_resolved_and_decided(place: Path) -> None:
    call = understood(place, "read_file", {"path": "/x", "limit": "5", "server": ["web2", "web1"]})

    assert (call.tool.name, call.risk.name, call.hosts) == ("read_file", "READ", ("web2", "web1"))
    assert (call.arguments["limit"], [host.name for host in call.judged]) == (5, ["web2", "web1"])
    assert (call.decision, call.refusal, call.check, call.changes) == (
        Decision.ALLOW,
        None,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("tool", "arguments", "how", "check", "changes"),
    [
        ("write_file", WRITE, {"policy": False}, False, True),
        ("write_file", {**WRITE, "preview": True}, {"policy": False, "writes": False}, True, False),
        ("write_file", WRITE, {"policy": False, "writes": False, "check": True}, True, False),
        ("execute_command", {"cmd": "true", "server": "web1"}, {}, True, False),
        ("execute_command", {"cmd": "true", "server": "web1"}, {"granted": GRANTED}, False, True),
        ("execute_command", {"cmd": "true", "server": "web1"}, {"resume": "plan-1"}, True, False),
        ("manage_process", {"action": "list", "server": "web1"}, {"check": True}, False, False),
    ],
    ids=["change", "preview", "look of a plan", "unseen", "of a plan", "resumed", "read"],
)
def test_whether_a_call_changes_something(
    place: Path,
    tool: str,
    arguments: dict[str, Any],
    how: dict[str, Any],
    *,
    check: bool,
    changes: bool,
) -> None:
    call = understood(place, tool, arguments, **how)

    assert (call.refusal, call.check, call.changes) == (None, check, changes)
    assert call.resumes is ("resume" in how)


@pytest.mark.parametrize(
    ("tool", "arguments", "how", "code"),
    [
        ("write_file", WRITE, {"policy": False, "writes": False}, "writes_disabled"),
        ("write_file", WRITE, {}, "denied"),
        ("read_file", {"path": "/x", "server": "all"}, {}, "too_many_hosts"),
        (
            "execute_command",
            {"cmd": "true", "server": "web2"},
            {"granted": GRANTED},
            "plan_outdated",
        ),
    ],
    ids=["switch", "policy", "limit", "other hosts"],
)
def test_a_refusal_is_told_with_all_that_is_understood(
    place: Path, tool: str, arguments: dict[str, Any], how: dict[str, Any], code: str
) -> None:
    call = understood(place, tool, arguments, **how)

    assert call.refusal is not None
    assert (call.refusal.code, call.decision, bool(call.hosts)) == (code, Decision.DENY, True)


@pytest.mark.parametrize(
    ("tool", "arguments", "error"),
    [
        ("rm_rf", {}, UnknownTool),
        ("read_file", {"path": "relative"}, InvalidArgument),
        ("read_file", {"path": "/x", "server": "web9"}, UnknownServer),
        ("get_db_info", {"server": "web1"}, NotOnMikrus),
    ],
)
def test_what_cannot_be_understood(
    place: Path, tool: str, arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        understood(place, tool, arguments)
