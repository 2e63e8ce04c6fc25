"""The journal of real hosts: what is found is what was written there."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from .conftest import Wire, entry, on_host

pytestmark = pytest.mark.lab
BOTH = pytest.mark.parametrize("host", ["deb12", "deb13"])


@pytest.fixture
def mark() -> str:
    """A word that no journal holds yet."""
    return uuid.uuid4().hex


def write(host: str, tag: str, *texts: str, priority: str = "notice") -> None:
    for text in texts:
        on_host(host, "logger", "-p", f"user.{priority}", "-t", tag, "--", text)
    on_host(host, "journalctl", "--sync")


def messages(found: Mapping[str, Any]) -> list[str]:
    return [one["message"] for one in found["entries"]]


def whole(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries with what is usual of them."""
    return [{**found.get("usual", {}), **one} for one in found["entries"]]


@BOTH
def test_errors_of_all_units(wire: Wire, host: str, mark: str) -> None:
    write(host, mark, f"{mark} error", priority="err")
    write(host, mark, f"{mark} worse", priority="crit")
    write(host, mark, f"{mark} warning", priority="warning")
    found = wire.report("find_system_errors", server=host, lines=1000)
    mine = [one for one in whole(found) if one["identifier"] == mark]
    assert [(one["priority"], one["message"]) for one in mine] == [
        ("err", f"{mark} error"),
        ("crit", f"{mark} worse"),
    ]
    raw = on_host(host, "journalctl", "-p", "err", "--since=-1h", "-o", "json", "-q", "--no-pager")
    assert abs(found["counted"] - len(raw.splitlines())) <= 2
    assert {"unit": mark, "entries": 2} in found["counts"]
    assert sum(one["entries"] for one in found["counts"]) == found["counted"]


def test_errors_in_pages(wire: Wire, mark: str) -> None:
    write("deb12", mark, f"{mark} 1", f"{mark} 2", f"{mark} 3", priority="err")
    seen: list[str] = []
    before = None
    for _ in range(50):
        page = wire.report(
            "find_system_errors", server="deb12", lines=2, **({"before": before} if before else {})
        )
        seen = messages(page) + seen
        before = page.get("older")
        if before is None or f"{mark} 1" in seen:
            break
    assert [text for text in seen if mark in text] == [f"{mark} {number}" for number in (1, 2, 3)]


@pytest.mark.parametrize(
    "text",
    [
        "--flush",
        "a.b* (c) [d] \\Qe\\E | f",
        "{{ 7 * 7 }} $(id)",
        "žluťoučký ŻÓŁW",
        "ends with \\",
        "'\"`",
    ],
)
def test_a_term_is_text(wire: Wire, mark: str, text: str) -> None:
    term = f"{text}{mark}"
    write("deb12", "probe", term, mark, f"x{mark}")
    assert messages(wire.report("search_journal_logs", server="deb12", term=term)) == [term]
    assert messages(wire.report("search_journal_logs", server="deb12", term=term.swapcase())) == [
        term
    ]
    exact = wire.report(
        "search_journal_logs", server="deb12", term=term.swapcase(), ignore_case=False
    )
    assert (exact["entries"], exact.get("complete", True)) == ([], True)


@BOTH
def test_search_in_pages(wire: Wire, host: str, mark: str) -> None:
    texts = [f"{mark} {number}" for number in range(5)]
    write(host, "probe", *texts)
    first = wire.report("search_journal_logs", server=host, term=mark, lines=2)
    second = wire.report(
        "search_journal_logs", server=host, term=mark, lines=2, before=first["older"]
    )
    third = wire.report(
        "search_journal_logs", server=host, term=mark, lines=2, before=second["older"]
    )
    assert messages(third) + messages(second) + messages(first) == texts
    assert third.get("older") is None


def test_search_of_a_unit(wire: Wire, mark: str) -> None:
    write("deb12", "probe", mark)
    unit = f"probe-{mark[:8]}"
    on_host(
        "deb12", "systemd-run", f"--unit={unit}", "--wait", "--quiet", "echo", f"of the unit {mark}"
    )
    on_host("deb12", "journalctl", "--sync")
    found = wire.report("search_journal_logs", server="deb12", term=mark, unit=unit)
    assert f"of the unit {mark}" in messages(found)
    assert found["unit"] == f"{unit}.service"
    assert not any(one.get("unit") for one in whole(found))  # it is told once
    answer = wire.call("search_journal_logs", server="deb12", term=mark, unit="no-such-unit")
    assert answer["code"] == "service_not_found"


def test_entries_of_a_unit_in_pages(wire: Wire, mark: str) -> None:
    unit = f"probe-{mark[:8]}"
    on_host("deb12", "systemd-run", f"--unit={unit}", "--wait", "--quiet", "seq", "5")
    on_host("deb12", "journalctl", "--sync")
    raw = on_host("deb12", "journalctl", "-u", unit, "-o", "json", "--no-pager").splitlines()
    first = wire.report("get_journal_logs", server="deb12", unit=unit, lines=3)
    rest = wire.report(
        "get_journal_logs", server="deb12", unit=unit, lines=100, before=first["older"]
    )
    assert messages(rest) + messages(first) == [json.loads(line)["MESSAGE"] for line in raw]
    assert (rest.get("older"), rest.get("complete", True)) == (None, True)


def test_a_time_that_no_host_knows(wire: Wire) -> None:
    for since in ("0001-01-01T00:00+01:00", "9999-12-31T23:00-05:00"):
        answer = wire.call("get_journal_logs", server="deb12", unit="ssh", since=since)
        assert (answer["success"], answer["code"]) == (False, "invalid_argument")


def test_a_user_who_may_not_see_all(
    hosts: Mapping[str, Any], wired: Callable[..., Wire], mark: str
) -> None:
    write("deb13", mark, mark, priority="err")
    wire = wired({"deb13": entry(hosts, "deb13", sudo_password=None)})
    answer = wire.call("search_journal_logs", server="deb13", term=mark)
    assert (answer["success"], answer["code"]) == (False, "permission_denied")
    errors = wire.call("find_system_errors", server="deb13")
    if errors["success"]:
        assert errors["data"]["hosts"]["deb13"]["incomplete"] is True
    else:
        assert errors["code"] == "permission_denied"
