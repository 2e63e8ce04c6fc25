"""What an answer shows of a result: nothing that says nothing, no secret, no failure twice,
and not too much.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import Field

from playrail.calls.answers import Result
from playrail.codes.every import named
from playrail.door.recording import ending
from playrail.door.understanding import check_no_mark
from playrail.engines.results import HostResult, combined, shown
from playrail.errors import InvalidArgument, Problem, WritesDisabled
from playrail.plans.plan import Plan, Step
from playrail.safe_text.secrets import HIDDEN, Secrets
from playrail.settings.settings import Settings
from playrail.tools.tool import Report, ToolInput

MOST = 24_000
SECRET = "hunter-2-hunter"
NO_SECRETS = Secrets(Settings.load({}, dotenv=None), {})
GONE = Problem(
    code=named("host_unreachable"), error="It does not answer.", hint="Look.", retryable=True
)
FULL = Problem(code=named("disk_full"), error="The disk is full.", hint="Make room.")


class Found(Report):
    entries: list[dict[str, Any]] = Field(default=[])
    target: str | None = None
    content: str = ""
    truncated: bool = False
    labels: dict[str, Any] = Field(default={})


class Written(ToolInput):
    content: str


def told(result: Result, *, most: int = MOST) -> dict[str, Any]:
    return dict(shown(result, hide=lambda value: value, most=most).data or {})


def test_nulls_and_what_is_empty_are_left_out_but_what_a_report_found() -> None:
    report = Found(entries=[], labels={"a": {}, "b": {"c": None, "d": [], "e": 0}}, content="x")

    assert told(combined({"h": HostResult(report=report)}, again=True)) == {
        "hosts": {"h": {"entries": [], "content": "x", "labels": {"b": {"e": 0}}}}
    }
    assert told(Result(data={"plans": [], "more": None})) == {"plans": []}


def test_the_one_hosts_failure_is_told_once() -> None:
    result = shown(
        combined({"h": HostResult(problem=GONE)}, again=True), hide=lambda value: value, most=MOST
    )

    assert result.problem is not None
    assert (result.problem.error, result.problem.hint) == ("h: It does not answer.", "Look.")
    assert result.data == {"failed": {"h": {"code": "host_unreachable"}}}


def test_several_hosts_failures_are_told_once() -> None:
    results = {
        "a": HostResult(problem=GONE),
        "b": HostResult(problem=FULL),
        "c": HostResult(report=Found()),
    }
    result = combined(results, again=True)

    assert result.problem is not None
    assert result.problem.error == "2 of 3 hosts failed: a (host_unreachable), b (disk_full)"
    assert told(result)["failed"] == {"a": GONE.told(), "b": FULL.told()}
    assert "a: It does not answer.; b: The disk is full." in (
        ending(result, NO_SECRETS, duration_ms=1).error or ""
    ), "the record has all"


def test_a_steps_failure_is_told_once() -> None:
    step = {"tool": "x", "data": {"failed": {"h": GONE.told()}}}
    problem = Problem(code=GONE.code, error=f"h: {GONE.error}", hint=GONE.hint)

    data = told(Result(data={"steps": [step]}, problem=problem))

    assert data == {
        "steps": [{"tool": "x", "data": {"failed": {"h": {"code": "host_unreachable"}}}}]
    }


@pytest.mark.parametrize("hosts", [1, 30, 500])
@pytest.mark.parametrize("fails", [True, False])
def test_no_answer_is_larger_than_it_may_be(hosts: int, fails: bool) -> None:
    problem = Problem(code=named("x"), error="e" * 9000, hint="h" * 9000) if fails else None
    report = Found(content="x" * 30_000, entries=[{"m": "y" * 600}] * 5)
    results = {
        f"host{number}": HostResult(report=report, problem=problem) for number in range(hosts)
    }

    result = shown(combined(results, again=True), hide=lambda value: value, most=MOST)

    assert result.truncated
    around = {} if result.problem is None else result.problem.told()
    assert len(json.dumps({"data": result.data, **around})) < MOST


@pytest.fixture
def secrets() -> Secrets:
    environ = {"MY_TOKEN": SECRET, "PLAYRAIL_PASS_ENV": "MY_TOKEN", "HOME": "/nowhere"}
    return Secrets(Settings.load(environ, dotenv=None), environ)


def test_a_secret_of_the_settings_is_in_no_answer(secrets: Secrets) -> None:
    problem = Problem(code=named("x"), error=f"It said {SECRET}.", hint=f"Not {SECRET}.")
    reports = {
        "a": HostResult(report=Found(content=f"pass={SECRET}\n")),
        "b": HostResult(problem=problem),
    }

    result = shown(combined(reports, again=True), hide=secrets.withheld, most=MOST)

    assert SECRET not in json.dumps(
        [result.data, result.problem.told() if result.problem else None]
    )
    assert result.secrets_hidden
    assert (result.data or {})["hosts"]["a"] == {
        "entries": [],
        "content": f"pass={HIDDEN}\n",
        "labels": {},
        "secrets_hidden": True,
    }


def test_what_stands_for_a_secret_is_not_written_back() -> None:
    given = Written(content=f"pass={HIDDEN}\n")

    with pytest.raises(InvalidArgument, match=r"content: has .* in it"):
        check_no_mark(given)


def test_a_long_argument_of_a_plan_is_told_by_what_it_is() -> None:
    content = "first line\n" + "x" * 90_000
    step = Step(
        tool="write_file",
        arguments={"path": "/x", "content": content},
        hosts=("h",),
        risk="WRITE",
        would_run="",
    )
    plan = Plan(
        plan_id="plan-1",
        caller="ann",
        made_at="2026-01-01",
        expires_at="2026-01-02",
        steps=(step,),
        parts={},
        changes={},
        not_previewed={},
    )

    arguments = plan.told()["steps"][0]["arguments"]

    assert arguments["path"] == "/x"
    assert (arguments["content"]["bytes"], len(arguments["content"]["sha256"])) == (90_011, 64)
    assert len(json.dumps(plan.told())) < 1500
    assert plan.steps[0].arguments["content"] == content


def test_an_errors_data_is_kept() -> None:
    assert told(Result.of(WritesDisabled("No.", data={"plan": {"x": 1}}))) == {"plan": {"x": 1}}


def test_a_host_that_failed_and_reported_nothing_is_told_once() -> None:
    data = {"hosts": {"a": {}, "b": {"size": 1}}, "failed": {"a": {"code": "not_found"}}}

    assert told(Result(data=data)) == {**data, "hosts": {"b": {"size": 1}}}
    alone = {"hosts": {"a": {"other": None}}, "failed": {"a": {"code": "not_found"}}}
    assert told(Result(data=alone)) == {"failed": alone["failed"]}
