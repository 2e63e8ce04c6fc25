"""What each tool makes of what Ansible, or the mikr.us API, really reported.

A case is a file `tests/cases/tools/<tool>/<case>.yml`:

    why: one line, what the case shows
    given: the caller's arguments, without `server` where it may be left out
    raw: the recorded result of the task that reports, without what the report's model does not
        read; a failed task's has `failed: true`, which ansible-core 2.19 leaves out of its events;
        of an API tool the body of the answer
    expect: the whole report (left out when the raw result holds none)
    problem: the code of the failure (left out when there is none)
    effects: what the report says was changed, or would be (left out where that is not the case's
        matter)
    unforeseen: what it says that only a real run would tell (likewise)

To add a case, add a file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr, ValidationError

from playrail import catalog
from playrail.ansible.outcome import failures
from playrail.errors import ApiUnexpected, OutcomeUnknown, Problem
from playrail.mikrus.replies import judge
from playrail.tools.tool import ApiTool, PlaybookTool, Report
from worlds.checkout import CASE_FILES

HERE = CASE_FILES / "tools"
CASES = sorted(HERE.glob("*/*.yml"))
KEYS = {"why", "given", "raw", "expect", "problem", "effects", "unforeseen"}

Read = tuple[Report | None, Problem | None]


def _read(tool: PlaybookTool[Any, Any], given: Mapping[str, Any], raw: Mapping[str, Any]) -> Read:
    """The report and the problem that a host's raw result tells of, by the contract of
    tool.Report.
    """
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


def _read_body(tool: ApiTool[Any, Any], given: Mapping[str, Any], body: Any) -> Read:
    """The same of the body of an answer with HTTP 200."""
    parsed = tool.input.model_validate_json(json.dumps(given))
    outcome = judge(200, json.dumps(body).encode(), retry_after=None, key=SecretStr("k" * 40))
    if outcome.error is not None:
        return None, outcome.error.problem
    try:
        report: Report = tool.report.model_validate(outcome.body, context={"given": parsed})
    except ValidationError:
        kind = OutcomeUnknown if tool.risk_of(parsed).changes else ApiUnexpected
        return None, kind("The API answered something else.").problem
    return report, report.problem()


def _without_nothing(value: Any) -> Any:
    """As an answer tells it: without nulls and empty lists."""
    match value:
        case dict():
            slim = {name: _without_nothing(item) for name, item in value.items()}
            return {name: item for name, item in slim.items() if item is not None and item != []}
        case list():
            return [_without_nothing(item) for item in value]
    return value


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_case(path: Path) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(case) <= KEYS
    assert case["why"]
    assert "expect" in case or "problem" in case
    tool = catalog.load()[path.parent.name]

    if isinstance(tool, ApiTool):
        report, problem = _read_body(tool, case["given"], case["raw"])
    else:
        assert isinstance(tool, PlaybookTool)
        report, problem = _read(tool, case["given"], case["raw"])

    assert _without_nothing(report.model_dump(mode="json") if report else None) == _without_nothing(
        case.get("expect")
    )
    assert (problem.code if problem else None) == case.get("problem")
    if "effects" in case:
        assert report is not None
        assert [asdict(effect) for effect in report.effects()] == case["effects"]
    if "unforeseen" in case:
        assert report is not None
        assert list(report.unforeseen()) == case["unforeseen"]


@pytest.mark.parametrize(
    "folder", sorted(path for path in HERE.iterdir() if path.is_dir()), ids=lambda path: path.name
)
def test_folder_names_a_tool_and_has_cases(folder: Path) -> None:
    assert folder.name in catalog.load()
    assert list(folder.glob("*.yml"))
