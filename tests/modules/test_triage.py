"""A first look at a host: parts of it on made-up files, the whole on this machine."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import pytest

from worlds.fake_journal import NOW_US, FakeJournal, entry
from worlds.host_modules import MODULES, SHARED, loaded, module_answer


class Process(NamedTuple):
    name: str
    pid: int = os.getpid()


class Host:
    """A module on a host that has no programs."""

    def get_bin_path(self, _name: str) -> None:
        return None


class Kernel(NamedTuple):
    release: str


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return module_answer([str(MODULES / "triage.py")], {}, timeout_s=60)


def test_it_is_true_of_this_machine(whole: dict[str, Any]) -> None:
    disk = os.statvfs("/")
    root = next(one for one in whole["file_systems"] if one["mount_point"] == "/")

    assert whole["load"]["cpu_threads"] == len(os.sched_getaffinity(0))
    assert 0 <= whole["load"]["cpu_percent"] <= 100
    assert root["size_bytes"] == disk.f_blocks * disk.f_frsize
    first = int(Path("/proc/1/stat").read_text().rsplit(")", 1)[1].split()[19])
    started = first / os.sysconf("SC_CLK_TCK")
    assert abs(whole["uptime_s"] - time.clock_gettime(time.CLOCK_BOOTTIME) + started) < 60
    assert all(one["command"] for one in whole["processes"])
    assert len(json.dumps(whole)) < 6000
    # What is not told is said to be not known
    assert ("errors" in whole) is ("errors" not in whole["not_known"])
    assert ("failed_units" in whole) is ("failed_units" not in whole["not_known"])


@pytest.fixture
def cpu_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    found = loaded(SHARED / "cpu_use.py")
    monkeypatch.setattr(found, "PROC", str(tmp_path))
    return found


WAITS = "some avg10=1.00 avg60=42.50 avg300=3.00 total=1\nfull avg10=0.00 avg60=9.00\n"
OF_MACHINE = "of the whole machine, not of this container"


def made(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("group", "files", "found"),
    [
        (None, {"pressure__io": WAITS}, ({"io": 42.5}, None)),
        (None, {}, ({}, "the kernel does not count it")),
        ("", {}, ({}, "the kernel does not count it")),
        ("", {"pressure__io": WAITS}, ({"io": 42.5}, OF_MACHINE)),
        ("own", {"pressure__io": WAITS}, ({"io": 42.5}, OF_MACHINE)),
        ("own", {"pressure__io": "", "own__cpu.pressure": WAITS}, ({"cpu": 42.5}, None)),
    ],
)
def test_pressure_is_of_the_last_minute_and_the_hosts_own(
    cpu_use: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    group: str | None,
    files: dict[str, str],
    found: tuple[dict[str, float], str | None],
) -> None:
    """Of a container that has a control group, one that has none, and a host of its own."""
    monkeypatch.setattr(cpu_use, "is_container", lambda: group is not None)
    monkeypatch.setattr(cpu_use, "own_group", lambda: str(tmp_path / group) if group else None)
    made(tmp_path, **files)
    assert cpu_use.pressure() == found


@pytest.mark.parametrize(
    ("in_container", "mounted", "why"),
    [
        (False, "/", None),
        (True, "/", OF_MACHINE),
        (True, "/proc/stat", "averages may be of the whole machine"),
    ],
)
def test_whose_the_load_is(
    monkeypatch: pytest.MonkeyPatch, *, in_container: bool, mounted: str, why: str | None
) -> None:
    found = loaded(SHARED / "cpu_use.py")
    monkeypatch.setattr(found, "is_container", lambda: in_container)
    monkeypatch.setattr(found, "mounts", lambda: [SimpleNamespace(point=mounted)])
    assert found.load_of() == why


def test_the_time_between_two_samples_is_shared_out(cpu_use: ModuleType, tmp_path: Path) -> None:
    samples = []
    for line in ("cpu 100 0 100 1000 100 0 0 0 0 0", "cpu 150 0 120 1010 115 0 0 5 0 0"):
        (tmp_path / "stat").write_text(line + "\n")
        samples.append(cpu_use.Sample())

    assert cpu_use.shares(*samples) == {
        "cpu_percent": 75.0,
        "iowait_percent": 15.0,
        "steal_percent": 5.0,
    }
    assert cpu_use.shares(samples[0], samples[0]) == {}


def test_a_process_that_came_between_two_samples_has_no_share(cpu_use: ModuleType) -> None:
    before, after = cpu_use.Sample(), cpu_use.Sample()
    before.at, after.at = 0.0, 0.5
    before.ticks, after.ticks = {(1, 5): 100, (2, 6): 7}, {(1, 5): 125, (3, 7): 90}

    assert cpu_use.by_process(before, after) == {(1, 5): 2500.0 / os.sysconf("SC_CLK_TCK") * 2}


@pytest.fixture
def reboot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    found = loaded(SHARED / "pending_reboot.py")
    monkeypatch.setattr(found, "NOTES", (str(tmp_path / "note"),))
    monkeypatch.setattr(found, "NOTERS", (str(tmp_path / "noter"),))
    monkeypatch.setattr(found, "MODULES", (str(tmp_path / "modules"),))
    monkeypatch.setattr(found, "is_container", lambda: False)
    return found


def kernels(tmp_path: Path, *releases: str) -> None:
    for release in releases:
        (tmp_path / "modules" / release / "kernel").mkdir(parents=True)


def test_that_nothing_would_note_a_pending_reboot_is_not_none_pending(
    reboot: ModuleType, tmp_path: Path
) -> None:
    assert reboot.pending_reboot()["reboot_required"] is None
    (tmp_path / "noter").touch()
    assert reboot.reboot_for_packages() == {
        "reboot_required": False,
        "packages_requiring_reboot": [],
    }


def test_a_note_names_the_packages(reboot: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "note").touch()
    (tmp_path / "note.pkgs").write_text("libc6\nlinux-base\nlibc6\n")

    assert reboot.pending_reboot() == {
        "reboot_required": True,
        "reboot_reasons": ["packages: libc6, linux-base"],
        "packages_requiring_reboot": ["libc6", "linux-base"],
    }


@pytest.mark.parametrize(
    ("running", "installed", "newer"),
    [
        ("6.1.0-28-amd64", ["6.1.0-9-amd64", "6.1.0-28-amd64"], []),
        (
            "6.1.0-9-amd64",
            ["6.1.0-31-amd64", "6.1.0-9-amd64", "6.1.0-18-amd64"],
            ["6.1.0-18-amd64", "6.1.0-31-amd64"],
        ),
        ("6.1.0-28-amd64", ["6.1.0-31-amd64", "6.12.1-1-cloud-amd64"], ["6.1.0-31-amd64"]),
        ("5.14.0-427.el9.x86_64", ["5.14.0-503.el9.x86_64"], ["5.14.0-503.el9.x86_64"]),
        ("6.6.31-0-lts", ["6.6.70-0-lts", "6.12.8-0-virt"], ["6.6.70-0-lts"]),
        ("odd", ["6.1.0-28-amd64"], []),
    ],
)
def test_newer_kernels_are_of_the_same_flavour(
    reboot: ModuleType, running: str, installed: list[str], newer: list[str]
) -> None:
    assert reboot.newer_of(running, installed) == newer


def test_a_newer_kernel_than_the_one_that_runs_waits_for_a_reboot(
    reboot: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reboot.os, "uname", lambda: Kernel("6.1.0-28-amd64"))
    kernels(tmp_path, "6.1.0-28-amd64")
    assert reboot.pending_reboot()["reboot_required"] is False
    kernels(tmp_path, "6.1.0-31-amd64")
    assert reboot.pending_reboot() == {
        "reboot_required": True,
        "reboot_reasons": ["kernel 6.1.0-28-amd64 runs, 6.1.0-31-amd64 is installed"],
        "packages_requiring_reboot": ["linux-image-6.1.0-31-amd64"],
    }
    # It is the kernel of the container's host that runs, and no reboot of this one changes it
    monkeypatch.setattr(reboot, "is_container", lambda: True)
    assert reboot.pending_reboot()["reboot_required"] is None
    (tmp_path / "noter").touch()
    assert reboot.pending_reboot()["reboot_required"] is False


@pytest.mark.parametrize("mark", ["NOTE", "OTHERS", "FIRST"])
def test_a_container_is_known_by_its_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    own = loaded(SHARED / "own_container.py")
    places = {name: str(tmp_path / name) for name in ("NOTE", "OTHERS", "FIRST")}
    for name, path in places.items():
        monkeypatch.setattr(own, name, (path,) if name == "OTHERS" else path)
    assert own.is_container() is False
    Path(places[mark]).write_bytes(b"PATH=/bin\0container=lxc\0")
    assert own.is_container() is True


def test_errors_are_counted_by_unit_with_the_newest_message(tmp_path: Path) -> None:
    journal = FakeJournal(tmp_path)
    kernel = {"_SYSTEMD_UNIT": None, "SYSLOG_IDENTIFIER": "kernel"}
    journal.says(
        [
            entry(NOW_US, MESSAGE="a newest"),
            entry(NOW_US - 1, MESSAGE="disk", **kernel),
            entry(NOW_US - 2, MESSAGE="a older"),
            entry(NOW_US - 3, SYSLOG_IDENTIFIER="ansible-stat", MESSAGE="Invoked with path=/"),
        ]
    )

    found, why = loaded(SHARED / "journal_errors.py").errors(str(tmp_path / "journalctl"))

    assert found == [
        {"unit": "a.service", "entries": 2, "example": "a newest"},
        {"unit": "kernel", "entries": 1, "example": "disk"},
    ]
    assert why is None


def test_what_the_kernel_ended_for_memory_is_told_by_name(tmp_path: Path) -> None:
    journal = FakeJournal(tmp_path)
    of_group = "Memory cgroup out of memory: Killed process 4711 (my (odd) name) total-vm:1kB"
    old = "Out of memory: Kill process 12 (mysqld) score 900 or sacrifice child"
    journal.says([entry(NOW_US, MESSAGE=text) for text in (of_group, "Invoked oom-killer", old)])

    found, _known = loaded(SHARED / "journal_errors.py").killed_for_memory(
        str(tmp_path / "journalctl")
    )

    time_of_it = "2027-01-15T08:00:00Z"
    assert found == [
        {"time": time_of_it, "pid": 4711, "name": "my (odd) name"},
        {"time": time_of_it, "pid": 12, "name": "mysqld"},
    ]


@pytest.mark.parametrize(
    ("in_container", "on_disk", "up_s", "why"),
    [
        (False, True, 60, None),
        (False, False, 60, "the journal is of this start only"),
        (False, False, 90000, None),
        (True, True, 90000, "the kernel's log does not come to a container"),
    ],
)
def test_that_the_kernel_ended_nothing_is_known_where_its_log_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    in_container: bool,
    on_disk: bool,
    up_s: int,
    why: str | None,
) -> None:
    journal = FakeJournal(tmp_path)
    found = loaded(SHARED / "journal_errors.py")
    monkeypatch.setattr(found, "is_container", lambda: in_container)
    monkeypatch.setattr(found, "has_files", lambda _folder: on_disk)
    monkeypatch.setattr(found, "uptime_s", lambda: up_s)

    assert found.killed_for_memory(str(tmp_path / "journalctl")) == ([], why)
    # Of this start alone would not be the last day
    assert "--dmesg" not in journal.asked


def test_a_journal_that_may_not_be_read_is_not_known_to_be_empty(tmp_path: Path) -> None:
    journal = FakeJournal(tmp_path)
    journal.says([], errors="<31>Failed to open journal directory x: Permission denied")

    found = loaded(SHARED / "journal_errors.py").errors(str(tmp_path / "journalctl"))

    assert found == ([], "this user may not read the whole journal")


@pytest.mark.parametrize(
    ("state", "status", "word"),
    [
        ("restarting", "Restarting (1) 3 seconds ago", "restarting"),
        ("running", "Up 5 minutes (unhealthy)", "unhealthy"),
        ("running", "Up 5 minutes (healthy)", None),
        ("exited", "Exited (137) About an hour ago", "exited"),
        ("exited", "Exited (137) 3 days ago", None),
        ("exited", "Exited (0) 2 minutes ago", None),
        ("dead", "Dead", "dead"),
        ("created", "Created", None),
    ],
)
def test_a_container_is_in_trouble(state: str, status: str, word: str | None) -> None:
    of_engine = {"Id": "f" * 64, "Names": ["/web"], "State": state, "Status": status}

    found = loaded(SHARED / "troubled_containers.py").in_trouble([of_engine])

    told = {"container": "web", "state": word, "status": status}
    assert found == ([] if word is None else [told])


def test_a_part_that_cannot_be_looked_at_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = loaded(MODULES / "triage.py")

    def refuse() -> None:
        raise OSError(13, "Permission denied")

    def stumble() -> None:
        raise KeyError("Id")

    monkeypatch.setattr(module, "mounts", refuse)
    monkeypatch.setattr(module, "pending_reboot", stumble)
    monkeypatch.setattr(module, "engine_runs", lambda _found: False)
    found = module.Triage(Host()).report()

    assert found["not_known"]["file_systems"] == "[Errno 13] Permission denied"
    assert "file_systems" not in found
    assert found["not_known"]["reboot_required"] == "KeyError: 'Id'"
    assert found["memory"]["MemTotal"] > 0


def test_full_disks_come_before_those_that_may_not_be_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = loaded(MODULES / "triage.py")
    refused = [
        {"mount_point": f"/var/lib/docker/{number}", "fs_type": "tmpfs", "why": "Permission denied"}
        for number in range(6)
    ]
    full = {"mount_point": "/var", "fs_type": "ext4", "used_percent": 99.0}
    silent = {"mount_point": "/nas", "fs_type": "nfs4", "why": "does not answer"}
    monkeypatch.setattr(module, "below", lambda *_: ([*refused, full, silent], {}, set()))

    triage = module.Triage(Host())
    triage.look_at_file_systems()

    points = [one["mount_point"] for one in triage.told["file_systems"]]
    assert points[:2] == ["/nas", "/var"]
    assert not set(points).intersection(one["mount_point"] for one in refused)
    assert triage.totals["file_systems"] == len(points)
    assert triage.not_known["file_systems"] == "6 may not be asked"


def test_a_list_is_cut_at_its_end_where_there_is_no_room() -> None:
    module = loaded(MODULES / "triage.py")
    report = {
        "errors": [{"unit": "a" * 100}, {"unit": "b" * 100}],
        "failed_units": [{"unit": "c"}],
    }

    cut = module.shortened(report, 200)

    assert cut == {**report, "errors": report["errors"][:1], "truncated": True}
    assert module.shortened(report, 1000)["truncated"] is False


def test_who_keeps_the_clock_is_a_process() -> None:
    keeper = loaded(SHARED / "clock_state.py").keeper

    assert keeper([Process("sshd"), Process("chronyd")]) == "chronyd"
    assert keeper([Process("sshd")]) is None
