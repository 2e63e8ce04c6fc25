"""What `playrail doctor` finds, and that it says how to mend it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from playrail.ansible.inventory.inventory import Inventory
from playrail.ansible.outcome.outcome import NO_REPORT, HostOutcome
from playrail.ansible.run.play import forks
from playrail.codes.every import named
from playrail.commands import doctor, doctor_servers
from playrail.commands.doctor_place import private_place
from playrail.commands.doctor_project import Check
from playrail.commands.doctor_secrets import check_secrets
from playrail.errors import Problem
from playrail.hosts import Host, Hosts
from playrail.ledger.ledger import Entry, Ledger
from playrail.settings.settings import Settings


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment in which nothing is configured."""
    monkeypatch.chdir(tmp_path)
    # Without the play that tells of short cuts, see test_ways.py
    machine = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    return {**machine, "PLAYRAIL_WARM": "0"}


def examined(environ: Mapping[str, str], dotenv: Path) -> dict[str, Check]:
    async def collect() -> list[Check]:
        return [check async for check in doctor.examine(environ, dotenv=dotenv)]

    checks = asyncio.run(collect())
    assert [check for check in checks if (check.state == "ok") is bool(check.mend)] == []
    return {check.name: check for check in checks}


@pytest.mark.slow
def test_a_machine_without_settings_is_fine(environ: Mapping[str, str], tmp_path: Path) -> None:
    found = examined({**environ, "PLAYRAIL_WARM": "1"}, tmp_path / ".env")

    assert {name: check.state for name, check in found.items()} == dict.fromkeys(
        (
            "python",
            "ansible-core",
            "ansible-runner",
            "ansible-playbook",
            "ssh",
            "settings",
            "state directory",
            "runtime directory",
            "ledger",
            "inventory",
            "host localhost",
            "run that stays",
            "quick play",
            "kept interpreter",
        ),
        "ok",
    )
    assert found["host localhost"].found.startswith("reached, works as ")


def test_wrong_settings_are_a_finding(environ: Mapping[str, str], tmp_path: Path) -> None:
    found = examined({**environ, "LOG_LEVEL": "loud"}, tmp_path / ".env")

    assert list(found) == ["python", "ansible-core", "ansible-runner", "settings"]
    assert (found["settings"].state, found["settings"].found.partition(":")[0]) == (
        "fail",
        "LOG_LEVEL",
    )


SERVERS = {
    "open": {"type": "ssh", "host": "192.0.2.1", "verify_host_key": False},
    "broken": {"type": "ssh", "host": "192.0.2.2", "port": 0},
}


def settings_of(environ: Mapping[str, str], **variables: str) -> Settings:
    return Settings.load({**environ, **variables}, dotenv=None)


def test_settings_that_deserve_a_word(environ: dict[str, str], tmp_path: Path) -> None:
    environ |= {"MCP_SERVERS": json.dumps(SERVERS), "MIKRUS_SERVERS": "{}", "MCP_PORT": "8000"}
    (tmp_path / ".env").touch(mode=0o644)

    found = list(doctor._settings(settings_of(environ), environ, tmp_path / ".env"))

    assert [(check.name, check.state, check.found) for check in found] == [
        ("settings", "ok", "servers named: 1, write operations: off"),
        ("server broken", "fail", "port: input should be greater than or equal to 1."),
        ("server open", "warn", "its host key is not verified"),
        ("MIKRUS_SERVERS", "warn", "is not used: MCP_SERVERS wins"),
        ("MCP_PORT", "warn", "is set, and Playrail does not use it"),
        (".env", "warn", "other users of this machine can read it"),
    ]


def test_a_password_that_is_a_common_word_is_told(environ: Mapping[str, str]) -> None:
    weak = {"type": "ssh", "host": "192.0.2.1", "password": "Root", "sudo_password": "changeme"}
    servers = {"weak": weak, "good": {**weak, "password": "Root-7", "sudo_password": "x-change"}}
    settings = settings_of(environ, MCP_SERVERS=json.dumps(servers))

    (found,) = check_secrets(settings)

    assert (found.name, found.state) == ("secrets of weak", "warn")
    assert found.found.startswith("its password and sudo password is a common word")
    assert "Root" not in f"{found.found} {found.mend}"


def test_a_policy_is_read_as_the_start_does(environ: Mapping[str, str], tmp_path: Path) -> None:
    path = tmp_path / "policy.yml"
    path.write_text("rules:\n  - {name: all, then: allow}\n")
    settings = settings_of(environ, PLAYRAIL_POLICY=str(path))
    assert list(doctor._policy(settings)) == [
        Check(name="policy", state="ok", found=f"{path}, rules: 1")
    ]

    path.write_text("rules:\n  - {name: all, then: perhaps}\n")
    (check,) = doctor._policy(settings)
    assert (check.name, check.state) == ("policy", "fail")
    assert check.found.startswith(f"{path}:2: ")


