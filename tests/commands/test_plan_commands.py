"""`playrail plans`, `plan`, `approve` and `reject`, as processes; the operator's on a
terminal.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from playrail.demo.changes import on_terminal
from playrail.ledger.ledger import Entry, Ledger
from playrail.plans.plan import Approval, Foreseen, Plan, Step, changes_of, expiry, new_plan_id
from playrail.tools.effects import Effect
from worlds.forked_commands import Commands

pytestmark = pytest.mark.slow

# What a terminal would obey: it clears the screen, sets the title, goes back in the line;
# and line ends that are none.
NASTY = "\x1b[2J\x9b2J\x1b]0;title\x07\x08\r\u2028+not so\x85"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Desk:
    """The operator's side of a state directory."""

    home: Path
    ledger: Ledger
    commands: Commands

    @property
    def environ(self) -> dict[str, str]:
        state = str(self.home / "state")
        return {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "PLAYRAIL_STATE_DIR": state,
        }

    def proposed(
        self, *, approval: Approval = "operator", lifetime: timedelta = timedelta(hours=1)
    ) -> Plan:
        """A plan that is to change a file with a nasty name and content on a host."""
        content = {"content": f"old {NASTY}\n", "mode": "0644"}
        effect = Effect(
            kind="file",
            name=f"/etc/{NASTY}",
            before=content,
            after={"content": "new\n", "mode": "0600"},
        )
        arguments = {"path": f"/etc/{NASTY}", "content": "new\n"}
        command = "ansible-playbook write_file.yml"
        step = Step(
            tool="write_file", arguments=arguments, hosts=("web1",), risk="WRITE", would_run=command
        )
        now = datetime.now(UTC)
        plan = Plan(
            plan_id=new_plan_id(),
            caller="ann",
            made_at=now.isoformat(),
            expires_at=expiry(now, lifetime),
            steps=(step,),
            parts={"arguments": "a"},
            changes=changes_of(Foreseen(effects={"web1": [effect]})),
            not_previewed={"web1": [f"A task {NASTY} was not played."]},
            approval=approval,
        )
        self.ledger.append(
            Entry(
                kind="plan",
                call="made-it",
                server="s",
                caller="ann",
                tool="write_file",
                body=plan.entry().to_body(),
            )
        )
        return plan

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Without a terminal."""
        return self.commands.run(*words, env=self.environ, cwd=self.home)

    def types(self, line: str, *words: str) -> tuple[str, int]:
        """On a terminal, what is typed where the command asks."""
        return on_terminal([*words], self.environ, line)

    def said(self, plan: Plan) -> list[dict[str, Any]]:
        """The operator's records about the plan."""
        return list(self.ledger.read(kinds=("approval", "closed"), plan=plan.plan_id))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, commands: Commands) -> Iterator[Desk]:
    home = tmp_path_factory.mktemp("home")
    (home / "state").mkdir(mode=0o700)
    ledger = Ledger(home / "state" / "ledger.sqlite")
    yield Desk(home, ledger, commands)
    ledger.close()


def clean(printed: str) -> bool:
    """Whether a terminal shows the text as it is, colours aside."""
    return CONTROL.search(COLOUR.sub("", printed)) is None


def test_the_operator_approves_what_was_shown(desk: Desk) -> None:
    plan = desk.proposed()

    printed, status = desk.types(plan.plan_id[-4:], "approve", plan.plan_id)

    assert (status, clean(printed)) == (0, True)
    lines = COLOUR.sub("", printed).split("\n")
    assert {f"Plan {plan.plan_id} of ann:", "  write_file (WRITE) on web1", "+new"} < set(lines)
    assert any(line.startswith("-old ") and "+not so" in line for line in lines), (
        "a line is one line"
    )
    assert lines[-2:] == [f"{plan.plan_id} is approved.", ""]
    assert plan.hash in printed
    (approval,) = desk.said(plan)
    body = approval["body"]
    assert (approval["kind"], approval["call"], body["hash"]) == ("approval", "made-it", plan.hash)
    assert (body["how"], body["answer"], "terminal" in body["proves"]) == (
        "operator",
        "approved",
        True,
    )
    assert body["by"].endswith(f"(uid {os.getuid()})")
    ends = datetime.fromisoformat(body["expires_at"])
    assert timedelta(minutes=58) < ends - datetime.now(UTC) <= timedelta(hours=1)


