"""How the host module runs a program that only looks, with real programs of this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from worlds.host_modules import MODULES, PLAIN, SHARED, loaded, module_answer

LIMIT = 16 * 1024 * 1024


def looked(*argv: str, **more: Any) -> dict[str, Any]:
    protected = more.pop("protected", ["default"])
    check = {"_ansible_check_mode": True} if more.pop("check", False) else {}
    given = {"argv": ["ordinary"], "look": {"argv": [*argv], **more}, "protected": protected}
    return module_answer([str(MODULES / "run_program.py")], {**given, **check}, timeout_s=30)


def test_it_runs_in_check_mode_too_and_changes_nothing() -> None:
    for check in (False, True):
        answer = looked("uname", "-s", check=check)
        assert (answer["changed"], answer["ran"]) == (False, True)
        assert answer["stdout"] == "Linux\n"


def test_its_environment_is_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER", "canary")
    told = looked("env")["stdout"].splitlines()
    assert {line.partition("=")[0] for line in told} - {"PLAYRAIL_PROGRAM"} == {
        *("PATH", "HOME", "LC_ALL", "TERM"),
    }
    assert "HOME=/nonexistent" in told
    assert looked("pwd")["stdout"] == "/\n"


def test_it_has_the_mark_of_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """By which what the run started is found, should its module end first."""
    monkeypatch.setitem(PLAIN, "PLAYRAIL_RUN", "r-1")
    assert "PLAYRAIL_RUN=r-1" in looked("env")["stdout"].splitlines()


def test_it_may_not_more_than_look() -> None:
    """Root's programs have capabilities by which a gap in the lists would be a way in."""
    script = ["sh", "-c", "grep ^CapEff: /proc/self/status"]
    may = [
        int(answer["stdout"].split()[1], 16)
        for answer in (
            looked(*script),
            module_answer([str(MODULES / "run_program.py")], {"argv": script}, timeout_s=30),
        )
    ]
    given_up = loaded(SHARED / "process_control.py").MORE_THAN_TO_LOOK
    assert "CAP_SYS_MODULE" in given_up
    mask = sum(1 << number for number in given_up.values())
    assert may[0] & mask == 0
    assert may[0] == may[1] & ~mask  # the rest stays


def test_only_directories_of_the_system_are_searched(tmp_path: Path) -> None:
    (tmp_path / "uname").write_text("#!/bin/sh\necho fake\n")
    (tmp_path / "uname").chmod(0o755)
    (tmp_path / "own").symlink_to("/bin/true")
    arguments = {"argv": ["x"], "look": {"argv": ["uname"]}}
    answer = module_answer(
        [str(MODULES / "run_program.py")], arguments, timeout_s=30, programs=tmp_path
    )
    assert answer["stdout"] == "Linux\n"
    assert looked("own")["playrail_code"] == "command_not_found"
    assert looked("../bin/true", "x")["playrail_code"] == "command_not_found"


def test_a_file_is_its_input(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("one\ntwo\n")
    assert looked("wc", "-l", file=str(tmp_path / "note"))["stdout"].strip() == "2"
    assert looked("cat", file="/proc/self/status")["stdout"].startswith("Name:")
    assert looked("cat", file=str(tmp_path / "nosuch"))["playrail_code"] == "not_found"
    assert looked("cat", file="/proc/kmsg")["playrail_code"] == "unsupported_path"
    os.mkfifo(tmp_path / "fifo")
    for path, code in ((tmp_path, "not_a_file"), (tmp_path / "fifo", "not_a_file")):
        assert looked("cat", file=str(path))["playrail_code"] == code
    with (tmp_path / "large").open("wb") as large:
        large.truncate(LIMIT + 1)
    assert looked("head", file=str(tmp_path / "large"))["playrail_code"] == "too_large_to_show"


def test_what_must_not_be_read_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "innocent").symlink_to("/etc/shadow")
    (tmp_path / "note").write_text("plain\n")
    os.link(tmp_path / "note", tmp_path / "other")
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAA\n"
    (tmp_path / "copy").write_text("x\n" * 100 + key)
    for name in ("innocent", "copy", "note", "other"):
        protected = ["default", str(tmp_path / "note")]
        answer = looked("head", "-n", "1", file=str(tmp_path / name), protected=protected)
        assert answer["playrail_code"] == "protected_path", name
    assert looked("cat", file="/proc/self/environ")["playrail_code"] == "protected_path"


def test_what_it_writes_is_judged(tmp_path: Path) -> None:
    (tmp_path / "unit").write_text("[Service]\n")
    text = f"# {tmp_path}/unit\n[Service]\n"
    shown = looked("printf", "%s", text, shows_files=True)
    assert shown["stdout"] == text
    protected = ["default", str(tmp_path / "unit")]
    hidden = looked("printf", "%s", text, shows_files=True, protected=protected)
    assert hidden["playrail_code"] == "protected_path"
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAA\n"
    assert looked("printf", "%s", key)["playrail_code"] == "protected_path"


def test_a_device_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    """To open it may act. Who opens a FIFO to write goes on once somebody has opened it to
    read.
    """
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = subprocess.Popen(["sh", "-c", f"exec 7>{fifo}; echo opened"], stdout=subprocess.PIPE)
    try:
        assert looked("cat", file=str(fifo))["playrail_code"] == "not_a_file"
        assert looked("uname")["ran"]
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.communicate()


def test_what_shows_many_files_is_judged_whole(tmp_path: Path) -> None:
    """The line that tells of a protected file is not in the part that has room."""
    (tmp_path / "unit").write_text("[Service]\n")
    text = f"{'x' * 3000}\n# {tmp_path}/unit\n{'y' * 3000}\n"
    given = {"argv": ["x"], "max_bytes": 1000, "protected": ["default", str(tmp_path / "unit")]}
    look = {"argv": ["printf", "%s", text], "shows_files": True}
    answer = module_answer([str(MODULES / "run_program.py")], {**given, "look": look}, timeout_s=30)
    assert answer["playrail_code"] == "protected_path"
    more = {"argv": ["seq", "2000000"], "shows_files": True}
    answer = module_answer([str(MODULES / "run_program.py")], {**given, "look": more}, timeout_s=30)
    assert answer["playrail_code"] == "too_large_to_show"


@pytest.mark.parametrize("place", ["/dev/null", "/proc/self", "/sys"])
def test_a_device_is_not_opened(tmp_path: Path, place: str) -> None:
    (tmp_path / "link").symlink_to(place)
    for path in (place, str(tmp_path / "link")):
        assert looked("df", path, places=[path])["playrail_code"] == "unsupported_path"
    assert looked("df", str(tmp_path), places=[str(tmp_path)])["exit_code"] == 0
