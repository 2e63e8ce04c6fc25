"""What an approver reads of a plan: first what, where and how much; long texts are
shortened in the middle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from playrail import catalog
from playrail.plans.plan import Foreseen, Plan, Step, changes_of
from playrail.plans.words import in_words, question
from playrail.tools.effects import Effect, in_short

KINDS = catalog.kinds()
LONG = "".join(f"line {number}\n" for number in range(3000))


def effect(name: str = "/etc/motd", after: str = "new\n") -> Effect:
    return Effect(kind="file", name=name, before={"content": "old\n"}, after={"content": after})


def planned(
    *steps: tuple[str, Mapping[str, Any]],
    hosts: Sequence[str] = ("web1",),
    effects: Mapping[str, Sequence[Effect]] | None = None,
    blind: Mapping[str, Sequence[str]] | None = None,
) -> Plan:
    foreseen = Foreseen(effects=effects or {}, unforeseen=blind or {})
    return Plan(
        plan_id="plan-0123456789abcdef",
        caller="ann",
        made_at="2026-01-01T00:00:00+00:00",
        expires_at="2026-01-02T00:00:00+00:00",
        steps=tuple(
            Step(
                tool=tool,
                arguments=arguments,
                hosts=tuple(hosts),
                risk="WRITE",
                would_run=f"ansible-playbook {LONG}",
            )
            for tool, arguments in steps
        ),
        parts={},
        changes=changes_of(foreseen),
        not_previewed=dict(foreseen.unforeseen),
    )


def test_what_where_and_how_much_come_first() -> None:
    arguments = {"content": LONG, "mode": "0600", "path": "/etc/motd"}
    plan = planned(
        ("write_file", arguments), hosts=("web1", "web2"), effects={"web1": [effect()], "web2": []}
    )

    lines = in_words(plan, KINDS).splitlines()
    assert lines[:5] == [
        "Plan plan-0123456789abcdef of ann:",
        "  write_file (WRITE) on web1, web2",
        "  Would change on 1 of 2 hosts: 1 file, +1 -1 lines",
        '    mode: "0600"',
        '    path: "/etc/motd"',
    ]
    assert lines[5] == f"    content: {json.dumps(LONG)}"
    assert lines[6] == "  web1: file /etc/motd: +1 -1 lines"


def test_the_action_stands_beside_the_tool() -> None:
    plan = planned(
        ("manage_service", {"action": "stop", "name": "sshd"}), blind={"web1": ["It is not known."]}
    )

    assert in_words(plan, KINDS).splitlines()[1:] == [
        "  manage_service stop (WRITE) on web1",
        "  What would change is not known.",
        '    action: "stop"',
        '    name: "sshd"',
        "  web1: not previewed: It is not known.",
    ]


def test_each_of_several_steps_keeps_its_arguments() -> None:
    plan = planned(
        ("remove_file", {"path": "/a"}),
        ("remove_file", {"path": "/b"}),
        effects={"web1": [effect()]},
    )

    assert in_words(plan, KINDS).splitlines()[2:6] == [
        "  remove_file (WRITE) on web1",
        '    path: "/a"',
        "  remove_file (WRITE) on web1",
        '    path: "/b"',
    ]


@pytest.mark.parametrize("name", ["a", "content", "zzz"])
def test_no_name_of_an_argument_pushes_the_others_out(name: str) -> None:
    plan = planned(
        ("write_file", {name: LONG, "path": "/etc/motd", "owner": "root"}),
        effects={"web1": [effect()]},
    )

    text = question(plan, KINDS, most=4000)
    assert text is not None
    assert len(text) <= 4000
    assert all(
        part in text
        for part in ('path: "/etc/motd"', 'owner: "root"', "web1: file /etc/motd: +1 -1 lines")
    )
    (line,) = [line for line in text.splitlines() if line.startswith(f"    {name}: ")]
    assert ("line 0\\n" in line, "line 2999\\n" in line, "NOT SHOWN HERE" in line) == (
        True,
        True,
        True,
    )


def test_what_fits_is_shown_whole() -> None:
    plan = planned(
        ("write_file", {"content": "x" * 900, "path": "/a"}), effects={"web1": [effect()]}
    )

    assert question(plan, KINDS, most=4000) == in_words(plan, KINDS)


@pytest.mark.parametrize(
    "plan",
    [
        planned(
            ("execute_command", {"cmd": f"true{' ' * 5000}; rm x; {' ' * 5000}true"}),
            blind={"web1": ["A program."]},
        ),
        planned(
            ("write_file", {"content": LONG, "path": "/a"}),
            effects={"web1": [effect()]},
            blind={"web1": ["?"]},
        ),
        planned(("write_file", {"path": "/a"}), hosts=[f"host{n}" for n in range(900)]),
        planned(
            *(("remove_file", {"path": f"/srv/{n}"}) for n in range(200)),
            effects={"web1": [effect()]},
        ),
        planned(
            ("install_package", {"names": [f"name{n}" for n in range(900)]}),
            effects={"web1": [effect()]},
        ),
    ],
    ids=["a command", "partly foreseen", "many hosts", "many steps", "a list"],
)
def test_what_cannot_be_shown_cannot_be_approved(plan: Plan) -> None:
    assert question(plan, KINDS, most=4000) is None


def test_many_changes_are_counted_and_the_rest_is_said() -> None:
    effects = [effect(f"/srv/{number}") for number in range(500)]
    plan = planned(("write_file", {"content": LONG, "path": "/srv"}), effects={"web1": effects})

    text = question(plan, KINDS, most=4000)
    assert text is not None
    assert len(text) <= 4000
    assert "Would change on 1 of 1 hosts: 500 files, +500 -500 lines" in text
    assert "more changes, which are NOT SHOWN HERE" in text


def test_a_difference_that_is_cut_is_no_exact_number() -> None:
    after = "".join(f"{number}\n" for number in range(5000))
    (change,) = changes_of(Foreseen(effects={"h": [effect(after=after)]}))["h"]

    assert in_short(change, KINDS).startswith("file /etc/motd: at least +")
    assert in_short({**change, "diff": None}, KINDS).startswith(
        "file /etc/motd: other content, too much to compare"
    )


def test_long_arguments_are_not_echoed() -> None:
    plan = planned(("write_file", {"content": LONG, "path": "/a\u202e"}))

    (step,) = plan.told()["steps"]
    digest = hashlib.sha256(LONG.encode()).hexdigest()
    assert step["arguments"] == {
        "content": {"left_out": True, "bytes": len(LONG), "sha256": digest},
        "path": "/a\\u202e",
    }
    assert len(json.dumps(plan.told())) < 2000
    assert plan.told(whole=True)["steps"][0]["arguments"]["content"] == LONG
    assert Plan.of_entry(plan.entry()).steps[0].arguments["content"] == LONG
