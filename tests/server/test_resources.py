"""Runs as MCP resources: a real client lists and reads them, in both eras of the protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from mcp import MCPError
from mcp_types import TextResourceContents

from playrail.ledger.ledger import Entry, Ledger
from worlds.recorded_runs import (
    FOREIGN,
    LONG,
    PREVIEW,
    RUNNING,
    UNDO_PLAN,
    WRITE,
    recorded,
    started,
)
from worlds.stub_client import LEGACY, MODERN, Person, Side, connected

pytestmark = pytest.mark.slow

PAGE = 50 * 1024


@pytest.fixture(scope="module", params=[LEGACY, MODERN])
def side(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Side]:
    state = tmp_path_factory.mktemp("state")
    recorded(state).close()
    with connected(request.param, state, elicitation_callback=Person()) as made:
        yield made


def read(side: Side, uri: str) -> str:
    (content,) = side.portal.call(side.client.read_resource, uri).contents
    assert content.uri == uri
    assert isinstance(content, TextResourceContents)
    return content.text


def told(side: Side, uri: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read(side, uri))
    return found


def test_the_list_has_the_callers_own_runs(side: Side) -> None:
    found = side.portal.call(side.client.list_resources)

    assert found.next_cursor is None
    assert [resource.uri for resource in found.resources][:2] == [
        f"playrail://runs/{RUNNING}",
        "playrail://runs/20261121-120005-00000005",
    ]
    assert FOREIGN not in str(found.resources)
    assert "write_file on web1, db1: some_hosts_failed" in str(found.resources)


def test_the_templates(side: Side) -> None:
    found = side.portal.call(side.client.list_resource_templates).resource_templates

    assert {template.uri_template: template.mime_type for template in found} == {
        "playrail://runs/{run}": "application/json",
        "playrail://runs/{run}/events{?page}": "application/json",
        "playrail://runs/{run}/stdout{?page}": "text/plain",
        "playrail://runs/{run}/diff{?page}": "text/x-diff",
    }


def test_a_summary_leads_to_the_rest(side: Side) -> None:
    run = told(side, f"playrail://runs/{WRITE}")

    assert run["outcome"] == "some_hosts_failed"
    assert run["approvals"][0]["by"] == "root"
    assert run["effects"] == {"web1": 3}
    assert run["undone_by"] == UNDO_PLAN
    assert [uri.rpartition("/")[2] for uri in run["resources"]] == ["events", "stdout", "diff"]
    for uri in run["resources"]:
        assert read(side, uri)


def test_what_servers_wrote_has_no_control_sequences(side: Side) -> None:
    for part in ("", "/events", "/stdout", "/diff"):
        assert "\x1b" not in read(side, f"playrail://runs/{WRITE}{part}")
        assert "\\u001b" not in read(side, f"playrail://runs/{WRITE}{part}")
    assert "+new\n" in read(side, f"playrail://runs/{PREVIEW}/diff")


def test_events_come_in_pages(side: Side) -> None:
    names = []
    uri: str | None = f"playrail://runs/{RUNNING}/events"
    while uri is not None:
        text = read(side, uri)
        assert len(text.encode()) < PAGE + 1000
        page = json.loads(text)
        names += [task["task"] for task in page["tasks"]]
        uri = page["next"]

    assert names == [f"Task {number}" for number in range(LONG)]
    assert page["page"] == page["pages"] > 2
    assert page["cut"]


def test_a_text_comes_in_pages(side: Side) -> None:
    uri, found = f"playrail://runs/{RUNNING}/stdout", ""
    while uri:
        text, mark, rest = read(side, uri).partition("\\ Page ")
        found += text
        uri = rest.partition("The next: ")[2].strip() if mark else ""

    assert found.count("\nTASK [") == LONG


@pytest.mark.parametrize(
    "uri",
    [
        "playrail://runs/nothing",
        f"playrail://runs/{FOREIGN}",
        f"playrail://runs/{WRITE}/other",
        f"playrail://runs/{WRITE}/stdout?page=9",
        f"playrail://runs/{WRITE}/stdout?page=0",
        f"playrail://runs/{WRITE}/stdout?page=-1",
        f"playrail://runs/{WRITE}/stdout?page=x",
        f"playrail://runs/{WRITE}/stdout?page=99999999999999999999",
        "playrail://runs/%00",
        "playrail://runs/",
        "file:///etc/passwd",
    ],
)
def test_what_is_not_there_or_not_the_callers(side: Side, uri: str) -> None:
    with pytest.raises(MCPError) as caught:
        read(side, uri)

    assert (caught.value.error.code, caught.value.error.data) == (-32602, {"uri": uri})


@pytest.mark.parametrize("cursor", ["x", "-1", "9" * 40, "1.5"])
def test_a_cursor_that_was_not_given(side: Side, cursor: str) -> None:
    with pytest.raises(MCPError):
        side.portal.call(lambda: side.client.list_resources(cursor=cursor))


def test_the_list_comes_in_pages(side: Side) -> None:
    first = side.portal.call(side.client.list_resources)
    more = Ledger(side.state / "ledger.sqlite")
    entries = [
        Entry(
            kind="started",
            call=f"c{n}",
            server="s",
            caller="local",
            tool="t",
            body=started(f"more-{n:03}"),
        )
        for n in range(120)
    ]
    more.append(*entries)
    more.close()

    found: list[str] = []
    cursor: str | None = None
    while cursor is not None or not found:
        listing = partial(side.client.list_resources, cursor=cursor, cache_mode="bypass")
        page = side.portal.call(listing)
        found += [resource.uri for resource in page.resources]
        cursor = page.next_cursor

    assert found[:2] == ["playrail://runs/more-119", "playrail://runs/more-118"]
    assert len(found) == len(set(found)) == len(first.resources) + 120
