"""The wheel, installed where no checkout is: it brings its playbooks and runs a tool from
them.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from worlds.checkout import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wheel")


@pytest.fixture(scope="module")
def python(place: Path) -> Path:
    """A Python of its own, with pip and nothing else."""
    run(sys.executable, "-m", "venv", place / "venv", cwd=place)
    return place / "venv" / "bin" / "python"


@pytest.fixture(scope="module")
def wheel(place: Path, python: Path) -> Path:
    run(
        python,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        place / "dist",
        ROOT,
        cwd=place,
    )
    return next((place / "dist").glob("playrail-*.whl"))


@pytest.fixture(scope="module")
def installed(place: Path, python: Path, wheel: Path) -> Path:
    """The command of the installed wheel. Its dependencies have the versions that the other
    tests run with.
    """
    pins = place / "constraints.txt"
    pins.write_text(
        "".join(
            f"{found.name}=={found.version}\n"
            for found in importlib.metadata.distributions()
            if found.name != "playrail"
        )
    )
    run(python, "-m", "pip", "install", "--quiet", "--constraint", pins, wheel, cwd=place)
    return python.with_name("playrail")


def test_what_the_wheel_holds(wheel: Path) -> None:
    """Every playbook, host module, role and the inventory of the checkout; no test, no
    state of a machine.
    """
    held = set(zipfile.ZipFile(wheel).namelist())
    tracked = run(
        "git", "ls-files", "-co", "--exclude-standard", "playbooks", "inventory", "roles", cwd=ROOT
    ).split()
    assert {f"playrail/content/{name}" for name in tracked} <= held
    assert not [name for name in held if "/tests/" in name or name.endswith(".pyc")]
    assert "playrail/py.typed" in held


def test_a_tool_runs_from_the_installed_wheel(installed: Path, place: Path) -> None:
    state = place / "state"
    env = {"PATH": os.environ["PATH"], "HOME": str(place), "PLAYRAIL_STATE_DIR": str(state)}
    assert run(installed, "--version", cwd=place, env=env).split()[
        -1
    ] == importlib.metadata.version("playrail")
    answer = json.loads(
        run(installed, "call", "read_file", "path=/etc/os-release", cwd=place, env=env)
    )
    report = answer["data"]["hosts"]["localhost"]
    assert report["content"] == Path("/etc/os-release").read_text()
    tools = json.loads(run(installed, "tools", "--json", cwd=place, env=env))
    assert len(tools) == len(
        json.loads(run(Path(sys.executable).with_name("playrail"), "tools", "--json", cwd=place))
    )
