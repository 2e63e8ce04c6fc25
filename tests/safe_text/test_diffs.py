"""Unified diffs: right for programs, safe for terminals, and never long."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playrail.safe_text.diffs import CUT, MAX_BYTES, MAX_LINES, NO_LINE_END, unified


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ("a\nb\n", "a\nc\n", ["--- /x", "+++ /x", "@@ -1,2 +1,2 @@", " a", "-b", "+c"]),
        (None, "a\n", ["--- /dev/null", "+++ /x", "@@ -0,0 +1 @@", "+a"]),
        ("a\n", None, ["--- /x", "+++ /dev/null", "@@ -1 +0,0 @@", "-a"]),
        ("a", "a\n", ["--- /x", "+++ /x", "@@ -1 +1 @@", "-a", NO_LINE_END, "+a"]),
        ("a\r\n", "a\n", ["--- /x", "+++ /x", "@@ -1 +1 @@", "-a\\r", "+a"]),
        ("a\x1b[2J\n", "a\n", ["--- /x", "+++ /x", "@@ -1 +1 @@", "-a\\x1b[2J", "+a"]),
        ("a\x0bb\u2028c\n", "a\n", ["--- /x", "+++ /x", "@@ -1 +1 @@", "-a\\x0bb\\u2028c", "+a"]),
        ("\ud800\n", "", ["--- /x", "+++ /x", "@@ -1 +0,0 @@", "-\\ud800"]),
        ("same\n", "same\n", []),
        (None, "", []),
    ],
)
def test_a_diff(before: str | None, after: str | None, lines: list[str]) -> None:
    assert unified(before, after, name="/x") == ("".join(f"{line}\n" for line in lines), False)


def test_a_name_stays_in_its_line() -> None:
    text, _ = unified("a\n", "b\n", name="/x\n+++ /etc/shadow\x1b[1m\r")

    shown = r"/x\n+++ /etc/shadow\x1b[1m\r"
    assert text.startswith(f"--- {shown}\n+++ {shown}\n@@")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "".join(f"{n}\n" for n in range(50_000))),
        ("x" * 200_000, "y" * 200_000),
        (
            "".join(f"{n}\n" for n in range(30_000)),
            "".join(f"{n}\n" for n in reversed(range(30_000))),
        ),
        ("a\n" * 50_000, "b\n" * 50_000),
        (
            "".join(f"{n % 110}\n" for n in range(3_900)),
            "".join(f"{n % 97}\n" for n in range(3_900)),
        ),
    ],
    ids=["new", "one-line", "turned-round", "all-alike", "two-periods"],
)
def test_it_is_bounded_and_says_so(before: str, after: str) -> None:
    text, cut = unified(before, after, name="/x")

    assert text.count("\n") <= MAX_LINES + 1
    assert len(text.encode()) <= MAX_BYTES + len(CUT) + 1
    assert cut is text.endswith(f"{CUT}\n")


def test_a_line_far_down_a_large_file_is_found() -> None:
    lines = [f"{n}\n" for n in range(60_000)]

    text, cut = unified(
        "".join(lines), "".join([*lines[:50_000], "new\n", *lines[50_000:]]), name="/x"
    )

    assert (cut, [line for line in text.splitlines()[3:] if line[0] in "+-"]) == (False, ["+new"])


texts = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n", "- x\n", "last"]), max_size=12).map(
    "".join
)


@given(before=texts, after=texts)
def test_patch_understands_it(
    tmp_path_factory: pytest.TempPathFactory, before: str, after: str
) -> None:
    path: Path = tmp_path_factory.mktemp("patch") / "x"
    path.write_text(before)
    text, _ = unified(before, after, name="x")
    if text:
        subprocess.run(
            ["patch", "--quiet", str(path)], input=text, text=True, check=True, timeout=20
        )

    assert (path.read_text() if path.exists() else "") == after
