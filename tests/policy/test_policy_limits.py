"""How many calls and changes a policy lets through, counted from records of the ledger."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from playrail.door.attempts import attempts
from playrail.errors import LimitReached, TooManyHosts
from playrail.hosts import Host
from playrail.ledger.ledger import Entry, Ledger, Read
from playrail.policy.limits import check_hosts_per_call, check_limits, of_host
from playrail.policy.rules import LimitsOfHost
from worlds.callers import BOB, CLI
from worlds.plan_world import world
from worlds.policy_world import HOSTS, NOON, policy_of

LIMITS = """
rules: [{name: a, then: allow}]
limits:
  callers:
    local: {calls_per_minute: 3, hosts_per_call: 2, changes_per_hour: 2}
    "*": {calls_per_minute: 1}
  hosts:
    group:web: {changes_per_hour: 1}
    "*": {calls_per_minute: 2}
"""


class Records:
    """The started calls of a ledger, as Ledger.read gives them."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def add(
        self, ago_s: float, risk: str = "READ", *hosts: str, caller: str = "local", **body: Any
    ) -> Records:
        at = (NOON - timedelta(seconds=ago_s)).isoformat(timespec="milliseconds")
        body = {"risk": risk, "hosts": list(hosts), "preview": False, "parent": None, **body}
        self.records.append(
            {"at": at, "kind": "started", "call": at, "caller": caller, "body": body}
        )
        return self

    def read(self, *, kinds: tuple[str, ...], since: str) -> Iterator[dict[str, Any]]:
        assert kinds == ("started", "refused")
        return (record for record in self.records if record["at"] >= since)


@pytest.fixture
def records() -> Records:
    return Records()


def wait_s(
    place: Path,
    records: Records,
    *hosts: str,
    caller: str = "local",
    changes: bool = False,
    inner: bool = False,
) -> int | None:
    """After how many seconds the call may be made again; None when it may now."""
    try:
        check_limits(
            policy_of(place, LIMITS),
            caller=caller,
            hosts=[HOSTS[name] for name in hosts],
            changes=changes,
            now=NOON,
            attempts=partial(attempts, records.read),
            inner=inner,
        )
    except LimitReached as error:
        return error.problem.retry_after_s
    return None


def test_calls_per_minute(tmp_path: Path, records: Records) -> None:
    records.add(70).add(50).add(20.5, "READ", "lab1")
    assert wait_s(tmp_path, records) is None
    records.add(10)
    # When the one of 50 s ago is no longer of the last minute
    assert wait_s(tmp_path, records) == 10
    records.add(1)
    assert wait_s(tmp_path, records) == 40
    assert wait_s(tmp_path, records, inner=True) is None


def test_each_other_caller_has_the_limit_for_itself(tmp_path: Path, records: Records) -> None:
    records.add(1, caller="a")
    assert wait_s(tmp_path, records, caller="a") == 59
    assert wait_s(tmp_path, records, caller="b") is None


def test_changes_per_hour(tmp_path: Path, records: Records) -> None:
    records.add(3700, "SHELL", "lab1").add(3000, "WRITE", "lab1").add(
        2000, "WRITE", "lab1", preview=True
    )
    records.add(1500, "DESTRUCTIVE")  # of no host: what it leads to counts
    records.add(1200, "WRITE", "db1", caller="other")
    assert wait_s(tmp_path, records, "lab1", changes=True) is None
    records.add(1000, "DESTRUCTIVE", "db1", parent="call", plan="plan")
    assert wait_s(tmp_path, records, "lab1", changes=True) == 600
    assert wait_s(tmp_path, records, "lab1", changes=True, inner=True) == 600
    assert wait_s(tmp_path, records, "lab1") is None


def test_a_host_is_limited_for_all_callers_together(tmp_path: Path, records: Records) -> None:
    records.add(600, "WRITE", "web1", caller="x")
    assert wait_s(tmp_path, records, "web1", changes=True) == 3000
    assert wait_s(tmp_path, records, "lab1", changes=True) is None
    records.add(20, "READ", "lab1", "web1", caller="x").add(
        10, "WRITE", "lab1", caller="y", preview=True
    )
    assert wait_s(tmp_path, records, "lab1") == 40
    assert wait_s(tmp_path, records, "web1", "lab1", changes=True) == 3000  # the longer wait


def test_what_is_part_of_another_call_is_no_call_of_its_own(
    tmp_path: Path, records: Records
) -> None:
    records.add(6, "WRITE", "lab1", parent="call", preview=True)
    assert wait_s(tmp_path, records, "lab1", inner=True) is None
    records.add(5, "WRITE", "lab1", parent="call", preview=True)
    assert wait_s(tmp_path, records, "lab1", inner=True) == 54  # but each look reached the host
    records.add(4, "WRITE", "lab1", parent="call")
    assert wait_s(tmp_path, records, "lab1") == 55
    assert wait_s(tmp_path, records) is None


