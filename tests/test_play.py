"""What Ansible is told of a play."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from playrail.ansible.play import Play


@pytest.mark.parametrize(
    ("check", "diff", "modes"),
    [(False, False, []), (True, True, ["--check", "--diff"]), (True, False, ["--check"]), (False, True, ["--diff"])],
)
def test_modes_are_in_the_line_that_does_the_same_and_in_the_orders(check: bool, diff: bool, modes: list[str]) -> None:
    play = Play(
        run_id="r",
        playbook=Path("/books/a b.yml"),
        hosts=["web1"],
        inventory=["/hosts.yml"],
        variables={"playrail_path": "/etc/motd"},
        secrets={},
        check=check,
        diff=diff,
    )

    variables = '{"playrail_target": ["web1"], "playrail_path": "/etc/motd"}'
    words = ["ansible-playbook", "-i", "/hosts.yml", *modes, "-e", variables, "/books/a b.yml"]
    assert shlex.split(play.command_line()) == words
    assert [play.orders()[key] for key in ("check", "diff", "modes")] == [check, diff, " ".join(modes)]
