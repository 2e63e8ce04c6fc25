"""The host modules of playbooks/processes, run for real on processes of this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import ValidationError

from playrail.ansible.kept.interpreter import START
from playrail.tools.tool import variables
from playrail.toolsets.processes import manage_process
from worlds.host_modules import MODULES, loaded, module_answer

pytestmark = pytest.mark.slow

DEAF = "trap '' TERM HUP; while :; do sleep 0.1; done"
ON_AND_ON = "while :; do sleep 0.1; done"
Start = Callable[..., subprocess.Popen[bytes]]


def tree(**arguments: Any) -> dict[str, Any]:
    return module_answer([str(MODULES / "process_tree.py")], arguments, timeout_s=20)


def manage(**arguments: Any) -> dict[str, Any]:
    return module_answer([str(MODULES / "signal_process.py")], arguments, timeout_s=40)


def kill(process: object, **arguments: Any) -> dict[str, Any]:
    return manage(action="kill", process=str(process), **arguments)


def how(answer: dict[str, Any]) -> dict[int, str]:
    return {one["pid"]: one["how"] for one in answer["signalled"]}


@pytest.fixture
def modules() -> ModuleType:
    """signal_process, whose names hold those of the shared module as well."""
    return loaded(MODULES / "signal_process.py")


@pytest.fixture
def name() -> str:
    """A name that no other process has."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a program in a session of its own."""
    started = []

    def begin(
        name: str, script: str = ON_AND_ON, *, own: bool = True, wait_s: float = 0.1
    ) -> subprocess.Popen[bytes]:
        command = [name, "-c", script]
        process = subprocess.Popen(
            command, executable="/bin/sh", start_new_session=own, stdin=subprocess.DEVNULL
        )
        started.append(process)
        deadline = time.monotonic() + 10
        while b"\0-c\0" not in Path(f"/proc/{process.pid}/cmdline").read_bytes():
            assert time.monotonic() < deadline
        time.sleep(wait_s)  # for what the script does first
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("kept", [True, False], ids=["supervised", "alone"])
def test_what_comes_in_the_place_of_a_killed_process_is_told(
    start: Start, name: str, kept: bool
) -> None:
    seconds = f"100{uuid.uuid4().int % 10**9}"
    supervisor = start(
        name, f"{'while :; do' if kept else ''} sleep {seconds}; {'done' if kept else 'read x'}"
    )
    (first,) = sleepers(seconds)

    answer = kill(first, signal="KILL")

    assert how(answer) == {first: "ended"}
    again = sleepers(seconds) if kept else []
    supervisor.kill()
    for pid in again:
        os.kill(pid, signal.SIGKILL)
    assert answer["started_again"] == again


def sleepers(seconds: str) -> list[int]:
    deadline = time.monotonic() + 10
    while True:
        done = subprocess.run(
            ["pgrep", "-f", f"^sleep {seconds}$"], capture_output=True, text=True, check=False
        )
        if done.stdout or time.monotonic() > deadline:
            return [int(pid) for pid in done.stdout.split()]
        time.sleep(0.05)


def test_a_child_follows_its_parent(start: Start, name: str) -> None:
    process = start(name)
    found = tree(limit=1000, max_bytes=1_000_000)
    at = {one["pid"]: place for place, one in enumerate(found["processes"])}
    child = found["processes"][at[process.pid]]
    assert at[os.getpid()] < at[process.pid]
    assert (child["parent_pid"], "user" in child) == (os.getpid(), False)  # the parent's
    assert child["command"].startswith(f"{name} -c while")
    assert child["memory_bytes"] > 0
    started = time.strptime(child["started"], "%Y-%m-%dT%H:%M:%SZ")
    assert abs(time.mktime(started) - time.timezone - time.time()) < 60
    assert (found["all_visible"], found["truncated"]) == (True, False)
    assert found["total"] == len(found["processes"])


def test_the_tree_is_bounded_and_says_so(start: Start, name: str) -> None:
    start(name, f"# {'x' * 400}\n{ON_AND_ON}")
    whole, part = tree(limit=1000, max_bytes=1_000_000), tree(limit=4)
    cut = next(one["command"] for one in whole["processes"] if one["command"].startswith(name))
    assert (len(cut), cut[-1]) == (300, "…")
    assert whole["commands_cut"] >= 1
    assert (0 < len(part["processes"]) <= 4, part["truncated"]) == (True, True)


def largest_of_all() -> Any:
    every = tree(limit=1000, max_bytes=1_000_000)["processes"]
    return max(every, key=lambda one: one.get("memory_bytes", 0))["pid"]


@pytest.mark.parametrize("most", [1000, 8000])
def test_of_many_processes_those_that_take_most_are_told_with_their_ancestors(
    start: Start, name: str, most: int
) -> None:
    for _ in range(40):
        start(f"{name}{'x' * 200}", "sleep 600", wait_s=0)
    while True:
        largest, found = largest_of_all(), tree(limit=1000, max_bytes=most)
        if largest == largest_of_all():  # others begin and end meanwhile
            break
    told = {key: value for key, value in found.items() if key not in ("changed", "invocation")}
    assert len(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()) <= most
    assert (found["truncated"], found["total"] > len(found["processes"])) == (True, True)
    alive = {one["pid"] for one in tree(limit=1000, max_bytes=1_000_000)["processes"]}
    listed = {one["pid"] for one in found["processes"]}
    alone = [one for one in found["processes"] if one["parent_pid"] in alive - listed]
    assert len(alone) <= 1  # of the last one there may be no room for its ancestors
    assert largest in listed or most == 1000


