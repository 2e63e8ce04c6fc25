"""What compare_hosts makes of what two hosts told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from playrail.codes import hosts
from playrail.engines.engine import Listed
from playrail.engines.results import HostResult, combined, shown
from playrail.errors import InvalidArgument, Problem
from playrail.hosts import Host, Hosts
from playrail.settings.settings import Settings
from playrail.toolsets.comparison import HostDifferences, HostState, TwoHosts, compare_hosts

GONE = Problem.of(hosts.HOST_UNREACHABLE, "It does not answer.")
Areas = Mapping[str, Mapping[str, str]]


def given(**arguments: Any) -> TwoHosts:
    return TwoHosts.model_validate({"server": ["a", "b"], **arguments})


def state(areas: Areas, **not_known: str) -> HostState:
    return HostState.model_validate({"areas": areas, "not_known": not_known})


def answered(one: HostResult, other: HostResult, **arguments: Any) -> tuple[dict[str, Any], Any]:
    """The data of the answer, and the whole result."""

    def together(reports: Mapping[str, Any]) -> HostDifferences | None:
        return HostDifferences.of(reports, given(**arguments)) if len(reports) == 2 else None

    result = combined({"a": one, "b": other}, again=True, together=together)
    result = shown(result, hide=lambda value: value, most=24_000)
    return dict(result.data or {}), result


def compared(one: Areas, other: Areas, **arguments: Any) -> dict[str, Any]:
    data, _ = answered(HostResult(report=state(one)), HostResult(report=state(other)), **arguments)
    assert data.keys() == {"together"}
    found: dict[str, Any] = data["together"]
    return found


def test_what_differs_is_told_and_what_does_not_is_counted() -> None:
    found = compared(
        {"packages": {"jq": "1.6", "nginx": "1.22", "vim": "9", "git": "2"}},
        {"packages": {"jq": "1.7", "nginx": "1.22", "curl": "8", "zsh": "5"}},
    )
    assert found == {
        "areas": {
            "packages": {
                "same": 1,
                "different": 1,
                "only_on": {"a": 2, "b": 2},
                "first": {
                    "jq": {"a": "1.6", "b": "1.7"},
                    "curl": {"b": "8"},
                    "git": {"a": "2"},
                    "vim": {"a": "9"},
                    "zsh": {"b": "5"},
                },
            }
        }
    }


def test_units_that_nothing_starts_go_last() -> None:
    found = compared(
        {"units": {"a.service": "static inactive", "b.service": "static inactive"}},
        {"units": {"a.service": "disabled inactive", "c.timer": "enabled active"}},
    )
    assert list(found["areas"]["units"]["first"]) == ["c.timer", "a.service", "b.service"]


def test_two_that_are_alike() -> None:
    areas = {"sysctl": {"vm.swappiness": "60"}, "files": {}}
    assert compared(areas, areas) == {"areas": {"sysctl": {"same": 1}, "files": {"same": 0}}}


def test_an_area_that_one_does_not_know_is_not_compared() -> None:
    data, _ = answered(
        HostResult(report=state({"units": {"ssh.service": "enabled active"}})),
        HostResult(report=state({}, units="this host runs neither systemd nor OpenRC")),
    )
    assert data["together"] == {
        "areas": {},
        "not_known": {"b": {"units": "this host runs neither systemd nor OpenRC"}},
    }


def files(told: Mapping[str, str], **given: Any) -> HostResult:
    given = {"not_known": {"files": "some"}, **given}
    return HostResult(report=HostState.model_validate({"areas": {"files": told}, **given}))


@pytest.mark.parametrize(
    ("one", "other", "counts"),
    [
        # What neither can read is not the same
        (
            files({"/a": "protected 0600 x:x"}, unread={"files": ["/a"]}),
            files({"/a": "protected 0600 x:x"}, unread={"files": ["/a"]}),
            {"same": 0},
        ),
        (
            files({"/a": "protected 0600 x:x"}, unread={"files": ["/a"]}),
            files({"/a": "protected 0644 x:x"}, unread={"files": ["/a"]}),
            {"same": 0, "different": 1},
        ),
        # What one cannot read is not only on the other
        (
            files({"/d/a": "sha256:1 0600 x:x", "/b": "link to c"}),
            files({"/b": "link to c"}, unread={"files": ["/d"]}),
            {"same": 1},
        ),
        (
            files({"/a": "sha256:1", "/b": "sha256:1", "/c": "sha256:1"}),
            files({"/b": "sha256:1", "/c": "sha256:2"}, partly=["files"]),
            {"same": 1, "different": 1},
        ),
    ],
)
def test_what_one_does_not_know_counts_nowhere(
    one: HostResult, other: HostResult, counts: dict[str, int]
) -> None:
    data, _ = answered(one, other)
    found = data["together"]["areas"]["files"]
    assert {name: found[name] for name in ("same", "different", "only_on") if name in found} == (
        counts
    )


def test_the_answer_is_short_and_says_what_it_left_out() -> None:
    one = {f"package-{number:04}": "1.0-1" for number in range(3000)}
    other = {f"package-{number:04}": "1.0-2" for number in range(3000)}
    areas, others = (
        dict.fromkeys(("packages", "units"), one),
        dict.fromkeys(("packages", "units"), other),
    )
    data, result = answered(HostResult(report=state(areas)), HostResult(report=state(others)))
    told = data["together"]
    assert result.truncated
    assert told["truncated"] is True
    assert [len(area["first"]) for area in told["areas"].values()] == [10, 10]
    assert told["areas"]["packages"]["different"] == 3000
    assert len(json.dumps(data)) < 4_000
    many = compared(areas, others, limit=5000, max_bytes=24_000)
    assert len(many["areas"]["packages"]["first"]) > 100
    assert len(json.dumps(compared(areas, others, limit=5000, max_bytes=2000))) < 2_000


@pytest.mark.parametrize("report", [None, state({"packages": {"jq": "1.6"}})])
def test_where_one_fails_nothing_is_compared_and_it_is_told_why(report: HostState | None) -> None:
    data, result = answered(
        HostResult(report=state({"packages": {"jq": "1.6"}})),
        HostResult(report=report, problem=GONE),
    )
    assert data == {"failed": {"b": GONE.told()}}
    assert result.problem is not None
    assert result.problem.code == "some_hosts_failed"
    assert "b (host_unreachable)" in result.problem.error
    assert "same hosts" in result.problem.hint
    assert "data.hosts" not in result.problem.hint


def test_what_hosts_wrote_steers_no_terminal() -> None:
    data, result = answered(
        HostResult(report=state({"packages": {"jq": "1\x1b[2J"}})),
        HostResult(report=state({"packages": {"jq": "2"}})),
    )
    assert data["together"]["areas"]["packages"]["first"] == {"jq": {"a": "1", "b": "2"}}
    assert data["control_sequences_removed"] == {"together": 1}
    assert result.remote_text is True


@pytest.mark.parametrize(
    "arguments",
    [
        {"server": ["a"]},
        {"server": "a"},
        {"areas": ["files"]},
        {"areas": ["packages"], "paths": ["/etc/hosts"]},
        {"areas": []},
    ],
)
def test_what_makes_no_comparison(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        given(**arguments)


@pytest.mark.parametrize(("words", "number"), [(["a", "a"], 1), (["a", "three"], 3)])
def test_other_than_two_hosts_are_refused_before_anything_is_run(
    words: list[str], number: int
) -> None:
    listed = Hosts(
        hosts={name: Host(name=name, groups=()) for name in "abc"},
        groups={"three": ("a", "b", "c")},
    )

    async def inventory() -> Hosts:
        return listed

    resolver = Listed(Settings.load({"HOME": "/nonexistent"}, dotenv=None), inventory)
    with pytest.raises(InvalidArgument, match=f"these words mean {number}"):
        asyncio.run(resolver.resolve(compare_hosts, given(server=words)))
    meant = asyncio.run(resolver.resolve(compare_hosts, given(server=["b", "a"])))
    assert meant.hosts == ("b", "a")
