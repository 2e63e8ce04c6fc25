"""The host modules of playbooks/docker, run for real against an engine that says what the
test wants.
"""

from __future__ import annotations

import http.server
import json
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from playrail.toolsets.docker import get_docker_logs, list_docker_containers
from worlds.host_modules import MODULES, SHARED, loaded, module_answer

STAMP = b"2026-01-31T12:00:00.123456789Z "
ABOUT = {
    "Id": "c1",
    "Name": "/web",
    "Config": {"Tty": False},
    "State": {"Status": "running", "Running": True},
}
STATS = {
    "cpu_stats": {
        "cpu_usage": {"total_usage": 3_000},
        "system_cpu_usage": 20_000,
        "online_cpus": 2,
    },
    "precpu_stats": {"cpu_usage": {"total_usage": 1_000}, "system_cpu_usage": 10_000},
    "memory_stats": {"usage": 1_500, "limit": 10_000, "stats": {"inactive_file": 500}},
    "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 10, "tx_bytes": 20}},
    "blkio_stats": {
        "io_service_bytes_recursive": [{"op": "Read", "value": 7}, {"op": "write", "value": 8}]
    },
    "pids_stats": {"current": 4},
}

Answer = bytes | Mapping[str, Any] | list[Any] | int
Run = Callable[..., dict[str, Any]]


class Asked(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = cast("FakeEngine", self.server)
        server.asked.append(self.path)
        path = self.path.partition("?")[0]
        if path.endswith("/stats"):
            server.measure()
        answers = server.answers | (server.since_answers if "since=" in self.path else {})
        answer = answers.get(path, 404)
        status = answer if isinstance(answer, int) else server.statuses.get(path, 200)
        told = {"message": f"status {answer}"} if isinstance(answer, int) else answer
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: Any) -> None:
        pass


