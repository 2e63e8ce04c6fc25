"""Each incident is diagnosed from answers alone, with writes off, in ten calls at most.

What is planted is drawn anew in each run; INCIDENT_SEED=NUMBER draws as a run did that failed.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from incidents.incident import CASES, Incident, Look, lacking

from .conftest import CONTAINERS, Wire, connected, entry, environment

pytestmark = [pytest.mark.lab]
MOST_CALLS, MOST_BYTES = 10, 25_000


@pytest.fixture(scope="session")
def looking(hosts: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A client of a server as it is delivered: nothing that changes may be called."""
    state = tmp_path_factory.mktemp("state")
    state.chmod(0o700)
    servers = {name: entry(hosts, name) for name in ("deb12", "deb13")}
    env = environment(state, servers)
    delivered = ("ENABLE_WRITE_OPERATIONS", "PLAYRAIL_ALIASES", "PLAYRAIL_OUTPUT_SCHEMAS")
    with connected({name: env[name] for name in env.keys() - delivered}) as wire:
        yield wire


def on_hosts(scripts: Mapping[str, str], values: Mapping[str, str]) -> str:
    """Runs the scripts as root, past Playrail; returns what they print."""
    printed = ""
    for host, script in scripts.items():
        variables = [word for name, value in values.items() for word in ("-e", f"{name}={value}")]
        done = subprocess.run(
            ["docker", "exec", *variables, CONTAINERS[host], "sh", "-euc", script],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{host}: {done.stderr}"
        printed += done.stdout
    return printed


@contextlib.contextmanager
def planted(incident: Incident) -> Iterator[None]:
    try:
        incident.learn(on_hosts(incident.plant, incident.values))
        yield
    finally:
        on_hosts(incident.mend, incident.values)


def looked(wire: Wire, look: Look, host: str) -> tuple[list[str], int]:
    """What the answer to this look does not tell, and how many bytes it has."""
    server = look.server or host
    answer = wire.call(look.tool, server=server, **look.arguments)
    size = len(json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode())
    if not answer["success"]:
        return [f"{look.tool}: {answer}"], size
    found = answer["data"].get("hosts", {})
    # What is told of several hosts together stands in the place of what each tells
    report = answer["data"].get("together") or next(iter(found.values()))
    return [f"{look.tool}{what}" for what in lacking(report, look.tells)], size


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_an_incident_is_diagnosed(path: Path, looking: Wire) -> None:
    seed = int(os.environ.get("INCIDENT_SEED") or random.SystemRandom().randrange(10**6))
    incident = Incident.drawn(path, seed)
    assert len(incident.looks) <= MOST_CALLS
    host = incident.hosts[0]
    with planted(incident):
        found = [looked(looking, look, host) for look in incident.taken()]
    untold = [fact for facts, _ in found for fact in facts]
    assert untold == [], f"INCIDENT_SEED={seed} {incident.values}"
    assert sum(size for _, size in found) <= MOST_BYTES
    # Facts that are told of any host prove nothing
    untold_else = [looked(looking, look, host)[0] for look in incident.taken()]
    assert any(untold_else), f"INCIDENT_SEED={seed}: all is told when nothing is wrong, too"
