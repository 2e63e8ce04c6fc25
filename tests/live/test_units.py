"""Units of every kind on a host of the tests' own: what was done, what was not, and what
systemd had not read.
"""

from __future__ import annotations

import pytest

from .own_host import NAME, Operator, OwnHost, reported
from .units import SLEEPS, STATIC, foreseen, manage, program_of, shows, succeeded, unit, write

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.over_ssh]

DROP_IN = "[Service]\nExecStart=\nExecStart=/bin/sleep 4242\n"


@pytest.mark.parametrize("action", ["restart", "start"])
def test_a_changed_unit_is_read_before_it_is_started(
    living: Operator, host: OwnHost, action: str
) -> None:
    name = f"old-{action}"
    unit(host, f"{name}.service")
    host.sh(f"systemctl restart {name}")
    if action == "start":
        host.sh(f"systemctl stop {name}")
    write(host, f"/etc/systemd/system/{name}.service.d/override.conf", DROP_IN)

    looked = succeeded(living.call("check_service_status", name=name))
    assert looked.get("need_daemon_reload") is (
        True if action == "restart" else None
    )  # one that is stopped is read anew
    assert looked["fragment_path"] == f"/etc/systemd/system/{name}.service"
    told = foreseen(manage(living, name, action, preview=True))
    assert ("reads all changed unit files anew" in told) is (action == "restart")
    done = succeeded(manage(living, name, action))

    assert program_of(host, name) == "/bin/sleep 4242"
    assert (done.get("daemon_reloaded"), done.get("need_daemon_reload")) == (
        True if action == "restart" else None,
        None,
    )
    assert done["drop_ins"] == [f"/etc/systemd/system/{name}.service.d/override.conf"]
    again = succeeded(manage(living, name, action))
    assert again.get("daemon_reloaded") is None


@pytest.mark.parametrize(
    "path",
    [
        "/etc/systemd/system/in-place.service",
        "/etc/systemd/system/in-.service.d/a.conf",
        "/run/systemd/system/service.d/a.conf",
        "/etc/systemd/system/nick-of-it.service.d/a.conf",
        "/usr/lib/systemd/system/in-place.service",
    ],
)
def test_files_of_which_systemd_takes_no_notice(living: Operator, host: OwnHost, path: str) -> None:
    """systemctl itself starts the old unit, and gives no warning."""
    write(host, "/usr/lib/systemd/system/in-place.service", SLEEPS)
    host.sh("ln -sf in-place.service /usr/lib/systemd/system/nick-of-it.service")
    host.sh("systemctl daemon-reload; systemctl restart in-place; sleep 1")
    assert (
        succeeded(living.call("check_service_status", name="in-place")).get("need_daemon_reload")
        is None
    )
    text = DROP_IN if path.endswith(".conf") else SLEEPS.replace("infinity", "4242")
    write(host, path, text)

    assert (
        succeeded(living.call("check_service_status", name="nick-of-it")).get("need_daemon_reload")
        is True
    )
    assert succeeded(manage(living, "nick-of-it", "restart")).get("daemon_reloaded") is True

    assert program_of(host, "in-place") == "/bin/sleep 4242"
    assert (
        succeeded(living.call("check_service_status", name="in-place")).get("need_daemon_reload")
        is None
    )
    host.sh(f"rm {path}; systemctl daemon-reload")


def test_a_stop_is_done_as_it_was_started(living: Operator, host: OwnHost) -> None:
    unit(host, "stale.service")
    host.sh("systemctl start stale")
    write(
        host,
        "/etc/systemd/system/stale.service.d/a.conf",
        "[Service]\nExecStopPost=/bin/touch /run/not-so\n",
    )
    done = succeeded(manage(living, "stale", "stop"))
    assert (done["active"], done.get("daemon_reloaded")) == (False, None)
    assert host.sh("ls /run/not-so || true") == ""


def test_a_reload_of_a_changed_unit(living: Operator, host: OwnHost) -> None:
    unit(host, "hup.service")
    host.sh("systemctl start hup")
    assert manage(living, "hup", "reload").code == "service_not_reloadable"
    assert manage(living, "hup", "reload", preview=True).code == "service_not_reloadable"
    write(
        host,
        "/etc/systemd/system/hup.service.d/a.conf",
        "[Service]\nExecReload=/bin/touch /run/hup-was-reloaded\n",
    )
    assert succeeded(manage(living, "hup", "reload")).get("daemon_reloaded") is True
    assert host.sh("ls /run/hup-was-reloaded") == "/run/hup-was-reloaded"
    write(host, "/etc/systemd/system/hup.service.d/a.conf", "[Service]\nExecReload=/bin/false\n")
    failed = manage(living, "hup", "reload")
    assert failed.code == "service_failed"
    assert "reload" in str(failed.problem)
    assert reported(failed)["active"] is True


