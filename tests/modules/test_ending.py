"""The host module that ends a run, run for real: as a process, on processes that it may and
may not end.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator

import pytest

from worlds.endings import NOBODY, TREE, as_root, end, played, sleeping, unique
from worlds.host_modules import MODULES, PLAIN

pytestmark = pytest.mark.slow

END_RUN = MODULES / "end_run.py"


@pytest.fixture
def seconds() -> Iterator[str]:
    """How long to sleep: a text by which only this test's processes are found; none of them
    outlives it.
    """
    own = unique()
    yield own
    end(own)


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    with contextlib.ExitStack() as stack:

        def start(*command: str, run: str) -> subprocess.Popen[bytes]:
            child = subprocess.Popen(
                command, env={**PLAIN, "PLAYRAIL_RUN": run}, start_new_session=True
            )
            stack.enter_context(child)
            stack.callback(child.kill)
            return child

        yield start


def await_sleepers(seconds: str, number: int) -> list[int]:
    deadline = time.monotonic() + 20
    while len(found := sleeping(seconds)) != number:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


Start = Callable[..., subprocess.Popen[bytes]]


def test_a_run_is_ended_with_all_that_is_below_it(started: Start, seconds: str) -> None:
    started("sh", "-c", f"env -i sleep {seconds} & sleep {seconds}; :", run="r1")
    other = started("sleep", seconds, run="r2")
    await_sleepers(seconds, 3)

    answer = played(END_RUN, run="r1")

    assert (answer["changed"], answer["ended"], answer["left"]) == (
        True,
        ["sh", "sleep", "sleep"],
        [],
    )
    assert sleeping(seconds) == [other.pid]


def test_what_ignores_sigterm_is_killed(started: Start, seconds: str) -> None:
    started("sh", "-c", f"trap '' TERM; sleep {seconds}; :", run="r3")
    await_sleepers(seconds, 1)

    answer = played(END_RUN, run="r3")

    assert (answer["ended"], answer["left"]) == (["sh", "sleep"], [])
    assert sleeping(seconds) == []


def test_a_run_of_which_nothing_is_there() -> None:
    answer = played(END_RUN, run=str(uuid.uuid4()))
    assert (answer["changed"], answer["ended"], answer["left"]) == (False, [], [])


def test_check_mode_ends_nothing(started: Start, seconds: str) -> None:
    started("sleep", seconds, run="r4")
    await_sleepers(seconds, 1)

    answer = played(END_RUN, run="r4", _ansible_check_mode=True)

    assert (answer["changed"], answer["ended"], answer["left"]) == (False, ["sleep"], [])
    assert len(sleeping(seconds)) == 1


@as_root
@pytest.mark.parametrize("deaf", ["hears", "deaf"])
def test_what_may_not_be_ended_is_told_though_its_marked_parent_is_gone(
    started: Start, seconds: str, deaf: str
) -> None:
    parent = started(sys.executable, "-c", TREE, str(NOBODY), seconds, deaf, run="r5")
    both = await_sleepers(seconds, 2)

    answer = played(END_RUN, "early", run="r5")

    assert (answer["changed"], answer["ended"], answer["left"]) == (True, ["sleep"], ["sleep"])
    parent.wait(timeout=5)
    assert sleeping(seconds) == [pid for pid in both if pid != parent.pid]
