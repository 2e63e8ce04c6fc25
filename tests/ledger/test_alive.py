"""Which Playrail processes are alive: real processes, really killed."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from playrail.ledger.alive import Dead, claim, the_dead

PROCESSES, ROUNDS = 12, 25

CLAIMS = """
import sys
from pathlib import Path
from playrail.ledger.alive import claim

alive = claim(Path(sys.argv[1]), *map(Path, sys.argv[2:]))
print(alive.server, flush=True)
sys.stdin.readline()
alive.release()
"""


@contextmanager
def claiming(place: Path, *runtime: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A living process that has claimed `place`, and the name that it took."""
    command = [sys.executable, "-c", CLAIMS, str(place), *map(str, runtime)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def test_the_killed_are_found_once_and_the_living_never(tmp_path: Path) -> None:
    place = tmp_path / "servers"
    own = claim(place)
    with claiming(place) as (killed, process), claiming(place) as (living, _):
        with the_dead(place) as dead:
            assert dead == []
        process.kill()
        process.wait()

        with the_dead(place) as dead:
            assert [one.server for one in dead] == [killed]
        with the_dead(place) as dead:
            assert dead == []

        assert {path.name for path in place.iterdir()} == {f"{own.server}.lock", f"{living}.lock"}
    own.release()


def test_who_released_is_not_dead(tmp_path: Path) -> None:
    with claiming(tmp_path) as (_, process):
        process.communicate("go\n")

        assert process.returncode == 0
        with the_dead(tmp_path) as dead:
            assert dead == []
        assert list(tmp_path.iterdir()) == []


def test_the_dead_stay_when_settling_them_failed(tmp_path: Path) -> None:
    with claiming(tmp_path) as (killed, process):
        process.kill()
        process.wait()

    with pytest.raises(RuntimeError), the_dead(tmp_path):
        raise RuntimeError

    with the_dead(tmp_path) as dead:
        assert [one.server for one in dead] == [killed]


def test_only_one_settles_the_dead(tmp_path: Path) -> None:
    with claiming(tmp_path) as (killed, process):
        process.kill()
        process.wait()

    with the_dead(tmp_path) as first, the_dead(tmp_path) as second:
        assert (first, second) == ([Dead(server=killed)], [])


# Forked, not started anew, so that all of them are at it within the same millisecond. It is
# told when to begin by the end of its standard input. Each claims and looks for the dead,
# over and over; every other time it dies without a word.
AT_ONCE = """
import os, signal, sys
from pathlib import Path
from playrail.ledger.alive import claim, the_dead

place, processes, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
gate, opening = os.pipe()

def one(number):
    os.close(opening)
    os.read(gate, 1)
    for turn in range(rounds):
        alive = claim(place)
        os.write(1, f"claimed {alive.server}\\n".encode())
        with the_dead(place) as dead:
            for server in dead:
                os.write(1, f"dead {server.server}\\n".encode())
        if turn < rounds - 1 or number % 2:
            os.write(1, f"released {alive.server}\\n".encode())
            alive.release()
    os.write(1, f"killed {alive.server}\\n".encode() if not number % 2 else b"")
    os.kill(os.getpid(), signal.SIGKILL)

children = []
for number in range(processes):
    child = os.fork()
    if not child:
        one(number)
    children.append(child)
os.close(opening)
for child in children:
    os.waitpid(child, 0)
"""


def test_who_starts_at_the_same_moment_is_not_taken_for_dead(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        AT_ONCE,
        str(tmp_path / "servers"),
        str(PROCESSES),
        str(ROUNDS),
    ]
    (tmp_path / "servers").mkdir(mode=0o700)
    said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert said.stderr == ""
    lines = [line.split() for line in said.stdout.splitlines()]
    told = {
        what: Counter(server for word, server in lines if word == what)
        for what in ("claimed", "dead", "killed")
    }
    with the_dead(tmp_path / "servers") as left:
        found = told["dead"] + Counter(one.server for one in left)

    assert (len(told["claimed"]), len(told["killed"])) == (PROCESSES * ROUNDS, PROCESSES // 2)
    assert found == told["killed"], "every killed one exactly once, and nobody else"
    assert list((tmp_path / "servers").iterdir()) == []


def test_a_draft_of_a_killed_process_goes(tmp_path: Path) -> None:
    draft = tmp_path / f"{secrets.token_hex(8)}.new"
    draft.touch()

    with the_dead(tmp_path) as dead:
        assert dead == []
    assert not draft.exists()


def test_who_loses_the_draft_claims_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = iter(["a" * 16, "b" * 16])
    monkeypatch.setattr(secrets, "token_hex", lambda _: next(names))
    real = os.open

    def opened_and_swept(path: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = real(path, flags, mode)
        if path.name == f"{'a' * 16}.new" and flags & os.O_CREAT:
            with the_dead(tmp_path):
                pass
        return descriptor

    monkeypatch.setattr(os, "open", opened_and_swept)
    alive = claim(tmp_path)

    assert (alive.server, [path.name for path in tmp_path.iterdir()]) == (
        "b" * 16,
        [f"{'b' * 16}.lock"],
    )
    alive.release()


def test_a_lock_file_that_got_another_owner_in_between_is_not_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"{'a' * 16}.lock"
    path.touch()
    real = os.open

    def replaced(opened: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = real(opened, flags, mode)
        path.unlink()
        os.close(real(path, os.O_RDWR | os.O_CREAT, 0o600))
        return descriptor

    monkeypatch.setattr(os, "open", replaced)
    with the_dead(tmp_path) as dead:
        assert dead == []


def test_private_files_go_wherever_they_were(tmp_path: Path) -> None:
    place, runtime = tmp_path / "servers", tmp_path / "elsewhere"
    with claiming(place, runtime) as (killed, process):
        (runtime / killed / "run").mkdir(parents=True)
        (runtime / "another").mkdir()
        process.kill()
        process.wait()

    with the_dead(place) as dead:
        assert dead == [Dead(server=killed, runtime=runtime)]
        dead[0].remove_private_files()

    assert [path.name for path in runtime.iterdir()] == ["another"]


@pytest.mark.parametrize(
    "note", ["", "{", "[]", '"/tmp"', '{"runtime": 1}', '{"runtime": "relative"}', "\xff"]
)
def test_a_note_that_cannot_be_understood(tmp_path: Path, note: str) -> None:
    (tmp_path / f"{'a' * 16}.lock").write_text(note, encoding="latin-1")

    with the_dead(tmp_path) as dead:
        assert dead == [Dead(server="a" * 16)]
        dead[0].remove_private_files()


def test_a_tampered_lock_file_makes_nothing_else_go(tmp_path: Path) -> None:
    place, kept, server = tmp_path / "servers", tmp_path / "kept", "c" * 16
    place.mkdir()
    (kept / "file").mkdir(parents=True)
    (kept / server).symlink_to(kept / "file")
    (tmp_path / server).write_text("a file")
    for name in (f"{'d' * 16}/../kept", "", "..", "kept"):
        Dead(server=name, runtime=tmp_path).remove_private_files()
    for runtime in (kept, tmp_path, kept / "\0", tmp_path / "gone"):
        Dead(server=server, runtime=runtime).remove_private_files()
    for name in (".lock", "...lock", "kept.lock"):
        (place / name).write_text(json.dumps({"runtime": str(tmp_path)}))
    (place / f"{server}.lock").symlink_to(place / "kept.lock")
    (place / f"{'e' * 16}.lock").mkdir()

    with the_dead(place) as dead:
        assert dead == []

    assert (kept / "file").is_dir()
    assert (kept / server).is_symlink()
    assert (tmp_path / server).is_file()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    path = tmp_path / ("f" * 16)
    path.mkdir()
    os.chown(path, 12345, -1)

    Dead(server=path.name, runtime=tmp_path).remove_private_files()

    assert path.is_dir()


def test_a_claim_is_private(tmp_path: Path) -> None:
    alive = claim(tmp_path / "servers")

    assert alive.path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "servers").stat().st_mode & 0o777 == 0o700
    alive.release()
    assert not alive.path.exists()
