"""Names of tools, and of the files that they bring to hosts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from worlds.callers import ANN
from worlds.checkout import PLAYBOOKS
from worlds.local_plays import playrail


def test_no_two_files_for_hosts_have_one_name() -> None:
    """The run that stays loads each name once: a second file of that name would never be
    seen.
    """
    names = [
        path.stem
        for place in ("library", "module_utils")
        for path in PLAYBOOKS.glob(f"*/{place}/*.py")
    ]

    assert sorted(names) == sorted(set(names))


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
    server = playrail(tmp_path)

    answer = asyncio.run(server.call(name, {}, caller=ANN))

    assert answer.code == "unknown_tool"
    assert answer.problem is not None
    assert (f"Like it: {like}" in answer.problem.hint) == (like is not None)
