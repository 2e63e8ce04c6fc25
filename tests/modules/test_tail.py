"""The end of a file, found from its end: the module read_part with `last`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from worlds.host_modules import MODULES, module_answer

pytestmark = pytest.mark.slow

MODULE = MODULES / "read_part.py"
BUDGET = 262144


def tail(path: Path | str, lines: int = 3, **arguments: Any) -> dict[str, Any]:
    given = {"path": str(path), "last": lines, "max_bytes": BUDGET + 600, **arguments}
    return module_answer([str(MODULE)], given, timeout_s=20)


def file(folder: Path, content: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "expected", "lines", "truncated"),
    [
        (b"", b"", 0, False),
        (b"one", b"one", 1, False),
        (b"one\ntwo\nthree\n", b"one\ntwo\nthree\n", 3, False),
        (b"zero\none\ntwo\nthree\n", b"one\ntwo\nthree\n", 3, True),
        (b"zero\none\ntwo\nthree", b"one\ntwo\nthree", 3, True),
        (b"zero\r\none\r\ntwo\r\nthree\r\n", b"one\r\ntwo\r\nthree\r\n", 3, True),
        (b"\n\n\n\n", b"\n\n\n", 3, True),
        (b"\n", b"\n", 1, False),
    ],
)
def test_the_last_lines(
    tmp_path: Path, content: bytes, expected: bytes, lines: int, truncated: bool
) -> None:
    answer = tail(file(tmp_path, content))
    assert answer["content"].encode() == expected
    assert (answer["lines"], answer["truncated"], answer["line_cut"]) == (lines, truncated, False)
    assert (answer["size_bytes"], answer["encoding"], answer["replaced_bytes"]) == (
        len(content),
        "utf-8",
        0,
    )


@pytest.mark.parametrize("size", range(12, 30))
def test_no_budget_cuts_a_line_but_the_only_one(tmp_path: Path, size: int) -> None:
    """Whatever lies at the edge of what is read. The budget is one of JSON, where a newline
    has two bytes.
    """
    content = b"one\ntwo\nthree\nfour\nfive\n"
    answer = tail(file(tmp_path, content), 100, max_bytes=size)
    got = answer["content"].encode()
    assert content.endswith(got)
    assert len(got) <= size
    assert got.startswith((b"one\n", b"two\n", b"three\n", b"four\n"))
    assert (answer["truncated"], answer["line_cut"]) == (got != content, False)


def test_a_huge_line_is_cut_between_characters(tmp_path: Path) -> None:
    content = "é" * 300_000 + "\n"
    answer = tail(file(tmp_path, content.encode()))
    assert (answer["lines"], answer["line_cut"], answer["truncated"], answer["replaced_bytes"]) == (
        1,
        True,
        True,
        0,
    )
    assert content.endswith(answer["content"])
    assert BUDGET - 1 <= len(answer["content"].encode()) <= BUDGET


def test_a_line_of_just_the_budget_is_whole(tmp_path: Path) -> None:
    answer = tail(file(tmp_path, b"before\n" + b"x" * (BUDGET - 2) + b"\n"))
    assert (len(answer["content"]), answer["line_cut"], answer["truncated"]) == (
        BUDGET - 1,
        False,
        True,
    )


def test_the_end_of_a_sparse_terabyte_is_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as large:
        large.seek(10**12)
        large.write(b"\0\n" + b"x" * BUDGET + b"\nlast\n")
    answer = tail(path, 1)
    assert (answer["content"], answer["truncated"]) == ("last\n", True)
    assert answer["size_bytes"] == path.stat().st_size


def test_latin_1_is_replaced_and_counted(tmp_path: Path) -> None:
    answer = tail(file(tmp_path, "caf\xe9\n".encode("latin-1")))
    assert (answer["content"], answer["encoding"], answer["replaced_bytes"]) == (
        "caf\ufffd\n",
        "unknown",
        1,
    )


def test_files_of_proc_have_an_end_though_no_size() -> None:
    with Path("/proc/self/status").open() as status:
        last = status.readlines()[-1].partition(":")[0]
    answer = tail("/proc/self/status", 1)
    assert answer["content"].startswith(f"{last}:")
    assert (answer["lines"], answer["truncated"]) == (1, True)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    assert tail(tmp_path)["playrail_code"] == "is_a_directory"
    assert tail(tmp_path / "missing")["playrail_code"] == "not_found"
    assert tail("/etc/shadow")["playrail_code"] == "protected_path"
    assert tail(file(tmp_path, b"a\0b\n"))["playrail_code"] == "binary_file"
    assert tail(file(tmp_path, b"a\n"), 0)["playrail_code"] == "invalid_argument"
