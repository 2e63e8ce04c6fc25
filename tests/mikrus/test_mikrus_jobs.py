"""Jobs as they run on a server, by the shells that servers have: this machine stands in for
it, in a directory.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mikrus.shells import LOST, NEVER_CAME, Fault, Server
from playrail.errors import ApiDnsFailed, RateLimited
from playrail.mikrus.jobs import Done, Input, JobFailed, Piece, Place

pytestmark = pytest.mark.slow
EVERY_BYTE = bytes(range(256))


@pytest.fixture(params=["dash", "bash", "busybox", "cat | sh"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Server:
    """A server with each of the shells; the last is how mikr.us seems to do it."""
    root, shell = tmp_path / "root", request.param
    if shutil.which(shell.split()[0]) is None:
        pytest.skip(f"no {shell} on this machine")
    match shell:
        case "busybox":
            programs = tmp_path / "bin"
            programs.mkdir()
            subprocess.run(["busybox", "--install", "-s", str(programs)], check=True)
            return Server(root, [str(programs / "sh"), "-c"], str(programs))
        case "cat | sh":
            return Server(root, ["bash", "-c", 'printf %s "$1" | bash -c "cat | sh"', "bash"])
        case _:
            return Server(root, [shell, "-c"])


@pytest.fixture
def plain(tmp_path: Path) -> Server:
    """A server where the shell makes no difference."""
    return Server(tmp_path / "root")


@pytest.mark.parametrize(
    ("command", "code", "stdout", "stderr"),
    [
        ("true", 0, b"", b""),
        ("printf out; printf err >&2; exit 1", 1, b"out", b"err"),
        ("exit 127", 127, b"", b""),
        ("sh -c 'kill -9 $$' 2>/dev/null", 137, b"", b""),
        (r"printf '\000\377\012\303'", 0, b"\0\xff\n\xc3", b""),
        ("echo '&lt;<>&\"' \"'\"", 0, b"&lt;<>&\" '\n", b""),
        ("cat", 0, b"", b""),
    ],
)
def test_how_a_command_ended(
    server: Server, command: str, code: int, stdout: bytes, stderr: bytes
) -> None:
    assert server.run(command) == Done(code=code, stdout=stdout, stderr=stderr)
    assert len(server.requests) == 1


def test_input_of_every_byte(server: Server) -> None:
    assert server.run("cat", Input(head=EVERY_BYTE * 3)).stdout == EVERY_BYTE * 3
    assert len(server.requests) == 1


def test_what_a_command_starts_with(server: Server) -> None:
    done = server.run("pwd; umask; env | sort")
    lines = done.stdout.decode().splitlines()

    home = str(server.root.parent)
    assert lines[:2] == [home, "0022"]
    named = {line.partition("=")[0]: line.partition("=")[2] for line in lines[2:]}
    assert named.pop("SHLVL", None) in (None, "1", "2")
    assert named.pop("_", "") is not None
    assert named == {
        "HOME": home,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "LOGNAME": "root",
        "PATH": server.path,
        "PWD": home,
        "SHELL": "/bin/sh",
        "USER": "root",
    }


def test_signals_and_open_files_are_as_usual(plain: Server) -> None:
    told = plain.run("grep -E 'Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd").stdout.split()
    # Without the real-time signals, which the libc uses
    masks = [int(told[at], 16) & 0x7FFFFFFF for at in (1, 3)]
    assert (masks, told[4:]) == ([0, 0], [b"0", b"1", b"2", b"3"])


@pytest.mark.slow
def test_five_megabytes_there_and_back(server: Server) -> None:
    data = os.urandom(5_000_000)

    assert server.run("cat; echo done >&2", Input(head=data)) == Done(
        code=0, stdout=data, stderr=b"done\n"
    )


def test_work_that_takes_longer_than_a_request(server: Server) -> None:
    assert server.run("sleep 2.5; echo late", wait_s=1).stdout == b"late\n"
    assert len(server.requests) >= 3


def test_a_command_is_apart_from_its_request(plain: Server) -> None:
    """Neither does what it leaves behind hold up the answer, nor is it ended with the
    request.
    """
    words = plain.run("echo said; (sleep 1000; echo later) & echo $!").stdout.split()

    assert words[0] == b"said"
    os.kill(int(words[1]), signal.SIGKILL)  # it lives


def pieces() -> list[Piece]:
    return [Piece(os.urandom(3000), kept=number % 3 != 0) for number in range(30)]


def whole(given: Input) -> bytes:
    return (
        given.head + base64.b64encode(b"".join(piece.data for piece in given.pieces)) + given.tail
    )


def test_what_is_kept_is_sent_once(server: Server) -> None:
    given = Input(head=b"<", pieces=pieces(), tail=b">")

    assert server.run("cat", given).stdout == whole(given)
    assert [path.name for path in server.kept] == sorted(
        piece.name for piece in given.pieces if piece.kept
    )
    assert server.run("cat", given).stdout == whole(given)

    assert len(server.requests) == 1 + 2 + 1


def test_a_kept_piece_that_was_changed_is_not_believed(server: Server) -> None:
    given = Input(pieces=pieces())
    server.run("cat", given)
    server.kept[0].write_bytes(b"something else")
    server.kept[1].unlink()
    server.requests.clear()

    assert server.run("cat", given).stdout == whole(given)
    assert len(server.requests) == 2


def test_kept_pieces_are_bounded_and_old_ones_go(plain: Server) -> None:
    plain.run("true", Input(pieces=[Piece(b"old", kept=True)]))
    old = plain.kept[0]
    os.utime(old, (0, 0))
    for number in range(2100):
        (plain.root / "kept" / f"{number:064}").touch()

    plain.run("true", Input(pieces=[Piece(b"new", kept=True)]))

    assert not old.exists()
    assert len(plain.kept) == 2001


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
        ([LOST, *[Fault(error=RateLimited("slow", retry_after_s=1))] * 5], 7),
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
        "head -c 200000 /dev/urandom; { sleep 0.3; while :; do echo more; done; } & echo $! >&2"
    )

    done = asyncio.run(plain.jobs(told_bytes=8192).run(command))

    os.kill(int(done.stderr), signal.SIGKILL)
    assert len(done.stdout) == 200_000


def test_an_api_that_cuts_long_answers(plain: Server) -> None:
    data = os.urandom(100_000)
    plain.faults = [Fault(answer=lambda output: output[:65536], worked=True)] * 3

    assert plain.run("cat", Input(head=data)).stdout == data


def test_what_an_answer_without_an_end_said(plain: Server) -> None:
    plain.faults = [Fault(answer=lambda _: "błąd wykonania polecenia\n")] * 9
    with pytest.raises(JobFailed, match=r"The API's answer was: błąd wykonania polecenia$"):
        plain.run("true")


@pytest.mark.parametrize("program", ["base64", "gzip", "sha256sum"])
def test_a_program_that_the_server_has_not(tmp_path: Path, program: str) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for directory in ("/bin", "/usr/bin"):
        for path in Path(directory).iterdir():
            if path.name != program and not (programs / path.name).exists():
                (programs / path.name).symlink_to(path)
    server = Server(tmp_path / "root", [str(programs / "bash"), "-c"], str(programs))

    with pytest.raises(JobFailed, match=f"The server has no program {program}.") as caught:
        server.run("true")
    assert (caught.value.code, len(server.requests)) == ("missing_on_host", 1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)],
        capture_output=True,
        check=False,
    )
    if mount.returncode != 0:
        pytest.skip(f"may not mount: {mount.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_disk_that_is_full_before(small_disk: Path) -> None:
    server = Server(small_disk)
    (small_disk / "ballast").write_bytes(bytes(1024 * 1024))
    assert server.fails("true") == "disk_full"
    (small_disk / "ballast").unlink()
    assert server.run("true").code == 0


def test_a_disk_that_the_command_fills(small_disk: Path) -> None:
    """The exit code is told all the same."""
    server = Server(small_disk)
    done = server.run(f"cat /dev/zero >{small_disk}/ballast; exit 7")
    assert (done.code, done.stdout) == (7, b"")
    assert b"No space left" in done.stderr or done.stderr == b""


def test_a_command_that_is_killed_with_its_shell(plain: Server) -> None:
    killing = "kill -9 $(cut -d ' ' -f 4 /proc/$$/stat) $$"
    with pytest.raises(JobFailed, match="was cut off on the server") as caught:
        plain.run(killing)
    assert (caught.value.code, len(plain.requests)) == ("connection_lost", 1)


def test_what_jobs_leave_behind(plain: Server) -> None:
    plain.run("cat", Input(head=b"secret"))
    assert [
        sorted(path.name.partition(".")[0] for path in job.iterdir()) for job in plain.left
    ] == [["err", "exit", "out", "pid"]]
    assert {
        oct(path.stat().st_mode & 0o777)
        for path in (plain.root, *plain.root.iterdir(), *plain.left)
    } == {"0o700"}

    for path in (*plain.left[0].iterdir(), plain.left[0]):
        os.utime(path, (time.time() - 5000, time.time() - 5000))
    plain.run("true")
    assert len(plain.left) == 1

    for path in (plain.left[0], *(plain.root / "started").iterdir()):
        os.utime(path, (time.time() - 90_000, time.time() - 90_000))
    plain.run("true")
    assert (len(plain.left), len(list((plain.root / "started").iterdir()))) == (1, 1)


def test_a_request_is_one_plain_line(plain: Server) -> None:
    plain.run("cat", Input(head=b"hunter2 \n'\"$(id)"))

    assert re.fullmatch(
        r"for p in [a-z0-9 ]+;do command -v \$p>/dev/null\|\|\{ echo \[playrail '[0-9a-f]{32}' "
        r"missing "
        r"\$p\];exit;\};done;echo [A-Za-z0-9+/=]+\|base64 -d\|gzip -dc\|sh",
        plain.requests[0],
    )


def test_a_place_has_a_plain_path() -> None:
    with pytest.raises(ValueError, match="absolute paths"):
        Place(root="/var/cache/$(id)")
