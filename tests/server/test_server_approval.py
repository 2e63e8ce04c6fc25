"""A real client is asked whether a plan may be carried out, in both eras of the protocol."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp import MCPError

from worlds.stub_client import LEGACY, MODERN, STUB, Person, Side, connected
from worlds.stub_door import ANOTHER, PLAN, TEXT

pytestmark = pytest.mark.slow

YES = types.ElicitResult(action="accept", content={"approve": True})


@pytest.fixture(scope="module", params=[LEGACY, MODERN])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def side(mode: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    with connected(mode, tmp_path_factory.mktemp("state"), elicitation_callback=Person()) as made:
        yield made


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (YES, "approved"),
        (types.ElicitResult(action="accept", content={"approve": False}), "declined"),
        (types.ElicitResult(action="accept", content={"approve": "true"}), "declined"),
        (types.ElicitResult(action="accept", content={}), "declined"),
        (types.ElicitResult(action="decline", content={"approve": True}), "declined"),
        (types.ElicitResult(action="cancel"), "declined"),
    ],
    ids=str,
)
def test_what_the_client_says(side: Side, result: types.ElicitResult, said: str) -> None:
    side.person.asked.clear()

    assert side.said(result)["said"] == said
    (params,) = side.person.asked
    assert isinstance(params, types.ElicitRequestFormParams)
    assert params.message == TEXT
    assert params.requested_schema["required"] == ["approve"]


def test_the_old_era_ends_the_same_call_the_new_one_calls_again_with_its_plan(
    side: Side, mode: str
) -> None:
    told = side.said(YES)

    assert (told["name"], told["arguments"], told["caller"]) == (
        "write_file",
        {"path": "/x"},
        "local",
    )
    assert told["resume"] == {LEGACY: None, MODERN: PLAN}[mode]


def test_an_answer_links_its_run_after_the_text(side: Side) -> None:
    side.person.says = YES
    text, link = side.calls().content
    side.person.says = types.ElicitResult(action="decline")
    only = side.calls().content

    assert json.loads(text.text)["success"]
    assert (link.type, link.uri, link.mime_type) == (
        "resource_link",
        "playrail://runs/run-1",
        "application/json",
    )
    assert [block.type for block in only] == ["text"]


def test_a_client_without_elicitation_cannot_be_asked(mode: str, tmp_path: Path) -> None:
    with connected(mode, tmp_path) as side:
        assert side.calls().structured_content["data"]["said"] == "cannot"


@pytest.mark.parametrize("mode", [LEGACY], indirect=True)
def test_an_error_of_the_client_is_not_an_answer(side: Side) -> None:
    assert side.said(types.ErrorData(code=-32603, message="no"))["said"] == "cannot"


@pytest.mark.parametrize("mode", [LEGACY], indirect=True)
def test_a_call_can_be_withdrawn_while_the_person_thinks(side: Side) -> None:
    side.person.says = None

    with pytest.raises(MCPError):
        side.calls(read_timeout_seconds=0.5)

    ends = time.monotonic() + 30
    while not (side.state / "withdrawn").exists():
        assert time.monotonic() < ends
        time.sleep(0.02)
    assert side.said(YES)["said"] == "approved", "the server goes on"


@pytest.mark.parametrize("mode", [MODERN], indirect=True)
def test_an_answer_counts_for_the_plan_that_it_names(side: Side) -> None:
    def retried(state: str | None, **responses: types.ElicitResult) -> Any:
        session = side.client.session
        brought: dict[str, Any] = {"request_state": state, "input_responses": responses or None}
        return side.portal.call(
            lambda: session.call_tool("write_file", {}, allow_input_required=True, **brought)
        )

    first = retried(None)
    assert (first.request_state, list(first.input_requests)) == (PLAN, ["approval"])
    assert retried(PLAN, approval=YES).structured_content["data"]["said"] == "approved"
    asks_again = [retried(ANOTHER, approval=YES), retried(PLAN), retried(PLAN, other=YES)]
    assert [type(one) for one in asks_again] == [types.InputRequiredResult] * 3


@pytest.mark.parametrize(("version", "links"), [("2025-03-26", 0), ("2025-06-18", 2)])
def test_a_client_that_knows_no_links_gets_none(tmp_path: Path, version: str, links: int) -> None:
    hello = {
        "protocolVersion": version,
        "capabilities": {},
        "clientInfo": {"name": "old", "version": "1"},
    }
    lines = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {"name": "restart", "arguments": {}},
        },
    ]
    tmp_path.chmod(0o700)

    with subprocess.Popen(
        [sys.executable, str(STUB), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.writelines(f"{json.dumps(line)}\n" for line in lines)
        server.stdin.flush()
        answers = [json.loads(server.stdout.readline()) for _ in range(2)]
        server.stdin.close()

    assert answers[0]["result"]["protocolVersion"] == version
    assert [block["type"] for block in answers[1]["result"]["content"]] == ["text"] + [
        "resource_link"
    ] * links
