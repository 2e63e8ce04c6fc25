"""Files on this machine: a preview changes nothing, foretells the real run after it, and no
other play sees it.
"""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from playrail.settings.private_files import private_directory
from worlds.local_plays import WAY, inventory
from worlds.stage import Stage, stage

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("way")]


@pytest.fixture(scope="module")
def here(way: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    assert way
    place = tmp_path_factory.mktemp("stage")
    known = str(inventory(place, "here"))
    with stage(
        private_directory(place / "own"), "here", warm=WAY.warm, PLAYRAIL_INVENTORY=known
    ) as made:
        yield made


def test_files(here: Stage, way: str, tmp_path: Path) -> None:
    """Cold only what each way does by itself: that a preview is one, and that the next play is
    none.
    """
    path = tmp_path / "file"
    first: dict[str, Any] = {"path": str(path), "content": "{{ 7 * 7 }}\r\nżółć", "mode": "0640"}
    second: dict[str, Any] = {"path": str(path), "content": "two\n", "replace_all": True}
    steps = [("write_file", first), ("write_file", second), ("remove_file", {"path": str(path)})]
    done = []

    for tool, arguments in steps if way == "warm" else steps[:1]:
        before = look(tmp_path)
        foretold = here.preview(tool, **arguments)
        assert (foretold.changed, foretold.unpreviewed, look(tmp_path)) == (True, (), before)
        played = here.do(tool, **arguments)
        assert played.effects == foretold.effects
        assert look(tmp_path) != before
        done.append((tool, played.effects, before))

    for tool, effects, before in reversed(done):
        here.undo(tool, effects)
        assert look(tmp_path) == before


def test_a_secret_is_in_no_result(here: Stage, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("CANARY-old")
    asked = {"path": str(path), "content": "CANARY-new", "secret": True}

    for played in (here.preview("write_file", **asked), here.do("write_file", **asked)):
        assert "CANARY" not in f"{played.report} {played.effects} {played.tasks}"
        assert [task.status for task in played.tasks] == ["changed"]
        (effect,) = played.effects
        assert effect.before is not None
        assert (effect.before["left_out"], (effect.after or {})["left_out"]) == ("secret", "secret")

    assert path.read_text() == "CANARY-new"


def test_a_signal_is_not_sent(here: Stage) -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        foretold = here.preview(
            "manage_process", action="kill", target=str(sleeper.pid), signal="KILL"
        )
        running = sleeper.poll() is None
        sleeper.kill()

    assert running
    assert (foretold.effects, len(foretold.report.unforeseen())) == ((), 1)


def look(folder: Path) -> dict[str, tuple[str, bytes]]:
    return {
        path.name: (f"{stat.S_IMODE(path.stat().st_mode):04o}", path.read_bytes())
        for path in folder.iterdir()
    }
