"""What a call is found to be, before anything of it is done or written down."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from playrail.calls.call import Call, Granted
from playrail.door.door import Playrail
from playrail.door.understanding import Understood
from playrail.errors import InvalidArgument, NotOffered, UnknownServer, UnknownTool
from playrail.policy.rules import Decision
from worlds.callers import ANN
from worlds.local_plays import inventory, playrail

POLICY = """
limits:
  callers: {"*": {hosts_per_call: 2}}
rules:
  - {name: reads, risk: READ, then: allow}
  - {name: commands, tools: [execute_command], then: client_approval}
  - {name: services, tools: [manage_service], hosts: [web1], then: preview_first}
"""
WRITE = {"path": "/tmp/x", "content": "x", "server": "web1"}


async def never() -> None:
    pytest.fail("nothing is started")


GRANTED = Granted(plan_id="plan-1", hosts=("web1",), closes=True, check_start=never)


Understand = Callable[..., Understood]


@pytest.fixture(scope="module")
def understand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Understand]:
    """Understands a call by a door that has three hosts and is never opened."""
    place = tmp_path_factory.mktemp("understanding")
    (place / "policy.yml").write_text(POLICY)
    (place / "policy.yml").chmod(0o600)
    (place / "place").mkdir(mode=0o700)
    given = {"PLAYRAIL_INVENTORY": str(inventory(place, "web1", "web2", "web3"))}
    ruled = {**given, "PLAYRAIL_POLICY": str(place / "policy.yml")}
    with start_blocking_portal() as portal, ExitStack() as doors:

        @functools.cache
        def door(*, policy: bool, writes: bool) -> Playrail:
            made = playrail(
                place / "place",
                ENABLE_WRITE_OPERATIONS=str(int(writes)),
                **(ruled if policy else given),
            )
            return doors.enter_context(portal.wrap_async_context_manager(made))

        def understood(
            tool: str,
            arguments: dict[str, Any],
            *,
            policy: bool = True,
            writes: bool = True,
            **how: Any,
        ) -> Understood:
            understanding = door(policy=policy, writes=writes).understanding
            parsed = understanding.parse(tool, arguments)
            call = Call(name=tool, caller=ANN, **how)
            return portal.call(understanding.understand, parsed, call)

        yield understood
        assert not (place / "place" / "state").exists(), "nothing is written"


def test_a_call_is_parsed_resolved_and_decided(understand: Understand) -> None:
    call = understand("read_file", {"path": "/x", "limit": "5", "server": ["web2", "web1"]})

    assert (call.tool.name, call.risk.name, call.hosts) == ("read_file", "READ", ("web2", "web1"))
    assert (call.arguments["limit"], [host.name for host in call.judged]) == (5, ["web2", "web1"])
    assert (call.decision, call.refusal, call.check, call.changes) == (
        Decision.ALLOW,
        None,
        False,
        False,
    )


@pytest.mark.slow
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
    understand: Understand,
    tool: str,
    arguments: dict[str, Any],
    how: dict[str, Any],
    *,
    check: bool,
    changes: bool,
) -> None:
    call = understand(tool, arguments, **how)

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
    understand: Understand, tool: str, arguments: dict[str, Any], how: dict[str, Any], code: str
) -> None:
    call = understand(tool, arguments, **how)

    assert call.refusal is not None
    assert (call.refusal.code, call.decision, bool(call.hosts)) == (code, Decision.DENY, True)


@pytest.mark.parametrize(
    ("tool", "arguments", "error"),
    [
        ("rm_rf", {}, UnknownTool),
        ("read_file", {"path": "relative"}, InvalidArgument),
        ("read_file", {"path": "/x", "server": "web9"}, UnknownServer),
        ("get_db_info", {"server": "web1"}, NotOffered),
    ],
)
def test_what_cannot_be_understood(
    understand: Understand, tool: str, arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        understand(tool, arguments)
