"""What is made of the answers to a job's requests: those that are lost, cut off, late or in
pieces. This machine stands in for the server.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest

from mikrus.shells import LOST, NEVER_CAME, Fault, Server
from playrail.errors import ApiDnsFailed, RateLimited
from playrail.mikrus.jobs import Input, JobFailed, Piece

pytestmark = pytest.mark.slow


def counted(tmp_path: Path) -> str:
    return f"echo ran >>{tmp_path}/ran; echo out"


def runs(tmp_path: Path) -> int:
    return len((tmp_path / "ran").read_text().splitlines())


CUT = Fault(answer=lambda output: output[: len(output) // 2], worked=True)
STRAY = Fault(
    answer=lambda output: f"sh: 1: stray &lt;\n{output}\nmore [playrail 00 done 0]", worked=True
)


@pytest.mark.parametrize(
    ("faults", "requests"),
    [
        ([LOST], 2),
        ([NEVER_CAME], 2),
        ([LOST, NEVER_CAME, LOST], 4),
        ([CUT], 2),
        ([STRAY], 1),
        ([Fault(answer=lambda _: "błąd wykonania polecenia")], 2),
        ([Fault(answer=lambda _: "", worked=True)], 2),
        ([Fault(error=RateLimited("slow", retry_after_s=1))], 2),
        ([LOST, Fault(error=ApiDnsFailed("no"))], 3),
        ([LOST, *[Fault(error=RateLimited("slow", retry_after_s=0))] * 5], 7),
    ],
    ids=[
        "lost",
        "never came",
        "several",
        "cut",
        "stray",
        "failed",
        "empty",
        "limited",
        "then dns",
        "then limited",
    ],
)
def test_a_lost_answer_does_not_run_the_work_twice(
    plain: Server, tmp_path: Path, faults: list[Fault | None], requests: int
) -> None:
    plain.faults = list(faults)

    assert plain.run(counted(tmp_path)).stdout == b"out\n"
    assert (runs(tmp_path), len(plain.requests)) == (1, requests)


def test_the_same_start_side_by_side_and_later(server: Server, tmp_path: Path) -> None:
    async def many() -> None:
        done = await server.jobs().run(counted(tmp_path))
        command = server.requests[0]
        answers = await asyncio.gather(
            *(asyncio.to_thread(server.execute, command) for _ in range(8))
        )
        assert len({re.sub(r"\s+", " ", answer) for answer in answers}) == 1
        assert done.stdout == b"out\n"

    asyncio.run(many())
    assert runs(tmp_path) == 1


def test_eight_at_once_of_which_none_was_first(server: Server, tmp_path: Path) -> None:
    server.faults = [NEVER_CAME] * 4
    with pytest.raises(JobFailed):
        server.run(counted(tmp_path))

    async def many() -> list[str]:
        return await asyncio.gather(
            *(asyncio.to_thread(server.execute, server.requests[0]) for _ in range(8))
        )

    answers = asyncio.run(many())
    assert runs(tmp_path) == 1
    assert all(" done 0 4 0 " in answer for answer in answers)


def test_a_start_that_comes_late_runs_nothing(plain: Server, tmp_path: Path) -> None:
    """The job is over, and what it wrote is gone."""

    async def two() -> None:
        jobs = plain.jobs()
        await jobs.run(counted(tmp_path))
        await jobs.run("true")

    asyncio.run(two())
    assert len(plain.left) == 1
    assert " lost]" in plain.execute(plain.requests[0])
    assert runs(tmp_path) == 1


@pytest.mark.parametrize("fault", [LOST, NEVER_CAME], ids=["lost", "never came"])
def test_an_answer_that_never_comes(plain: Server, fault: Fault) -> None:
    plain.faults = [fault] * 99
    assert plain.fails("true") == "connection_lost"


def test_an_error_before_anything_began_stays_what_it_is(plain: Server) -> None:
    plain.faults = [Fault(error=ApiDnsFailed("no"))]
    with pytest.raises(ApiDnsFailed):
        plain.run("true")
    plain.faults = [Fault(error=RateLimited("slow", retry_after_s=900))]
    with pytest.raises(RateLimited):
        plain.run("true")


def test_nothing_began_while_parts_are_sent(plain: Server) -> None:
    plain.faults = [NEVER_CAME] * 99
    assert plain.fails("cat", Input(head=os.urandom(200_000))) == "exec_failed"


def test_parts_that_are_sent_twice(server: Server) -> None:
    data = os.urandom(150_000)
    server.faults = [None, LOST, NEVER_CAME, LOST]

    assert server.run("cat", Input(head=data)).stdout == data


def test_a_server_that_keeps_nothing(plain: Server) -> None:
    def needs(output: str) -> str:
        return re.sub(r"(\[playrail \w+) .*\]", rf"\1 need {Piece(b'x', kept=True).name}]", output)

    plain.faults = [Fault(answer=needs, worked=True)] * 9
    assert plain.fails("true", Input(pieces=[Piece(b"x", kept=True)])) == "exec_failed"
    assert len(plain.requests) == 2


def test_what_makes_no_sense_is_no_answer(plain: Server) -> None:
    plain.faults = [
        Fault(answer=lambda output: output.replace(" done 0 ", " done x "), worked=True)
    ]
    assert plain.run("true").code == 0


def test_nothing_began_when_the_server_needs_more_first(plain: Server) -> None:
    plain.faults = [None, Fault(error=ApiDnsFailed("no"))]
    with pytest.raises(ApiDnsFailed):
        plain.run("true", Input(pieces=[Piece(b"x", kept=True)]))


def test_output_in_pieces(server: Server) -> None:
    data = os.urandom(20_000)

    done = asyncio.run(
        server.jobs(told_bytes=8192).run("cat; cat /proc/version >&2", Input(head=data))
    )

    assert (done.stdout, done.stderr) == (data, Path("/proc/version").read_bytes())
    assert len(server.requests) == 3


def test_output_that_grows_after_the_end(plain: Server) -> None:
    """What a process that was left behind writes, between two answers, does not mix with
    what was told.
    """
    command = (
        "head -c 100000 /dev/urandom; { sleep 0.3; while :; do echo more; done; } & echo $! >&2"
    )

    done = asyncio.run(plain.jobs(told_bytes=8192).run(command))

    os.kill(int(done.stderr), signal.SIGKILL)
    assert len(done.stdout) == 100_000


def test_an_api_that_cuts_long_answers(plain: Server) -> None:
    data = os.urandom(100_000)
    plain.faults = [Fault(answer=lambda output: output[:65536], worked=True)] * 3

    assert plain.run("cat", Input(head=data)).stdout == data


def test_what_an_answer_without_an_end_said(plain: Server) -> None:
    plain.faults = [Fault(answer=lambda _: "błąd wykonania polecenia\n")] * 9
    with pytest.raises(JobFailed, match=r"The API's answer was: błąd wykonania polecenia$"):
        plain.run("true")
