"""Who calls: a name gives no right, and no token can borrow one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from playrail.calls.caller import CLI, LOCAL, OPERATOR, RESERVED, Grant, token_caller
from playrail.errors import SettingsInvalid
from playrail.policy.rules import CALLERS
from worlds.plan_world import world


@pytest.mark.parametrize("name", [*RESERVED, "Local", "OPERATOR"])
def test_a_token_is_not_named_as_who_needs_none(name: str) -> None:
    with pytest.raises(SettingsInvalid, match="cli, local, operator are callers without a token"):
        token_caller(name)


@pytest.mark.parametrize("name", ["", "*", "a b", "a\n", "-a", "ann\u202e", "\u0430", "x" * 65])
def test_a_token_has_a_name_that_records_can_tell_apart(name: str) -> None:
    with pytest.raises(SettingsInvalid, match="A token cannot be named"):
        token_caller(name)


def test_a_token_has_the_rights_that_it_is_given() -> None:
    assert not token_caller("ann@laptop").may(Grant.OPERATE)
    assert token_caller("ops", grants=[Grant.OPERATE]).may(Grant.OPERATE)
    assert [who.may(Grant.OPERATE) for who in (LOCAL, CLI, OPERATOR)] == [False, True, True]


def test_a_policy_can_name_those_who_call() -> None:
    assert set(CALLERS) == {LOCAL.name, CLI.name}


@pytest.mark.slow
def test_another_callers_run_is_taken_back_by_right_and_not_by_name(tmp_path: Path) -> None:
    with world(tmp_path / "place") as made:
        run = made.call("write_file", path=f"{tmp_path}/a", content="x").meta.run_id
        named_so = replace(CLI, grants=frozenset())
        assert made.call("undo_run", run_id=run, caller=named_so).code == "unknown_run"
        assert made.call("undo_run", run_id=run, caller=CLI).code == "ok"
