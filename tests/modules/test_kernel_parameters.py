"""The host module kernel_parameters: the kernel's settings beside the files of sysctl.d(5)."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from worlds.host_modules import MODULES, SHARED, loaded, module_answer

MODULE = MODULES / "kernel_parameters.py"
APPLIES = SimpleNamespace(sets=lambda _path: True)


class Kernel:
    """A made-up /proc/sys and the files that set its values."""

    def __init__(self, place: Path, settings: ModuleType) -> None:
        self.place, self.settings = place, settings

    def has(self, **values: str) -> None:
        for name, value in values.items():
            path = self.place / "sys" / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{value}\n")

    def says(self, file: str, text: str) -> None:
        path = self.place / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def configured(self) -> dict[str, tuple[str, str]]:
        found = self.settings.Configured().settings
        return {
            self.settings.name_of(path): (value, Path(file).name)
            for path, (value, file) in found.items()
        }


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    settings = loaded(SHARED / "kernel_settings.py")
    monkeypatch.setattr(settings, "SYS", str(tmp_path / "sys"))
    monkeypatch.setattr(settings, "FOLDERS", (str(tmp_path / "etc"), str(tmp_path / "lib")))
    monkeypatch.setattr(settings, "OLD_FILE", str(tmp_path / "sysctl.conf"))
    monkeypatch.setattr(settings, "SYSTEMD", str(tmp_path / "none"))
    return Kernel(tmp_path, settings)


def test_what_vanishes_meanwhile_is_left_out(kernel: Kernel) -> None:
    kernel.has(vm__swappiness="60")
    gone = kernel.place / "sys" / "net"
    assert kernel.settings.below(str(gone)) == []
    assert kernel.settings.device_of(str(gone)) is None
    assert [Path(one).name for one in kernel.settings.below(kernel.settings.SYS)] == ["swappiness"]


def test_the_later_file_counts_and_of_a_name_the_one_of_etc(kernel: Kernel) -> None:
    kernel.says("lib/10-a.conf", "vm.swappiness = 1\nvm.max = 1\n")
    kernel.says("lib/20-b.conf", "vm.swappiness=2")
    kernel.says("etc/10-a.conf", "# not = this\n; nor = this\nvm.swappiness = 3\nvm.own = 3")
    kernel.says("etc/README", "vm.readme = 1")
    assert kernel.configured() == {
        "vm.swappiness": ("2", "20-b.conf"),
        "vm.own": ("3", "10-a.conf"),
    }


def test_the_old_file_is_read_last_but_by_systemd(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.says("sysctl.conf", "vm.swappiness = 9")
    kernel.says("etc/10-a.conf", "vm.swappiness = 1")
    assert kernel.configured() == {"vm.swappiness": ("9", "sysctl.conf")}
    monkeypatch.setattr(kernel.settings, "SYSTEMD", str(kernel.place))
    assert kernel.configured() == {"vm.swappiness": ("1", "10-a.conf")}
    (kernel.place / "etc" / "99-sysctl.conf").symlink_to("../sysctl.conf")
    assert kernel.configured() == {"vm.swappiness": ("9", "99-sysctl.conf")}


def test_a_masked_file_says_nothing(kernel: Kernel) -> None:
    kernel.says("lib/10-a.conf", "vm.swappiness = 1")
    (kernel.place / "etc").mkdir()
    (kernel.place / "etc" / "10-a.conf").symlink_to("/dev/null")
    assert kernel.configured() == {}


def test_a_pattern_leaves_alone_what_another_line_names(kernel: Kernel) -> None:
    names = ("all", "eth0", "eth1.5")
    kernel.has(**{f"net__ipv4__conf__{name}__rp_filter": "0" for name in names})
    kernel.says(
        "etc/10-a.conf",
        "net.ipv4.conf.all.rp_filter = 1\n-net.ipv4.conf.eth0.rp_filter\n"
        "net.ipv4.conf.*.rp_filter = 2\n-net/ipv4/conf/eth1.5/none = 7\n",
    )
    assert kernel.configured() == {
        "net.ipv4.conf.all.rp_filter": ("1", "10-a.conf"),
        "net.ipv4.conf.eth1/5.rp_filter": ("2", "10-a.conf"),
        "net.ipv4.conf.eth1/5.none": ("7", "10-a.conf"),
    }


@pytest.fixture
def host(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, whose kernel is the made-up one."""
    made = loaded(MODULE)
    for name in ("path_of", "name_of", "below", "value_of"):
        monkeypatch.setattr(made, name, getattr(kernel.settings, name))
    return made


