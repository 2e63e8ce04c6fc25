"""Ansible projects as people have them: Playrail lists and plays in them exactly what plain
Ansible does there.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from playrail.hosts import Hosts
from playrail.settings.private_files import private_directory
from worlds.local_plays import WAY, codes, made_for, play, runs, standing
from worlds.projects import plain_listing, plain_variables, probe, world

pytestmark = pytest.mark.slow

NAMES = ("homelab", "household", "fleet", "crossroads")
COUNTS = {"homelab": 16, "household": 65, "fleet": 550, "crossroads": 15}


@pytest.fixture(scope="module", autouse=True)
def _elsewhere() -> Iterator[None]:
    """Where a client may start Playrail."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir("/")
        yield


@pytest.fixture(scope="module", params=NAMES)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world(request.param, private_directory(tmp_path_factory.mktemp("world") / "place"))


def given(project: Path) -> dict[str, str]:
    return {"ANSIBLE_CONFIG": str(project / "ansible.cfg")}


@dataclass(frozen=True, kw_only=True)
class Listed:
    hosts: Hosts
    listing: Mapping[str, Any]
    sources: Sequence[Path]
    written: bool
    """Whether any file of the project was."""


@pytest.fixture(scope="module")
def listed(project: Path) -> Listed:
    before = files(project)
    _, _, inventory = made_for(project.parent, **given(project))
    hosts = asyncio.run(inventory.hosts())
    inventory.close()
    assert inventory._listing is not None
    return Listed(
        hosts=hosts,
        listing=inventory._listing,
        sources=[Path(source) for source in inventory.sources()],
        written=files(project) != before,
    )


def files(project: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in project.rglob("*") if path.is_file()}


def test_the_same_hosts_groups_and_variables(project: Path, listed: Listed) -> None:
    by_hand = plain_listing(project)

    assert len(listed.hosts.hosts) == COUNTS[project.name]
    assert {**listed.listing, "_meta": listed.listing["_meta"]["hostvars"]} == {
        **by_hand,
        "_meta": by_hand["_meta"]["hostvars"],
    }
    assert listed.hosts.refused == {}
    assert not listed.written


@pytest.fixture(scope="module")
def by_hand(project: Path, listed: Listed) -> dict[str, Any]:
    """What variables come to in a play by hand, per host."""
    return plain_variables(project, some_of(listed))


def some_of(listed: Listed) -> list[str]:
    """Some 25 hosts, of all sorts: up to three of those that are in the same groups, and
    where that makes very many, such as are spread over them.
    """
    alike, chosen = Counter[tuple[str, ...]](), []
    for name, host in sorted(listed.hosts.hosts.items()):
        alike[tuple(host.groups)] += 1
        if alike[tuple(host.groups)] <= 3:
            chosen.append(name)
    return chosen[:: max(1, len(chosen) // 25)]


# Not the fixture of that name: each project is made once for both
@pytest.mark.parametrize("way", ["cold", "warm"])
def test_the_same_variables_in_a_play(
    project: Path,
    listed: Listed,
    by_hand: Mapping[str, Any],
    way: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(WAY, "warm", way == "warm")
    before = files(project)  # plain Ansible, from 2.21 on, writes to the fact cache
    book = probe(private_directory(tmp_path / "elsewhere"))
    played = [some_of(listed)]
    if way == "warm":  # then one goes another way
        played.append(played[0][:1])

    plays = [play(book, some, listed.sources) for some in played]
    for ran, some in zip(runs(project.parent, *plays, given=given(project)), played, strict=True):
        assert codes(ran) == dict.fromkeys(some)
        assert {host: outcome.report for host, outcome in ran.hosts.items()} == {
            host: by_hand[host] for host in some
        }
    assert files(project) == before


def test_hundreds_of_hosts_are_listed_in_parts(tmp_path: Path) -> None:
    fleet = world("fleet", private_directory(tmp_path / "place"))
    with standing(fleet.parent, **given(fleet)) as call:

        def listing(**arguments: Any) -> Mapping[str, Any]:
            answer = call("list_configured_servers", **arguments)
            assert (answer.code, len(json.dumps(answer.envelope())) < 24_000) == ("ok", True)
            return answer.data or {}

        first = listing()
        assert (first["total_count"], len(first["servers"]), first["next_offset"]) == (550, 20, 20)
        assert (first["groups"]["all"], len(first["groups"]) + first.get("groups_left_out", 0)) == (
            550,
            273,
        )
        assert [Path(file["path"]).name for file in first["unread"]] == ["hosts.config"]
        assert len(json.dumps(first["servers"])) < 20 * 120
        part = listing(limit=500, details=True)
        found = [server["name"] for server in part["servers"]]
        while "next_offset" in part:
            part = listing(limit=500, offset=part["next_offset"], details=True)
            found += [server["name"] for server in part["servers"]]
        assert len(found) == len(set(found)) == 550
        builders = listing(match="BUILD", limit=1)
        assert (builders["total_count"], builders["groups"]["all"]) == (55, 55)
        site = listing(group="site_003", details=True)
        assert {server["name"] for server in site["servers"]} == {
            "host003.example.org",
            "host253.example.org",
            "host503.example.org",
        }
        assert site["servers"][0]["user"] == "root"
        assert call("list_configured_servers", group="nowhere").code == "unknown_server"