def test_what_descends_from_a_process(start: Start, name: str) -> None:
    process = start(name, "sleep 600 & wait")
    found = tree(pid=process.pid)["processes"]
    assert ["user" in one for one in found] == [True, False]
    assert (found[0]["pid"], found[1]["command"]) == (process.pid, "sleep 600")
    assert tree(pid=2**22)["playrail_code"] == "process_not_found"


def test_what_goes_without_saying_is_left_out(start: Start, name: str) -> None:
    process = start(name, "sleep 600 & wait")
    (one, child) = tree(pid=process.pid)["processes"]
    assert not {"state", "memory_percent"} & (one.keys() | child.keys())
    process.send_signal(signal.SIGSTOP)
    assert tree(pid=process.pid)["processes"][0]["state"] == "stopped"


def test_playrails_own_python_is_left_out(start: Start, name: str) -> None:
    kept = start(name, f"{START!r}\n: python3 -c {START!r}; while :; do sleep 0.1; done")
    ordinary = start(name, "while :; do sleep 0.1; done")
    found = tree(limit=1000, max_bytes=1_000_000)
    pids = {one["pid"] for one in found["processes"]}
    assert (kept.pid in pids, ordinary.pid in pids) == (False, True)
    assert found["of_playrail"] >= 1
    assert kept.pid not in {one["pid"] for one in manage(action="list", limit=200)["processes"]}


@pytest.mark.parametrize(
    ("group", "told"),
    [
        ("0::/system.slice/ssh.service", ("ssh.service", None)),
        (
            "0::/user.slice/user-0.slice/user@0.service/app.slice/evening.service",
            ("evening.service", None),
        ),
        ("0::/user.slice/user-0.slice/session-5.scope", ("session-5.scope", None)),
        (f"0::/system.slice/docker-{'a' * 64}.scope", (f"docker-{'a' * 64}.scope", "a" * 12)),
        (f"12:pids:/docker/{'b' * 64}\n1:name=systemd:/docker/{'b' * 64}", (None, "b" * 12)),
        (
            "12:pids:/system.slice/ssh.service\n1:name=systemd:/system.slice/ssh.service",
            ("ssh.service", None),
        ),
        ("0::/", (None, None)),
    ],
)
def test_what_a_process_belongs_to(
    modules: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    group: str,
    told: tuple[str | None, ...],
) -> None:
    shared = sys.modules[modules.processes.__module__]
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(f"{group}\n")
    monkeypatch.setattr(shared, "PROC", str(tmp_path))
    assert shared.belonging(7) == told


def test_processes_of_a_user() -> None:
    found = tree(user=str(os.geteuid()), limit=1000)
    assert os.getpid() in {one["pid"] for one in found["processes"]}
    assert tree(user="nosuchuser")["playrail_code"] == "owner_not_found"
    assert tree(user="54321")["processes"] == []
    assert (
        tree(user="²")["playrail_code"] == tree(user="\u0660")["playrail_code"] == "owner_not_found"
    )


def test_the_largest_come_first() -> None:
    for sort, key in (("memory", "memory_bytes"), ("cpu", "cpu_percent")):
        found = manage(action="list", sort=sort, limit=3)
        sizes = [one[key] for one in found["processes"]]
        assert sizes == sorted(sizes, reverse=True)
        assert (found["changed"], found["truncated"], found["signalled"]) == (False, True, [])


def test_all_of_an_exact_name_end(start: Start, name: str) -> None:
    some, other = [start(name), start(name)], start(f"{name}-other")
    answer = kill(name)
    assert how(answer) == {process.pid: "ended" for process in some}
    assert all(one["ended"] for one in answer["signalled"])
    assert (answer["total"], answer["truncated"]) == (2, False)
    assert [process.wait(5) for process in some] == [-signal.SIGTERM] * 2
    assert answer["changed"]
    assert other.poll() is None


@pytest.mark.parametrize(
    "target", [".*", "test-*", "", "sh -c", "-9", "$(id)", "²", "4²", "\u0661", "\u0661\u0662"]
)
def test_a_name_is_no_pattern(start: Start, name: str, target: str) -> None:
    process = start(name)
    assert kill(target)["playrail_code"] == "process_not_found"
    assert process.poll() is None


