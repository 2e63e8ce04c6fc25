"""What each tool makes of what Ansible really reported.

A case is a file `tests/tools/<tool>/<case>.yml`:

    why: one line, what the case shows
    given: the caller's arguments, without `server`
    raw: the recorded result of the play's task `Report`, without what the report's model does not read; a failed task's
        has `failed: true`, which ansible-core 2.19 leaves out of its events
    expect: the whole report (left out when the raw result holds none)
    problem: the code of the failure (left out when there is none)

To add a case, add a file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from playrail import catalog
from playrail.ansible import failures
from playrail.errors import Problem
from playrail.tool import PlaybookTool, Report

HERE = Path(__file__).parent / "tools"
CASES = sorted(HERE.glob("*/*.yml"))
KEYS = {"why", "given", "raw", "expect", "problem"}

Read = tuple[Report | None, Problem | None]


def _read(tool: PlaybookTool[Any, Any], given: Mapping[str, Any], raw: Mapping[str, Any]) -> Read:
    """The report and the problem that a host's raw result tells of, by the contract of tool.Report."""
    parsed = tool.input.model_validate_json(json.dumps(given))
    report: Report | None
    try:
        report = tool.report.model_validate(raw, context={"given": parsed})
    except ValidationError:
        if not raw.get("failed"):
            raise
        report = None
    problem = report.problem() if report else None
    if problem is None and raw.get("failed"):
        problem = failures.classify(raw, unreachable=False)
    return report, problem


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_case(path: Path) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(case) <= KEYS
    assert case["why"]
    assert "expect" in case or "problem" in case
    tool = catalog.load()[path.parent.name]
    assert isinstance(tool, PlaybookTool)

    report, problem = _read(tool, case["given"], case["raw"])

    assert (report.model_dump(mode="json") if report else None) == case.get("expect")
    assert (problem.code if problem else None) == case.get("problem")


@pytest.mark.parametrize("folder", sorted(path for path in HERE.iterdir() if path.is_dir()), ids=lambda path: path.name)
def test_folder_names_a_tool_and_has_cases(folder: Path) -> None:
    assert folder.name in catalog.load()
    assert list(folder.glob("*.yml"))
