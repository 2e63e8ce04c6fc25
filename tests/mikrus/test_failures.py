"""What goes wrong with a request to the mikr.us API, over real HTTP: each failure has its
code, none has the key.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from conftest import Lab
from mikrus import recorded
from mikrus import simulator as sim
from mikrus.simulator import Fault
from mikrus.world import World, failure
from playrail.errors import (
    ApiConnectTimeout,
    ApiError,
    ApiRejected,
    OutcomeUnknown,
    ServerMisconfigured,
)
from playrail.mikrus.client import Mikrus
from playrail.mikrus.pace import LONGEST_HOLD_S
from playrail.mikrus.replies import judge
from playrail.safe_text.secrets import HIDDEN

pytestmark = pytest.mark.slow


def _faults() -> dict[str, tuple[Fault, str]]:
    """Per failure of one request: the fault, and the code that a read which cannot try
    again ends with.
    """
    return {
        "words": (sim.error("Serwer jest zablokowany"), "api_rejected"),
        "words-400": (sim.error("Nie ma takiego serwera", 400), "api_rejected"),
        "words-500": (sim.error("Awaria", 500), "api_unavailable"),
        "words-504": (sim.error("upstream timed out", 504, worked=True), "api_unavailable"),
        "400": (sim.status(400), "api_rejected"),
        "401": (sim.status(401), "api_unauthorized"),
        "403": (sim.status(403, b"Bad key"), "api_unauthorized"),
        "403-words": (sim.error("zły klucz", 403), "api_unauthorized"),
        "404": (sim.html_page(404), "api_unexpected"),
        "413": (sim.status(413), "api_unexpected"),
        "429": (sim.status(429), "rate_limited"),
        "500": (sim.html_page(500), "api_unavailable"),
        "502": (sim.html_page(502), "api_unavailable"),
        "503": (sim.status(503), "api_unavailable"),
        "redirect": (sim.status(302, Location="https://example.org/login"), "api_unexpected"),
        "bad-redirect": (sim.status(302, Location="https://[x"), "api_unexpected"),
        "page": (sim.html_page(), "api_not_json"),
        "empty": (Fault(body=b""), "api_not_json"),
        "text": (Fault(body=b"Too busy"), "api_not_json"),
        "nan": (Fault(body=b"[NaN]"), "api_not_json"),
        "scalar": (Fault(body=b'"OK"'), "api_unexpected"),
        "deep": (Fault(body=b"[" * 400 + b"]" * 400), "api_unexpected"),
        "half-json": (sim.truncated_json(), "api_truncated"),
        "cut-json": (Fault(body=b'{"a": {"b": 1}'), "api_truncated"),
        "half-body": (sim.cut_within_answer(), "api_truncated"),
        "too-long": (Fault(body=b'["' + b"x" * 17_000_000 + b'"]'), "api_unexpected"),
        "packed": (Fault(headers={"content-encoding": "gzip"}), "api_unexpected"),
        "lost": (sim.cut_before_work(), "api_connection_lost"),
        "late": (sim.delay(5), "api_read_timeout"),
    }


@pytest.mark.parametrize("name", _faults())
def test_a_failure_of_a_read_has_its_code(world: World, name: str) -> None:
    fault, code = _faults()[name]
    world.simulator.faults.append(fault)

    error = failure(lambda: world.read(within_s=1.5))  # too short to try again

    assert isinstance(error, ApiError)
    assert error.problem.code == code
    assert error.problem.hint.endswith(".")
    assert len(world.simulator.requests) == 1


@pytest.mark.parametrize("name", _faults())
def test_a_failure_of_a_change_is_never_repeated_and_says_whether_it_may_be_done(
    world: World, name: str
) -> None:
    fault, code = _faults()[name]
    world.simulator.faults.append(fault)
    surely_not_done = code in {"api_rejected", "api_unauthorized", "rate_limited"} or name in {
        "404",
        "413",
    }

    error = failure(lambda: world.change(within_s=1.5 if name == "late" else 20))

    assert error.problem.code == (code if surely_not_done else "outcome_unknown")
    assert len(world.simulator.requests) == 1
    assert not error.problem.retryable or code == "rate_limited"


def test_a_change_that_was_done_though_the_answer_is_lost_is_unknown(world: World) -> None:
    world.simulator.faults.append(sim.cut_after_work())

    error = failure(world.change)

    assert isinstance(error, OutcomeUnknown)
    assert len(world.simulator.done) == 1


def test_json_under_another_content_type_is_read(world: World) -> None:
    world.simulator.faults.append(sim.wrong_type())

    assert world.read("/porty").body == recorded.PORTY


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'\xef\xbb\xbf{"a": 1}\n', {"a": 1}),
        (b'{"a": "x\ny"}', {"a": "x\ny"}),
        (b'{"a": "\xff"}', {"a": "\ufffd"}),
        (b'{"a": "\\ud800 \\ud83d\\ude00"}', {"a": "? \U0001f600"}),
        (b'{"error": null, "output": "x"}', {"error": None, "output": "x"}),
        (b"[]", []),
    ],
)
def test_unusual_json_is_read(world: World, body: bytes, found: Any) -> None:
    world.simulator.faults.append(Fault(body=body))

    assert world.read().body == found


@pytest.mark.parametrize("body", [b"[" * 100_000, b"[" + b"9" * 10_000 + b"]"])
def test_json_that_python_refuses_is_no_crash(world: World, body: bytes) -> None:
    world.simulator.faults.append(Fault(body=body))

    assert isinstance(failure(lambda: world.read(within_s=1.5)), ApiError)


def test_the_apis_words_are_bounded_and_clean_and_hide_the_key(world: World) -> None:
    words = f"klucz {sim.KEY} \x1b[31m\u202e jest\nzły " + "x" * 1000
    world.simulator.faults.append(sim.error(words))

    error = failure(world.read)

    assert str(error).startswith(f"The API refused (HTTP 200): klucz {HIDDEN} [31m jest zły xxx")
    assert len(str(error)) < 350
    assert (
        error.problem.hint
        == "The error quotes the API; understand why it refused before you call again."
    )


@pytest.mark.parametrize(
    "body",
    [
        b"x" * 1180 + b" " * 10 + sim.KEY.encode(),
        b" " * 1180 + sim.KEY.encode(),
        b'{"error": {"' + sim.KEY.encode() + b'": ["' + sim.KEY.encode() + b'"]}}',
        b'{"error": ["\\u0030' + sim.KEY[1:].encode() + b'"]}',
    ],
    ids=["far", "first", "nested", "escaped"],
)
def test_no_part_of_the_key_is_in_an_error(world: World, body: bytes) -> None:
    world.simulator.faults.append(sim.status(400, body))

    assert sim.KEY[:8] not in str(failure(world.read))


def test_a_key_that_json_escapes_is_hidden_in_an_error() -> None:
    key = SecretStr('a"b\\c' * 5)
    outcome = judge(
        400, json.dumps({"error": [key.get_secret_value()]}).encode(), retry_after=None, key=key
    )

    assert str(outcome.error) == f'The API refused (HTTP 400): ["{HIDDEN}"].'


@pytest.mark.parametrize("depth", [60, 900, 5000])
def test_an_error_that_is_nested_too_deep_is_no_crash(depth: int) -> None:
    body = b'{"error": ' + b"[" * depth + b"]" * depth + b"}"
    outcome = judge(200, body, retry_after=None, key=SecretStr(sim.KEY))

    assert isinstance(outcome.error, ApiError)


def test_400_names_key_and_srv(world: World) -> None:
    server = world.server.model_copy(update={"key": SecretStr("f" * 40)})
    error = failure(
        lambda: world.run(lambda client: client.ask(server, "/info", repeatable=True, within_s=5))
    )

    assert isinstance(error, ApiRejected)
    assert "`key`" in error.problem.hint
    assert "`srv`" in error.problem.hint


@pytest.mark.parametrize("secret", ["zażółć" * 5, "two\u00a0words", " padded", "padded "])
def test_a_key_that_no_header_can_hold_is_told_and_not_shown(world: World, secret: str) -> None:
    server = world.server.model_copy(update={"key": SecretStr(secret)})
    error = failure(
        lambda: world.run(lambda client: client.ask(server, "/info", repeatable=True, within_s=5))
    )

    assert isinstance(error, ServerMisconfigured)
    assert secret not in repr(error) + str(error)
    assert world.simulator.requests == []


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_name_without_an_address(world: World, repeatable: bool) -> None:
    server = world.server.model_copy(update={"api_url": "https://api.mikrus.invalid"})
    error = failure(
        lambda: world.run(
            lambda client: client.ask(server, "/info", repeatable=repeatable, within_s=1.5)
        )
    )

    assert (error.problem.code, error.problem.retryable) == ("api_dns_failed", True)


@pytest.mark.parametrize("endpoint", ["/info", "/restart"])
def test_a_closed_port(world: World, endpoint: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = world.server.model_copy(update={"api_url": f"http://127.0.0.1:{port}"})
    error = failure(
        lambda: world.run(
            lambda client: client.ask(server, endpoint, repeatable=True, within_s=1.5)
        )
    )

    assert (error.problem.code, error.problem.retryable) == ("api_connect_failed", True)
    assert "Connection refused" in str(error)


def test_no_encryption_where_it_is_due(world: World) -> None:
    server = world.server.model_copy(update={"api_url": world.url.replace("http://", "https://")})
    error = failure(
        lambda: world.run(lambda client: client.ask(server, "/info", repeatable=False, within_s=5))
    )

    assert error.problem.code == "api_tls_failed"
    assert world.simulator.requests == []


def test_certificates_that_cannot_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "certificates.pem"
    broken.write_text("nothing")
    monkeypatch.setenv("SSL_CERT_FILE", str(broken))

    assert failure(lambda: world.read("/info")).problem.code == "api_tls_failed"


@pytest.mark.lab
def test_an_address_that_answers_nobody(world: World, lab: Lab) -> None:
    server = world.server.model_copy(update={"api_url": f"https://{lab['blackhole'].address}"})
    error = failure(
        lambda: world.run(
            lambda client: client.ask(server, "/restart", repeatable=False, within_s=1.5)
        )
    )

    assert isinstance(error, ApiConnectTimeout)


def test_something_that_does_not_speak_http(world: World) -> None:
    async def work(client: Mikrus) -> Any:
        async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(rude, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            server = world.server.model_copy(update={"api_url": f"http://127.0.0.1:{port}"})
            await client.ask(server, "/info", repeatable=True, within_s=5)

    assert failure(lambda: world.run(work)).problem.code == "api_unexpected"


@given(
    status=st.integers(min_value=100, max_value=999),
    text=st.one_of(
        st.binary(),
        st.sampled_from([b"{}", b"[", b'{"error": {"a": [1]}}', b'"x"', b'{"error": "\\ud800"}']),
    ),
    retry_after=st.one_of(st.none(), st.text(), st.integers().map(str)),
)
def test_every_answer_is_a_body_or_an_error(
    status: int, text: bytes, retry_after: str | None
) -> None:
    outcome = judge(status, text, retry_after=retry_after, key=SecretStr(sim.KEY))

    assert (outcome.error is None) is isinstance(outcome.body, dict | list)
    if outcome.error is not None:
        str(outcome.error).encode()
    assert 0 <= (outcome.retry_after_s or 0) <= LONGEST_HOLD_S


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("  7 ", 7),
        ("9" * 400, 3600),
        ("3601", 3600),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        (" " * 12 + "5", 5),
    ],
)
def test_how_long_to_wait_is_bounded(header: str, seconds: int) -> None:
    outcome = judge(429, b"", retry_after=header, key=SecretStr(sim.KEY))

    assert outcome.error is not None
    assert (outcome.retry_after_s, outcome.error.problem.retry_after_s) == (seconds, seconds)


def test_no_log_record_has_the_key(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world.simulator.faults += [fault for fault, _ in _faults().values() if fault.delay_s == 0]
    left = len(world.simulator.faults)
    for _ in range(left):
        failure(world.change)
    world.read("/info")

    assert {"httpx", "httpcore.http11"} <= {record.name for record in caplog.records}
    told = caplog.text + "".join(repr(vars(record)) for record in caplog.records)
    assert sim.KEY not in told
