"""The host module that tells all about one container, run for real against an engine that says
what the test wants; and what of a command line is hidden.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from worlds.fake_engine import FakeEngine, Run, asking, serving, size
from worlds.host_modules import SHARED, loaded

hidden_words = loaded(SHARED / "hidden_words.py")

STOPPED: dict[str, Any] = {
    "Id": "c1" * 32,
    "Name": "/web",
    "Image": "sha256:" + "ab" * 32,
    "State": {
        "Status": "exited",
        "ExitCode": 0,
        "OOMKilled": True,
        "StartedAt": "2026-01-31T12:00:00.123456789Z",
        "FinishedAt": "2026-01-31T12:00:05.5+01:00",
    },
    "HostConfig": {
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
        "Memory": 1 << 24,
        "CpuQuota": 150_000,
        "CpuPeriod": 100_000,
        "PidsLimit": -1,
        "NetworkMode": "host",
        "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}], "53/udp": None},
    },
    "Config": {"Image": "web:1", "Env": ["A=1", "TOKEN=x=y", "EMPTY"]},
    "Mounts": [{"Type": "bind", "Source": "/srv", "Destination": "/data", "RW": False}],
}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[FakeEngine]:
    with serving(tmp_path) as engine:
        yield engine


@pytest.fixture
def run(engine: FakeEngine) -> Run:
    return asking(engine)


def told(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = run("container", container="web")["container"]
    return found


def test_one_that_has_ended(engine: FakeEngine, run: Run) -> None:
    engine.answers["/containers/web/json"] = STOPPED
    assert told(run) == {
        "id": "c1" * 6,
        "name": "web",
        "state": "exited",
        "exit_code": 0,
        "out_of_memory": True,
        "started": "2026-01-31T12:00:00Z",
        "finished": "2026-01-31T12:00:05+01:00",
        "restart_policy": "on-failure:3",
        "limits": {"memory_bytes": 1 << 24, "cpus": 1.5},
        "network_mode": "host",
        "image": "web:1",
        "image_id": "ab" * 6,
        "ports": [
            {"private": 53, "protocol": "udp"},
            {"private": 80, "protocol": "tcp", "public": 8080},
        ],
        "mounts": [{"type": "bind", "source": "/srv", "destination": "/data", "read_only": True}],
        "environment": ["A", "EMPTY", "TOKEN"],
    }


def test_an_image_whose_name_means_another_one_by_now(engine: FakeEngine, run: Run) -> None:
    number = STOPPED["Image"]
    engine.answers |= {
        "/containers/web/json": STOPPED,
        f"/images/{str(number).replace(':', '%3A')}/json": {
            "Id": number,
            "RepoDigests": ["web@sha256:" + "cd" * 32],
            "Created": "2026-01-01T00:00:00Z",
        },
        "/images/web%3A1/json": {"Id": "sha256:" + "ef" * 32},
    }
    found = told(run)
    assert found["image_digest"] == "sha256:" + "cd" * 32
    assert (found["image_created"], found["image_outdated"]) == ("2026-01-01T00:00:00Z", True)
    engine.answers["/images/web%3A1/json"] = {"Id": number}
    assert "image_outdated" not in told(run)


def test_a_health_check_that_fails(engine: FakeEngine, run: Run) -> None:
    log = [
        {"End": f"2026-01-31T12:00:0{number}Z", "ExitCode": number % 2, "Output": "x" * 400}
        for number in range(5)
    ]
    state = {"Status": "running", "Health": {"Status": "unhealthy", "FailingStreak": 2, "Log": log}}
    test = ["CMD", "curl", "-H", "Authorization: Bearer abc", "http://u:p@localhost"]
    config = {"Healthcheck": {"Test": test}}
    engine.answers["/containers/web/json"] = {**STOPPED, "State": state, "Config": config}
    found = told(run)
    assert "exit_code" not in found
    health = found["health"]
    assert (health["status"], health["failing_streak"]) == ("unhealthy", 2)
    assert [one["exit_code"] for one in health["checks"]] == [0, 1, 0]
    assert len(health["checks"][0]["output"]) == 300
    assert health["test"] == "CMD curl -H Authorization: *** http://u:***@localhost"


def test_what_has_no_room_is_counted(engine: FakeEngine, run: Run) -> None:
    many = {"Env": [f"{'N' * 40}{number}=x" for number in range(500)]}
    engine.answers["/containers/web/json"] = {**STOPPED, "Config": many}
    found = run("container", container="web", max_bytes=4000)
    assert size(found) <= 4000
    assert found["truncated"] is True
    assert found["left_out"] == {"environment": 500 - len(found["container"]["environment"])}
    assert found["container"]["mounts"]


@pytest.mark.parametrize("answer", [[], {}, {"State": None, "Mounts": None, "HostConfig": []}])
def test_an_answer_of_another_form_is_none(engine: FakeEngine, run: Run, answer: Any) -> None:
    engine.answers["/containers/web/json"] = answer
    found = run("container", container="web")
    assert found.get("playrail_code") == "docker_failed" or (
        found["container"]["state"] == "unknown"
    )


def test_no_value_of_the_environment_is_told(engine: FakeEngine, run: Run) -> None:
    config = {**STOPPED["Config"], "Env": ["PASSWORD=canary"]}
    engine.answers["/containers/web/json"] = {
        **STOPPED,
        "Config": config,
        "Path": "app",
        "Args": ["--api-key", "canary", "--token=canary", "DB_PASSWORD=canary"],
    }
    found = run("container", container="web")
    assert "canary" not in json.dumps(found)
    assert found["container"]["command"] == "app --api-key *** --token=*** DB_PASSWORD=***"


@pytest.mark.parametrize(
    ("line", "hidden"),
    [
        ("mysql -pcanary -u root", "mysql -p*** -u root"),
        ("app --password canary run", "app --password *** run"),
        ("app -v postgres://me:canary@db/x", "app -v postgres://me:***@db/x"),
        ("nginx -g daemon", "nginx -g daemon"),
        ("docker run -p80:80 web", "docker run -p80:80 web"),
        ("app --tokenizer=fast", "app --tokenizer=***"),
        ("app --author=ann", "app --author=ann"),
    ],
)
def test_what_looks_secret_in_a_command(line: str, hidden: str) -> None:
    assert " ".join(hidden_words.without_secrets(line.split())) == hidden
