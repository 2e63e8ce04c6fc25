"""By which way a play goes, and that its answer, and `playrail doctor`, tell it.

What makes plays quick rests on how Ansible words and names things inside. Where that is
another, plays are as right as ever, only slower: so these tests are for every version of
ansible-core that is supported.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from playrail.ansible.outcome.ways import MARK, Way, Ways, module_in, module_line, play_way
from playrail.commands.doctor_project import Check
from playrail.commands.doctor_warm import check_warm, checks_of
from playrail.settings.settings import Settings
from worlds.local_plays import answered, inventory, playrail, standing

SHORT_CUTS = ("run that stays", "quick play", "kept interpreter")


def examined(place: Path, **more: str) -> dict[str, Check]:
    place.chmod(0o700)
    given = {"HOME": str(place), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", **more}
    if "PYTHONPATH" in os.environ:  # where the code that is tested is not the installed one
        given |= {"PYTHONPATH": os.environ["PYTHONPATH"], "PLAYRAIL_PASS_ENV": "PYTHONPATH"}

    async def collect() -> list[Check]:
        settings = Settings.load(given, dotenv=None)
        return [check async for check in check_warm(settings, given, place)]

    return {check.name: check for check in asyncio.run(collect())}


@pytest.mark.slow
def test_every_short_cut_is_taken(tmp_path: Path) -> None:
    found = examined(tmp_path)

    assert {name: check.state for name, check in found.items()} == dict.fromkeys(SHORT_CUTS, "ok")


@pytest.mark.slow
def test_a_short_cut_that_is_off_is_told_with_the_reason(tmp_path: Path) -> None:
    found = examined(tmp_path, ANSIBLE_CALLBACKS_ENABLED="ansible.posix.timer")

    assert [found[name].state for name in SHORT_CUTS] == ["ok", "warn", "ok"]
    assert "callbacks are enabled: ansible.posix.timer" in found["quick play"].found


def test_a_run_that_is_not_to_stay_is_told(tmp_path: Path) -> None:
    (check,) = examined(tmp_path, PLAYRAIL_WARM="0").values()

    assert (check.name, check.state) == ("run that stays", "warn")
    assert "PLAYRAIL_WARM is off" in check.found


@pytest.mark.parametrize(
    ("way", "states", "told"),
    [
        (Way(start="quick", kept=True), ["ok", "ok", "ok"], ""),
        (
            Way(start="quick", kept=False, why_not_kept="sudo is another"),
            ["ok", "ok", "warn"],
            "sudo is another",
        ),
        (Way(start="quick"), ["ok", "ok", "warn"], "no module was sent"),
        (Way(start="warm", kept=True, why="two hosts"), ["ok", "warn", "ok"], "two hosts"),
        (Way(start="cold", why="it died"), ["warn"], "it died"),
    ],
    ids=str,
)
def test_doctor_tells_of_each_short_cut(way: Way, states: list[str], told: str) -> None:
    checks = list(checks_of(way))

    assert [check.state for check in checks] == states
    assert [check.name for check in checks] == list(SHORT_CUTS[: len(states)])
    assert all(told in check.found for check in checks if check.state == "warn")


@pytest.mark.slow
def test_an_answer_tells_how_its_play_was_started(tmp_path: Path) -> None:
    hosts = str(inventory(tmp_path, "one", "two"))

    with standing(tmp_path, PLAYRAIL_INVENTORY=hosts) as call:
        ways = [call("get_memory_info", server=server) for server in ("one", ["one", "two"])]
        itself = call("list_configured_servers")

    assert [answer.envelope()["_meta"]["way"] for answer in ways] == ["quick", "warm"]
    assert "way" not in itself.envelope()["_meta"]


@pytest.mark.slow
def test_an_answer_of_a_play_that_started_cold_tells_that(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    server = playrail(tmp_path, PLAYRAIL_INVENTORY=str(inventory(tmp_path, "one")))

    assert answered(server, "get_memory_info").envelope()["_meta"]["way"] == "cold"


def test_a_host_whose_modules_went_two_ways_has_none_kept() -> None:
    ways = Ways()
    for host, why_not in (("one", ""), ("two", ""), ("two", "no room"), ("two", "")):
        record = module_in(module_line(host, why_not))
        assert record is not None
        ways.take(record)
    ways.take(play_way("warm", "several hosts"))

    assert [str(ways.of(host)) for host in ("one", "two", "three")] == ["warm+kept", "warm", "warm"]
    assert [ways.of(host).kept for host in ("one", "two", "three")] == [True, False, None]
    assert ways.of("two").why_not_kept == "no room"


@pytest.mark.parametrize("text", ["", "a warning", f"{MARK}{{", json.dumps({"host": "x"})])
def test_another_text_is_no_line_about_ways(text: str) -> None:
    assert module_in(text) is None
