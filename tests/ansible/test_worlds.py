"""Ansible projects as people have them: Playrail lists and plays in them exactly what plain
Ansible does there.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from playrail.hosts import Hosts
from playrail.settings.private_files import private_directory
from worlds.local_plays import codes, made_for, play, runs, standing
from worlds.projects import plain_listing, plain_variables, probe, world

pytestmark = pytest.mark.slow

NAMES = ("homelab", "household", "fleet", "crossroads")
COUNTS = {"homelab": 16, "household": 65, "fleet": 550, "crossroads": 15}


@pytest.fixture(params=NAMES)
def project(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    monkeypatch.chdir("/")  # where a client may start Playrail
    return world(request.param, private_directory(tmp_path / "place"))


def given(project: Path) -> dict[str, str]:
    return {"ANSIBLE_CONFIG": str(project / "ansible.cfg")}


def listed(project: Path) -> tuple[Hosts, Mapping[str, Any]]:
    _, _, inventory = made_for(project.parent, **given(project))
    hosts = asyncio.run(inventory.hosts())
    inventory.close()
    assert inventory._listing is not None
    return hosts, inventory._listing


def test_the_same_hosts_groups_and_variables(project: Path) -> None:
    before = files(project)
    by_hand = plain_listing(project)

    hosts, listing = listed(project)

    assert len(hosts.hosts) == COUNTS[project.name]
    assert {**listing, "_meta": listing["_meta"]["hostvars"]} == {
        **by_hand,
        "_meta": by_hand["_meta"]["hostvars"],
    }
    assert hosts.refused == {}
    assert files(project) == before


def files(project: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in project.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("way")
class TestPlays:
    def test_the_same_variables_in_a_play(self, project: Path, tmp_path: Path) -> None:
        hosts = sorted(listed(project)[0].hosts)[:60]
        by_hand = plain_variables(project, hosts)
        before = files(project)  # plain Ansible, from 2.21 on, writes to the fact cache
        elsewhere = private_directory(tmp_path / "elsewhere")
        _, _, inventory = made_for(project.parent, **given(project))

        sources = [Path(source) for source in inventory.sources()]
        # One goes another way
        several, alone = (play(probe(elsewhere), some, sources) for some in (hosts, hosts[:1]))
        ran, ran_alone = runs(project.parent, several, alone, given=given(project))

        assert codes(ran) == dict.fromkeys(hosts)
        assert {host: outcome.report for host, outcome in ran_alone.hosts.items()} == {
            hosts[0]: by_hand[hosts[0]]
        }
        assert {host: outcome.report for host, outcome in ran.hosts.items()} == by_hand
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
