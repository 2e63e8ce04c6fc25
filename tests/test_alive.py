"""Which Playrail processes are alive: real processes, really killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from playrail.ledger.alive import claim, the_dead

CLAIMS = """
import sys, time
from pathlib import Path
from playrail.ledger.alive import claim

alive = claim(Path(sys.argv[1]))
print(alive.server, flush=True)
sys.stdin.readline()
alive.release()
"""


@contextmanager
def claiming(place: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A living process that has claimed `place`, and the name that it took."""
    command = [sys.executable, "-c", CLAIMS, str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
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
            assert dead == [killed]
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
        assert dead == [killed]


def test_only_one_settles_the_dead(tmp_path: Path) -> None:
    with claiming(tmp_path) as (killed, process):
        process.kill()
        process.wait()

    with the_dead(tmp_path) as first, the_dead(tmp_path) as second:
        assert (first, second) == ([killed], [])


def test_a_claim_is_private(tmp_path: Path) -> None:
    alive = claim(tmp_path / "servers")

    assert alive.path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "servers").stat().st_mode & 0o777 == 0o700
    alive.release()
    assert not alive.path.exists()
