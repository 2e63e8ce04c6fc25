"""What a run's events come to.

A case is a file `tests/cases/events/<case>.yml`:

    why: one line, what the case shows
    events: what the process of a run wrote, see ansible/events.py
    expect: per host what it came to: its report (as far as there is one), `changed: true`,
        the `problem`'s code

To add a case, add a file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from playrail.ansible.outcome.bounds import Bounds
from playrail.ansible.outcome.events import DIFF_LIMIT, SPARE, TEXT_LIMIT, TOTAL_LIMIT, condense
from playrail.ansible.outcome.outcome import Outcome
from playrail.ansible.outcome.remarks import REPORT_VARIABLE, remark_line
from playrail.safe_text.secrets import HIDDEN, SecretTexts
from playrail.tasks import TaskResult
from worlds.checkout import CASE_FILES

CASES = sorted((CASE_FILES / "events").glob("*.yml"))


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
    return {
        "event": name,
        "uuid": "u",
        "stdout": "",
        "event_data": {"host": "h", "task": "Look", **data},
    }


def test_an_event_is_condensed() -> None:
    """Its result stays whole, it may be the report, but for what stands in it twice."""
    result = {
        "changed": True,
        "msg": "m" * 10_000,
        "stdout": "a\n" * 100_000,
        "x": {"y": [1]},
        "diff": [{"before": "", "after": "b" * 2 * DIFF_LIMIT}],
    }

    told = condense(
        raw(
            "runner_on_failed",
            res={**result, "stdout_lines": ["a"], "invocation": {"module_args": {}}},
            ignore_errors=None,
            resolved_action="a.b.c",
            duration=0.5,
        )
    )

    assert told == {
        "event": "runner_on_failed",
        "task": "Look",
        "action": "a.b.c",
        "host": "h",
        "ignored": False,
        "duration_s": 0.5,
        "unpreviewed": None,
        "reports": False,
        "last": False,
        "result": result,
    }


def test_a_diff_is_bounded() -> None:
    task = task_of([], res={"diff": {"before": "", "after": "b" * 2 * DIFF_LIMIT}})

    assert (task.diff, task.cut) == ([{"before": "", "after": "b" * DIFF_LIMIT}], True)


def test_a_loop_tells_the_diffs_of_its_items() -> None:
    items = [{"item": 1, "diff": {"after": "a"}, "invocation": {}}, {"item": 2}]

    task = task_of([], res={"results": items, "changed": True})

    assert task.result == {"changed": True, "results": [{"item": 1}, {"item": 2}]}
    assert task.diff == [{"after": "a"}]


@pytest.mark.parametrize("checked", [False, True])
def test_a_task_that_registers_the_report_says_so(*, checked: bool) -> None:
    line = remark_line(
        {"changed": True}, {"register": REPORT_VARIABLE}, checked=checked, last=False
    )

    told = condense({**raw("runner_on_ok"), "stdout": f"{line}ok: [h]"})

    assert told is not None
    assert told["reports"] is True


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
    assert condense({**raw("error"), "stdout": "x" * 10_000 + "\n"}) == {
        "event": "text",
        "text": "x" * TEXT_LIMIT,
    }


def test_a_result_that_is_no_mapping_is_empty() -> None:
    told = condense(raw("runner_on_failed", res="text"))

    assert told is not None
    assert told["result"] == {}


def task_of(secrets: list[str], name: str = "runner_on_ok", **data: Any) -> TaskResult:
    outcome = Outcome(secrets=SecretTexts(secrets))
    told = condense(raw(name, resolved_action="a.b.c", **data))
    assert told is not None
    outcome.feed(told)
    (task,) = outcome.tasks
    return task


@pytest.mark.parametrize(
    ("name", "data", "status"),
    [
        ("runner_on_ok", {"res": {}}, "ok"),
        ("runner_on_ok", {"res": {"changed": True}}, "changed"),
        ("runner_on_failed", {"res": {"changed": True}}, "failed"),
        ("runner_on_failed", {"res": {}, "ignore_errors": True}, "ignored"),
        ("runner_on_unreachable", {"res": {}}, "unreachable"),
        ("runner_on_skipped", {}, "skipped"),
    ],
)
def test_what_became_of_a_task(name: str, data: dict[str, Any], status: str) -> None:
    assert task_of([], name, **data).status == status


@pytest.mark.parametrize("at", range(TEXT_LIMIT + SPARE - 14, TEXT_LIMIT + SPARE + 2))
def test_no_part_of_a_secret_is_left_where_a_text_is_cut(at: int) -> None:
    secret = "s3cr\u0119t" * 7  # longer than its mark
    text = secret * 100  # so many that without them the end comes into the text that is kept
    text += "-" * (at - len(text)) + f"canary-{secret}" + "-" * 100

    task = task_of(
        [f"canary-{secret}", secret],
        res={"msg": text, "stdout": secret, secret: 1},
    )

    assert task.result is not None
    kept = task.result["msg"].replace(HIDDEN, "").strip("-")
    assert HIDDEN.startswith(kept), "at the end a part of the mark, and nothing else"
    assert (task.result["stdout"], task.result[HIDDEN]) == (HIDDEN, 1)
    assert task.cut


def test_a_task_tells_its_diff_without_secrets_also_of_the_report() -> None:
    diff = {
        "before": "password=s3cret-of-a\n",
        "after": "x" * 2 * DIFF_LIMIT,
        "before_header": "/etc/s3cret-of-a",
    }

    task = task_of(
        ["s3cret-of-a"],
        task="Look",
        res={"diff": diff, "content": "c" * 2 * TOTAL_LIMIT, "z": "s3cret-of-a"},
    )

    assert task.diff[0]["before"] == f"password={HIDDEN}\n"
    assert task.diff[0]["before_header"] == f"/etc/{HIDDEN}"
    assert len(task.diff[0]["after"]) == DIFF_LIMIT
    assert task.result == {"content": "c" * TEXT_LIMIT, "z": HIDDEN}
    assert task.cut


def test_a_result_is_bounded_and_what_explains_it_goes_first() -> None:
    result = {
        "facts": {f"{number:05}": "x" * 100 for number in range(10_000)},
        "lines": ["y"] * 10**6,
        "msg": "why",
    }

    task = task_of(["s3cret"], res=result)

    assert task.result is not None
    assert len(json.dumps(task.result)) < 2 * TOTAL_LIMIT
    assert (next(iter(task.result)), task.result["msg"], task.cut) == ("msg", "why", True)


@pytest.mark.parametrize("length", range(90, 110))
def test_a_text_for_which_there_is_no_room_is_left_out_whole(length: int) -> None:
    """Were it cut, a part of a secret could be left at its end."""
    bounds = Bounds(text=1000, total=100)

    kept = bounds.of("x" * length)

    assert (kept, bounds.cut) == (("x" * length, False) if length <= 100 else ("", True))


def test_a_run_of_many_hosts_is_bounded() -> None:
    outcome = Outcome()
    told = condense(raw("runner_on_ok", res={"diff": {"after": "x" * DIFF_LIMIT}}))
    assert told is not None
    for number in range(100):
        outcome.feed({**told, "host": f"h{number}"})

    assert (
        sum(len(task.diff[0]["after"]) for task in outcome.tasks if task.diff and task.diff[0])
        < 4_300_000
    )
    assert [task.cut for task in outcome.tasks[::99]] == [False, True]


NOT_IN_CHECK_MODE = "does not run in check mode"
CHECKED: dict[str, tuple[dict[str, Any], dict[str, Any], str | None]] = {
    "a condition": ({"skipped": True, "skip_reason": "Conditional result was False"}, {}, None),
    "an empty loop": (
        {"skipped": True, "skipped_reason": "No items in the list", "results": []},
        {},
        None,
    ),
    "no check mode": (
        {"skipped": True, "msg": "remote module (x) does not support check mode"},
        {},
        NOT_IN_CHECK_MODE,
    ),
    "no reason": ({"skipped": True}, {}, NOT_IN_CHECK_MODE),
    "another reason": ({"skipped": True, "msg": "not today"}, {}, "was skipped: not today"),
    "a command": ({"msg": "Command would have run if not in check mode"}, {}, NOT_IN_CHECK_MODE),
    "one of a loop": ({"results": [{"changed": True}, {"skipped": True}]}, {}, NOT_IN_CHECK_MODE),
    "for real": (
        {"changed": True},
        {"check_mode": False},
        "was run for real, for it has check_mode: false",
    ),
    "not for real after all": ({"skipped": True}, {"check_mode": False}, None),
    "what check mode is for": ({"changed": True, "msg": "ok"}, {"check_mode": True}, None),
}


@pytest.mark.parametrize("case", CHECKED)
def test_what_check_mode_cannot_tell(case: str) -> None:
    result, fields, why = CHECKED[case]
    event = raw("runner_on_ok", resolved_action="a.b.c")
    outcome = Outcome()
    told = condense(
        {**event, "stdout": remark_line(result, fields, checked=True, last=False) + "ok: [h]"}
    )
    assert told is not None
    outcome.feed(told)

    assert outcome.unpreviewed == ({"h": [f"Task Look: a.b.c {why}."]} if why else {})


@pytest.mark.parametrize(
    "text",
    [
        "playrail:{",
        'playrail:{"unpreviewed": 1, "reports": "yes"}',
        'playrail:"was skipped"',
        'ok\nplayrail:{"unpreviewed": "was skipped", "reports": true}',
        "",
    ],
)
def test_what_a_host_says_does_not_pass_for_it(text: str) -> None:
    told = condense({**raw("runner_on_ok"), "stdout": text})

    assert told is not None
    assert (told["unpreviewed"], told["reports"]) == (None, False)


def test_what_a_module_wrote_that_cannot_be_read_is_in_no_record_and_no_message() -> None:
    outcome = Outcome()
    result = {
        "msg": "Module result deserialization failed: Extra data",
        "module_stdout": '{"host": "x"}\n{"content": "of the file"}\n',
        "module_stderr": "",
        "rc": 0,
    }
    outcome.feed(
        {
            "event": "runner_on_failed",
            "host": "a",
            "task": "Look",
            "action": "x",
            "result": result,
        }
    )
    told = outcome.of(["a"])["a"]
    assert told.lost
    assert "of the file" not in repr((outcome.tasks, told.problem))
