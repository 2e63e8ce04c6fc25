"""What was approved is what runs, whatever changes between the question, the answer and the
play.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from playrail.calls.answers import Answer
from playrail.calls.asking import Ask, Question, Said
from playrail.toolsets.plans import check_drift
from worlds.callers import ANN, CLI
from worlds.local_plays import LOCAL, inventory
from worlds.plan_world import World, said, world

pytestmark = pytest.mark.slow

CLIENT = """
windows:
  day: {from: "06:00", to: "18:00", timezone: UTC}
limits:
  callers: {cli: {changes_per_hour: 1}}
rules:
  - {name: reads, risk: [READ, SENSITIVE], then: allow}
  - {name: free by day, hosts: free, during: day, then: allow}
  - {name: by day, during: day, then: client_approval}
  - {name: by night, then: operator_approval}
"""
HOSTS = ("web1", "web2", "free")
BOTH = ["web1", "web2"]
BY_DAY, BY_NIGHT = datetime(2026, 3, 2, 12, tzinfo=UTC), datetime(2026, 3, 2, 23, tzinfo=UTC)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    above = tmp_path_factory.mktemp("ruled")
    inventory(above, *HOSTS)
    (above / "policy.yml").write_text(CLIENT, encoding="utf-8")
    given = {
        "PLAYRAIL_INVENTORY": str(above / "hosts.yml"),
        "PLAYRAIL_POLICY": str(above / "policy.yml"),
    }
    with world(above / "place", **given) as made:
        yield made


@pytest.fixture
def ruled(standing: World) -> Iterator[World]:
    """Three hosts, and a clock that says noon until it is set."""
    standing.clock.at = BY_DAY
    known = (sources := standing.place.parent / "hosts.yml").read_text()
    yield standing
    if sources.read_text() != known:  # or else what is ready for plays is so no more
        sources.write_text(known)


def approving(meanwhile: Any) -> Ask:
    """A client whose user approves, while something happens."""

    async def ask(_: Question) -> Said:
        meanwhile()
        return Said.APPROVED

    return ask


def test_a_host_that_joins_during_the_question_is_not_touched(ruled: World, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    ask = approving(lambda: inventory(ruled.place.parent, *HOSTS, "prod9"))

    answer = ruled.call(
        "execute_command", cmd=f"echo x >> {ran}", shell=True, server="all", ask=ask
    )
    assert (answer.code, ran.exists()) == ("plan_outdated", False)


def test_a_variable_that_changes_during_the_question_counts(ruled: World, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    ask = approving(
        lambda: inventory(ruled.place.parent, *HOSTS, variables={**LOCAL, "ansible_port": 2})
    )

    answer = ruled.call(
        "execute_command", cmd=f"echo x >> {ran}", shell=True, server="web1", ask=ask
    )
    assert (answer.code, ran.exists()) == ("plan_outdated", False)


def test_what_policy_demands_when_it_runs_counts(ruled: World, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    ask = approving(lambda: setattr(ruled.clock, "at", BY_NIGHT))

    answer = ruled.call("execute_command", cmd=f"touch {ran}", server="web1", ask=ask)
    assert (answer.code, ran.exists()) == ("plan_outdated", False)


def test_what_has_become_allowed_during_the_preview_is_done(
    ruled: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ruled.clock.at = BY_NIGHT
    basis = ruled.server.previews.basis

    async def at_dawn(*steps: Any, **more: Any) -> Any:
        ruled.clock.at = BY_DAY
        return await basis(*steps, **more)

    monkeypatch.setattr(ruled.server.previews, "basis", at_dawn)
    answer = ruled.call("write_file", path=str(tmp_path / "note"), content="x", server="free")

    assert (answer.code, (tmp_path / "note").exists()) == ("ok", True)


def test_a_plan_that_a_limit_kept_from_starting_is_not_used_up(
    ruled: World, tmp_path: Path
) -> None:
    ask = said(Said.APPROVED, [])
    call = partial(ruled.call, caller=CLI, ask=ask, server="web1")
    assert call("execute_command", cmd=f"touch {tmp_path}/first").code == "ok"
    made = call("execute_command", cmd=f"touch {tmp_path}/second", preview=True)
    assert made.data is not None
    plan_id = made.data["plan"]["plan_id"]

    refused = ruled.call("apply_plan", plan_id=plan_id, caller=CLI, ask=ask)
    assert (refused.code, (tmp_path / "second").exists()) == ("limit_reached", False)
    assert refused.problem is not None
    assert (refused.problem.retryable, (refused.problem.retry_after_s or 0) > 0) == (True, True)
    told = ruled.call("get_plan", plan_id=plan_id, caller=CLI).data
    assert told is not None
    assert told["plan"]["state"] == "open"


def test_nothing_is_hidden_from_who_approves(ruled: World) -> None:
    asked: list[Question] = []
    hidden = "uptime #\x1b]\ntouch /tmp/hidden\n#\x07 \u202egnp \x9b2J"
    ruled.call(
        "execute_command", cmd=hidden, shell=True, server="web1", ask=said(Said.DECLINED, asked)
    )

    (question,) = asked
    assert "touch /tmp/hidden" in question.text
    assert all(letter.isprintable() or letter == "\n" for letter in question.text)
    assert len([line for line in question.text.splitlines() if line.startswith("    cmd: ")]) == 1

    long = f"echo {'x' * 9000}; touch /tmp/hidden"
    answer = ruled.call(
        "execute_command", cmd=long, shell=True, server="web1", ask=said(Said.APPROVED, asked)
    )
    assert (answer.code, len(asked)) == ("approval_required", 1), (
        "what is not shown whole is not asked about"
    )


def test_a_long_content_is_shortened_in_the_middle_and_the_rest_is_shown(
    ruled: World, tmp_path: Path
) -> None:
    asked: list[Question] = []
    path = f"{tmp_path}/unit"
    content = f"[Unit]\n{'Description=x' * 3000}\n[Install]\n"
    answer = ruled.call(
        "write_file", path=path, content=content, server=BOTH, ask=said(Said.DECLINED, asked)
    )

    (question,) = asked
    assert answer.code == "approval_refused"
    told = question.text.splitlines()
    assert told[0].startswith("LONG PARTS OF THIS PLAN ARE SHORTENED HERE")
    assert told[2] == "  write_file (WRITE) on web1, web2"
    assert told[3] == "  Would change on 2 of 2 hosts: 2 files, +6 -0 lines"
    assert f'    path: "{path}"' in told
    assert any(line.startswith(f"  web1, web2: file {path}: +3 -0 lines, new") for line in told)
    assert "CHARACTERS ARE NOT SHOWN HERE" in question.text
    assert len(question.text) <= 8000
    assert answer.data is None or content not in str(answer.data)


def test_a_resumed_call_is_recorded_as_any_other(ruled: World, tmp_path: Path) -> None:
    given: dict[str, Any] = {"cmd": f"touch {tmp_path}/ran", "server": "web1"}
    first = ruled.call("execute_command", ask=said(Said.LATER, []), **given)
    assert first.question is not None

    def back(what: Said) -> Answer:
        assert first.question is not None
        call = partial(
            ruled.server.call, resume=first.question.plan_id, caller=ANN, ask=said(what, [])
        )
        return ruled.portal.call(call, "execute_command", given)

    for what, code in (
        (Said.LATER, "approval_required"),
        (Said.APPROVED, "ok"),
        (Said.APPROVED, "plan_unusable"),
    ):
        answer = back(what)
        records = list(ruled.server.ledger.read(call=answer.meta.request_id))
        ended = [record["body"]["outcome"] for record in records if record["kind"] == "ended"]
        assert (answer.code, ended, records[0]["kind"]) == (code, [code], "started")
        assert records[0]["body"]["preview"] is True, (
            "the change is that of the call which it makes"
        )


def test_a_preview_that_policy_wants_and_that_fails_says_that_nothing_was_changed(
    ruled: World, tmp_path: Path
) -> None:
    path = f"{tmp_path}/no/such/directory"
    answer = ruled.call(
        "write_file", path=path, content="x", server=BOTH, ask=said(Said.APPROVED, [])
    )

    assert answer.code == "not_found"
    assert answer.problem is not None
    assert answer.problem.error.startswith("Nothing was changed, for the preview failed.")
    assert answer.data is not None
    assert (answer.data["preview"], sorted(answer.data["failed"])) == (True, ["web1", "web2"])


def test_a_deadline_ends_inner_calls_in_order(tmp_path: Path) -> None:
    """They are recorded, and what was found until then is told."""
    (tmp_path / "files").mkdir()
    slow = replace(check_drift, timeout_s=0.05)
    with world(tmp_path / "place", slow) as made:
        for number in range(4):
            assert (
                made.call("write_file", path=f"{tmp_path}/files/{number}", content="x").code == "ok"
            )
        answer = made.call("check_drift")
        opened = made.server.ledger.open_calls(made.portal.call(made.server.open).server)

    assert opened == []
    assert answer.data is not None
    (host,) = answer.data["hosts"].values()
    assert host["not_checked"]
