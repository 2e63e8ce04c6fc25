"""Which steps a session of calls comes to. Calls and steps are told as
tests/worlds/replayed_calls.py says.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from playrail.history.replay import Selection, replay
from worlds.replayed_calls import TOOLS, records, told

FOLDS = {
    "one of each": ("file:a package:b service:c", "file:a package:b service:c"),
    "the latest counts, at its place": ("file:a file:b file:a=2", "file:b file:a=2"),
    "names are apart": ("file:a package:a service:a", "file:a package:a service:a"),
    "there and back": ("file:a file:a=2 file:a", "file:a"),
    "a command may need what came before": ("file:a command file:a=2", "file:a* command* file:a=2"),
    "only the one before the command": (
        "file:a file:a=2 command file:a",
        "file:a=2* command* file:a",
    ),
    "between all": (
        "file:a command file:a=2 command file:a",
        "file:a* command* file:a=2* command* file:a",
    ),
    "every command": ("command command", "command* command*"),
    "a service may need a file": ("file:a service:b file:a=2", "file:a* service:b file:a=2"),
    "unless it is set anew itself": (
        "file:a service:b file:a=2 service:b=2",
        "file:a=2 service:b=2",
    ),
    "a file may need a package": ("package:a file:b package:a=2", "package:a* file:b package:a=2"),
    "a package may need a file": ("file:a package:b file:a=2", "file:a* package:b file:a=2"),
    "a file needs no file": ("file:a file:b file:a=2", "file:b file:a=2"),
    "a file needs no service": ("service:a file:b service:a=2", "file:b service:a=2"),
    "what was only there meanwhile": (
        "package:a service:b package:a=-",
        "package:a* service:b* package:a=-",
    ),
    "a unit that is removed": (
        "file:/etc/x.service service:x file:/etc/x.service=-",
        "file:/etc/x.service* service:x* file:/etc/x.service=-",
    ),
    "another file that is removed": (
        "file:/etc/y.service service:x file:/etc/y.service=-",
        "file:/etc/y.service* service:x file:/etc/y.service=-",
    ),
    "nobody needed it": ("package:a package:a=-", "package:a=-"),
    "a restart is done again, for what was set before": (
        "package:a file:b service:a=restart",
        "package:a file:b service:a=restart* service:a",
    ),
    "only the latest restart": (
        "file:b service:a=restart file:b=2 service:a=restart",
        "file:b=2 service:a=restart* service:a",
    ),
    "what was running when it was restarted": (
        "file:b service:a=restart file:b=2",
        "file:b* service:a=restart* service:a file:b=2",
    ),
    "a reload may need the service": (
        "service:a file:b service:a=reload service:a=2",
        "service:a* file:b service:a=reload* service:a=2",
    ),
    "an upgrade once": ("update_system file:a update_system", "file:a update_system"),
    "an upgrade may need a file": (
        "file:a update_system file:a=2",
        "file:a* update_system file:a=2",
    ),
    "kinds of plugins may need anything": (
        "service:a widget:b service:a=2",
        "service:a* widget:b service:a=2",
    ),
    "and be needed by anything": ("widget:a file:b widget:a=2", "widget:a* file:b widget:a=2"),
    "per host": ("file:a@h1,h2 file:a=2@h2", "file:a file:a=2@h2"),
    "marked on one host only": (
        "file:a@h1,h2 command@h2 file:a=2@h2",
        "file:a file:a@h2* command@h2* file:a=2@h2",
    ),
    "what was not done is not there": ("signal:a file:nothing", ""),
}


@pytest.mark.parametrize(("calls", "steps"), FOLDS.values(), ids=FOLDS.keys())
def test_what_remains(calls: str, steps: str) -> None:
    found = replay(records(*calls.split()), Selection(), TOOLS)

    assert " ".join(told(found.steps)) == steps


SELECTIONS: dict[str, tuple[Selection, str]] = {
    "all": (Selection(), "file:a file:b@h2 file:c@h1,h2"),
    "since": (Selection(since=datetime(2026, 11, 20, 10, 2, tzinfo=UTC)), "file:b@h2 file:c@h1,h2"),
    "until": (Selection(until=datetime(2026, 11, 20, 10, 2, tzinfo=UTC)), "file:a"),
    "host": (Selection(hosts=["h2"]), "file:b@h2 file:c@h2"),
    "caller": (Selection(caller="bob"), ""),
    "runs": (Selection(runs=["run-1", "run-3"]), "file:a file:c@h1,h2"),
}


@pytest.mark.parametrize(("selection", "steps"), SELECTIONS.values(), ids=SELECTIONS.keys())
def test_selections(selection: Selection, steps: str) -> None:
    found = replay(records("file:a", "file:b@h2", "file:c@h1,h2"), selection, TOOLS)

    assert " ".join(told(found.steps)) == steps


NOT_KNOWN, FAILED = "what came of it is not known", "it failed, and had changed something before"
OUTCOMES: dict[str, tuple[dict[str, Any], str, dict[str, list[str]]]] = {
    "a preview": ({"started1": {"preview": True}}, "", {}),
    "a read": ({"started1": {"risk": "SENSITIVE"}}, "", {}),
    "failed on one host, which was left as it was": (
        {
            "ended1": {
                "outcome": "some_hosts_failed",
                "failed": {"h2": "disk_full"},
                "changed": ["h1"],
            }
        },
        "file:a",
        {},
    ),
    "failed on one host, which was changed": (
        {"ended1": {"outcome": "some_hosts_failed", "failed": {"h2": "disk_full"}}},
        "file:a",
        {FAILED: ["h2"]},
    ),
    "not known of one host": (
        {"ended1": {"outcome": "some_hosts_failed", "failed": {"h1": "outcome_unknown"}}},
        "file:a@h2",
        {NOT_KNOWN: ["h1"]},
    ),
    "not known at all": (
        {"ended1": {"outcome": "outcome_unknown", "changed": []}},
        "",
        {NOT_KNOWN: ["h1", "h2"]},
    ),
    "Ansible failed": ({"ended1": {"outcome": "ansible_failed", "changed": []}}, "", {}),
    "interrupted": ({"ended1": {"kind": "interrupted"}}, "", {NOT_KNOWN: ["h1", "h2"]}),
    "other arguments by now": (
        {"started1": {"arguments": {"name": 7}}},
        "",
        {"the tool does not take these arguments any more": ["h1", "h2"]},
    ),
}


@pytest.mark.parametrize(("bodies", "steps", "left_out"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_only_what_succeeded_is_done_again(
    bodies: dict[str, Any], steps: str, left_out: dict[str, list[str]]
) -> None:
    found = replay(records("file:a@h1,h2", **bodies), Selection(), TOOLS)

    assert " ".join(told(found.steps)) == steps
    assert {one.why: one.hosts for one in found.left_out} == left_out


def test_a_call_without_an_end_is_not_known() -> None:
    started, _ended = records("file:a")

    found = replay([started], Selection(), TOOLS)

    assert (found.steps, [one.why for one in found.left_out]) == ([], [NOT_KNOWN])


def test_a_tool_that_is_gone() -> None:
    found = replay(records("file:a", "gone:b"), Selection(), TOOLS)

    assert told(found.steps) == ["file:a"]
    assert [(one.source.run, one.why) for one in found.left_out] == [
        ("run-2", "there is no such tool any more")
    ]


def test_a_secret_stays_one_when_it_is_an_intent() -> None:
    arguments = {"name": "a", "state": "one", "secret": "(secret)"}

    (step,) = replay(records("file:a", started1={"arguments": arguments}), Selection(), TOOLS).steps

    assert set(step.secrets) == {"secret"}
