"""The host module that runs a program, run for real: as a process, with programs that it may
and may not end.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from worlds.endings import NOBODY, TREE, as_root, end, played, sleeping, unique
from worlds.host_modules import MODULES

pytestmark = pytest.mark.slow

RUN_PROGRAM = MODULES / "run_program.py"


def program(*argv: str, max_seconds: int = 1, when: str | None = None) -> dict[str, Any]:
    return played(RUN_PROGRAM, when, argv=list(argv), max_seconds=max_seconds)


@dataclass(frozen=True, kw_only=True)
class Program:
    """What is run, with SECONDS in place of how long to sleep."""

    argv: tuple[str, ...]
    when: str | None = None
    max_seconds: int = 1


@dataclass(frozen=True)
class Run:
    """What the module answered, and which of the program's `sleep`s were alive then."""

    answer: dict[str, Any]
    alive: list[int]


def script(text: str, **more: Any) -> Program:
    return Program(argv=("/bin/sh", "-c", text), **more)


# Ways out of a program's process group, its session and its environment.
WAYS_OUT = {
    "session": "setsid sleep SECONDS",
    "waited for": "setsid -w sleep SECONDS",
    "forked": "setsid -f sleep SECONDS; sleep SECONDS",
    "cleared": "env -i setsid sleep SECONDS",
    "cleared and forked": "env -i setsid -f sleep SECONDS; sleep SECONDS",
    "background": "nohup sleep SECONDS >/dev/null 2>&1 & sleep SECONDS",
    "orphan": (
        "(env -i setsid sh -c 'trap \"\" TERM HUP; sleep SECONDS; :' >/dev/null 2>&1 &) ; "
        "sleep SECONDS"
    ),
}
OVERLOOKED = {"cleared and forked", "orphan"}  # by a Python that adopts no orphans
LEAVING = (
    "nohup sleep SECONDS >/dev/null 2>&1 &",
    "setsid sleep SECONDS &",
    "setsid -f sleep SECONDS",
)
BECOMES_NOBODY = ("su", "nobody", "-s", "/bin/sh", "-c", "sleep SECONDS")
OF_ROOT = {
    "tree": Program(
        argv=(sys.executable, "-c", TREE, str(NOBODY), "SECONDS", "hears"), when="late"
    ),
    "kept": Program(argv=("sleep", "SECONDS"), when="late"),
    "by itself": Program(argv=("sleep", "3"), when="late"),
    "nobody": Program(argv=BECOMES_NOBODY),
    "nobody, bare": Program(argv=BECOMES_NOBODY, when="bare"),
}
# Those that take longest are first.
PROGRAMS = {
    **(OF_ROOT if os.geteuid() == 0 else {}),
    "deaf": script("trap '' TERM; echo deaf; sleep SECONDS & sleep SECONDS; :"),
    "outlived": script("(trap '' TERM; exec sleep SECONDS) & exec sleep SECONDS"),
    **{way: script(text) for way, text in reversed(WAYS_OUT.items())},
    **{
        f"{way}, bare": script(text, when="bare")
        for way, text in WAYS_OUT.items()
        if way not in OVERLOOKED
    },
    "over": Program(argv=("sleep", "SECONDS")),
    "in time": script("echo out; echo err >&2; exit 3", max_seconds=30),
    "last words": script("trap 'echo farewell; exit 3' TERM; while :; do sleep 0.1; done"),
    **{text: script(text, max_seconds=30) for text in LEAVING},
    **{f"{text}, bare": script(text, when="bare", max_seconds=30) for text in LEAVING},
}


@pytest.fixture(scope="module")
def runs() -> Iterator[Callable[[str], Run]]:
    """How each of the programs was run. They do little but wait, so some run side by side."""

    def done(given: Program) -> Run:
        seconds = unique()
        argv = [word.replace("SECONDS", seconds) for word in given.argv]
        answer = program(*argv, when=given.when, max_seconds=given.max_seconds)
        alive = sleeping(seconds)
        end(seconds)
        return Run(answer, alive)

    with ThreadPoolExecutor(6) as pool:
        begun = {name: pool.submit(done, given) for name, given in PROGRAMS.items()}
        yield lambda name: begun[name].result()


Runs = Callable[[str], Run]


def test_a_program_whose_time_is_over_is_ended(runs: Runs) -> None:
    run = runs("over")

    assert (run.answer["timed_out"], run.answer["left_running"]) == (True, False)
    assert (run.answer["exit_code"], run.answer["signal"]) == (None, signal.SIGTERM)
    assert run.alive == []


def test_a_program_that_ends_in_time(runs: Runs) -> None:
    answer = runs("in time").answer

    assert (answer["timed_out"], answer["left_running"], answer["exit_code"]) == (False, False, 3)
    assert (answer["stdout"], answer["stderr"]) == ("out\n", "err\n")


def test_a_program_that_ignores_sigterm_is_killed_with_what_it_started(runs: Runs) -> None:
    run = runs("deaf")

    assert (run.answer["timed_out"], run.answer["left_running"], run.answer["signal"]) == (
        True,
        False,
        signal.SIGKILL,
    )
    assert run.answer["stdout"] == "deaf\n"
    assert run.alive == []