def test_what_differs_at_the_next_start(kernel: Kernel, host: ModuleType) -> None:
    kernel.has(vm__same="1", vm__other="1", net__rmem="4096\t87380\t6291456")
    kernel.says(
        "etc/10-a.conf", "vm.same = 1\nvm.other = 2\nvm.none = 3\nnet.rmem = 4096 87380  6291456"
    )
    values = host.Values()
    file = str(kernel.place / "etc" / "10-a.conf")
    assert host.differences(values, kernel.settings.Configured().settings, APPLIES) == [
        {"name": "vm.none", "next_boot": "3", "file": file},
        {"name": "vm.other", "value": "1", "next_boot": "2", "file": file},
    ]


NEXT, NEVER = "next_boot", "configured"


@pytest.mark.parametrize(
    ("read_only", "is_own", "in_container", "keys", "why"),
    [
        (False, True, False, (NEXT, NEXT), None),
        (False, True, True, (NEXT, NEVER), "some are not this container's to set"),
        (False, False, True, (NEVER, NEVER), "some are not this container's to set"),
        (True, True, True, (NEVER, NEVER), "/proc/sys is read-only here"),
    ],
)
def test_a_container_does_not_apply_what_is_its_hosts(
    kernel: Kernel,
    host: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    *,
    read_only: bool,
    is_own: bool,
    in_container: bool,
    keys: tuple[str, str],
    why: str | None,
) -> None:
    kernel.has(vm__other="1")
    path = kernel.place / "sys" / "vm" / "other"
    kernel.says("etc/10-a.conf", "vm.other = 2\nvm.none = 3")
    monkeypatch.setattr(host, "mounts", list)
    monkeypatch.setattr(host, "holding", lambda *_: SimpleNamespace(read_only=read_only))
    monkeypatch.setattr(host, "is_container", lambda: in_container)
    monkeypatch.setattr(host, "ROOT", path.stat().st_uid if is_own else -1)
    start, configured = host.Start(), kernel.settings.Configured().settings
    found = {one["name"]: one for one in host.differences(host.Values(), configured, start)}
    assert (found["vm.other"][keys[0]], found["vm.none"][keys[1]]) == ("2", "3")
    assert all(len({NEXT, NEVER} & one.keys()) == 1 for one in found.values())
    assert (start.why_not(list(found.values())) or "").startswith(why or "")
    assert (start.why_not(list(found.values())) is None) is (why is None)
    (told,) = host.told(host.Values(), [str(path)], configured, start)
    assert ("file" in told) is (keys[0] == NEXT)


def test_what_may_not_be_read_is_not_said_to_differ(
    kernel: Kernel, host: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.has(vm__secret="1")
    kernel.says("etc/10-a.conf", "vm.secret = 2")

    def refuse(_path: str) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(host, "value_of", refuse)
    values = host.Values()
    assert host.differences(values, kernel.settings.Configured().settings, APPLIES) == []
    assert values.refused == ["vm.secret"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("vm.swappiness", ["vm.swappiness"]),
        ("vm", ["vm.swap_other", "vm.swappiness"]),
        ("vm.", ["vm.swap_other", "vm.swappiness"]),
        ("vm.swap", ["vm.swap_other", "vm.swappiness"]),
        ("vm/swappiness", ["vm.swappiness"]),
        ("vm/../../outside", []),
        ("..outside", []),
        ("none", []),
    ],
)
def test_which_settings_a_name_means(
    kernel: Kernel, host: ModuleType, name: str, found: list[str]
) -> None:
    kernel.has(vm__swappiness="60", vm__swap_other="1")
    (kernel.place / "outside").write_text("secret")
    values = host.Values()
    assert [one["name"] for one in host.told(values, set(host.meant(name)), {}, APPLIES)] == found


def test_what_is_mounted_below_is_not_looked_at(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.has(fs__max="1", fs__binfmt_misc__status="enabled")
    lstat = os.lstat

    def other(path: str) -> os.stat_result:
        status = lstat(path)
        mounted = str(path).endswith("binfmt_misc")
        return os.stat_result((*status[:2], 4711, *status[3:])) if mounted else status

    monkeypatch.setattr(kernel.settings.os, "lstat", other)
    assert kernel.settings.below(f"{kernel.place}/sys") == [f"{kernel.place}/sys/fs/max"]
    assert kernel.settings.below(f"{kernel.place}/sys/fs/binfmt_misc") == []


def test_this_machine() -> None:
    given: dict[str, Any] = {"names": ["kernel.ostype", "net.ipv4.conf.lo"], "limit": 5}
    answer = module_answer([str(MODULE)], given, timeout_s=60)
    assert answer["settings"][0] == {"name": "kernel.ostype", "value": "Linux"}
    assert (len(answer["settings"]), answer["truncated"]) == (5, True)
    assert answer["settings_total"] > 20
    wrong = module_answer([str(MODULE)], {"names": ["kernel.ostype", "no.such"]}, timeout_s=60)
    assert wrong["playrail_code"] == "setting_not_found"
