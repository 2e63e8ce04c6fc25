"""Ansible's own words for a failure, and the code that Playrail gives it.

A case is a file `tests/cases/failures/<case>.yml`: `why`, `result` (what ansible-core really
reported), `unreachable` and `code`. Where they are not false, `retryable` (the same call
may work later) and `begun` (the work may have been begun); `says` are words of others that
the error repeats, `never` words that it must not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from playrail.ansible.outcome import failures
from playrail.ansible.ssh import said
from worlds.checkout import CASE_FILES

CASES = sorted((CASE_FILES / "failures").glob("*.yml"))

values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=600)
    | st.lists(st.text(max_size=5), max_size=2)
)
results = st.dictionaries(
    st.sampled_from(
        ["msg", "rc", "stderr", "module_stderr", "exception", "playrail_code", "reason"]
    ),
    values,
)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"why", "result", "unreachable", "code"} <= set(case)
    assert set(case) <= {
        "why",
        "result",
        "unreachable",
        "code",
        "retryable",
        "begun",
        "says",
        "never",
    }
    failure = failures.judge(case["result"], unreachable=case["unreachable"])
    problem = failure.problem
    assert problem.code == case["code"], problem
    assert problem.error
    assert problem.hint
    assert (problem.retryable, failure.begun) == (
        case.get("retryable", False),
        case.get("begun", False),
    ), problem
    assert case.get("says", "") in problem.error
    assert case.get("never", "\0") not in problem.error
    assert len(problem.error) <= said.MESSAGE_LIMIT


@given(result=results, unreachable=st.booleans())
def test_any_result_has_a_bounded_explanation(result: dict[str, Any], *, unreachable: bool) -> None:
    problem = failures.classify(result, unreachable=unreachable)
    assert failures.CODE.fullmatch(problem.code)
    assert 0 < len(problem.error) <= said.MESSAGE_LIMIT
    assert not said.CONTROL.search(problem.error)


def test_long_message_is_cut_and_terminal_codes_are_gone() -> None:
    problem = failures.classify(
        {"msg": "\x1b[0;31mTask failed: Module failed: " + "x" * 1000}, unreachable=False
    )
    assert problem.code == "task_failed"
    assert problem.error == "x" * 499 + "…"


def test_module_names_its_own_code() -> None:
    problem = failures.classify(
        {"msg": "Permission denied", "playrail_code": "protected_path"}, unreachable=False
    )
    assert (problem.code, problem.error) == ("protected_path", "Permission denied")


@pytest.mark.parametrize("code", ["", "Not A Code", "x" * 100, "a\nb", 7, None, ["not_found"]])
def test_what_is_no_code_is_not_taken_for_one(code: Any) -> None:
    assert (
        failures.classify({"msg": "odd", "playrail_code": code}, unreachable=False).code
        == "task_failed"
    )


def test_words_of_a_program_are_shown_but_not_judged() -> None:
    result = {
        "msg": "non-zero return code",
        "rc": 3,
        "stderr": "app: Permission denied\nNo space left on device",
    }
    problem = failures.classify(result, unreachable=False)
    assert problem.code == "task_failed"
    assert (
        problem.error
        == "The command ended with exit status 3: app: Permission denied No space left on device"
    )