def test_what_outlives_a_program_is_killed(runs: Runs) -> None:
    run = runs("outlived")

    assert (run.answer["timed_out"], run.answer["left_running"], run.answer["signal"]) == (
        True,
        False,
        signal.SIGTERM,
    )
    assert run.alive == []


@pytest.mark.parametrize("way", WAYS_OUT)
def test_what_left_the_programs_group_is_ended(way: str, runs: Runs) -> None:
    run = runs(way)

    assert (run.answer["timed_out"], run.answer["left_running"]) == (True, False)
    assert (run.answer["left"], run.alive) == ([], [])


@pytest.mark.parametrize("way", sorted(WAYS_OUT.keys() - OVERLOOKED))
def test_what_left_is_ended_by_a_python_without_ctypes(way: str, runs: Runs) -> None:
    """As that of minimal packages; it cannot know that there is no more."""
    run = runs(f"{way}, bare")

    assert (run.answer["timed_out"], run.answer["left_running"]) == (True, None)
    assert (run.answer["left"], run.alive) == ([], [])


@as_root
@pytest.mark.parametrize(("name", "left"), [("nobody", False), ("nobody, bare", None)])
def test_what_became_another_user_is_ended(name: str, left: bool | None, runs: Runs) -> None:
    run = runs(name)

    assert (run.answer["timed_out"], run.answer["left_running"]) == (True, left)
    assert run.alive == []


@pytest.mark.parametrize("bare", ["", ", bare"])
@pytest.mark.parametrize("way", LEAVING)
def test_what_a_program_leaves_is_told_and_not_ended(way: str, bare: str, runs: Runs) -> None:
    run = runs(f"{way}{bare}")

    (left,) = run.alive
    told = [run.answer[key] for key in ("timed_out", "exit_code", "left_running")]
    assert told == [False, 0, True]
    assert run.answer["left"] == [{"pid": left, "name": "sleep"}]


def test_what_ends_with_a_program_is_not_told_as_left() -> None:
    answer = program("/bin/sh", "-c", "sleep 0.05 & echo", max_seconds=30)
    assert (answer["left_running"], answer["left"]) == (False, [])


def test_a_program_may_wait_for_what_it_left_behind() -> None:
    """Nobody else would bury it: its parent is gone."""
    script = (
        "pid=$( (sleep 0.1 >/dev/null & echo $!) ); while kill -0 $pid 2>/dev/null; do sleep "
        "0.1; done"
    )
    answer = program("/bin/sh", "-c", script, max_seconds=20)
    assert (answer["exit_code"], answer["timed_out"]) == (0, False)


def test_a_programs_last_words_are_read(runs: Runs) -> None:
    answer = runs("last words").answer
    assert (answer["timed_out"], answer["exit_code"], answer["stdout"]) == (True, 3, "farewell\n")


def test_outputs_share_the_bytes_that_there_are() -> None:
    def written(script: str, most: int) -> dict[str, Any]:
        return played(RUN_PROGRAM, argv=["/bin/sh", "-c", script], max_seconds=30, max_bytes=most)

    whole = written("echo out; echo err >&2", 1000)
    assert (whole["stdout"], whole["stderr"], whole["truncated"]) == ("out\n", "err\n", False)
    lines = "i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done"
    cut = written(f"{lines}; echo err >&2", 1000)
    assert cut["truncated"] is True
    assert cut["stdout"].startswith("line 0\n")
    assert cut["stdout"].endswith("line 499\n")
    assert (cut["stderr"], cut["stdout_bytes"]) == ("err\n", 4390)
    assert 800 < len(json.dumps(cut["stdout"])) <= 1000
    kept = cut["stdout"].replace(gap_of(cut), "")
    assert gap_of(cut) == f"\n[... {cut['stdout_bytes'] - len(kept)} bytes left out ...]\n"
    both = written(f"{lines}; ({lines}) >&2", 1000)
    assert max(len(json.dumps(both[name])) for name in ("stdout", "stderr")) <= 502
    binary = written("head -c 3000 /dev/zero | tr '\\0' '\\377'", 1000)
    assert (binary["truncated"], binary["stdout_bytes"]) == (True, 3000)
    assert len(binary["stdout"].encode()) <= 1000


def gap_of(answer: dict[str, Any]) -> str:
    found = re.search(r"\n\[\.\.\. \d+ bytes left out \.\.\.\]\n", answer["stdout"])
    assert found is not None
    return found[0]


@as_root
def test_a_program_that_may_not_be_ended_is_told_in_time(runs: Runs) -> None:
    run = runs("kept")

    assert (run.answer["timed_out"], run.answer["left_running"]) == (True, True)
    assert (run.answer["exit_code"], run.answer["signal"]) == (None, None)
    assert len(run.alive) == 1


@as_root
def test_what_a_program_started_and_may_not_be_ended_is_told(runs: Runs) -> None:
    run = runs("tree")

    assert (run.answer["timed_out"], run.answer["left_running"]) == (True, True)
    assert (run.answer["exit_code"], run.answer["signal"]) == (None, signal.SIGTERM)
    assert len(run.alive) == 1


@as_root
def test_a_program_that_may_not_be_ended_and_ends_by_itself(runs: Runs) -> None:
    answer = runs("by itself").answer

    assert (answer["timed_out"], answer["left_running"], answer["exit_code"]) == (True, False, 0)