@pytest.mark.slow
def test_what_ignores_the_signal_is_told(start: Start, name: str) -> None:
    process = start(name, DEAF)
    began = time.monotonic()
    answer = kill(process.pid, wait_s=1)
    assert time.monotonic() - began >= 1
    assert (how(answer), answer["changed"]) == ({process.pid: "running"}, True)
    assert how(kill(process.pid, wait_s=0)) == {process.pid: "delivered"}
    assert how(kill(process.pid, signal="HUP")) == {process.pid: "delivered"}
    assert how(kill(process.pid, signal="STOP")) == {process.pid: "stopped"}
    assert how(kill(process.pid, signal="CONT")) == {process.pid: "continued"}
    assert how(kill(process.pid, signal="KILL")) == {process.pid: "ended"}
    # Nobody has asked for its status, so its number is taken still.
    again = kill(process.pid, signal="KILL")
    assert (how(again), again["changed"]) == ({process.pid: "zombie"}, False)


def test_a_preview_sends_nothing(start: Start, name: str) -> None:
    process = start(name)
    answer = kill(name, _ansible_check_mode=True)
    assert (how(answer), answer["changed"]) == ({process.pid: "would_be_signalled"}, True)
    time.sleep(0.2)
    assert process.poll() is None


def test_a_preview_tells_of_what_has_ended(start: Start, name: str) -> None:
    process = start(name)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # its number stays taken
    answer = kill(process.pid, _ansible_check_mode=True)
    assert (how(answer), answer["changed"]) == ({process.pid: "zombie"}, False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("preview", [False, True])
def test_another_users_process(modules: ModuleType, start: Start, name: str, preview: bool) -> None:
    process = modules.Process(start(name).pid)
    child = os.fork()
    if not child:
        try:
            os.setuid(54321)
            (one,) = modules.signalled([process], "TERM", 0, preview)
            os._exit(0 if (one["how"], one["ended"]) == ("not_permitted", False) else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("preview", [False, True])
def test_a_number_that_was_used_again(
    modules: ModuleType, start: Start, name: str, preview: bool
) -> None:
    """Whoever has the number now is another process, and is left alone."""
    popen = start(name)
    process = modules.Process(popen.pid)
    assert modules.is_same(process)
    process.start += 1
    assert not modules.is_same(process)
    (one,) = modules.signalled([process], "KILL", 1, preview)
    assert (one["how"], one["ended"]) == ("gone", True)
    time.sleep(0.1)
    assert popen.poll() is None


def test_what_was_waited_for_is_told_apart_from_who_has_its_number_now(
    modules: ModuleType, start: Start, name: str
) -> None:
    process = modules.Process(start(name).pid)
    assert [modules.seen(process, word) for word in ("KILL", "STOP", "CONT")] == [
        None,
        None,
        "continued",
    ]
    process.start += 1
    assert [modules.seen(process, word) for word in ("KILL", "STOP", "CONT")] == ["ended"] * 3


def test_whether_others_processes_may_be_seen(modules: ModuleType, tmp_path: Path) -> None:
    shared = sys.modules["ansible_collections.playrail.host.plugins.module_utils.processes"]
    with pytest.MonkeyPatch.context() as patch:
        # With the mount option hidepid, /proc/1 is not there
        patch.setattr(shared, "PROC", str(tmp_path))
        assert modules.all_visible() is False
        (tmp_path / "1").mkdir()
        (tmp_path / "1" / "stat").write_text(f"1 (a) b) S 0 {' 0' * 48}\n")
        assert modules.all_visible() is True
        assert modules.stat(1)[0] == "a) b"


def test_what_must_live_is_refused(start: Start, name: str) -> None:
    mine = start(name, own=False)
    for target in ("0", "1", "00", str(os.getpid()), str(os.getppid()), str(mine.pid), name):
        assert kill(target, signal="CONT")["playrail_code"] == "protected_process", target
    assert mine.poll() is None


@pytest.mark.skipif(
    not tree(limit=1)["kernel_threads"], reason="no thread of the kernel is to be seen here"
)
def test_threads_of_the_kernel_are_refused() -> None:
    assert kill(2)["playrail_code"] == "protected_process"
    assert kill("kthreadd")["playrail_code"] == "protected_process"


def test_one_that_is_protected_keeps_its_namesakes(start: Start, name: str) -> None:
    mine, other = start(name, own=False), start(name)
    assert kill(name)["playrail_code"] == "protected_process"
    assert (mine.poll(), other.poll()) == (None, None)


def test_a_number_that_no_process_has(start: Start, name: str) -> None:
    process = start(name)
    process.kill()
    process.wait()
    assert kill(process.pid)["playrail_code"] == "process_not_found"
    assert kill("9" * 30)["playrail_code"] == "process_not_found"


@pytest.mark.parametrize(
    "arguments",
    [
        {"action": "kill"},
        {"action": "list", "target": "nginx"},
        {"action": "kill", "target": ""},
        {"action": "kill", "target": "/usr/sbin/nginx"},
        {"action": "kill", "target": "a\nb"},
        {"action": "kill", "target": "nginx", "signal": "SEGV"},
        {"action": "kill", "target": "nginx", "wait_s": 31},
        {"action": "list", "limit": 0},
    ],
)
def test_arguments_that_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        manage_process.input(**arguments)


def test_the_target_is_not_taken_for_the_hosts() -> None:
    given = variables(manage_process.input(action="kill", target="nginx"))
    assert given["playrail_process"] == "nginx"
    assert "playrail_target" not in given