def test_a_unit_that_systemd_has_not_read_yet(living: Operator, host: OwnHost) -> None:
    """Of some kinds it learns only when it reads all anew: a script of SysV init, a name
    that it looked for before.
    """
    host.sh("systemctl show brand-new.service fresh@1.service")
    unit(host, "brand-new.service", reload=False)
    assert manage(living, "brand-new", "start", preview=True).code == "ok"
    assert succeeded(manage(living, "brand-new", "start"))["active"] is True
    unit(host, "fresh@.service", reload=False)
    assert succeeded(manage(living, "fresh@1", "enable"))["enabled"] is True
    script = (
        "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: antique\n# Default-Start: 2 3 4 5\n### "
        "END INIT INFO\nexit 0\n"
    )
    write(host, "/etc/init.d/antique", script)
    assert "does not know antique yet" in foreseen(manage(living, "antique", "start", preview=True))
    assert succeeded(manage(living, "antique", "start")).get("daemon_reloaded") is True


def test_a_changed_timer_and_what_it_starts(living: Operator, host: OwnHost) -> None:
    unit(
        host,
        "tick.timer",
        "[Timer]\nOnCalendar=yearly\n[Install]\nWantedBy=timers.target\n",
        reload=False,
    )
    unit(host, "tick.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n")
    host.sh("systemctl start tick.timer tick.service")
    write(host, "/etc/systemd/system/tick.service.d/a.conf", "[Service]\nEnvironment=A=1\n")
    assert succeeded(manage(living, "tick.timer", "restart")).get("daemon_reloaded") is True
    assert shows(host, "tick.service", "NeedDaemonReload") == ["no"]
    assert succeeded(manage(living, "tick", "status"))["triggered_by"] == ["tick.timer"]


def test_what_a_socket_starts_again_is_told(living: Operator, host: OwnHost) -> None:
    unit(host, "knock.socket", "[Socket]\nListenStream=/run/knock.sock\n", reload=False)
    unit(host, "knock.service")
    host.sh("systemctl start knock.socket knock.service")
    assert "knock.socket can start knock again" in foreseen(
        manage(living, "knock", "stop", preview=True)
    )
    stopped = succeeded(manage(living, "knock", "stop"))
    assert (stopped["active"], stopped["triggered_by"]) == (False, ["knock.socket"])
    assert "knock.socket" in stopped["said"]


def test_a_unit_that_goes_with_its_stop(living: Operator, host: OwnHost) -> None:
    host.sh(
        "systemd-run --unit=once sleep infinity; systemd-run --scope --unit=room sleep 9999 "
        ">/dev/null 2>&1 &"
    )
    host.sh("for i in $(seq 50); do systemctl is-active -q room.scope && break; sleep 0.1; done")
    assert succeeded(manage(living, "once", "restart"))["active"] is True
    plan = manage(living, "once", "stop", preview=True)
    assert plan.code == "ok"
    for name in ("once", "room.scope"):
        stopped = manage(living, name, "stop")
        assert succeeded(stopped)["load_state"] == "not-found"
        assert stopped.data is not None
        assert stopped.data["changed"] == [NAME]
        assert host.sh(f"systemctl is-active {name} || true") == "inactive"
    undone = living.call("undo_run", run_id=stopped.runs[0])
    assert undone.code == "not_undoable"
    assert "is gone with its stop" in str(undone)


DYING = {
    "fails": "sh -c 'sleep 0.7; echo last words; exit 3'",
    "is killed": "sh -c 'echo last words; sleep 0.5; kill -9 $$$$'",
}


@pytest.mark.parametrize("how", DYING)
def test_a_service_that_dies_soon_after_its_start(
    living: Operator, host: OwnHost, how: str
) -> None:
    unit(host, "dying.service", f"[Service]\nExecStart={DYING[how]}\n")
    failed = manage(living, "dying", "restart")
    assert failed.code == "service_failed"
    found = reported(failed)
    assert (found.get("exit_code"), found.get("exit_signal")) == (
        (3, None) if how == "fails" else (None, 9)
    )
    assert any(line.endswith("Z last words") for line in found["messages"])
    host.sh("systemctl reset-failed dying")


def test_a_service_that_ends_or_starts_over(living: Operator, host: OwnHost) -> None:
    unit(host, "ending.service", "[Service]\nExecStart=sleep 0.3\n")
    failed = manage(living, "ending", "start")
    assert failed.code == "service_failed"
    assert "ended by itself" in str(failed.problem)
    unit(
        host,
        "looping.service",
        "[Service]\nExecStart=sh -c 'sleep 0.3; exit 1'\nRestart=always\nRestartSec=50ms\n",
    )
    assert manage(living, "looping", "start").code == "service_failed"
    host.sh("systemctl stop looping")
    unit(host, "never.service", "[Unit]\nConditionPathExists=/nowhere\n" + SLEEPS)
    failed = manage(living, "never", "start")
    assert failed.code == "service_failed"
    assert "condition" in str(failed.problem)
    unit(host, "job.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n")
    assert succeeded(manage(living, "job", "start"))["result"] == "success"
    unit(host, "job.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n")
    assert manage(living, "job", "start").code == "service_failed"