def test_a_directory_that_others_can_enter(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    check = doctor._directory("state directory", tmp_path, "PLAYRAIL_STATE_DIR")

    assert (check.state, check.mend) == (
        "fail",
        f"chmod 700 {tmp_path}, or set PLAYRAIL_STATE_DIR.",
    )


def test_a_runtime_directory_on_a_disk() -> None:
    assert doctor._runtime(Path("/dev/shm/playrail")).state == "ok"
    assert doctor._runtime(Path("/proc/playrail")).state == "warn"


def test_a_ledger_that_was_altered(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.sqlite"
    ledger = Ledger(path)
    entry = Entry(
        kind="refused",
        call="1",
        server="s",
        caller="cli",
        tool="read_file",
        body={"outcome": "denied"},
    )
    ledger.append(entry, entry)
    ledger.close()
    assert doctor._ledger(path).state == "ok"

    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER records_refuse_update")
        connection.execute("UPDATE records SET caller = 'nobody' WHERE seq = 2")
    connection.close()

    assert doctor._ledger(path).found == f"{path}: record 2 was altered"


def test_a_default_that_is_not_there(environ: Mapping[str, str]) -> None:
    settings = settings_of(environ, MCP_DEFAULT_SERVER="gone")
    known = Hosts(hosts={}, groups={"all": ()}, refused={"a:b": "It is a pattern."})

    found = list(doctor_servers.check_inventory(known, settings))

    assert [(check.name, check.state, check.found) for check in found] == [
        ("inventory", "warn", "there are no hosts"),
        ("host 'a:b'", "warn", "It is a pattern."),
        ("default server", "fail", "'gone' cannot be used"),
    ]


FACTS = {
    "ansible_facts": {
        "ansible_user_id": "root",
        "ansible_python": {
            "executable": "/usr/bin/python3",
            "version": {"major": 3, "minor": 11, "micro": 2},
        },
    }
}
PROBLEM = Problem(code=named("unreachable"), error="Nothing listens there.", hint="Start sshd.")


@pytest.mark.parametrize(
    ("outcome", "check"),
    [
        (
            HostOutcome(report=FACTS),
            Check(
                name="web",
                state="ok",
                found="reached, works as root with Python 3.11.2 (/usr/bin/python3)",
            ),
        ),
        (
            HostOutcome(problem=PROBLEM),
            Check(name="web", state="fail", found="Nothing listens there.", mend="Start sshd."),
        ),
        (
            HostOutcome(problem=NO_REPORT),
            Check(
                name="web",
                state="fail",
                found="no answer within 65 s",
                mend=(
                    "Check its address, the firewalls and jump hosts on the way, and whether "
                    "it is overloaded."
                ),
            ),
        ),
    ],
    ids=["ok", "problem", "silence"],
)
def test_a_host(outcome: HostOutcome, check: Check) -> None:
    assert doctor_servers.check_host("web", outcome, late_s=65.0) == check


def test_every_host_has_its_turn_before_the_deadline(
    environ: Mapping[str, str], tmp_path: Path
) -> None:
    def deadline_s(count: int, **fields: Any) -> float:
        servers = {
            f"s{number}": {"type": "ssh", "host": "192.0.2.1", **fields} for number in range(count)
        }
        inventory = Inventory(settings_of(environ, MCP_SERVERS=json.dumps(servers)), tmp_path)
        hosts = {name: Host(name=name, groups=()) for name in servers}
        return doctor_servers.deadline_of(inventory, Hosts(hosts=hosts, groups={}, refused={}))

    at_once = forks(500)
    found = [
        deadline_s(1),
        deadline_s(at_once),
        deadline_s(at_once + 1),
        deadline_s(1, timeout=100),
    ]
    assert found == [65, 65, 110, 135]


def test_what_a_killed_doctor_left_goes(tmp_path: Path) -> None:
    script = (
        "import sys, os; from pathlib import Path; "
        "from playrail.commands.doctor_place import private_place; "
        "kept = private_place(Path(sys.argv[1])); place = kept.__enter__(); "
        "(place / 'run').mkdir(); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    (tmp_path / "0123456789abcdef").mkdir()  # of a server
    assert len(list(tmp_path.iterdir())) == 3

    with private_place(tmp_path) as place:
        there = {path.name for path in tmp_path.iterdir()}
        assert there == {"doctors", "0123456789abcdef", place.name}

    assert {path.name for path in tmp_path.iterdir()} == {"doctors", "0123456789abcdef"}
    assert list((tmp_path / "doctors").iterdir()) == []


@pytest.mark.lab
def test_hosts_good_and_bad(
    lab: Any, servers_json: Callable[..., str], environ: Mapping[str, str], tmp_path: Path
) -> None:
    names = ("deb12", "deb13", "nopython", "closed")

    found = examined({**environ, "MCP_SERVERS": servers_json(lab, names)}, tmp_path / ".env")

    assert [(name, found[f"host {name}"].state) for name in names] == [
        ("deb12", "ok"),
        ("deb13", "ok"),
        ("nopython", "fail"),
        ("closed", "fail"),
    ]
    assert found["host deb13"].found.startswith("reached, works as root with Python 3.13")


@pytest.mark.slow
def test_tags_of_another_kind_are_told(environ: dict[str, str], tmp_path: Path) -> None:
    local = "ansible_connection: local"
    (tmp_path / "hosts.yml").write_text(
        f"all: {{hosts: {{cloud: {{tags: {{Name: web}}, {local}}}, own: {{tags: {{}}, "
        f"playrail_tags: [a], {local}}}}}}}"
    )
    environ["PLAYRAIL_INVENTORY"] = str(tmp_path / "hosts.yml")
    settings = settings_of(environ)
    known = asyncio.run(Inventory(settings, tmp_path, environ=environ).hosts())

    (found,) = [
        check for check in doctor_servers.check_inventory(known, settings) if check.name == "tags"
    ]

    assert (found.state, "of cloud is" in found.found, "playrail_tags" in (found.mend or "")) == (
        "warn",
        True,
        True,
    )
