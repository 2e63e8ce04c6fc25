"""Ansible's own words for a failure, and the code that Playrail gives it.

A case is a file `tests/failures/<case>.yml`: `why`, `result` (what ansible-core really reported), `unreachable` and
`code`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from playrail.ansible import failures

CASES = sorted((Path(__file__).parent / "failures").glob("*.yml"))

values = st.none() | st.booleans() | st.integers() | st.text(max_size=600) | st.lists(st.text(max_size=5), max_size=2)
results = st.dictionaries(
    st.sampled_from(["msg", "rc", "stderr", "module_stderr", "exception", "playrail_code", "reason"]), values
)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(case) == {"why", "result", "unreachable", "code"}
    problem = failures.classify(case["result"], unreachable=case["unreachable"])
    assert problem.code == case["code"]
    assert problem.error
    assert problem.hint
    assert problem.retryable == (problem.code in failures.RETRYABLE)


def test_every_code_of_the_table_has_its_own_hint() -> None:
    rules = (*failures._PREPARING, *failures._CONNECTION, *failures._TASK)
    assert {rule.code for rule in rules} | failures.RETRYABLE <= set(failures.HINTS)


@given(result=results, unreachable=st.booleans())
def test_any_result_has_a_bounded_explanation(result: dict[str, Any], *, unreachable: bool) -> None:
    problem = failures.classify(result, unreachable=unreachable)
    assert failures.CODE.fullmatch(problem.code)
    assert 0 < len(problem.error) <= failures.MESSAGE_LIMIT
    assert not failures.CONTROL.search(problem.error)


def test_long_message_is_cut_and_terminal_codes_are_gone() -> None:
    problem = failures.classify({"msg": "\x1b[0;31mTask failed: Module failed: " + "x" * 1000}, unreachable=False)
    assert problem.code == "task_failed"
    assert problem.error == "x" * 499 + "…"


def test_module_names_its_own_code() -> None:
    problem = failures.classify({"msg": "Permission denied", "playrail_code": "protected_path"}, unreachable=False)
    assert (problem.code, problem.error) == ("protected_path", "Permission denied")


@pytest.mark.parametrize("code", ["", "Not A Code", "x" * 100, "a\nb", 7, None, ["not_found"]])
def test_what_is_no_code_is_not_taken_for_one(code: Any) -> None:
    assert failures.classify({"msg": "odd", "playrail_code": code}, unreachable=False).code == "task_failed"


def test_words_of_a_program_are_shown_but_not_judged() -> None:
    result = {"msg": "non-zero return code", "rc": 3, "stderr": "app: Permission denied\nNo space left on device"}
    problem = failures.classify(result, unreachable=False)
    assert problem.code == "task_failed"
    assert problem.error == "The command ended with exit status 3: app: Permission denied No space left on device"
