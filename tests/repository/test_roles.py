"""Every role is described, and its Molecule scenarios pass on throw-away hosts made from
the lab's images.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from worlds.checkout import ROOT

ROLES = sorted(path for path in (ROOT / "roles").iterdir() if (path / "tasks").is_dir())
SCENARIOS = sorted((ROOT / "roles").glob("*/molecule/*/molecule.yml"))
MINUTES = 20  # for one scenario; it takes about two, more where the machine or packages are slow
TAIL = 120  # lines of Molecule's output that a failure shows


def _load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_there_are_roles() -> None:
    assert ROLES


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_role_is_described_and_tested(role: Path) -> None:
    assert (role / "README.md").is_file()
    assert (role / "molecule" / "default" / "molecule.yml").is_file()
    options = _load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    defaults = _load(role / "defaults" / "main.yml")

    readme = (role / "README.md").read_text(encoding="utf-8")
    assert [name for name in options if not name.startswith(f"{role.name}_")] == []
    assert [name for name in options if f"`{name}`" not in readme] == []
    assert [
        name
        for name, option in options.items()
        if not option.get("description") or not option.get("type")
    ] == []
    assert {
        name: option["default"] for name, option in options.items() if "default" in option
    } == defaults


@pytest.mark.lab
@pytest.mark.longest
@pytest.mark.timeout(MINUTES * 60 + 60)
@pytest.mark.parametrize(
    "scenario", SCENARIOS, ids=lambda path: f"{path.parts[-4]}-{path.parts[-2]}"
)
def test_scenario(scenario: Path, tmp_path: Path) -> None:
    role, name = scenario.parents[2], scenario.parent.name
    # Scratch space that stays from run to run, so that the next run finds and removes what
    # a killed one left.
    scratch = ROOT / ".ansible" / "molecule" / f"{role.name}-{name}"
    scratch.mkdir(parents=True, exist_ok=True)
    log = tmp_path / "molecule.log"

    # A home of its own, with a short path: Ansible's sockets lie below it, and theirs must
    # not be long.
    with tempfile.TemporaryDirectory(prefix="playrail-", ignore_cleanup_errors=True) as home:
        environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("ANSIBLE_", "MOLECULE_"))
        }
        environment |= {
            "HOME": home,
            "MOLECULE_EPHEMERAL_DIRECTORY": str(scratch),
            "NO_COLOR": "1",
            "PATH": os.pathsep.join(
                [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
            ),
        }
        status: int | None = None
        try:
            status = _molecule("test", name, role, environment, log)
        finally:
            # Molecule destroys the hosts when a step fails, but not when it was stopped or
            # broke down itself.
            if status != 0:
                _molecule("destroy", name, role, environment, tmp_path / "destroy.log")

    said = log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]
    assert status == 0, "\n".join(
        [f"molecule test --scenario-name {name}: exit status {status}", *said]
    )


def _molecule(
    command: str, scenario: str, role: Path, environment: dict[str, str], log: Path
) -> int:
    """Run a Molecule command in a role's directory; its exit status, 124 when it had to be
    ended.
    """
    words = [sys.executable, "-m", "molecule", command, "--scenario-name", scenario]
    with log.open("wb") as output:
        process = subprocess.Popen(
            words,
            cwd=role,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(MINUTES * 60)
        except subprocess.TimeoutExpired:
            return 124
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # Molecule's own children too
                process.wait()
