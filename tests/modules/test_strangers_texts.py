"""What anybody on a host may write, and a look reads: it takes no long time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from worlds.growth import grows_with_its_input
from worlds.host_modules import SHARED, loaded


def words(unit: str, program: str = "x") -> Callable[[int], object]:
    hide = loaded(SHARED / "hidden_words.py").without_secrets
    return lambda size: hide([program, unit * (size // len(unit)) + "!"])


def job(unit: str) -> Callable[[int], object]:
    command = loaded(SHARED / "crontabs.py").command_of_job
    return lambda size: command(unit * (size // len(unit)))


def pem(begin: str, unit: str) -> Callable[[int], object]:
    pattern = loaded(SHARED / "certificates.py").PEM
    return lambda size: pattern.findall((begin + unit * (size // len(unit))).encode())


@pytest.mark.parametrize(
    ("work", "size"),
    [
        *((words(unit), 64_000) for unit in ("auth", "--token", "api-key.", "a://", "x-key:")),
        (words("-p", program="mysql"), 64_000),
        *((job(unit), 256_000) for unit in ("cd x|| {\n", "\n}", "<< 'marcinDELIMITER")),
        *((pem("-----BEGIN CERTIFICATE-----", unit), 256_000) for unit in (" ", "A ", "A")),
        (pem("", "-----BEGIN CERTIFICATE-----A"), 256_000),
    ],
)
def test_it_is_read_in_time_that_grows_with_it(work: Callable[[int], object], size: int) -> None:
    assert grows_with_its_input(work, size)


def test_a_long_word_is_told_cut() -> None:
    hide = loaded(SHARED / "hidden_words.py").without_secrets
    told = hide(["x", "--verbose=" + "v" * 5000, "--token", "s" * 5000])
    assert told == ["x", "--verbose=" + "v" * 990, "--token", "***"]


def test_files_of_at_jobs_are_read_to_a_bound(tmp_path: Path) -> None:
    shared = loaded(SHARED / "crontabs.py")
    (tmp_path / "job").write_text("x" * (shared.FILE_BYTES + 1))
    assert len(shared.Files().text(str(tmp_path / "job")) or "") <= shared.FILE_BYTES
