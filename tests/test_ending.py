"""The host modules that end programs, run for real: as processes, on processes that they may and may not end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from host_modules import PLAIN, module_answer

pytestmark = pytest.mark.slow

PLAYBOOKS = Path(__file__).parent.parent / "playbooks"
END_RUN = PLAYBOOKS / "runs" / "library" / "end_run.py"
RUN_PROGRAM = PLAYBOOKS / "commands" / "library" / "run_program.py"
NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make processes of two users")

# Runs a module as another user: at once, or only after it has started a program, which so belongs to root. What the
# module imports is read before, for that user may not be able to.
AS_USER = """
import os, runpy, selectors, subprocess, sys
import ansible.module_utils.basic
path, user, when = sys.argv[1], int(sys.argv[2]), sys.argv[3]
del sys.argv[1:]
def become():
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
class Popen(subprocess.Popen):
    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        become()
if when == "late":
    subprocess.Popen = Popen
else:
    become()
os.environ["HOME"] = "/"
os.chdir("/")
runpy.run_path(path, run_name="__main__")
"""

# Becomes a marked `sleep` of another user, which may ignore SIGTERM, after starting one of root that nothing marks.
TREE = """
import os, signal, sys
user, seconds, deaf = sys.argv[1:4]
if not os.fork():
    os.execve("/bin/sleep", ["sleep", seconds], {})
if deaf == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.setgid(int(user))
os.setuid(int(user))
os.execve("/bin/sleep", ["sleep", seconds], dict(os.environ))
"""


def played(module: Path, when: str | None = None, /, **arguments: Any) -> dict[str, Any]:
    """What the module answers; run by nobody when `when` is `early` or `late`, see AS_USER."""
    arguments_of_python = [str(module)] if when is None else ["-c", AS_USER, str(module), str(NOBODY), when]
    return module_answer(arguments_of_python, arguments, timeout_s=60)


def sleeping(seconds: str) -> list[int]:
    """The living processes `sleep SECONDS`."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "cmdline").read_bytes() == f"sleep\0{seconds}\0".encode():
                found.append(int(entry.name))
    return found


@pytest.fixture
def seconds() -> Iterator[str]:
    """How long to sleep: a text by which only this test's processes are found; none of them outlives it."""
    unique = f"10000.{uuid.uuid4().int}"
    yield unique
    for pid in sleeping(unique):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    with contextlib.ExitStack() as stack:

        def start(*command: str, run: str) -> subprocess.Popen[bytes]:
            child = subprocess.Popen(command, env={**PLAIN, "PLAYRAIL_RUN": run}, start_new_session=True)
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

    assert (answer["changed"], answer["ended"], answer["left"]) == (True, ["sh", "sleep", "sleep"], [])
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


def program(*argv: str, max_seconds: int = 1, when: str | None = None) -> dict[str, Any]:
    return played(RUN_PROGRAM, when, argv=list(argv), max_seconds=max_seconds)


def test_a_program_whose_time_is_over_is_ended(seconds: str) -> None:
    answer = program("sleep", seconds)

    assert (answer["timed_out"], answer["left_running"]) == (True, False)
    assert (answer["exit_code"], answer["signal"]) == (None, signal.SIGTERM)
    assert sleeping(seconds) == []


def test_a_program_that_ends_in_time() -> None:
    answer = program("sh", "-c", "echo out; echo err >&2; exit 3", max_seconds=30)

    assert (answer["timed_out"], answer["left_running"], answer["exit_code"]) == (False, False, 3)
    assert (answer["stdout"], answer["stderr"]) == ("out\n", "err\n")


def test_a_program_that_ignores_sigterm_is_killed_with_what_it_started(seconds: str) -> None:
    answer = program("sh", "-c", f"trap '' TERM; echo deaf; sleep {seconds} & sleep {seconds}; :")

    assert (answer["timed_out"], answer["left_running"], answer["signal"]) == (True, False, signal.SIGKILL)
    assert answer["stdout"] == "deaf\n"
    assert sleeping(seconds) == []


def test_what_outlives_a_program_is_killed(seconds: str) -> None:
    answer = program("sh", "-c", f"(trap '' TERM; exec sleep {seconds}) & exec sleep {seconds}")

    assert (answer["timed_out"], answer["left_running"], answer["signal"]) == (True, False, signal.SIGTERM)
    assert sleeping(seconds) == []


@as_root
def test_a_program_that_may_not_be_ended_is_told_in_time(seconds: str) -> None:
    answer = program("sleep", seconds, when="late")

    assert (answer["timed_out"], answer["left_running"]) == (True, True)
    assert (answer["exit_code"], answer["signal"]) == (None, None)
    assert len(sleeping(seconds)) == 1


@as_root
def test_what_a_program_started_and_may_not_be_ended_is_told(seconds: str) -> None:
    answer = program(sys.executable, "-c", TREE, str(NOBODY), seconds, "hears", when="late")

    assert (answer["timed_out"], answer["left_running"]) == (True, True)
    assert (answer["exit_code"], answer["signal"]) == (None, signal.SIGTERM)
    assert len(sleeping(seconds)) == 1


@as_root
def test_a_program_that_may_not_be_ended_and_ends_by_itself() -> None:
    answer = program("sleep", "3", when="late")

    assert (answer["timed_out"], answer["left_running"], answer["exit_code"]) == (True, False, 0)
