"""A kind of thing that nobody has heard of: its declaration alone says what becomes of it in
folding, drift, undo and the words of a plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from playrail import catalog
from playrail.history.replay import Replay, Selection, replay
from playrail.plans.undo import Back, _at_once, _together
from playrail.tools.effects import in_short
from playrail.tools.lasting import Intent, Invocation, Kind, Thing, kind_named
from playrail.tools.tool import Changing, PlaybookTool, Report, Risk


def both(name: str) -> Sequence[str]:
    """A job's name, and as crontab writes it."""
    return (name, f"#{name}")


def _comes_with(_: str, other: Thing) -> bool | None:
    return other.kind.name == "crontab"


def remove_jobs(names: Sequence[str]) -> Invocation:
    return Invocation(tool="set_job", arguments={"name": list(names)}, removes=True)


JOB = Kind(
    name="job",
    new="new",
    needs=("file",),
    keeps=("at",),
    yields=("at",),
    spellings=both,
    has_aliases=False,
    comes_with=_comes_with,
    carrier="table",
    gone_code="no_table",
    remove_several=remove_jobs,
    most_removed=2,
)
CRONTAB = Kind(name="crontab", needs=(), plural="crontabs")


class Job(Changing):
    name: str
    at: str | None = None
    state: str = "present"


class Nothing(Report):
    """A report of nothing."""


def tool(kind: Kind) -> PlaybookTool[Job, Nothing]:
    name = f"set_{kind.name}"

    def intents(given: Job) -> Sequence[Intent]:
        arguments = given.model_dump(exclude={"server", "preview"}, exclude_none=True)
        call = Invocation(tool=name, arguments=arguments, removes=given.state == "absent")
        return (Intent(thing=Thing(kind, given.name), call=call),)

    return PlaybookTool(
        name=name,
        summary="",
        risk=Risk.WRITE,
        input=Job,
        playbook=f"cron/{name}.yml",
        report=Nothing,
        idempotent=True,
        intents=intents,
    )


TOOLS = {made.name: made for made in map(tool, (JOB, CRONTAB))}
Call = tuple[str, Mapping[str, Any], Sequence[Thing]]


def job(name: str, *changed: str, **more: Any) -> Call:
    return "set_job", {"name": name, **more}, [Thing(JOB, one) for one in changed]


def table(name: str, **more: Any) -> Call:
    return "set_crontab", {"name": name, **more}, ()


def replayed(*calls: Call) -> Replay:
    records: list[dict[str, Any]] = []
    for number, (name, arguments, changed) in enumerate(calls, 1):
        about = {"at": f"2026-11-20T10:{number:02}:00", "call": f"call-{number}", "caller": "ann"}
        effects = [
            {"kind": thing.kind.name, "name": thing.name, "before": None, "after": None}
            for thing in changed
        ]
        bodies: dict[str, dict[str, Any]] = {
            "started": {"arguments": arguments, "hosts": ["h"], "run": "r", "risk": "WRITE"},
            "ended": {"outcome": "ok", "changed": ["h"], "failed": {}},
            "capture": {"effects": {"h": effects}},
        }
        records += [
            {**about, "tool": name, "kind": kind, "body": body} for kind, body in bodies.items()
        ]
    return replay(records, Selection(), TOOLS)


def told(found: Replay) -> list[str]:
    jobs = [(step.title, getattr(step.given, "at", None)) for step in found.steps]
    return [f"{title} {at or ''}".rstrip() for title, at in jobs]


FOLDS: dict[str, tuple[list[Call], list[str]]] = {
    "the latest counts, and keeps what it leaves out": (
        [job("a", at="1:00"), job("a")],
        ["Job a 1:00"],
    ),
    "another call's change ends what it kept": (
        [job("a", "a", at="1:00"), job("b", "b", "a")],
        ["Job a", "Job b"],
    ),
    "the host's spelling is the same thing": (
        [job("a", "#a", at="1:00"), job("#a")],
        ["Job #a 1:00"],
    ),
    "what it needs stays": ([table("t"), job("a"), table("t")], ["Crontab t"]),
}


@pytest.mark.parametrize(("calls", "steps"), FOLDS.values(), ids=FOLDS.keys())
def test_what_remains(calls: list[Call], steps: list[str]) -> None:
    assert sorted(told(replayed(*calls)))[: len(steps)] == sorted(steps)


def test_what_it_comes_with_goes() -> None:
    found = replayed(job("a"), table("t", state="absent"))

    assert told(found) == ["Crontab t"]
    assert [one.why for one in found.left_out] == [
        "no step brings its table about, and a later one removes it"
    ]


def back(name: str, *, removes: bool, kind: Kind = JOB) -> Back:
    call = Invocation(tool="set_job", arguments={"name": name}, removes=removes)
    return Back(host="h", kind=kind, names=(name,), call=call)


def test_removals_come_last_and_together() -> None:
    backs = [
        back("a", removes=True),
        back("b", removes=False),
        back("c", removes=True),
        back("d", removes=True),
    ]

    calls = [(one.names, one.call.arguments["name"]) for one in _together(backs)]

    assert calls == [(("b",), "b"), (("a", "c"), ["a", "c"]), (("d",), "d")]


def test_a_kind_that_removes_one_by_one() -> None:
    removing = [back(name, removes=True, kind=CRONTAB) for name in "ab"]

    assert list(_at_once(removing)) == removing


def test_its_words() -> None:
    change = {"kind": "job", "name": "a", "before": None, "after": {"at": "1:00"}}

    assert in_short(change, {"job": JOB}) == "job a: new"
    assert in_short(change, {}) == "job a: at 1:00"
    assert (JOB.counted(1), JOB.counted(2), CRONTAB.counted(2)) == ("1 job", "2 jobs", "2 crontabs")


def test_a_kind_whose_toolset_is_gone_may_be_anything() -> None:
    unknown = kind_named("widget", catalog.kinds())

    assert (unknown.needs, unknown.is_work, unknown.new) == (None, True, None)
