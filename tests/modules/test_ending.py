"""The host modules that end programs, run for real: as processes, on processes that they
may and may not end.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from worlds.host_modules import MODULES, PLAIN, module_answer

pytestmark = pytest.mark.slow

END_RUN = MODULES / "end_run.py"
RUN_PROGRAM = MODULES / "run_program.py"
NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make processes of two users")

# Runs a module as another user: early, or late, when it has started a program, which so
# belongs to root. What the module imports is read before, for that user may not be able to.
# `bare`: as the same user, with a Python that has no ctypes.
AS_USER = """
import os, runpy, selectors, subprocess, sys
import ansible.module_utils.basic
path, user, when = sys.argv[1], int(sys.argv[2]), sys.argv[3]
del sys.argv[1:]
sys.path.insert(0, path.rpartition("/ansible_collections/")[0])
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
elif when == "early":
    become()
else:
    sys.modules["ctypes"] = None
os.environ["HOME"] = "/"
os.chdir("/")
runpy.run_path(path, run_name="__main__")
"""

# Becomes a marked `sleep` of another user, which may ignore SIGTERM, after starting one of
# root that nothing marks.
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
    """What the module answers; with `when`, early, late or bare, see AS_USER."""
    arguments_of_python = (
        [str(module)] if when is None else ["-c", AS_USER, str(module), str(NOBODY), when]
    )
    return module_answer(arguments_of_python, arguments, timeout_s=60)


def sleeping(seconds: str) -> list[int]:
    """The living processes `sleep SECONDS`."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if (
                entry.name.isdigit()
                and (entry / "cmdline").read_bytes() == f"sleep\0{seconds}\0".encode()
            ):
                found.append(int(entry.name))
    return found


@pytest.fixture
def seconds() -> Iterator[str]:
    """How long to sleep: a text by which only this test's processes are found; none of them
    outlives it.
    """
    unique = f"10000.{uuid.uuid4().int}"
    yield unique
    for pid in sleeping(unique):
        os.kill(pid, signal.SIGKILL)


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

    assert (answer["timed_out"], answer["left_running"], answer["signal"]) == (
        True,
        False,
        signal.SIGKILL,
    )
    assert answer["stdout"] == "deaf\n"
    assert sleeping(seconds) == []


def test_what_outlives_a_program_is_killed(seconds: str) -> None:
    answer = program("sh", "-c", f"(trap '' TERM; exec sleep {seconds}) & exec sleep {seconds}")

    assert (answer["timed_out"], answer["left_running"], answer["signal"]) == (
        True,
        False,
        signal.SIGTERM,
    )
    assert sleeping(seconds) == []


# Ways out of a program's process group, its session and its environment.
WAYS_OUT = {
    "session": "setsid sleep {}",
    "waited for": "setsid -w sleep {}",
    "forked": "setsid -f sleep {}; sleep {}",
    "cleared": "env -i setsid sleep {}",
    "cleared and forked": "env -i setsid -f sleep {}; sleep {}",
    "background": "nohup sleep {} >/dev/null 2>&1 & sleep {}",
    "orphan": (
        "(env -i setsid sh -c 'trap \"\" TERM HUP; sleep {}; :' >/dev/null 2>&1 &) ; sleep {}"
    ),
}


OVERLOOKED = {"cleared and forked", "orphan"}  # by a Python that adopts no orphans


@pytest.mark.parametrize("way", WAYS_OUT)
def test_what_left_the_programs_group_is_ended(way: str, seconds: str) -> None:
    answer = program("/bin/sh", "-c", WAYS_OUT[way].replace("{}", seconds), max_seconds=1)

    assert (answer["timed_out"], answer["left_running"], answer["left"]) == (True, False, [])
    assert sleeping(seconds) == []


@pytest.mark.parametrize("way", sorted(WAYS_OUT.keys() - OVERLOOKED))
def test_what_left_is_ended_by_a_python_without_ctypes(way: str, seconds: str) -> None:
    """As that of minimal packages; it cannot know that there is no more."""
    answer = program(
        "/bin/sh", "-c", WAYS_OUT[way].replace("{}", seconds), when="bare", max_seconds=1
    )

    assert (answer["timed_out"], answer["left_running"], answer["left"]) == (True, None, [])
    assert sleeping(seconds) == []


@as_root
@pytest.mark.parametrize(("when", "left"), [(None, False), ("bare", None)])
def test_what_became_another_user_is_ended(
    when: str | None, left: bool | None, seconds: str
) -> None:
    answer = program("su", "nobody", "-s", "/bin/sh", "-c", f"sleep {seconds}", when=when)

    assert (answer["timed_out"], answer["left_running"]) == (True, left)
    assert sleeping(seconds) == []


@pytest.mark.parametrize("when", [None, "bare"])
@pytest.mark.parametrize(
    "way", ["nohup sleep {} >/dev/null 2>&1 &", "setsid sleep {} &", "setsid -f sleep {}"]
)
def test_what_a_program_leaves_is_told_and_not_ended(
    way: str, when: str | None, seconds: str
) -> None:
    answer = program("/bin/sh", "-c", way.replace("{}", seconds), when=when, max_seconds=30)

    (left,) = sleeping(seconds)
    assert (answer["timed_out"], answer["exit_code"], answer["left_running"]) == (False, 0, True)
    assert answer["left"] == [{"pid": left, "name": "sleep"}]


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


def test_a_programs_last_words_are_read() -> None:
    answer = program(
        "/bin/sh",
        "-c",
        "trap 'echo farewell; exit 3' TERM; while :; do sleep 0.1; done",
        max_seconds=1,
    )
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
