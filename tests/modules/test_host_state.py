"""The host module host_state: what a host is like, in words to compare."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from worlds.host_modules import MODULES, SHARED, loaded, module_answer

MODULE = MODULES / "host_state.py"


def told(*paths: Path, **given: Any) -> dict[str, str]:
    arguments = {"areas": ["files"], "paths": [str(path) for path in paths], **given}
    found: dict[str, str] = module_answer([str(MODULE)], arguments, timeout_s=60)["areas"]["files"]
    return found


def test_files_by_content_mode_and_owner(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    (folder / "deep").mkdir(parents=True, mode=0o750)
    (folder / "deep" / "file").write_bytes(b"content")
    (folder / "deep" / "file").chmod(0o640)
    (folder / "link").symlink_to("deep/file")
    found = told(folder, tmp_path / "none")
    digest = hashlib.sha256(b"content").hexdigest()[:16]
    owner = f"{tmp_path.owner()}:{tmp_path.group()}"
    assert found[f"{folder}/deep/file"] == f"sha256:{digest} 0640 {owner}"
    assert found[f"{folder}/link"].startswith("link to deep/file ")
    assert found[f"{folder}/deep"] == f"directory 0750 {owner}"
    assert set(found) == {
        str(folder),
        *(f"{folder}/{one}" for one in ("deep", "deep/file", "link")),
    }


def test_a_protected_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("password")
    (tmp_path / "key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE=\n")
    found = told(tmp_path, protected=["default", f"{tmp_path}/secret"])
    assert found[f"{tmp_path}/secret"].startswith("protected ")
    assert found[f"{tmp_path}/key"].startswith("protected ")


def test_more_files_than_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = loaded(MODULE)
    monkeypatch.setattr(host, "MOST_FILES", 3)
    monkeypatch.setattr(host, "MOST_BYTES", 10)
    for number in range(5):
        (tmp_path / str(number)).write_text("12345678")
    files = host.Files([str(tmp_path)], host.unreadable(["default"]))
    found = files.told()
    assert len(found) == 3
    assert found[f"{tmp_path}/1"].startswith("8 bytes ")
    assert files.is_cut
    assert files.why() == "1 are not read: there are more than 10 bytes, only the first 3 files"
    assert files.unread() == [f"{tmp_path}/1"]


def test_what_could_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("password")
    host = loaded(MODULE)
    files = host.Files([str(tmp_path)], host.unreadable([f"{tmp_path}/secret"]))
    files.told()
    files.refused.append("/one")
    assert files.why() == "1 could not be read, 1 are protected"
    assert files.unread() == ["/one", f"{tmp_path}/secret"]


def test_settings_without_what_counts_or_is_of_an_interface() -> None:
    answer = module_answer([str(MODULE)], {"areas": ["sysctl"]}, timeout_s=60)
    settings = answer["areas"]["sysctl"]
    assert settings["vm.swappiness"] == Path("/proc/sys/vm/swappiness").read_text().strip()
    assert not [name for name in settings if "random." in name or "hostname" in name]
    interfaces = {name.split(".")[3] for name in settings if name.startswith("net.ipv4.conf.")}
    assert interfaces <= {"all", "default", "lo"}
    assert set(answer["areas"]) == {"system", "sysctl"}


TABLES = {
    "list-unit-files": """\
ssh.service enabled enabled
getty@.service enabled enabled
old.timer masked enabled
""",
    "list-units": """\
ssh.service loaded active running OpenBSD Secure Shell server
getty@tty1.service loaded active running Getty on tty1
gone.service not-found inactive dead gone.service
made.service loaded failed failed /bin/false
""",
}


class Systemd:
    """Stands for AnsibleModule on a host with systemd."""

    def get_bin_path(self, name: str) -> str:
        return name

    def run_command(self, argv: Sequence[str]) -> tuple[int, str, str]:
        return 0, TABLES[argv[1]], ""


@pytest.fixture
def states() -> ModuleType:
    return loaded(SHARED / "unit_states.py")


def test_units_of_systemd(states: ModuleType) -> None:
    assert states.of_systemd(Systemd()) == {
        "ssh.service": "enabled active",
        "getty@tty1.service": "enabled active",
        "old.timer": "masked inactive",
        "made.service": "none failed",
    }


def test_services_of_openrc(
    states: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openrc = sys.modules[states.openrc_services.__module__]
    for path in ("levels/default/sshd", "levels/boot/sysctl", "failed/sysctl"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    monkeypatch.setattr(states, "SYSTEMD", str(tmp_path / "none"))
    monkeypatch.setattr(openrc, "STATES", str(tmp_path))
    monkeypatch.setattr(openrc, "SCRIPTS", str(tmp_path / "none"))
    monkeypatch.setattr(openrc, "RUNLEVELS", str(tmp_path / "levels"))
    assert states.unit_states(Systemd()) is None  # OpenRC is there, and has started nothing
    (tmp_path / "started").mkdir()
    (tmp_path / "started" / "sshd").touch()
    found = states.unit_states(Systemd())
    assert found == {"sshd": "enabled active", "sysctl": "enabled failed"}
