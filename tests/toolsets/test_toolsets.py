"""The operator chooses toolsets: a model does better with fewer tools."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from playrail import catalog
from playrail.errors import SettingsInvalid
from worlds.callers import ANN
from worlds.checkout import PLAYBOOKS
from worlds.local_plays import playrail

ALL = catalog.load()


def test_only_what_is_chosen_is_offered_and_what_tells_of_it() -> None:
    names = catalog.load(["files", "docker"])

    assert {tool.toolset for tool in names.values()} == {"files", "docker", "playrail"}
    assert names.items() <= ALL.items()
    assert {"read_file", "list_docker_containers", "list_configured_servers"} <= set(names)


def test_a_tool_that_is_not_chosen_cannot_be_called(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    server = playrail(tmp_path, PLAYRAIL_TOOLSETS="docker")

    answer = asyncio.run(server.call("read_file", {"path": "/etc/hostname"}, caller=ANN))

    assert answer.code == "unknown_tool"
    assert answer.data is not None
    assert "list_docker_containers" in answer.data["tools"]


def test_an_unknown_toolset_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsInvalid,
        match="PLAYRAIL_TOOLSETS: 'dockr' is no toolset; allowed are commands, disk",
    ):
        playrail(tmp_path, PLAYRAIL_TOOLSETS="system,dockr")


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
