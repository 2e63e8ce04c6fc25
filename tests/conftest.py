"""The lab for tests that need real hosts, and the rule that no such test is left out
silently.

A test marked `lab` fails when the lab is not up. Only `LAB=none` leaves them out, and then
the summary names each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from playrail.ledger.ledger import Ledger
from playrail.settings.private_files import private_directory
from worlds.forked_commands import Commands, forked_commands
from worlds.local_plays import WAY


@pytest.fixture(scope="module", params=["cold", "warm"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """For modules all of whose tests must hold whether a play has a new Ansible or one that
    is kept ready.
    """
    WAY.warm = request.param == "warm"
    yield request.param
    WAY.warm = False


@pytest.fixture
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a Playrail of the test's own has its files; nobody else may enter."""
    return private_directory(tmp_path / "place")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty one, whose directory is made when it is first used."""
    made = Ledger(tmp_path / "state" / "ledger.sqlite")
    yield made
    made.close()


# A shared machine may be slow at any moment; that says nothing about the code.
settings.register_profile("playrail", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("playrail")

ROOT = Path(__file__).resolve().parents[1]
LAB_COMMAND = ROOT / "tests" / "lab" / "lab.py"
LAB_JSON = ROOT / ".lab" / "lab.json"

LEFT_OUT = pytest.StashKey[list[str]]()
LAB_TROUBLE = pytest.StashKey[str]()


@dataclass(frozen=True, kw_only=True)
class LabHost:
    """A host of the lab. `container` is None for an address that no container has."""

    name: str
    address: str
    port: int
    user: str
    key: str
    password: str | None = None
    sudo_password: str | None = None
    container: str | None = None


@dataclass(frozen=True, kw_only=True)
class Lab:
    """What .lab/lab.json tells. `files` are the paths in it besides the hosts' keys, see
    tests/lab/README.md.
    """

    hosts: Mapping[str, LabHost]
    known_hosts: str
    known_hosts_changed: str
    files: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> LabHost:
        return self.hosts[name]

    def on_host(
        self, container: str | LabHost, argv: Sequence[str], *, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root in a host's container, past Playrail, SSH and Ansible.
        Takes a host or its name too.
        """
        host = self.hosts.get(container) if isinstance(container, str) else container
        name = str(container) if host is None else host.container
        assert name is not None, f"{container} has no container"
        command = ["docker", "exec", *(["--interactive"] if stdin is not None else []), name, *argv]
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )


def make_servers_json(lab: Lab, names: Iterable[str], **changes: Any) -> str:
    """Text for MCP_SERVERS with these hosts of the lab. `changes` replace or add fields in
    every entry.
    """
    entries = {}
    for name in names:
        host = lab[name]
        entry: dict[str, Any] = {
            "type": "ssh",
            "host": host.address,
            "port": host.port,
            "user": host.user,
        }
        entry |= {"ssh_key": host.key, "known_hosts_file": lab.known_hosts}
        if host.sudo_password is not None:
            entry["sudo_password"] = host.sudo_password
        entries[name] = {
            key: value for key, value in (entry | changes).items() if value is not None
        }
    return json.dumps(entries)


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    """Runs `playrail` in processes that need not import what it needs."""
    with forked_commands() as made:
        yield made


@pytest.fixture(scope="session")
def servers_json() -> Callable[..., str]:
    """`servers_json(lab, names, **changes)`: see make_servers_json."""
    return make_servers_json


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The lab's hosts, for tests marked `lab`."""
    told = json.loads(LAB_JSON.read_text(encoding="utf-8"))
    fields = LabHost.__dataclass_fields__.keys() - {"name"}
    hosts = {
        name: LabHost(name=name, **{key: value for key, value in entry.items() if key in fields})
        for name, entry in told.pop("hosts").items()
    }
    known, changed = told.pop("known_hosts"), told.pop("known_hosts_changed")
    return Lab(hosts=hosts, known_hosts=known, known_hosts_changed=changed, files=told)


def pytest_configure(config: pytest.Config) -> None:
    wanted = os.environ.get("LAB", "")
    if wanted not in {"", "none"}:
        raise pytest.UsageError(
            f"LAB={wanted}: allowed is LAB=none, which leaves the tests on real hosts out"
        )
    config.stash[LEFT_OUT] = []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "lab" in getattr(item, "fixturenames", ()) and item.get_closest_marker("lab") is None:
            raise pytest.UsageError(f"{item.nodeid} uses the lab and is not marked `lab`")
    items.sort(key=lambda item: item.get_closest_marker("longest") is None)
    if os.environ.get("LAB") != "none":
        return
    left_out = [item for item in items if item.get_closest_marker("lab") is not None]
    config.stash[LEFT_OUT] = [item.nodeid for item in left_out]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item.get_closest_marker("lab") is None]


def _lab_trouble() -> str:
    """What is wrong with the lab. It is asked again: tests beside this one restart what it
    answers with.
    """
    command = [sys.executable, str(LAB_COMMAND), "status"]
    for attempt in range(3):
        time.sleep(5 * attempt)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 0:
            return ""
    return (done.stdout + done.stderr).strip()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Look at the lab once, before the first test that needs it; all of them fail when it
    is not up.
    """
    if item.get_closest_marker("lab") is None:
        return
    stash = item.config.stash
    if LAB_TROUBLE not in stash:
        stash[LAB_TROUBLE] = _lab_trouble()
    if stash[LAB_TROUBLE]:
        pytest.fail(
            (
                "the lab is not up: run `make lab-up`, or leave these tests out with "
                f"LAB=none\n{stash[LAB_TROUBLE]}"
            ),
            pytrace=False,
        )


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    left_out = config.stash[LEFT_OUT]
    if left_out:
        title = f"LAB=none: {len(left_out)} tests on real hosts did NOT run"
        terminalreporter.section(title, sep="!", red=True, bold=True)
        for name in left_out:
            terminalreporter.line(f"NOT RUN {name}")
