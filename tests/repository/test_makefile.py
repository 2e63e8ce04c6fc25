"""`make test` when the lab cannot be raised: it ends with the lab's own reason, and nothing
else.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from worlds.checkout import ROOT

LAB = "echo raising; echo 'lab: no engine here' >&2; exit {status}"
RAN = "pytest ran with LAB="


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The Makefile beside programs that only pretend."""
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text(encoding="utf-8"))
    for name in ("pyproject.toml", "uv.lock", "requirements.lock", "requirements-dev.lock"):
        (tmp_path / name).touch()
    script(tmp_path / ".venv" / "bin" / "ssh", "exit 0")
    script(tmp_path / ".venv" / "bin" / "python", "exit 0")
    for stamp in (".runs", ".locked"):
        (tmp_path / ".venv" / stamp).touch()
    return tmp_path


def make(
    tree: Path, *, status: int, tests: int, **variables: str
) -> subprocess.CompletedProcess[str]:
    script(tree / "python", LAB.format(status=status))
    script(tree / ".venv" / "bin" / "pytest", f'echo "{RAN}$LAB"; exit {tests}')
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MAKE", "MFLAGS", "LAB"))
    }
    command = ["make", "--no-print-directory", "test", f"PYTHON={tree / 'python'}"]
    return subprocess.run(
        command,
        cwd=tree,
        env=environ | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("tests", [0, 1])
def test_the_tests_run_in_a_lab_that_is_up(tree: Path, tests: int) -> None:
    done = make(tree, status=0, tests=tests)

    # Those on real hosts, and the rest.
    assert done.stdout.splitlines() == ["raising", RAN, RAN]
    assert (done.returncode == 0) is (tests == 0)


@pytest.mark.parametrize("status", [1, 3])
def test_without_the_lab_that_is_wanted_nothing_runs(tree: Path, status: int) -> None:
    done = make(tree, status=status, tests=0)

    assert done.stdout.splitlines() == ["raising"]
    assert done.returncode != 0
    assert done.stderr.splitlines()[:2] == [
        "lab: no engine here",
        "No test was run; `make test LAB=none` runs those that need no lab.",
    ]


def test_without_a_lab_none_is_raised(tree: Path) -> None:
    done = make(tree, status=3, tests=0, LAB="none")

    assert (done.returncode, done.stdout, done.stderr) == (0, f"{RAN}none\n", "")
