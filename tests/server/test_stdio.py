"""A real server process that reads lines which no client should send, and clients that go
away.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest

from worlds.stub_client import STUB
from worlds.stub_door import TEXT

pytestmark = pytest.mark.slow

PATIENCE_S = 60


@dataclass
class Raw:
    """A server process, and the bytes that go to and fro."""

    process: subprocess.Popen[bytes]
    rest: bytes = b""

    def send(self, *lines: bytes | dict[str, Any] | list[Any]) -> None:
        assert self.process.stdin is not None
        for line in lines:
            self.process.stdin.write(
                (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n"
            )
        self.process.stdin.flush()

    def answers(self, count: int) -> list[Any]:
        """So many lines of the server; fails when they do not come."""
        assert self.process.stdout is not None
        until = time.monotonic() + PATIENCE_S
        with selectors.DefaultSelector() as ready:
            ready.register(self.process.stdout, selectors.EVENT_READ)
            while self.rest.count(b"\n") < count:
                assert ready.select(until - time.monotonic()), f"only {self.rest[:1000]!r} came"
                more = os.read(self.process.stdout.fileno(), 1 << 20)
                assert more, f"it ended after {self.rest[:1000]!r}"
                self.rest += more
        *lines, self.rest = self.rest.split(b"\n", count)
        return [json.loads(line) for line in lines]

    def asks(self, line: bytes | dict[str, Any] | list[Any]) -> Any:
        self.send(line)
        return self.answers(1)[0]

    def hello(self, version: str = "2025-11-25", **capabilities: Any) -> None:
        info = {"name": "raw", "version": "1"}
        hello = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": info}
        told = self.asks({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": hello})
        assert told["result"]["protocolVersion"] == version
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def ends(self) -> int:
        return self.process.wait(timeout=PATIENCE_S)


def started(command: Sequence[str], state: Path, **env: str) -> subprocess.Popen[bytes]:
    state.chmod(0o700)
    told = {"PATH": os.defpath, "HOME": str(state), **env}
    pipe = subprocess.PIPE
    with (state / "log").open("wb") as log:
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, cwd=state, env=told)


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[Raw]:
    """A server whose door asks its client."""
    with started([sys.executable, str(STUB), str(tmp_path)], tmp_path) as process:
        yield Raw(process)
        process.kill()


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raw]:
    """One for all tests after which it goes on, with a client that can be asked."""
    state = tmp_path_factory.mktemp("asking")
    with started([sys.executable, str(STUB), str(state)], state) as process:
        made = Raw(process)
        made.hello(elicitation={})
        yield made
        process.kill()


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raw]:
    """The whole server, without any host."""
    state = tmp_path_factory.mktemp("state")
    command = [sys.executable, "-m", "playrail.cli", "serve"]
    with started(command, state, PLAYRAIL_STATE_DIR=str(state), PLAYRAIL_WARM="0") as process:
        made = Raw(process)
        made.hello()
        yield made
        process.kill()


def call(named: Any, tool: str = "read_file", **arguments: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": named, "method": "tools/call", "params": params}


CALL = json.dumps(call(8, path="x")).encode()  # which the tool refuses: no host is needed


@pytest.mark.parametrize(
    ("line", "code", "named"),
    [
        (b"no JSON at all", types.PARSE_ERROR, None),
        (b'\x00{"jsonrpc":"2.0","id":8,"method":"ping"}', types.PARSE_ERROR, None),
        (CALL.replace(b'"x"', b'"\xff"'), types.PARSE_ERROR, 8),
        (CALL.replace(b'"x"', b"9" * 10_000), types.PARSE_ERROR, 8),
        (CALL.replace(b'"x"', b"[" * 5000 + b"]" * 5000), types.PARSE_ERROR, 8),
        (CALL.replace(b'"x"', b"[" * 400 + b"]" * 400), types.PARSE_ERROR, 8),
        (CALL.replace(b"8", b"1.5"), types.INVALID_REQUEST, 1.5),
        (CALL.replace(b"8", b"true"), types.INVALID_REQUEST, None),
        (CALL.replace(b"8", b"null"), types.INVALID_REQUEST, None),
        (CALL[:-1] + b', "params": []}', types.INVALID_PARAMS, 8),
        (b'{"jsonrpc":"2.0","id":8,"method":"no/such"}', types.METHOD_NOT_FOUND, 8),
        (b'{"jsonrpc":"2.0","id":8,"method":"\\ud800"}', types.METHOD_NOT_FOUND, 8),
        (b'{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{}}', types.INVALID_PARAMS, 8),
        (b'{"jsonrpc":"2.0","id":8}', types.INVALID_REQUEST, 8),
        (b"[]", types.INVALID_REQUEST, None),
        (b"[1, 2]", types.INVALID_REQUEST, None),
        (b"[" + CALL + b"]", types.INVALID_REQUEST, 8),
        (b'"text"', types.INVALID_REQUEST, None),
    ],
    ids=lambda value: repr(value[:50]) if isinstance(value, bytes) else None,
)
def test_what_cannot_be_served_is_answered(real: Raw, line: bytes, code: int, named: Any) -> None:
    told = real.asks(line)

    assert (told["error"]["code"], told["id"]) == (code, named)
    assert real.asks({"jsonrpc": "2.0", "id": 9, "method": "ping"})["id"] == 9, "the server goes on"


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (CALL.replace(b'"x"', b'"\\ud800"'), 8),
        (CALL.replace(b'"path"', b'"\\ud800"'), 8),
        (b"\xef\xbb\xbf" + CALL, 8),
        (CALL + b"\r", 8),
        (b"  \t" + CALL, 8),
        (b"\n\r\n \n" + CALL, 8),
        (CALL.replace(b"8", b"8.0"), 8),
        (CALL.replace(b"8", b'"' + b"i" * 100_000 + b'"'), "i" * 100_000),
        (CALL.replace(b"8", b'"\\ud800"'), "\ud800"),
        (CALL.replace(b"8", b"-1"), -1),
        (CALL.replace(b"8", b"9" * 40), int("9" * 40)),
    ],
    ids=lambda value: repr(value[:50]) if isinstance(value, bytes) else None,
)
def test_what_can_be_served_gets_the_tools_answer(real: Raw, line: bytes, named: Any) -> None:
    told = real.asks(line)

    assert told["id"] == named
    assert told["result"]["isError"] is True
    assert told["result"]["structuredContent"]["code"] == "invalid_argument"


def test_half_a_surrogate_pair_is_refused_by_the_tools_own_rule(real: Raw) -> None:
    told = real.asks(CALL.replace(b'"x"', b'"\\ud800"'))["result"]["structuredContent"]

    assert told["code"] == "invalid_argument"
    assert "lone surrogates" in told["error"]


def test_a_line_that_is_too_long_is_answered(asking: Raw) -> None:
    filling = b"x" * (65 * 1024 * 1024)

    told = asking.asks(
        b'{"method":"ping","params":{"x":"' + filling + b'"},"jsonrpc":"2.0","id":8}'
    )

    assert (told["error"]["code"], told["id"]) == (types.INVALID_REQUEST, 8)
    assert asking.asks({"jsonrpc": "2.0", "id": 9, "method": "ping"})["id"] == 9


def test_a_notification_that_is_malformed_is_logged(raw: Raw, tmp_path: Path) -> None:
    raw.hello()
    raw.send({"jsonrpc": "2.0", "method": "notifications/x", "params": []})

    assert raw.asks({"jsonrpc": "2.0", "id": 9, "method": "ping"})["id"] == 9
    assert "a message of the client was dropped" in (tmp_path / "log").read_text()


def test_the_revision_with_batches_answers_them_together(raw: Raw) -> None:
    raw.hello("2025-03-26")
    ping = {"jsonrpc": "2.0", "method": "ping"}

    told = raw.asks(
        [{**ping, "id": 1}, {**ping, "id": "a"}, 5, {"jsonrpc": "2.0", "method": "notifications/x"}]
    )

    assert {answer["id"]: answer.get("error", {}).get("code") for answer in told} == {
        1: None,
        "a": None,
        None: types.INVALID_REQUEST,
    }
    assert raw.asks([])["error"]["code"] == types.INVALID_REQUEST
    raw.send([{"jsonrpc": "2.0", "method": "notifications/x"}])
    assert raw.asks({**ping, "id": 9})["id"] == 9


def test_other_revisions_answer_each_request_of_a_batch_with_an_error(raw: Raw) -> None:
    raw.hello("2025-06-18")
    raw.send(
        [
            {"jsonrpc": "2.0", "method": "ping", "id": 1},
            {"jsonrpc": "2.0", "method": "ping", "id": "a"},
        ]
    )

    assert [(told["id"], told["error"]["code"]) for told in raw.answers(2)] == [
        (1, types.INVALID_REQUEST),
        ("a", types.INVALID_REQUEST),
    ]


def test_an_id_that_is_in_use_is_refused(asking: Raw) -> None:
    question = asking.asks(call(8))
    assert question["params"]["message"] == TEXT

    assert asking.asks(call(8))["error"]["code"] == types.INVALID_REQUEST
    asking.send({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}})
    assert asking.answers(1)[0]["result"]["structuredContent"]["data"]["said"] == "declined"
    again = asking.asks(call(8))
    assert again["method"] == "elicitation/create", "afterwards it is free"
    asking.asks({"jsonrpc": "2.0", "id": again["id"], "result": {"action": "decline"}})


@pytest.mark.parametrize(
    ("said", "became"),
    [
        ({"result": None}, "unreadable"),
        ({"result": ["accept"]}, "unreadable"),
        ({"result": "accept"}, "unreadable"),
        ({"result": {}}, "unreadable"),
        ({"result": {"action": "yes", "content": {"approve": True}}}, "unreadable"),
        ({"result": {"action": "accept", "content": [True]}}, "unreadable"),
        ({"result": {"action": "accept", "content": {"approve": "\ud800"}}}, "declined"),
        ({"result": {"action": "accept", "content": {"approve": 1}}}, "declined"),
        ({"result": {"action": "accept", "content": None}}, "declined"),
        ({"error": {"code": -32603, "message": "no"}}, "cannot"),
        ({"error": None}, "unreadable"),
        ({"error": "no"}, "unreadable"),
        ({}, "unreadable"),
    ],
    ids=str,
)
def test_a_malformed_answer_to_a_question_ends_the_call(
    asking: Raw, said: dict[str, Any], became: str
) -> None:
    question = asking.asks(call(8))

    told = asking.asks({"jsonrpc": "2.0", "id": question["id"], **said})

    assert (told["id"], told["result"]["structuredContent"]["data"]["said"]) == (8, became)


def test_what_was_asked_before_the_input_ended_is_answered(raw: Raw) -> None:
    assert raw.process.stdin is not None
    raw.hello()
    raw.send(call(1, tool="restart"))
    # Without an end of the line
    raw.process.stdin.write(b'{"jsonrpc":"2.0","id":2,"method":"ping"}')
    raw.process.stdin.close()

    assert {told["id"] for told in raw.answers(2)} == {1, 2}
    assert raw.ends() == 0


def test_a_client_that_closes_and_does_not_read_is_left(raw: Raw) -> None:
    assert raw.process.stdin is not None
    raw.hello()
    raw.send(
        *(
            {"jsonrpc": "2.0", "id": f"{number}{'x' * 1000}", "method": "ping"}
            for number in range(300)
        )
    )
    raw.process.stdin.close()

    assert raw.ends() == 0


def test_a_client_that_cannot_read_any_more_is_left(raw: Raw) -> None:
    assert raw.process.stdout is not None
    raw.hello(elicitation={})
    raw.asks(call(1))
    raw.process.stdout.close()
    raw.send({"jsonrpc": "2.0", "id": 2, "method": "ping"})

    assert raw.ends() == 0, "although standard input is open"