class FakeEngine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """`answers` are by path; a number is a failure's status."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: str) -> None:
        super().__init__(path, Asked)
        self.answers: dict[str, Answer] = {}
        self.since_answers: dict[str, Answer] = {}  # to those that ask since a time
        self.statuses: dict[str, int] = {}
        self.asked: list[str] = []
        self.delay_s = 0.0
        self.most_at_once = 0
        self._at_once: set[int] = set()

    def measure(self) -> None:
        """What takes `delay_s`; counts how many are at it."""
        self._at_once.add(threading.get_ident())
        self.most_at_once = max(self.most_at_once, len(self._at_once))
        time.sleep(self.delay_s)
        self._at_once.discard(threading.get_ident())


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[FakeEngine]:
    with FakeEngine(str(tmp_path / "docker.sock")) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        yield server
        server.shutdown()
        serving.join()


@pytest.fixture
def run(engine: FakeEngine) -> Run:
    def answer(module: str, **arguments: Any) -> dict[str, Any]:
        given = {"sockets": [str(engine.server_address)], **arguments}
        return module_answer([str(MODULES / f"docker_{module}.py")], given, timeout_s=20)

    return answer


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


def size(answer: Mapping[str, Any]) -> int:
    told = {
        key: value
        for key, value in answer.items()
        if key not in ("changed", "invocation") and value is not None
    }
    return len(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode())


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


def test_stats_count_as_docker_does(engine: FakeEngine, run: Run) -> None:
    engine.answers |= {"/containers/web/json": ABOUT, "/containers/c1/stats": STATS}
    (one,) = run("stats", container="web")["containers"]
    assert one == {
        "id": "c1",
        "name": "web",
        "cpu_percent": 40.0,
        "pids": 4,
        "memory_used_bytes": 1_000,
        "memory_limit_bytes": 10_000,
        "memory_percent": 10.0,
        "net_rx_bytes": 11,
        "net_tx_bytes": 22,
        "block_read_bytes": 7,
        "block_write_bytes": 8,
    }


def test_stats_where_the_host_counts_less(engine: FakeEngine, run: Run) -> None:
    few = {
        "pids_stats": {"current": 1},
        "memory_stats": {},
        "cpu_stats": {"cpu_usage": {}},
        "blkio_stats": {},
    }
    engine.answers |= {"/containers/web/json": ABOUT, "/containers/c1/stats": few}
    (one,) = run("stats", container="web")["containers"]
    assert one == {
        "id": "c1",
        "name": "web",
        "pids": 1,
        "block_read_bytes": 0,
        "block_write_bytes": 0,
    }


def test_stats_tell_how_many_do_not_run_and_how_one_ended(engine: FakeEngine, run: Run) -> None:
    engine.answers["/containers/json"] = [
        {"Id": "c1", "State": "exited"},
        {"Id": "c2", "State": "running"},
    ]
    engine.answers["/containers/c2/stats"] = STATS
    found = run("stats")
    assert (len(found["containers"]), found["total"], found["not_running"]) == (1, 1, 1)
    state = {"Status": "exited", "ExitCode": 137, "OOMKilled": True, "Running": False}
    engine.answers["/containers/web/json"] = {**ABOUT, "State": state}
    assert run("stats", container="web")["docker"] == (
        "the container is exited with exit code 137, ended because memory ran out"
    )


def test_stats_of_many_fit(engine: FakeEngine, run: Run) -> None:
    names = [f"{number:03}{'x' * 100}" for number in range(150)]
    engine.answers["/containers/json"] = [{"Id": name, "Names": [f"/{name}"]} for name in names]
    engine.answers |= {f"/containers/{name}/stats": STATS for name in names}
    found = run("stats")
    assert 0 < len(found["containers"]) < 150
    assert (found["total"], found["truncated"]) == (150, True)
    assert size(found) <= 24_000


def test_containers_are_measured_at_once_and_those_that_go_are_told(
    engine: FakeEngine, run: Run
) -> None:
    names = [f"c{number}" for number in range(12)]
    engine.delay_s = 1.0
    engine.answers["/containers/json"] = [{"Id": name, "Names": [f"/{name}"]} for name in names]
    engine.answers |= {f"/containers/{name}/stats": STATS for name in names}
    engine.answers |= {"/containers/c3/stats": 404, "/containers/c4/stats": 500}
    engine.answers["/containers/c5/stats"] = {"pids_stats": {}, "memory_stats": {}}
    found = run("stats", limit=11)
    assert engine.most_at_once > 1
    assert sorted(one["name"] for one in found["containers"]) == sorted(
        {*names} - {"c3", "c4", "c5", "c11"}
    )
    assert found["not_measured"] == [
        {"name": "c3", "why": "gone"},
        {"name": "c4", "why": "no_answer"},
        {"name": "c5", "why": "not_running"},
    ]
    assert (found["total"], found["truncated"]) == (12, True)


def test_details_are_told_when_asked_for(engine: FakeEngine, run: Run) -> None:
    labels = {f"label{number:02}": "x" * 600 for number in range(60)} | {
        "com.docker.compose.project": "shop"
    }
    one = {
        "Id": "c" * 64,
        "Image": "web",
        "Command": "run",
        "Mounts": [{"Destination": "/data"}],
        "HostConfig": {},
    }
    engine.answers["/containers/json"] = [{**one, "Labels": labels, "Ports": []}, {"Id": "c2"}]
    (short, _) = run("containers")["containers"]
    assert short == {"Id": "c" * 12, "Image": "web", "Project": "shop"}
    found = run("containers", details=True, max_bytes=100_000)
    assert found["containers"][0].keys() == {
        "Id",
        "Image",
        "Command",
        "Mounts",
        "Labels",
        "Project",
    }
    assert max(len(value) for value in found["containers"][0]["Labels"].values()) == 500
    assert len(found["containers"][0]["Labels"]) == 50
    assert (found["total"], found["truncated"], found["next_offset"]) == (2, True, None)
    assert engine.asked[-1] == "/containers/json?all=1"
    run("containers", all=False)
    assert engine.asked[-1] == "/containers/json?all=0"


def test_a_long_list_comes_in_pages(engine: FakeEngine, run: Run) -> None:
    names = [f"{number:03}{'x' * 200}" for number in range(300)]
    engine.answers["/containers/json"] = [{"Id": name, "Names": [f"/{name}"]} for name in names]
    seen: list[str] = []
    offset: int | None = 0
    while offset is not None:
        found = run("containers", offset=offset)
        assert size(found) <= 24_000
        seen += [one["Names"][0][1:] for one in found["containers"]]
        assert (found["total"], found["truncated"]) == (300, found["next_offset"] is not None)
        offset = found["next_offset"]
    assert seen == names


@pytest.mark.parametrize(
    ("answer", "code"), [(b'[{"Id": ', "docker_failed"), (500, "docker_failed")]
)
def test_an_engine_that_talks_nonsense(
    engine: FakeEngine, run: Run, answer: Answer, code: str
) -> None:
    engine.answers["/containers/json"] = answer
    assert run("containers")["playrail_code"] == code


def test_no_engine(run: Run, tmp_path: Path) -> None:
    folders = ("/usr/bin", "/usr/sbin", "/usr/local/bin")
    code = "no_docker"
    for name, means in (("podman", "podman_silent"), ("docker", "docker_unavailable")):
        code = means if any(Path(folder, name).exists() for folder in folders) else code
    answer = run("containers", sockets=[str(tmp_path / "none.sock")])
    assert answer["playrail_code"] == code


def stale(path: Path) -> str:
    """A socket at which nothing listens any more."""
    with socketserver.UnixStreamServer(str(path), socketserver.BaseRequestHandler):
        return str(path)


def test_the_first_engine_that_answers_is_asked_and_others_are_told(
    engine: FakeEngine, run: Run, tmp_path: Path
) -> None:
    engine.answers["/containers/json"] = []
    mine = str(engine.server_address)
    sockets = [str(tmp_path / "none.sock"), stale(tmp_path / "stale.sock"), mine]
    found = run("containers", sockets=sockets)
    assert (found["total"], found["engine"]) == (0, mine)
    assert {"socket": str(tmp_path / "stale.sock"), "why": "Connection refused"} in found[
        "other_engines"
    ]
    assert run("containers", sockets=sockets, engine=mine)["total"] == 0
    assert (
        run("containers", sockets=sockets, engine="/run/user/7/other.sock")["playrail_code"]
        == "no_docker"
    )


def test_an_engine_that_may_not_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    module = loaded(SHARED / "docker.py")
    monkeypatch.setattr(module, "OF_USERS", ())
    monkeypatch.setattr(module, "elsewhere", lambda: None)
    refused = [
        ("/run/docker.sock", PermissionError(13, "no")),
        ("/run/other.sock", ConnectionRefusedError(111, "no")),
    ]
    assert module.unreachable(refused).code == "permission_denied"
    down = module.unreachable(refused[1:])
    assert (down.code, "its daemon does not run" in str(down)) == ("docker_unavailable", True)
    monkeypatch.setattr(module, "installed", lambda programs: "podman" in programs)
    assert module.unreachable([]).code == "podman_silent"
    monkeypatch.setattr(module, "installed", lambda _programs: False)
    assert module.unreachable([]).code == "no_docker"
    monkeypatch.setattr(
        module, "elsewhere", lambda: "dockerd runs as process 7, and listens elsewhere"
    )
    assert module.unreachable([]).code == "docker_unavailable"


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


def test_a_container_of_which_the_engine_says_no_ports() -> None:
    one = {
        "Id": "c1",
        "Image": "web",
        "Command": "web",
        "Created": 1,
        "State": "running",
        "Status": "Up",
    }
    report = list_docker_containers.report.model_validate(
        {"containers": [one], "total": 1, "truncated": False}
    )
    assert report.model_dump()["containers"][0]["ports"] is None


@pytest.mark.parametrize("container", ["", "-f", "../json", "a/b", "a?b", "a b", "żółw", "x" * 129])
def test_what_is_no_containers_name(container: str) -> None:
    with pytest.raises(ValidationError):
        get_docker_logs.input(container=container)
