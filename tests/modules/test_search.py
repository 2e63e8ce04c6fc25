"""The module search_text of playbooks/files, run for real: as a process, on real files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from playrail.toolsets.files.tools import FileSearch, FoundLines
from worlds.host_modules import MODULES, module_answer

pytestmark = pytest.mark.slow

MODULE = MODULES / "search_text.py"


def search(path: Path | str, pattern: str, **arguments: Any) -> dict[str, Any]:
    return module_answer(
        [str(MODULE)], {"path": str(path), "pattern": pattern, **arguments}, timeout_s=60
    )


def left_out(**more: int) -> dict[str, int]:
    return {
        **dict.fromkeys(("binary", "protected", "unreadable", "too_large", "links", "kernel"), 0),
        **more,
    }


def refusal(answer: dict[str, Any]) -> str:
    assert answer["failed"]
    return str(answer["playrail_code"])


def found(path: Path, pattern: str, **arguments: Any) -> list[tuple[str, int, str]]:
    """File below `path`, line and text of each match."""
    matches = search(path, pattern, **arguments)["matches"]
    return [(os.path.relpath(item["file"], path), item["line"], item["text"]) for item in matches]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "b" / "deep").mkdir(parents=True)
    (root / "a.conf").write_text("listen 80\nListen 443\n")
    (root / "b" / "b.conf").write_text("x\n\nlisten [::]:80")
    (root / "b" / "deep" / ".hidden").write_text("# listen\r\nother\r\n")
    (root / "c.txt").write_text("zażółć LISTEN\n")
    return root


def test_lines_come_in_order_with_their_numbers(tree: Path) -> None:
    assert found(tree, "listen") == [
        ("a.conf", 1, "listen 80"),
        ("b/b.conf", 3, "listen [::]:80"),
        ("b/deep/.hidden", 1, "# listen"),
    ]
    answer = search(tree, "listen")
    assert (answer["files_searched"], answer["truncated"], answer["timed_out"]) == (4, False, False)
    assert answer["left_out"] == left_out()


def test_case_names_and_a_single_file(tree: Path) -> None:
    assert [item[:2] for item in found(tree, "LISTEN", ignore_case=True)] == [
        *(("a.conf", 1), ("a.conf", 2), ("b/b.conf", 3), ("b/deep/.hidden", 1), ("c.txt", 1))
    ]
    assert [item[0] for item in found(tree, "ŻÓŁĆ", ignore_case=True)] == ["c.txt"]
    assert [item[0] for item in found(tree, "listen", names="*.conf")] == ["a.conf", "b/b.conf"]
    assert search(tree, "listen", names="*.conf")["files_searched"] == 2
    assert found(tree / "a.conf", "Listen") == [(".", 2, "Listen 443")]
    (tree / "link").symlink_to("a.conf")
    assert search(tree / "link", "Listen")["resolved_path"] == str(tree / "a.conf")


@pytest.mark.parametrize(
    "pattern",
    [
        "--pre=x",
        "-e",
        "-",
        "a.c",
        "[",
        "(",
        "$(id)",
        "{{ 7 * 7 }}",
        "\\",
        "*",
        "'\"",
        " ",
        "^x$",
        "ż",
        "1.0",
    ],
)
def test_a_pattern_is_just_text(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "file").write_text(f"abc\nbefore {pattern} after\n")
    assert [line for _, line, _ in found(tmp_path, pattern)] == [2]
    assert [line for _, line, _ in found(tmp_path, pattern, ignore_case=True)] == [2]


def test_regular_expressions_see_one_line_at_a_time(tree: Path) -> None:
    assert [item[:2] for item in found(tree, r"^listen \d+$", regex=True)] == [("a.conf", 1)]
    assert [item[:2] for item in found(tree, r"listen$", regex=True)] == [("b/deep/.hidden", 1)]
    assert [item[:2] for item in found(tree, r"^$", regex=True, names="b.conf")] == [
        ("b/b.conf", 2)
    ]
    assert found(tree, r"80\s+Listen", regex=True) == []
    assert [item[:2] for item in found(tree, r"(?i)LISTEN 4", regex=True)] == [("a.conf", 2)]


def test_no_line_is_made_up_at_the_end_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("one\ntwo\n")
    (tmp_path / "empty").write_text("")
    assert [line for _, line, _ in found(tmp_path, ".*", regex=True)] == [1, 2]


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "(?P<a>x)(?P<a>y)", "a{5,1}", "\\"])
def test_what_is_no_regular_expression(tmp_path: Path, pattern: str) -> None:
    assert refusal(search(tmp_path, pattern, regex=True)) == "invalid_argument"
    with pytest.raises(ValidationError, match="pattern must be a regular expression"):
        FileSearch(path="/srv", pattern=pattern, regex=True)
    assert FileSearch(path="/srv", pattern=pattern).pattern == pattern


def test_what_cannot_be_searched(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "binary").write_bytes(b"a\0b")
    assert refusal(search(tmp_path / "missing", "x")) == "not_found"
    assert refusal(search(tmp_path / "fifo", "x")) == "not_a_file"
    assert refusal(search(tmp_path / "binary", "x")) == "binary_file"
    assert refusal(search("/proc", "x")) == "unsupported_path"
    assert refusal(search("/sys/kernel", "x")) == "unsupported_path"
    assert refusal(search("/dev", "x")) == "unsupported_path"
    assert refusal(search(tmp_path, "")) == "invalid_argument"


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "secret").mkdir(parents=True)
    (root / "elsewhere").symlink_to("/etc")
    (root / "loop").symlink_to(root)
    (root / "nowhere").symlink_to("nowhere.txt")
    (root / "kernel").symlink_to("/proc/version")
    (root / "hashes").symlink_to(root / "secret" / "file")
    (root / "binary").write_bytes(b"needle\0")
    (root / "secret" / "file").write_text("needle\n")
    (root / "text").write_text("needle\n")
    os.mkfifo(root / "fifo")
    with (root / "zlarge").open("wb") as large:
        large.truncate(64 * 1024 * 1024 + 1)
    answer = search(root, "needle", protected=[str(root / "secret")])
    assert [item["file"] for item in answer["matches"]] == [str(root / "text")]
    # The secret directory; the link into it leads to a file that would be looked into under
    # its own name.
    assert answer["left_out"] == left_out(binary=1, protected=1, too_large=1, links=1, kernel=1)
    assert answer["files_searched"] == 1


def test_links_are_followed_to_files_and_each_is_looked_into_once(tmp_path: Path) -> None:
    """As a Debian web server's sites-enabled has it."""
    for name in ("available", "enabled", "elsewhere"):
        (tmp_path / "web" / name).mkdir(parents=True)
    (tmp_path / "web" / "available" / "site").write_text("needle\n")
    (tmp_path / "outside").write_text("needle\n")
    (tmp_path / "web" / "enabled" / "a.conf").symlink_to("../available/site")
    (tmp_path / "web" / "enabled" / "b.conf").symlink_to("../../outside")
    (tmp_path / "web" / "enabled" / "c.conf").symlink_to("b.conf")
    assert found(tmp_path / "web" / "enabled", "needle") == [
        ("a.conf", 1, "needle"),
        ("b.conf", 1, "needle"),
    ]
    assert [item[0] for item in found(tmp_path / "web", "needle")] == [
        "available/site",
        "enabled/b.conf",
    ]
    assert [item[0] for item in found(tmp_path / "web", "needle", names="a.*")] == [
        "enabled/a.conf"
    ]
    hidden = search(tmp_path / "web" / "enabled", "needle", protected=[str(tmp_path / "outside")])
    assert ([item["line"] for item in hidden["matches"]], hidden["left_out"]) == (
        [1],
        left_out(protected=1),
    )


