"""The wheel, installed where no checkout is: it brings its playbooks and runs a tool from
them.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import zipfile
from pathlib import Path

import pytest

from worlds.checkout import ROOT
from worlds.clean_environment import empty_environment, install, run, wheel_of_checkout

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wheel")


@pytest.fixture(scope="module")
def python(place: Path) -> Path:
    return empty_environment(place)


@pytest.fixture(scope="module")
def wheel(place: Path, python: Path) -> Path:
    return wheel_of_checkout(python, place)


@pytest.fixture(scope="module")
def installed(python: Path, wheel: Path) -> Path:
    """The command of the installed wheel."""
    install(python, wheel)
    return python.with_name("playrail")


def files_in(place: Path, *folders: str) -> list[str]:
    return run("git", "ls-files", "-co", "--exclude-standard", *folders, cwd=place).split()


def test_what_the_wheel_holds(wheel: Path) -> None:
    """Every playbook, role and the inventory of the checkout; the collection for plays and
    for ansible-doc; no test, no state of a machine.
    """
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {
        f"playrail/content/{name}" for name in files_in(ROOT, "playbooks", "inventory", "roles")
    } <= held
    collection = files_in(ROOT / "src", "ansible_collections")
    assert {*collection, *(f"playrail/content/{name}" for name in collection)} <= held
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
