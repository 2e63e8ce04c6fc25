"""Names of tools, and of the files that they bring to hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from worlds.local_plays import answered, playrail


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("Read_File", "read_file"),
        ("mcp__playrail__read_file", "read_file"),
        ("playrail:tail-file", "tail_file"),
        ("read_files", "read_file"),
        ("\ud83d", None),
        ("x" * 100_000, None),
    ],
)
def test_a_name_that_is_nearly_a_tools_is_told_the_tool(
    tmp_path: Path, name: str, like: str | None
) -> None:
    tmp_path.chmod(0o700)
    answer = answered(playrail(tmp_path), name)

    assert answer.code == "unknown_tool"
    assert answer.problem is not None
    assert (f"Like it: {like}" in answer.problem.hint) == (like is not None)