def test_wrong_letters_do_nothing(desk: Desk) -> None:
    plan = desk.proposed()

    printed, status = desk.types("yes", "approve", plan.plan_id)
    _, empty = desk.types("", "reject", plan.plan_id)

    assert (status, empty, "Nothing was done." in printed, desk.said(plan)) == (1, 1, True, [])


def test_only_a_terminal_is_asked(desk: Desk) -> None:
    plan = desk.proposed()

    ended = desk.run("approve", plan.plan_id)

    assert (ended.returncode, "on a terminal" in ended.stderr, desk.said(plan)) == (2, True, [])
    assert clean(ended.stdout)


def test_a_rejected_plan_is_closed(desk: Desk) -> None:
    plan = desk.proposed()

    printed, status = desk.types(plan.plan_id[-4:], "reject", plan.plan_id)

    assert (status, f"{plan.plan_id} is rejected; it cannot be applied." in printed) == (0, True)
    approval, closed = desk.said(plan)
    assert (approval["body"]["answer"], closed["body"]["outcome"]) == ("declined", "rejected")
    printed, status = desk.types(plan.plan_id[-4:], "approve", plan.plan_id)
    assert (status, f"{plan.plan_id} was rejected already." in printed, len(desk.said(plan))) == (
        1,
        True,
        2,
    )


def test_a_plan_that_has_expired_is_not_approved(desk: Desk) -> None:
    plan = desk.proposed(lifetime=timedelta(seconds=-1))

    printed, status = desk.types(plan.plan_id[-4:], "approve", plan.plan_id)

    assert (status, "has expired" in printed, desk.said(plan)) == (1, True, [])


def test_the_list(desk: Desk) -> None:
    late = desk.proposed(lifetime=timedelta(seconds=-1))
    waits, free = desk.proposed(), desk.proposed(approval="none")

    table = desk.run("plans").stdout
    rows = {
        row[0]: row[1:]
        for line in table.splitlines()
        if (row := line.split()) and row[0].startswith("plan-")
    }
    found = {one["plan_id"]: one for one in json.loads(desk.run("plans", "--all", "--json").stdout)}

    assert rows[waits.plan_id][:4] == ["ann", "write_file", "web1", "1"]
    assert rows[waits.plan_id][4:8] == ["waits", "for", "the", "operator"]
    assert rows[free.plan_id][4:7] == ["needs", "no", "approval"]
    assert late.plan_id not in rows
    assert {found[plan.plan_id]["state"] for plan in (waits, late)} == {
        "waits for the operator",
        "expired",
    }
    assert (clean(table), found[waits.plan_id]["hash"]) == (True, waits.hash)


def test_one_plan(desk: Desk) -> None:
    plan = desk.proposed()

    people, program = desk.run("plan", plan.plan_id), desk.run("plan", plan.plan_id, "--json")

    assert (people.returncode, clean(people.stdout)) == (0, True)
    assert people.stdout.splitlines()[-1] == "waits for the operator"
    assert (clean(program.stdout), json.loads(program.stdout)["state"]) == (
        True,
        "waits for the operator",
    )


def test_no_such_plan(desk: Desk, tmp_path: Path) -> None:
    for words in (["plan"], ["approve"]):
        ended = desk.run(*words, "plan-0000000000000000")
        assert (ended.returncode, "There is no plan" in ended.stderr) == (1, True)
    nowhere = Desk(tmp_path, desk.ledger, desk.commands)
    assert json.loads(nowhere.run("plans", "--json").stdout) == []
    assert nowhere.run("reject", "plan-0000000000000000").returncode == 1
    assert not (tmp_path / "state").exists(), "to look makes nothing"


@pytest.mark.parametrize(("types", "code"), [("y", "ok"), ("n", "approval_refused")])
def test_a_call_asks_whoever_sits_at_the_terminal(types: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "policy.yml").write_text("rules: [{name: ask, then: client_approval}]\n")
    own = {
        "PLAYRAIL_STATE_DIR": str(tmp_path / "state"),
        "PLAYRAIL_POLICY": str(tmp_path / "policy.yml"),
    }
    given = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "ENABLE_WRITE_OPERATIONS": "1",
        **own,
    }
    words = ["call", "execute_command", f"cmd=touch {tmp_path}/ran"]
    printed, status = on_terminal(words, given, types, asks=b"Carry out this plan?")

    assert f'cmd: "touch {tmp_path}/ran"' in printed
    assert (status, (tmp_path / "ran").exists()) == ((0, True) if code == "ok" else (1, False))
    assert ('"success": true' if code == "ok" else f'"code": "{code}"') in printed