def test_a_long_line_is_shown_around_the_match(tmp_path: Path) -> None:
    (tmp_path / "min.js").write_text(
        "a" * 9000 + "needle" + "b" * 9000 + "\n" + "needle" + "c" * 600
    )
    first, second = search(tmp_path, "needle")["matches"]
    assert (len(first["text"]), first["cut"], "needle" in first["text"]) == (500, True, True)
    assert (len(second["text"]), second["cut"], second["text"].startswith("needle")) == (
        500,
        True,
        True,
    )


def test_lines_at_the_edges_of_what_is_read_at_once(tmp_path: Path) -> None:
    """Blocks are of 1 MiB; a line across an edge is whole, and numbers go on."""
    lines = [f"<{number}> " + "x" * 97 for number in range(50_000)]
    (tmp_path / "file").write_text("\n".join(lines))
    for number in (0, 10_000, 21_000, 49_999):
        assert found(tmp_path, lines[number]) == [("file", number + 1, lines[number])]
    every = search(tmp_path, r"^<\d+> x+$", regex=True, limit=100_000)
    assert [item["line"] for item in every["matches"]] == list(range(1, len(every["matches"]) + 1))
    assert every["truncated"]  # by its size


def test_a_line_of_many_megabytes_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("needle " * 800_000 + "\nneedle")
    assert [item["line"] for item in search(tmp_path, "needle")["matches"]] == [1, 2]


def test_the_limit_and_the_size_of_the_answer(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("needle\n" * 10)
    assert (
        len(found(tmp_path, "needle", limit=10)),
        search(tmp_path, "needle", limit=10)["truncated"],
    ) == (10, False)
    assert (
        len(found(tmp_path, "needle", limit=9)),
        search(tmp_path, "needle", limit=9)["truncated"],
    ) == (9, True)
    (tmp_path / "file").write_text(("ż" * 499 + "x\n") * 1000)
    answer = search(tmp_path, "x", limit=1000)
    assert answer["truncated"]
    assert sum(len(item["text"].encode()) for item in answer["matches"]) <= 24000


def test_an_expression_that_would_try_forever_ends_in_time(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("aaab\n")
    (tmp_path / "b").write_text("a" * 60 + "\n")
    answer = search(tmp_path, "(a+)+b", regex=True, time_limit_s=1)
    assert (answer["timed_out"], [item["text"] for item in answer["matches"]]) == (True, ["aaab"])


def test_odd_names_are_shown(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")).write_text("needle caf\n")
    assert search(tmp_path, "needle")["matches"][0]["file"] == f"{tmp_path}/caf\\xe9"


def test_a_search_that_ran_out_of_time_is_a_cut_answer() -> None:
    whole = FoundLines.model_validate(
        {
            "matches": [],
            "files_searched": 0,
            "left_out": left_out(),
            "truncated": False,
            "timed_out": True,
        }
    )
    assert whole.cut