def test_a_unit_that_must_not_be_stopped(living: Operator, host: OwnHost) -> None:
    unit(host, "firm.service", "[Unit]\nRefuseManualStop=yes\n" + SLEEPS)
    host.sh("systemctl start firm")
    failed = manage(living, "firm", "stop")
    assert failed.code == "service_not_stopped"
    assert "refused" in str(failed.problem)


def test_a_name_that_is_nearly_right(living: Operator, host: OwnHost) -> None:
    unit(host, "postgresql@.service")
    for tool, more in (("check_service_status", {}), ("manage_service", {"action": "stop"})):
        failed = living.call(tool, name="postgresq@main", **more)
        assert failed.code == "service_not_found"
    failed = living.call("check_service_status", name="systemd-journal")
    assert failed.problem is not None
    assert "systemd-journald.service" in failed.problem.hint
    assert "execute_command" not in failed.problem.hint
    failed = living.call("check_service_status", name="zzqqy")
    assert failed.problem is not None
    assert "list_units" in failed.problem.hint


def test_names_that_systemctl_would_take_for_something_else(living: Operator) -> None:
    for name in ("1", "4711", "getty@"):
        assert living.call("check_service_status", name=name).code == "service_not_found"
        assert manage(living, name, "stop").code == "service_not_found"


NEEDS = "[Unit]\nRequires=leads.service\nAfter=leads.service\n" + STATIC


def test_what_is_stopped_with_it_is_told_and_comes_back(living: Operator, host: OwnHost) -> None:
    unit(host, "leads.service", STATIC, reload=False)
    unit(host, "needs.service", NEEDS, reload=False)
    unit(host, "farther.service", NEEDS.replace("leads", "needs"), reload=False)
    unit(host, "rival.service", f"[Unit]\nConflicts=leads.service\n{STATIC}")
    host.sh("systemctl start farther")
    assert "needs" in foreseen(manage(living, "leads", "stop", preview=True))
    assert "needs, farther" in foreseen(manage(living, "leads", "restart", preview=True))
    assert succeeded(manage(living, "leads", "restart"))["also_restarted"] == ["needs", "farther"]
    for name, action in (("leads", "stop"), ("rival", "start")):
        stopped = manage(living, name, action)
        assert {"needs", "farther"} <= set(succeeded(stopped)["also_stopped"])
        plan = living.call("undo_run", run_id=stopped.meta.run_id)
        assert plan.code == "ok", plan
        assert plan.data is not None
        assert living.call("apply_plan", plan_id=plan.data["plan"]["plan_id"]).code == "ok"
        assert [shows(host, each, "ActiveState") for each in ("leads", "needs", "farther")] == [
            ["active"]
        ] * 3


def test_what_outlives_a_stop_is_told(living: Operator, host: OwnHost) -> None:
    leaves = (
        "[Service]\nKillMode=process\nExecStart=/bin/sh -c 'sleep 73099 & exec sleep infinity'\n"
    )
    unit(host, "leaves.service", leaves)
    assert succeeded(manage(living, "leaves", "start")).get("left") is None
    for action in ("restart", "stop"):
        left = host.pids("^sleep 73099$")
        found = succeeded(manage(living, "leaves", action))["left"]
        assert found == [{"pid": pid, "name": "sleep"} for pid in sorted(left)]


def test_what_ends_after_a_reload_is_no_success(living: Operator, host: OwnHost) -> None:
    script = 'trap "sleep 0.4; exit 3" HUP; while :; do sleep 0.1; done'
    unit(
        host,
        "faint.service",
        f"[Service]\nExecStart=/bin/sh -c '{script}'\nExecReload=/bin/kill -HUP $MAINPID\n",
    )
    host.sh("systemctl start faint")
    failed = manage(living, "faint", "reload")
    assert failed.code == "service_failed"
    assert failed.problem is not None
    assert (
        "was told to reload and ended (exit-code, exit status 3); it is failed"
        in failed.problem.error
    )


def test_what_was_started_too_often(living: Operator, host: OwnHost) -> None:
    unit(host, "often.service", f"[Unit]\nStartLimitIntervalSec=100\nStartLimitBurst=1\n{STATIC}")
    host.sh("systemctl start often")
    failed = manage(living, "often", "restart")
    assert failed.code == "service_failed"
    assert failed.problem is not None
    assert "systemctl reset-failed often.service" in str(failed.problem.hint)
