"""What a run's events come to.

A case is a file `tests/events/<case>.yml`:

    why: one line, what the case shows
    events: what the process of a run wrote, see ansible/events.py
    expect: per host what it came to: its report (as far as there is one), `changed: true`, the `problem`'s code

To add a case, add a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from playrail.ansible.events import TEXT_LIMIT, condense
from playrail.ansible.outcome import Outcome

CASES = sorted((Path(__file__).parent / "events").glob("*.yml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(case) == {"why", "events", "expect"}
    outcome = Outcome()

    for event in case["events"]:
        outcome.feed({"host": None, "task": None, "action": None, "result": {}, **event})

    told = {}
    for host, came_to in outcome.of(case["expect"]).items():
        problem = came_to.problem.code if came_to.problem else None
        parts = {
            "report": came_to.report,
            "changed": came_to.changed or None,
            "problem": problem,
            "lost": came_to.lost or None,
        }
        told[host] = {key: value for key, value in parts.items() if value is not None}
    assert told == case["expect"]


def raw(name: str, **data: Any) -> dict[str, Any]:
    return {"event": name, "uuid": "u", "stdout": "", "event_data": {"host": "h", "task": "Look", **data}}


def test_an_event_is_condensed() -> None:
    result = {
        "changed": True,
        "msg": "m" * 10_000,
        "rc": 1,
        "content": "of a file",
        "diff": {"after": "secret"},
        "invocation": {"module_args": {"password": "secret"}},
    }

    told = condense(raw("runner_on_failed", res=result, ignore_errors=None, resolved_action="a.b.c", duration=0.5))

    assert told == {
        "event": "runner_on_failed",
        "task": "Look",
        "action": "a.b.c",
        "host": "h",
        "ignored": False,
        "duration_s": 0.5,
        "result": {"changed": True, "msg": "m" * TEXT_LIMIT, "rc": 1},
    }


def test_the_report_is_whole_but_for_what_is_there_twice_or_was_passed_in() -> None:
    result = {"stdout": "a\n" * 100_000, "stdout_lines": ["a"], "stderr_lines": [], "invocation": {}, "x": {"y": [1]}}

    told = condense(raw("runner_on_ok", task="Report", res=result))

    assert told is not None
    assert told["result"] == {"stdout": "a\n" * 100_000, "x": {"y": [1]}}


@pytest.mark.parametrize(
    "event",
    [
        raw("playbook_on_start"),
        raw("runner_on_start"),
        raw("runner_item_on_ok", res={"item": "secret"}),
        raw("playbook_on_play_start"),
        {**raw("verbose"), "stdout": " \n"},
        {"event": "verbose", "uuid": "u"},
    ],
    ids=lambda event: event["event"],
)
def test_other_events_are_left_out(event: dict[str, Any]) -> None:
    assert condense(event) is None


def test_ansibles_own_words_are_kept_and_bounded() -> None:
    assert condense({**raw("error"), "stdout": "x" * 10_000 + "\n"}) == {"event": "text", "text": "x" * TEXT_LIMIT}


def test_a_result_that_is_no_mapping_is_empty() -> None:
    told = condense(raw("runner_on_failed", res="text"))

    assert told is not None
    assert told["result"] == {}
