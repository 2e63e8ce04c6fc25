"""A real client of a real server process that operates the lab's hosts."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, StdioServerParameters

from mikrus.execute import on_lab_host
from mikrus.simulator import KEY, SRV, Simulator, running

if TYPE_CHECKING:
    from .own_host import Operator, OwnHost

LAB = Path(__file__).parents[2] / ".lab" / "lab.json"
MIKRUS_REMOTE = "/var/cache/playrail"  # where the connection over /exec keeps its files on a server
TIMEOUT_S = 600  # the first test of a process waits for its hosts
BASE_NAMES = ("deb12", "deb13", "nopython", "closed")


@dataclass(frozen=True)
class Wire:
    """A connected MCP client. `call` returns the structured answer, after looking that the
    text says the same.
    """

    client: Client
    portal: BlockingPortal

    def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        result = self.portal.call(self.client.call_tool, tool, arguments)
        answer = result.structured_content
        assert isinstance(answer, dict)
        assert json.loads(result.content[0].text) == answer
        assert result.is_error is not answer["success"]
        return answer

    def report(self, tool: str, /, *, server: str, **arguments: Any) -> dict[str, Any]:
        """What the tool reported of the one host, which must have succeeded."""
        answer = self.call(tool, server=server, **arguments)
        assert answer["success"], answer
        found: dict[str, Any] = answer["data"]["hosts"][server]
        return found


# By the names of deb12 and deb13 the containers of this process
CONTAINERS: dict[str, str] = {}


def on_host(host: str, *argv: str, check: bool = True) -> str:
    """What a command prints on a host of this process, seen past Playrail and SSH."""
    command = ["docker", "exec", CONTAINERS[host], *argv]
    return subprocess.run(command, check=check, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture(scope="session")
def raised() -> Mapping[str, Any]:
    """The lab as its file tells it, which no test changes. A lab that is not up is a
    failure, never a skip.
    """
    assert LAB.is_file(), "the lab is not up: make lab-up"
    told: dict[str, Any] = json.loads(LAB.read_text())
    return told


@pytest.fixture(scope="session")
def lab_file(raised: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file of a lab that is this process's own."""
    from .own_lab import own_lab  # noqa: PLC0415  it imports what imports this module

    place = tmp_path_factory.mktemp("lab")
    with own_lab(raised, place) as told:
        CONTAINERS.update(
            {name: host["container"] for name, host in told["hosts"].items() if "container" in host}
        )
        yield place / "lab.json"
    CONTAINERS.clear()


@pytest.fixture(scope="session")
def hosts(lab_file: Path) -> Mapping[str, Any]:
    """The hosts of this process's own lab, as its file tells them."""
    told: dict[str, Any] = json.loads(lab_file.read_text())
    return told


def entry(lab: Mapping[str, Any], name: str, **other: Any) -> dict[str, Any]:
    """A lab host as an entry of MCP_SERVERS; `other` replaces fields, None removes one."""
    host = lab["hosts"][name]
    made = {
        "type": "ssh",
        "host": host["address"],
        "port": host["port"],
        "user": host["user"],
        "ssh_key": host["key"],
        "sudo_password": host.get("sudo_password"),
        "known_hosts_file": lab["known_hosts"],
        **other,
    }
    return {key: value for key, value in made.items() if value is not None}


def environment(state: Path, servers: Mapping[str, Any], **other: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **kept,
        "PLAYRAIL_STATE_DIR": str(state),
        **({"MCP_SERVERS": json.dumps(servers)} if servers else {}),
        "ENABLE_WRITE_OPERATIONS": "1",
        "PLAYRAIL_ALIASES": "1",
        "PLAYRAIL_OUTPUT_SCHEMAS": "1",  # so the client compares each answer with its schema
        **other,
    }


@contextlib.contextmanager
def connected(env: Mapping[str, str], **options: Any) -> Iterator[Wire]:
    """A client of a server process with this environment."""
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "playrail.cli", "serve"],
        env=dict(env),
        cwd=env["PLAYRAIL_STATE_DIR"],
    )
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Client(parameters, **options)) as client,
    ):
        yield Wire(client, portal)


@contextlib.contextmanager
def _wired(hosts: Mapping[str, Any], state: Path, **others: Mapping[str, Any]) -> Iterator[Wire]:
    """A client of a server that knows the lab's hosts, writes on; `others` are entries that
    stand in their place.
    """
    state.chmod(0o700)
    servers = {**{name: entry(hosts, name) for name in BASE_NAMES}, **others}
    with connected(environment(state, servers, PLAYRAIL_MIKRUS_RATE="9999/1")) as wire:
        yield wire


