"""What is told of a container's log, by the host module run for real against an engine that says
what the test wants.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from playrail.toolsets.docker import get_docker_logs
from worlds.fake_engine import ABOUT, Answer, FakeEngine, Run, asking, serving, size

STAMP = b"2026-01-31T12:00:00.123456789Z "


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[FakeEngine]:
    with serving(tmp_path) as engine:
        yield engine


@pytest.fixture
def run(engine: FakeEngine) -> Run:
    return asking(engine)


def frame(stream: int, piece: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(STAMP + piece)) + STAMP + piece


def logs(engine: FakeEngine, run: Run, body: bytes, **arguments: Any) -> dict[str, Any]:
    engine.answers |= {"/containers/web/json": ABOUT, "/containers/web/logs": body}
    return run("logs", container="web", **arguments)


def texts(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(entry["stream"], entry["text"]) for entry in answer["entries"]]


def test_both_streams_come_in_order_with_their_times(engine: FakeEngine, run: Run) -> None:
    found = logs(
        engine,
        run,
        frame(1, b"one\n") + frame(2, "zażółć {{ 7 * 7 }}\r\n".encode()) + frame(1, b"\xff\n"),
    )
    assert texts(found) == [
        ("stdout", "one"),
        ("stderr", "zażółć {{ 7 * 7 }}"),
        ("stdout", "\ufffd"),
    ]
    assert {entry["time"] for entry in found["entries"]} == {"2026-01-31T12:00:00.123456Z"}
    assert (found["older"], found["truncated"], found["state"]) == (False, False, "running")


def test_a_line_in_pieces_is_one(engine: FakeEngine, run: Run) -> None:
    """Docker hands a line of more than 16 KiB over in pieces, each with a time; the other
    stream may come between.
    """
    found = logs(
        engine,
        run,
        frame(1, b"begin ") + frame(2, b"other\n") + frame(1, b"end\n") + frame(1, b"next"),
    )
    assert texts(found) == [("stdout", "begin end"), ("stderr", "other"), ("stdout", "next")]


def test_a_long_line_is_cut_and_says_so(engine: FakeEngine, run: Run) -> None:
    found = logs(engine, run, frame(1, b"x" * 300_000 + b"\n") + frame(1, b"next\n"))
    assert found["truncated"]
    assert [text for _stream, text in texts(found)] == ["x" * 500 + "\u2026", "next"]
    assert [entry.get("text_bytes") for entry in found["entries"]] == [300_000, None]
    more = run("logs", container="web", message_characters=10_000)
    assert [len(text) for _stream, text in texts(more)] == [10_001, 4]


def test_a_line_of_other_letters_is_cut_between_them(engine: FakeEngine, run: Run) -> None:
    found = logs(engine, run, frame(1, "ż\U0001f600".encode() * 400 + b"\n"))
    assert texts(found) == [("stdout", "ż\U0001f600" * 250 + "\u2026")]
    assert found["entries"][0]["text_bytes"] == 2400


def test_only_the_newest_lines(engine: FakeEngine, run: Run) -> None:
    body = b"".join(frame(1, b"line %d\n" % number) for number in range(4))
    found = logs(engine, run, body, lines=3, since="1800000000.5")
    assert [text for _stream, text in texts(found)] == ["line 1", "line 2", "line 3"]
    assert (found["older"], found["truncated"]) == (True, False)
    assert (
        engine.asked[-1]
        == "/containers/web/logs?stdout=1&stderr=1&timestamps=1&tail=4&since=1800000000.5"
    )


@pytest.mark.parametrize("most", [1000, 24_000])
@pytest.mark.parametrize("letter", ["x", "ż", '"'])
def test_lines_that_are_too_much_together(
    engine: FakeEngine, run: Run, most: int, letter: str
) -> None:
    body = b"".join(frame(1, f"{number} {letter * 400}\n".encode()) for number in range(300))
    found = logs(engine, run, body, lines=200, max_bytes=most)
    assert 0 < len(found["entries"]) < 200
    assert texts(found)[-1][1].startswith("299 ")
    assert (found["older"], found["truncated"]) == (True, True)
    assert size(found) <= most


def test_a_terminal_is_one_stream(engine: FakeEngine, run: Run) -> None:
    engine.answers |= {
        "/containers/web/json": {**ABOUT, "Config": {"Tty": True}},
        "/containers/web/logs": STAMP + b"one\r\n" + STAMP + b"two",
    }
    assert texts(run("logs", container="web")) == [("stdout", "one"), ("stdout", "two")]
    engine.answers["/containers/web/logs"] = STAMP + b"a long " + STAMP + b"line\r\n"
    found = run("logs", container="web", lines=1)
    assert (texts(found), found["older"]) == ([("stdout", "a long line")], True)


@pytest.mark.parametrize(
    "answer", [b"", {"message": "configured logging driver does not support reading"}]
)
def test_a_log_that_docker_does_not_keep(engine: FakeEngine, run: Run, answer: Answer) -> None:
    about = {**ABOUT, "HostConfig": {"LogConfig": {"Type": "none"}}}
    engine.answers |= {"/containers/web/json": about, "/containers/web/logs": answer}
    engine.statuses["/containers/web/logs"] = 200 if answer == b"" else 501
    answered = run("logs", container="web")
    assert (answered["playrail_code"], answered["docker"]) == ("log_not_kept", "none")
    problem = get_docker_logs.report.model_validate(answered).problem()
    assert problem is not None
    assert "its log driver is none" in problem.error


def test_a_container_that_wrote_nothing_says_what_became_of_it(
    engine: FakeEngine, run: Run
) -> None:
    state = {
        "Status": "exited",
        "ExitCode": 137,
        "OOMKilled": True,
        "StartedAt": "2026-01-31T12:00:00.1Z",
    }
    config = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
    about = {
        **ABOUT,
        "State": {**state, "FinishedAt": "2026-01-31T12:00:09Z"},
        "HostConfig": {"LogConfig": config},
    }
    engine.answers |= {"/containers/web/json": about, "/containers/web/logs": b""}
    found = run("logs", container="web")
    assert found["entries"] == []
    assert (found["state"], found["exit_code"], found["out_of_memory"]) == ("exited", 137, True)
    assert (found["started"], found["finished"]) == ("2026-01-31T12:00:00Z", "2026-01-31T12:00:09Z")
    assert found["notes"] == [
        "Docker keeps 3 file(s) of 10m of this log; what was before them is gone.",
        "The container wrote nothing to its outputs, or what it wrote is not kept any more.",
    ]


def test_a_container_that_was_never_started(engine: FakeEngine, run: Run) -> None:
    about = {**ABOUT, "State": {"Status": "created", "StartedAt": "0001-01-01T00:00:00Z"}}
    engine.answers |= {"/containers/web/json": about, "/containers/web/logs": b""}
    found = run("logs", container="web")
    assert (found["notes"], found["started"]) == (["The container was never started."], None)


def test_nothing_since_a_time_tells_when_there_was_something(engine: FakeEngine, run: Run) -> None:
    engine.answers |= {"/containers/web/json": ABOUT, "/containers/web/logs": frame(1, b"before\n")}
    engine.since_answers["/containers/web/logs"] = b""
    found = run("logs", container="web", since="1800000000")
    assert (found["entries"], found["last_written"]) == ([], "2026-01-31T12:00:00.123456Z")


@pytest.mark.parametrize(
    ("since", "seconds"),
    [
        ("2026-01-31", "1769817600.000000"),
        ("2026-01-31T12:00:00.5+01:00", "1769857200.500000"),
        ("2026-01-31T11:00:00.5Z", "1769857200.500000"),
        (None, None),
    ],
)
def test_since_is_told_in_seconds(since: str | None, seconds: str | None) -> None:
    assert get_docker_logs.input(container="web", since=since).since_s == seconds


@pytest.mark.parametrize(
    "since", ["0001-01-01T00:00+01:00", "1969-12-31", "2201-01-01T00:00Z", "9999-12-31T23:00-05:00"]
)
def test_since_of_a_time_that_no_host_knows(since: str) -> None:
    with pytest.raises(ValidationError, match="between 1970 and 2200"):
        get_docker_logs.input(container="web", since=since)


@pytest.mark.parametrize("container", ["", "-f", "../json", "a/b", "a?b", "a b", "żółw", "x" * 129])
def test_what_is_no_containers_name(container: str) -> None:
    with pytest.raises(ValidationError):
        get_docker_logs.input(container=container)
