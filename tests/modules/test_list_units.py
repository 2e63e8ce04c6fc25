"""The list of units, as made of what systemctl says and of what OpenRC notes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from worlds.host_modules import MODULES, SHARED, loaded

LISTED = """\
proc-fs.mount loaded active mounted /proc/fs
sda.device loaded active plugged A disk
gone.service not-found inactive dead gone.service
broken.mount loaded failed failed /broken
web.service loaded active running start A job stands before what it is
zeta.service loaded active running Zeta
backup.service loaded failed failed Backup
flap.service loaded activating auto-restart Flaps
late.timer loaded active waiting Late
early.timer loaded active waiting Early
idle.service loaded inactive dead Idle
a@b.service masked inactive dead a@b.service
"""
FILES = """\
web.service enabled enabled
idle.service disabled enabled
other.service disabled enabled
name@.service disabled enabled
a@b.service masked enabled
"""
SHOWN: Mapping[str, Mapping[str, str]] = {
    "backup.service": {
        "Result": "exit-code",
        "ExecMainCode": "1",
        "ExecMainStatus": "3",
        "StateChangeTimestamp": "Sat 2026-11-28 11:50:43 UTC",
    },
    "flap.service": {"Result": "signal", "ExecMainCode": "2", "ExecMainStatus": "9"},
    "late.timer": {
        "NextElapseUSecRealtime": "Mon 2026-11-30 00:00:00 UTC",
        "Triggers": "late.service",
    },
    "early.timer": {
        "NextElapseUSecRealtime": "Sun 2026-11-29 00:00:00 UTC",
        "Triggers": "backup.service",
    },
    "web.service": {"NRestarts": "4", "UnitFileState": "enabled"},
    "zeta.service": {"NRestarts": "0", "UnitFileState": "static"},
}


class Said:
    """A systemd that says this."""

    def run(self, *words: str) -> tuple[int, str, str]:
        said = {"list-units": LISTED, "list-unit-files": FILES, "show": "SystemState=degraded\n"}
        return 0, said[words[0]], ""

    def show(self, names: Sequence[str], _properties: Sequence[str]) -> list[Mapping[str, str]]:
        return [{"Id": name, **SHOWN.get(name, {})} for name in names]


@pytest.fixture
def module() -> ModuleType:
    return loaded(MODULES / "list_units.py")


def listed(module: ModuleType, **given: Any) -> list[tuple[str, str]]:
    return [(state, one["unit"]) for state, one in asked(module, **given)[1]]


def asked(module: ModuleType, **given: Any) -> tuple[dict[str, Any], Any]:
    whole = {"type": None, "state": None, "name": None, "limit": 50, **given}
    report, pairs = module.of_systemd(Said(), whole)
    return report, list(pairs)


def test_what_failed_comes_first_then_what_is_on_its_way_and_timers_by_their_time(
    module: ModuleType,
) -> None:
    assert listed(module) == [
        ("failed", "backup.service"),
        ("failed", "broken.mount"),
        ("auto-restart", "flap.service"),
        ("running", "web.service"),
        ("running", "zeta.service"),
        ("waiting", "early.timer"),
        ("waiting", "late.timer"),
        ("dead", "a@b.service"),
        ("dead", "idle.service"),
    ]


def test_a_failure_says_how_and_what_goes_without_saying_is_left_out(module: ModuleType) -> None:
    report, pairs = asked(module)
    found = {one["unit"]: one for _state, one in pairs}

    assert (report["total"], report["counts"]["failed"]) == (9, 2)
    assert report["system_state"] == "degraded"
    assert found["backup.service"] == {
        "unit": "backup.service",
        "since": "2026-11-28T11:50:43Z",
        "result": "exit-code",
        "exit_code": 3,
    }
    assert found["flap.service"]["exit_signal"] == 9
    assert found["web.service"] == {
        "unit": "web.service",
        "unit_file_state": "enabled",
        "restarts": 4,
    }
    assert found["zeta.service"] == {"unit": "zeta.service"}
    assert "triggers" not in found["late.timer"]
    assert found["early.timer"]["triggers"] == ["backup.service"]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"type": "mount"}, ["broken.mount", "proc-fs.mount"]),
        ({"state": "failed"}, ["backup.service", "broken.mount"]),
        ({"state": "active", "type": "service"}, ["web.service", "zeta.service"]),
        ({"state": "enabled"}, ["web.service"]),
        ({"state": "disabled"}, ["idle.service", "other.service"]),
        ({"state": "masked"}, ["a@b.service"]),
        ({"name": "BACK"}, ["backup.service"]),
        ({"limit": 2}, ["backup.service", "broken.mount"]),
    ],
    ids=str,
)
def test_units_are_chosen(module: ModuleType, given: dict[str, Any], names: list[str]) -> None:
    assert [name for _state, name in listed(module, **given)] == names


def test_what_is_enabled_and_does_not_run_comes_before_other_dead_ones(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "started_at_boot", lambda: {"idle.service"})

    names = [name for _state, name in listed(module)]

    assert names.index("zeta.service") < names.index("idle.service") < names.index("early.timer")


def test_a_state_of_which_nothing_fits_is_not_told_half(module: ModuleType) -> None:
    found, number = module.grouped([("running", {"unit": "a"}), ("dead", {"unit": "b"})], 40)
    assert (found, number) == ({"running": [{"unit": "a"}]}, 1)


@pytest.fixture
def openrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> ModuleType:
    """What OpenRC notes, below tmp_path: web runs, db failed, queue was started and is gone."""
    found = sys.modules[module.openrc_services.__module__]
    for place, text in {
        **dict.fromkeys(("started/web", "started/queue", "failed/db", "levels/default/web"), ""),
        **dict.fromkeys(("levels/off/db", "init.d/web", "init.d/db", "init.d/ssh"), ""),
        "init.d/functions.sh": "",
        "options/web/pidfile": f"{tmp_path}/web.pid",
        "web.pid": f"{os.getpid()}\n",
        "daemons/queue/001": f"exec=/bin/queue\nargv_0=/bin/queue\npidfile={tmp_path}/queue.pid\n",
        "queue.pid": str(2**22 + 1),
    }.items():
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    (tmp_path / "init.d/README").touch(0o644)
    monkeypatch.setattr(found, "STATES", str(tmp_path))
    monkeypatch.setattr(found, "SCRIPTS", str(tmp_path / "init.d"))
    monkeypatch.setattr(found, "RUNLEVELS", str(tmp_path / "levels"))
    return found


def test_openrc_tells_of_services(module: ModuleType, openrc: ModuleType) -> None:
    def found(**given: Any) -> list[tuple[str, str, str]]:
        whole = {"type": None, "state": None, "name": None, "limit": 50, **given}
        _report, pairs = module.of_openrc(whole)
        return [(state, one["unit"], one["unit_file_state"]) for state, one in pairs]

    assert openrc.openrc_runs()
    assert found() == [
        ("failed", "db", "disabled"),
        ("crashed", "queue", "disabled"),
        ("started", "web", "enabled"),
        ("stopped", "ssh", "disabled"),
    ]
    assert found(state="enabled") == [("started", "web", "enabled")]
    assert [name for _state, name, _file in found(state="failed")] == ["db", "queue"]
    assert found(type="timer") == []


def test_a_service_of_openrc_is_told_in_systemds_words(openrc: ModuleType) -> None:
    def shown(name: str) -> tuple[str, str, str]:
        status = openrc.openrc_state(name)["status"]
        return status["ActiveState"], status["SubState"], status["MainPID"]

    assert shown("web.service") == ("active", "started", str(os.getpid()))
    assert shown("queue") == ("failed", "crashed", "0")
    assert shown("ssh") == ("inactive", "stopped", "0")
    assert openrc.openrc_state("wev") == {"status": {}, "alike": ["web"]}


def hidden(_pid: int) -> tuple[str, list[str]]:
    raise FileNotFoundError


def refused(_pid: int) -> tuple[str, list[str]]:
    raise PermissionError


@pytest.mark.parametrize(
    ("numbers", "look", "all_seen", "state"),
    [
        (f"{2**22 + 1}", None, True, "crashed"),
        ("7", hidden, True, "crashed"),
        ("7", lambda _pid: ("queue", ["Z"]), True, "crashed"),
        ("7", hidden, False, "started"),
        ("7", refused, True, "started"),
        ("7", lambda _pid: ("queue", ["S"]), True, "started"),
        ("", None, True, "started"),
        ("none yet", None, True, "started"),
        (None, None, True, "started"),
    ],
)
def test_openrcs_service_crashed_only_when_its_process_is_known_to_be_gone(
    openrc: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    *,
    numbers: str | None,
    look: Any,
    all_seen: bool,
    state: str,
) -> None:
    path = Path(openrc.STATES) / "queue.pid"
    path.write_text(numbers or "")
    if numbers is None:
        path.unlink()
    monkeypatch.setattr(openrc, "stat", look or openrc.stat)
    monkeypatch.setattr(openrc, "all_visible", lambda: all_seen)
    assert openrc.state("queue", "started") == state


@pytest.fixture
def timers() -> ModuleType:
    return loaded(SHARED / "unit_times.py")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15h 27min 29.655790s", 55649.65579),
        ("1month 2d 500ms", 2802600.5),
        ("1w 3us", 604800.000003),
        ("infinity", None),
        ("0", None),
        ("", None),
    ],
)
def test_a_span_is_read(timers: ModuleType, text: str, seconds: float | None) -> None:
    assert timers.span(text) == (None if seconds is None else pytest.approx(seconds))


def test_the_next_run_is_the_earlier_of_two_clocks(timers: ModuleType) -> None:
    booted = time.time() - time.monotonic()
    by_boot = {"NextElapseUSecMonotonic": "1h"}
    late = {**by_boot, "NextElapseUSecRealtime": "Sat 2199-11-30 00:00:00 UTC"}

    assert abs(timers.next_run(by_boot) - booted - 3600) < 2
    assert timers.next_run(late) == timers.next_run(by_boot)
    assert timers.next_run({"NextElapseUSecRealtime": "", "NextElapseUSecMonotonic": "0"}) is None
