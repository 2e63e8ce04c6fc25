"""The host module mount_points: what is mounted, beside what fstab says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from worlds.host_modules import MODULES, SHARED, loaded, module_answer

MODULE = MODULES / "mount_points.py"
LINE = "7 1 {number} {root} {point} {options} shared:1 - {kind} {device} {whole}"

Judged = Callable[..., list[tuple[str, str, str | None]]]


@pytest.fixture
def fstab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = loaded(SHARED / "fstab.py")
    monkeypatch.setattr(module, "FSTAB", str(tmp_path / "fstab"))
    monkeypatch.setattr(module, "DISKS", str(tmp_path / "disk"))
    monkeypatch.setattr(module, "UNITS", (str(tmp_path / "units"),))
    for folder in ("disk/by-uuid", "disk/by-label", "units"):
        (tmp_path / folder).mkdir(parents=True)
    return module


def mount(
    module: ModuleType,
    point: str,
    *,
    device: str = "/dev/null",
    kind: str = "ext4",
    options: str = "rw,relatime",
    whole: str = "rw",
    root: str = "/",
    number: str = "1:3",
) -> Any:
    line = LINE.format(
        number=number,
        root=root,
        point=point,
        options=options,
        kind=kind,
        device=device,
        whole=whole,
    )
    return module.Mount(line)


@pytest.fixture
def judged(fstab: ModuleType, tmp_path: Path) -> Judged:
    """What differs, of these lines of fstab and these mounts."""
    mounts = loaded(SHARED / "mounts.py")

    def found(
        text: str, *listed: dict[str, Any], active: list[dict[str, Any]] | None = None
    ) -> list[tuple[str, str, str | None]]:
        (tmp_path / "fstab").write_text(text)
        made = [mount(mounts, **one) for one in ({"point": "/"}, *listed)]
        different, _ = fstab.differences(made, active or [])
        return [(one["mount_point"], one["problem"], one.get("now")) for one in different]

    return found


@pytest.mark.parametrize(
    ("line", "mounted", "problem"),
    [
        ("/dev/null /srv ext4 defaults 0 2", {"point": "/srv"}, None),
        ("/dev/null /srv/ ext4", {"point": "/srv"}, None),
        ("# /dev/null /srv ext4 defaults", {"point": "/"}, None),
        ("/dev/null /srv ext4 defaults", {"point": "/"}, ("not_mounted", None)),
        ("/dev/null /srv ext4 noauto", {"point": "/"}, None),
        ("/dev/none-such /srv ext4 defaults", {"point": "/"}, ("device_missing", None)),
        ("UUID=12-34 /srv ext4 defaults", {"point": "/"}, ("device_missing", None)),
        (
            "/dev/null /srv ext4 defaults",
            {"point": "/srv", "device": "/dev/zero", "number": "1:5"},
            ("other_device", "/dev/zero"),
        ),
        ("/dev/null /srv ext4 defaults", {"point": "/srv", "device": "/dev/root"}, None),
        (
            "/dev/null /srv ext4 errors=remount-ro",
            {"point": "/srv", "whole": "ro"},
            ("other_options", "ro"),
        ),
        (
            "/dev/null /srv ext4 user,exec",
            {"point": "/srv", "options": "rw,nosuid"},
            ("other_options", "dev"),
        ),
        ("/dev/null /srv ext4 noexec,defaults", {"point": "/srv"}, None),
        ("/dev/null /a\\040b ext4 defaults", {"point": "/a\\040b"}, None),
        (
            "proc /proc proc defaults",
            {"point": "/proc", "kind": "proc", "options": "rw,nosuid,nodev,noexec"},
            None,
        ),
        (
            "nas:/x /srv nfs defaults",
            {"point": "/srv", "kind": "nfs4", "device": "nas:/x/"},
            None,
        ),
        (
            "nas:/x /srv nfs defaults",
            {"point": "/srv", "kind": "nfs4", "device": "old:/x"},
            ("other_device", "old:/x"),
        ),
        (
            "nas:/x /srv nfs x-systemd.automount",
            {"point": "/srv", "kind": "autofs", "device": "systemd-1"},
            None,
        ),
        ("/home /srv none bind,ro", {"point": "/srv", "options": "ro,nosuid"}, None),
    ],
)
def test_a_line_of_fstab(
    judged: Judged, line: str, mounted: dict[str, Any], problem: tuple[str, str | None] | None
) -> None:
    assert [one[1:] for one in judged(line + "\n", mounted)] == ([problem] if problem else [])


def test_a_device_by_its_number(judged: Judged, tmp_path: Path) -> None:
    (tmp_path / "disk" / "by-uuid" / "12-34").symlink_to("/dev/null")
    (tmp_path / "disk" / "by-label" / "a\\x20b").symlink_to("/dev/zero")
    text = 'UUID="12-34" /srv ext4 defaults\nLABEL=a\\040b /opt ext4 defaults\n'
    assert judged(text, {"point": "/srv"}, {"point": "/opt"}) == [
        ("/opt", "other_device", "/dev/null")
    ]


def test_swap_space(judged: Judged, tmp_path: Path) -> None:
    (tmp_path / "swap").touch()
    text = f"{tmp_path}/swap none swap sw 0 0\n{tmp_path}/none none swap sw 0 0\n"
    assert judged(text) == [("swap", "not_active", None), ("swap", "device_missing", None)]
    assert judged(text, active=[{"device": f"{tmp_path}/swap"}]) == [
        ("swap", "device_missing", None)
    ]


def test_what_is_mounted_by_hand(fstab: ModuleType, tmp_path: Path) -> None:
    mounts = loaded(SHARED / "mounts.py")
    (tmp_path / "units" / "mnt-of\\x2dunit.mount").touch()
    listed = [
        mount(mounts, "/"),
        mount(mounts, "/mnt/hand"),
        mount(mounts, "/mnt/nas", kind="nfs4", device="nas:/x"),
        mount(mounts, "/mnt/of-unit"),
        mount(mounts, "/mnt/image", kind="iso9660"),
        mount(mounts, "/mnt/part", root="/other"),
        mount(mounts, "/mnt/memory", kind="tmpfs", device="tmpfs"),
        mount(mounts, "/mnt/in-fstab"),
    ]
    (tmp_path / "fstab").write_text("/dev/null /mnt/in-fstab ext4 defaults\n")
    assert fstab.differences(listed, [])[1] == ["/mnt/hand", "/mnt/nas"]


def test_passwords_are_not_told(fstab: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "fstab").write_text("//nas/x /srv cifs user=a,password=open,pass2=sesame,rw\n")
    assert fstab.differences([], [])[0][0]["options"] == (
        "user=a,password=(hidden),pass2=(hidden),rw"
    )


def test_no_fstab_is_no_trouble(fstab: ModuleType) -> None:
    assert fstab.differences([], []) == ([], [])


def test_swaps_are_the_kernels(
    fstab: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "swaps").write_text(
        "Filename\tType\tSize\tUsed\tPriority\n/swap\\040file file 2097148 16 -2\n"
    )
    monkeypatch.setattr(fstab, "PROC", str(tmp_path / "without"))
    assert fstab.swaps() == []
    monkeypatch.setattr(fstab, "PROC", str(tmp_path))
    assert fstab.swaps() == [
        {
            "device": "/swap file",
            "type": "file",
            "size_bytes": 2_147_479_552,
            "used_bytes": 16_384,
            "priority": -2,
        }
    ]


def test_this_machine() -> None:
    answer = module_answer([str(MODULE)], {"all": True, "limit": 500}, timeout_s=60)
    points = {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    assert {one["mount_point"] for one in answer["mounts"]} == points
    assert (answer["total"], answer["truncated"]) == (len(points), False)
    few = module_answer([str(MODULE)], {"limit": 1}, timeout_s=60)
    assert (len(few["mounts"]), few["truncated"]) == (1, True)
    assert sum(few["left_out"].values()) + few["total"] == len(points)


def test_the_mount_of_a_path() -> None:
    answer = module_answer([str(MODULE)], {"path": "/proc/self"}, timeout_s=60)
    assert [one["mount_point"] for one in answer["mounts"]] in ([], ["/proc"])
    assert answer["left_out"].get("proc", 0) + len(answer["mounts"]) == 1


def test_mounts_are_not_compared_with_each_other() -> None:
    """Of the thousands of a host of containers that would take minutes."""
    module, mounts = loaded(MODULE), loaded(SHARED / "mounts.py")

    def refuse(_mount: object, _other: object) -> bool:
        raise AssertionError

    mounts.Mount.__eq__ = refuse
    points = ("/", "/run", "/srv")
    listed = [mount(mounts, point, kind="sysfs" if point == "/run" else "ext4") for point in points]
    kept, left_out = module.chosen(listed, None, everything=False)
    assert ([one.point for one in kept], left_out) == (["/", "/srv"], {"sysfs": 1})
