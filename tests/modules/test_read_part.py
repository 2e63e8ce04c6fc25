"""The host modules of playbooks/files, run for real: as a process, on real files."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from worlds.host_modules import MODULES, module_answer

pytestmark = pytest.mark.slow

BUDGET = 262144
BESIDE_BYTES = 600  # of an answer, that are not for the text
not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


def run(module: str, **arguments: Any) -> dict[str, Any]:
    """What the module answers. It must not take the time that a FIFO or a device would."""
    return module_answer([str(MODULES / f"{module}.py")], arguments, timeout_s=20)


def read(path: Path | str, **arguments: Any) -> dict[str, Any]:
    return run("read_part", **{"path": str(path), "max_bytes": BUDGET + BESIDE_BYTES, **arguments})


def refusal(answer: dict[str, Any]) -> str:
    assert answer["failed"]
    return str(answer["playrail_code"])


def file(folder: Path, content: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", 0),
        (b"one\n", 1),
        (b"one\ntwo", 2),
        (b"one\r\ntwo\r\n", 2),
        (b"\n\n\n", 3),
        ("zażółć 🎭\n".encode(), 1),
        (b"{{ lookup('pipe', 'id') }}\n", 1),
        (b'{"json": [1, 2]}', 1),
    ],
)
def test_whole_file_comes_as_it_is(tmp_path: Path, content: bytes, lines: int) -> None:
    answer = read(file(tmp_path, content))
    assert answer["content"].encode() == content
    assert (answer["lines"], answer["total_lines"]) == (lines, lines)
    assert (answer["truncated"], answer["line_cut"], answer["next_offset"]) == (False, False, None)
    assert (answer["encoding"], answer["replaced_bytes"], answer["size_bytes"]) == (
        "utf-8",
        0,
        len(content),
    )
    assert answer["sha256"] == hashlib.sha256(content).hexdigest()


def test_pages_by_lines_fit_together(tmp_path: Path) -> None:
    content = "".join(f"line {number}\n" for number in range(1, 11)) + "no newline"
    path = file(tmp_path, content.encode())
    pages = [read(path, offset=offset, limit=4) for offset in (1, 5, 9)]
    assert "".join(page["content"] for page in pages) == content
    assert [page["first_line"] for page in pages] == [1, 5, 9]
    assert [page["lines"] for page in pages] == [4, 4, 3]
    assert [page["next_offset"] for page in pages] == [5, 9, None]
    assert [page["total_lines"] for page in pages] == [None, None, 11]


@pytest.mark.parametrize(("content", "total"), [(b"a\nb\n", 2), (b"a\nb", 2), (b"", 0)])
def test_offset_past_the_end_is_empty_and_says_how_long_the_file_is(
    tmp_path: Path, content: bytes, total: int
) -> None:
    answer = read(file(tmp_path, content), offset=100)
    assert (answer["content"], answer["lines"], answer["next_offset"]) == ("", 0, None)
    assert answer["total_lines"] == total


def test_budget_ends_between_lines(tmp_path: Path) -> None:
    path = file(tmp_path, b"x" * 199_999 + b"\n" + b"y" * 199_999 + b"\n")
    first = read(path)
    assert (first["lines"], first["line_cut"], first["truncated"], first["next_offset"]) == (
        1,
        False,
        True,
        2,
    )
    second = read(path, offset=2)
    assert second["content"] == "y" * 199_999 + "\n"
    assert second["next_offset"] is None


def test_huge_line_is_cut_and_can_be_read_to_its_end(tmp_path: Path) -> None:
    # Two bytes each, so that a cut must not fall between them
    content = "ą" * 300_000 + "\nafter\n"
    path = file(tmp_path, b"z" + content.encode())
    got, place = "", {"offset": 1, "skip_bytes": 0}
    cuts = []
    for _ in range(10):
        page = read(path, **place)
        assert page["replaced_bytes"] == 0
        assert len(page["content"].encode()) <= BUDGET
        got += page["content"]
        cuts.append(page["line_cut"])
        if page["next_offset"] is None:
            break
        place = {"offset": page["next_offset"], "skip_bytes": page["next_skip_bytes"]}
    assert got == "z" + content
    assert cuts == [True, True, False]


def test_rest_of_a_cut_line_can_be_skipped(tmp_path: Path) -> None:
    path = file(tmp_path, b"x" * 600_000 + b"\nafter\n")
    page = read(path)
    assert (page["lines"], page["line_cut"], page["next_offset"], page["next_skip_bytes"]) == (
        1,
        True,
        1,
        BUDGET,
    )
    assert read(path, offset=page["next_offset"] + 1)["content"] == "after\n"


def test_skip_bytes_stays_within_its_line(tmp_path: Path) -> None:
    assert read(file(tmp_path, b"short\nnext\n"), skip_bytes=99)["content"] == "\nnext\n"


def test_skipping_the_whole_last_line_still_counts_it(tmp_path: Path) -> None:
    answer = read(file(tmp_path, b"one\ntwo"), offset=2, skip_bytes=3)
    assert (answer["content"], answer["total_lines"]) == ("", 2)


def test_middle_of_50_mb_is_read_without_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as large:
        for start in range(0, 1_000_000, 10_000):
            large.write(
                b"".join(
                    b"%09d %s\n" % (number, b"." * 39) for number in range(start, start + 10_000)
                )
            )
    assert path.stat().st_size == 50_000_000
    answer = read(path, offset=900_001, limit=2)
    assert [line.split()[0] for line in answer["content"].splitlines()] == [
        "000900000",
        "000900001",
    ]
    assert (answer["next_offset"], answer["total_lines"], answer["size_bytes"]) == (
        900_003,
        None,
        50_000_000,
    )
    assert answer["sha256"] is None
    assert read(path)["lines"] == 500


def test_latin_1_is_replaced_and_counted(tmp_path: Path) -> None:
    answer = read(file(tmp_path, "żółw caf\xe9 na\xefve\n".encode() + b"caf\xe9 na\xefve\n"))
    assert answer["content"].endswith("caf\ufffd na\ufffdve\n")
    assert (answer["encoding"], answer["replaced_bytes"]) == ("unknown", 2)


@pytest.mark.parametrize("content", [b"a\0b", "utf-16".encode("utf-16"), b"\x7fELF\0\0"])
def test_binary_is_refused(tmp_path: Path, content: bytes) -> None:
    assert refusal(read(file(tmp_path, content))) == "binary_file"


def test_files_of_proc_have_content_though_no_size() -> None:
    answer = read("/proc/meminfo", limit=1)
    assert answer["content"].startswith("MemTotal:")
    assert (answer["size_bytes"], answer["next_offset"], answer["sha256"]) == (0, 2, None)


def test_what_is_not_a_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        assert refusal(read(tmp_path / "socket")) == "not_a_file"
    assert refusal(read(tmp_path / "fifo")) == "not_a_file"
    assert refusal(read("/dev/zero")) == "not_a_file"
    assert refusal(read("/dev/tty")) == "not_a_file"


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("gone")
    plain = file(tmp_path, b"x")
    assert refusal(read(tmp_path)) == "is_a_directory"
    assert refusal(read(tmp_path / "missing")) == "not_found"
    assert refusal(read(tmp_path / "dangling")) == "not_found"
    assert refusal(read(tmp_path / "loop")) == "link_loop"
    assert refusal(read(plain / "below")) == "not_a_directory"
    assert refusal(read(f"{plain}/")) == "not_a_directory"
    assert refusal(read(f"/{'n' * 300}")) == "name_too_long"


@pytest.mark.parametrize(
    "name", ["$HOME", "~", "a 'b' \"c\"", "$(id)", "{{ 7 * 7 }}", "-rf", "zażółć"]
)
def test_names_are_taken_literally(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(name)
    assert read(tmp_path / name)["content"] == name


@not_as_root
def test_no_permission(tmp_path: Path) -> None:
    path = file(tmp_path, b"x")
    path.chmod(0)
    assert refusal(read(path)) == "permission_denied"


def test_directory_is_listed_in_order_and_in_parts(tmp_path: Path) -> None:
    for name in ("b", ".hidden", "a", "ż"):
        (tmp_path / name).write_text(name)
    (tmp_path / "c").symlink_to("nowhere")
    (tmp_path / "d").mkdir()
    os.mkfifo(tmp_path / "e")
    whole = run("list_directory", path=str(tmp_path), details=True)
    assert [(entry["name"], entry["type"]) for entry in whole["entries"]] == [
        (".hidden", "file"),
        ("a", "file"),
        ("b", "file"),
        ("c", "link"),
        ("d", "directory"),
        ("e", "fifo"),
        ("ż", "file"),
    ]
    assert whole["entries"][3]["target"] == "nowhere"
    assert (whole["total"], whole["truncated"], whole["next_offset"]) == (7, False, None)
    part = run("list_directory", path=str(tmp_path), offset=2, limit=3, details=True)
    assert part["entries"] == whole["entries"][2:5]
    assert (part["total"], part["truncated"], part["next_offset"]) == (7, True, 5)
    past = run("list_directory", path=str(tmp_path), offset=7, details=True)
    assert (past["entries"], past["truncated"], past["next_offset"]) == ([], False, None)


def test_odd_names_are_shown_and_counted(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))).touch()
    listed = run("list_directory", path=str(tmp_path))
    assert listed["files"] == [r"caf\xe9"]
    assert listed["escaped_names"] == 1


@pytest.mark.slow
def test_listing_of_100_000_names_stays_small(tmp_path: Path) -> None:
    for number in range(100_000):
        os.mknod(tmp_path / f"{number:06d}")
    listed = run("list_directory", path=str(tmp_path), offset=50_000, limit=2)
    assert [*listed["files"], *listed["others"]] == ["050000", "050001"]
    assert (listed["total"], listed["next_offset"]) == (100_000, 50_002)


def test_listing_fails_with_a_code(tmp_path: Path) -> None:
    assert refusal(run("list_directory", path=str(tmp_path / "missing"))) == "not_found"
    assert refusal(run("list_directory", path=str(file(tmp_path, b"")))) == "not_a_directory"
