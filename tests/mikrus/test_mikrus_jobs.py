"""Jobs as they run on a server, by the shells that servers have: this machine stands in for
it, in a directory.
"""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mikrus.shells import Server
from playrail.mikrus.jobs import Done, Input, JobFailed, Piece, Place

pytestmark = pytest.mark.slow
EVERY_BYTE = bytes(range(256))


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


def test_a_megabyte_there_and_back(server: Server) -> None:
    """So in many requests, and in more than one answer."""
    there_and_back(server, 1_000_000)
    assert len(server.requests) > 12


def test_five_megabytes_there_and_back(plain: Server) -> None:
    there_and_back(plain, 5_000_000)


def there_and_back(server: Server, size: int) -> None:
    data = os.urandom(size)
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
