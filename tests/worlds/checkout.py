"""Where the parts of this checkout lie."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
CASE_FILES = TESTS / "cases"
PLAYBOOKS = ROOT / "playbooks"
