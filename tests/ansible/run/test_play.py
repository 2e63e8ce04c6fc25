"""What Ansible is told of a play."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from playrail.ansible.run.play import Play, forks, turns


@pytest.mark.parametrize(
    ("check", "diff", "modes"),
    [
        (False, False, []),
        (True, True, ["--check", "--diff"]),
        (True, False, ["--check"]),
        (False, True, ["--diff"]),
    ],
)
def test_modes_are_in_the_line_that_does_the_same_and_in_the_orders(
    check: bool, diff: bool, modes: list[str]
) -> None:
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
    assert [play.orders()[key] for key in ("check", "diff", "modes")] == [
        check,
        diff,
        " ".join(modes),
    ]


def test_the_users_forks_bound_how_many_hosts_are_worked_on_at_once() -> None:
    assert [forks(30, at_most=5), forks(3, at_most=5), forks(30, at_most=1), forks(0)] == [
        5,
        3,
        1,
        1,
    ]
    assert forks(500, at_most=400) == forks(500) <= 50
    assert [turns(30, at_most=5), turns(30, at_most=1), turns(1, at_most=5)] == [6, 30, 1]