@pytest.fixture(scope="session")
def wire_by_ssh(
    hosts: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Wire]:
    with _wired(hosts, tmp_path_factory.mktemp("state")) as wire:
        yield wire


@pytest.fixture(scope="session")
def wire_by_mikrus(
    hosts: Mapping[str, Any], lab_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Wire]:
    """deb12 is a server of mikr.us, reached through the simulator's /exec, which runs what it
    gets on deb12.
    """
    with (
        on_lab_host("deb12", lab=lab_file) as execute,
        running(Simulator(execute=execute)) as url,
        _wired(hosts, tmp_path_factory.mktemp("state"), deb12=mikrus_entry(url)) as wire,
    ):
        yield wire


@pytest.fixture(params=["ssh", "mikrus"])
def wire(request: pytest.FixtureRequest) -> Wire:
    """A client of a server that knows the lab's hosts, writes on. Tests that take it may run
    twice, the second time by way of mikr.us.
    """
    made: Wire = request.getfixturevalue(f"wire_by_{request.param}")
    return made


def mikrus_entry(url: str) -> dict[str, str]:
    """The simulator's server as an entry of MCP_SERVERS."""
    return {"type": "mikrus", "srv": SRV, "key": KEY, "api_url": url}


@pytest.fixture(scope="module")
def simulator(lab_file: Path) -> Iterator[Simulator]:
    """The API whose only server is deb12, which before and afterwards has nothing of
    Playrail.
    """
    with on_lab_host("deb12", lab=lab_file) as execute:
        on_host("deb12", "rm", "-rf", MIKRUS_REMOTE)
        yield Simulator(execute=execute)
        on_host("deb12", "rm", "-rf", MIKRUS_REMOTE)


@contextlib.contextmanager
def client_of(simulator: Simulator, state: Path) -> Iterator[Wire]:
    """A client of a server that knows the simulator's server as `vps`."""
    state.chmod(0o700)
    with running(simulator) as url:
        servers = {"vps": mikrus_entry(url)}
        with connected(environment(state, servers, PLAYRAIL_MIKRUS_RATE="1000/60")) as made:
            yield made


@pytest.fixture(scope="module")
def vps(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with client_of(simulator, tmp_path_factory.mktemp("state")) as made:
        yield made


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory with a short path, since those of sockets are below it."""
    with tempfile.TemporaryDirectory(prefix="pr-", ignore_cleanup_errors=True) as made:
        yield Path(made)


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[Callable[..., Wire]]:
    """Makes a client of a server with the given entries of its own."""
    tmp_path.chmod(0o700)
    with contextlib.ExitStack() as stack:

        def make(servers: Mapping[str, Any], **other: str) -> Wire:
            return stack.enter_context(connected(environment(tmp_path, servers, **other)))

        yield make


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the second run, leaves one case of each module, and none that is about SSH or
    another host than deb12.

    Every tool is called over mikr.us once more, and its requests are counted, in
    test_mikrus_requests.py.
    """
    seen: set[str] = set()
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        (kept if _is_kept(item, seen) else left).append(item)
    config.hook.pytest_deselected(items=left)
    # What takes long begins first, so that it does not go on alone at the end.
    items[:] = sorted(kept, key=lambda item: item.get_closest_marker("slow") is None)
    for item in items:
        if isinstance(item, pytest.Function) and item.path.parent == Path(__file__).parent:
            own = "raised" in item.fixturenames and "hosts" not in item.fixturenames
            if not own:
                item.fixturenames.insert(0, "hosts")  # on_host works on them
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(TIMEOUT_S))


def _is_kept(item: pytest.Item, seen: set[str]) -> bool:
    given = (
        item.callspec.params
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        else {}
    )
    if given.get("wire") != "mikrus":
        return True
    others = set(BASE_NAMES) - {"deb12"}
    module = item.nodeid.partition("::")[0]
    if (
        module in seen
        or item.get_closest_marker("over_ssh")
        or not others.isdisjoint(map(str, given.values()))
    ):
        return False
    seen.add(module)
    return True


@pytest.fixture(scope="module")
def host(raised: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnHost]:
    """A host of the module's own, that may be restarted, cut off and filled."""
    from .own_host import own_host  # noqa: PLC0415  it imports what imports this module

    with own_host(raised, tmp_path_factory.mktemp("own")) as made:
        yield made


@pytest.fixture(scope="module")
def living(host: OwnHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """A Playrail that operates that host through all of the module's tests."""
    from .own_host import operator  # noqa: PLC0415

    with operator(host, tmp_path_factory.mktemp("living") / "place") as made:
        yield made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what tests have measured, whichever process they ran in."""
    for report in terminalreporter.getreports("passed"):
        for title, text in report.user_properties:
            terminalreporter.section(title)
            terminalreporter.write_line(str(text))