def test_calls_of_no_host_count_for_their_caller(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yml"
    policy.write_text(
        "rules: [{name: a, then: allow}]\nlimits: {callers: {cli: {calls_per_minute: 2}}}\n"
    )

    with world(tmp_path / "place", PLAYRAIL_POLICY=str(policy)) as made:
        codes = [
            made.call("undo_run", caller=CLI, run_id="20260131-120000-0a1b2c3d").code
            for _ in range(6)
        ]
        other = made.call("undo_run", caller=BOB, run_id="20260131-120000-0a1b2c3d").code

    assert codes == ["unknown_run"] * 2 + ["limit_reached"] * 4
    assert other == "unknown_run"


def test_refused_calls_count_for_their_caller_until_it_waits(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yml"
    policy.write_text(
        "rules: [{name: a, then: allow}]\nlimits: {callers: {cli: {calls_per_minute: 3}}}\n"
    )

    with world(tmp_path / "place", PLAYRAIL_POLICY=str(policy)) as made:
        asked: tuple[tuple[str, dict[str, Any]], ...] = (
            ("list_plans", {"x": 1}),
            ("reed", {}),
            ("read_file", {"path": "/a", "server": "nowhere"}),
        )
        codes = [made.call(tool, caller=CLI, **given).code for tool, given in asked * 2]
        codes.append(made.call("list_plans", caller=CLI).code)
        other = made.call("list_plans", caller=BOB).code
        recorded = made.kinds("refused")

    assert codes[:3] == ["invalid_argument", "unknown_tool", "unknown_server"]
    assert codes[3:] == ["limit_reached"] * 4
    assert other == "ok"
    assert [body["outcome"] for body in recorded] == codes


def test_a_host_whose_tags_cannot_be_read_has_the_smallest_limit_that_it_may_have(
    tmp_path: Path,
) -> None:
    limits = (
        "{'tag:a': {calls_per_minute: 5, changes_per_hour: 9}, 'group:web': {changes_per_hour: 7}}"
    )
    policy = policy_of(tmp_path, f"rules: [{{name: a, then: allow}}]\nlimits: {{hosts: {limits}}}")

    dim = Host(name="dim", groups=("web",), unread=("tags",))
    assert of_host(policy, dim) == LimitsOfHost(calls_per_minute=5, changes_per_hour=7)
    assert of_host(policy, Host(name="clear", groups=("web",))) == LimitsOfHost(changes_per_hour=7)


def test_the_sentence(tmp_path: Path, records: Records) -> None:
    records.add(600, "WRITE", "web1")
    with pytest.raises(LimitReached) as caught:
        check_limits(
            policy_of(tmp_path, LIMITS),
            caller="local",
            hosts=[HOSTS["web1"]],
            changes=True,
            now=NOON,
            attempts=partial(attempts, records.read),
        )
    assert caught.value.problem.retryable
    assert (
        str(caught.value)
        == "The policy allows 1 changes per hour for the host web1, and so many were made."
    )


def test_hosts_per_call(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, LIMITS)
    check_hosts_per_call(policy, caller="local", hosts=2)
    check_hosts_per_call(policy, caller="other", hosts=3)
    with pytest.raises(TooManyHosts, match=r"for 3 hosts, .* lets local call 2 at once") as caught:
        check_hosts_per_call(policy, caller="local", hosts=3)
    assert (caught.value.problem.retryable, caught.value.problem.retry_after_s) == (False, None)


def test_several_processes_together_keep_to_the_limit(tmp_path: Path) -> None:
    """Each with a ledger of its own on one file, as several Playrails have."""
    policy = policy_of(tmp_path, LIMITS)
    begun, refused = [], []

    def call(number: int) -> None:
        def within(read: Read) -> None:
            check_limits(
                policy,
                caller="local",
                hosts=[HOSTS["db1"]],
                changes=True,
                now=datetime.now(UTC),
                attempts=partial(attempts, read),
            )

        body = {"risk": "WRITE", "hosts": ["db1"], "preview": False, "parent": None}
        entry = Entry(
            kind="started", call=str(number), server="s", caller="local", tool="run", body=body
        )
        ledger = Ledger(tmp_path / "state" / "ledger.sqlite")
        try:
            ledger.append(entry, provided=within)
            begun.append(number)
        except LimitReached as error:
            refused.append(error.problem.retry_after_s)
        finally:
            ledger.close()

    call(0)  # makes the file
    threads = [threading.Thread(target=call, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(begun), len(refused)) == (2, 7)
    assert all(wait_s is not None and 3590 <= wait_s <= 3600 for wait_s in refused)
