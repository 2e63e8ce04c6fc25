"""A real client of a real server process that operates the lab's hosts."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, StdioServerParameters

LAB = Path(__file__).parents[2] / ".lab" / "lab.json"
BASE_NAMES = ("deb12", "deb13", "nopython", "closed")


@dataclass(frozen=True)
class Wire:
    """A connected MCP client. `call` returns the structured answer, after looking that the text says the same."""

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


def on_host(host: str, *argv: str, check: bool = True) -> str:
    """What a command prints on a lab host, seen past Playrail and SSH."""
    command = ["docker", "exec", f"playrail-lab-{host}", *argv]
    return subprocess.run(command, check=check, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture(scope="session")
def hosts() -> Mapping[str, Any]:
    """The lab as its file tells it. A lab that is not up is a failure, never a skip."""
    assert LAB.is_file(), "the lab is not up: make lab-up"
    found: dict[str, Any] = json.loads(LAB.read_text())
    return found


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
        **other,
    }


@contextlib.contextmanager
def connected(env: Mapping[str, str], **options: Any) -> Iterator[Wire]:
    """A client of a server process with this environment."""
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "playrail.cli", "serve"], env=dict(env), cwd=env["PLAYRAIL_STATE_DIR"]
    )
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Client(parameters, **options)) as client,
    ):
        yield Wire(client, portal)


@pytest.fixture(scope="session")
def wire(hosts: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A client of a server that knows the lab's hosts, writes on."""
    state = tmp_path_factory.mktemp("state")
    state.chmod(0o700)
    with connected(environment(state, {name: entry(hosts, name) for name in BASE_NAMES})) as wire:
        yield wire


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[Callable[..., Wire]]:
    """Makes a client of a server with the given entries of its own."""
    tmp_path.chmod(0o700)
    with contextlib.ExitStack() as stack:

        def make(servers: Mapping[str, Any], **other: str) -> Wire:
            return stack.enter_context(connected(environment(tmp_path, servers, **other)))

        yield make
