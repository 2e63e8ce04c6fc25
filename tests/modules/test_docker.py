"""The host modules that tell of Docker's containers, run for real against an engine that says what
the test wants; and which engine they ask.
"""

from __future__ import annotations

import socketserver
from collections.abc import Iterator
from pathlib import Path

import pytest

from playrail.toolsets.docker import list_docker_containers
from worlds.fake_engine import ABOUT, Answer, FakeEngine, Run, asking, serving, size
from worlds.host_modules import SHARED, loaded

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


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[FakeEngine]:
    with serving(tmp_path) as engine:
        yield engine


@pytest.fixture
def run(engine: FakeEngine) -> Run:
    return asking(engine)


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
    found = run("stats")
    assert engine.most_at_once > 1
    assert sorted(one["name"] for one in found["containers"]) == sorted(
        {*names} - {"c3", "c4", "c5"}
    )
    assert found["not_measured"] == [
        {"name": "c3", "why": "gone"},
        {"name": "c4", "why": "no_answer"},
        {"name": "c5", "why": "not_running"},
    ]
    assert (found["total"], found["truncated"]) == (12, False)


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
