"""Looks at units, schedules and what is wrong, with writes off: what they tell is what the host
says when asked past Playrail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from .conftest import Wire, connected, environment
from .own_host import NAME, OwnHost
from .units import unit, write
from .waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.over_ssh]

PLAIN = "plain"  # the same host, by a user who is not root and becomes nobody
SECRET = "hush-4711"
FAILS = "[Service]\nType=oneshot\nExecStartPre=/bin/true\nExecStart=/bin/sh -c 'exit 3'\n"
FLAPS = "[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=1h\n"
IDLE = "[Service]\nExecStart=/bin/sleep 1\n[Install]\nWantedBy=multi-user.target\n"
NIGHTLY = "[Timer]\nOnCalendar=*-*-* 03:07:00\nUnit=fails.service\n"
SAYS = (
    f'[Service]\nUser=daemon\nExecStart=/bin/sh -c \'echo "<3>cannot open {SECRET}"; '
    f"exec sleep infinity' sh --password={SECRET}\n"
)
BURNS = "[Service]\nExecStart=/bin/sh -c 'while :; do :; done'\n"


@pytest.fixture(scope="module")
def planted(host: OwnHost) -> OwnHost:
    """The host, with things that are wrong."""
    host.sh(
        "useradd -m plain && install -d -o plain -m 700 /home/plain/.ssh && "
        "install -o plain -m 600 /root/.ssh/authorized_keys /home/plain/.ssh/"
    )
    for name, text in (
        *(("fails.service", FAILS), ("flaps.service", FLAPS), ("idle.service", IDLE)),
        *(("nightly.timer", NIGHTLY), ("says.service", SAYS), ("burns.service", BURNS)),
    ):
        unit(host, name, text, reload=False)
    host.sh(
        "systemctl daemon-reload; systemctl enable -q idle; systemctl mask -q e2scrub_reap; "
        "systemctl start nightly.timer says burns flaps; systemctl start fails || true"
    )
    host.sh(
        "mkdir -p /srv/full && mount -t tmpfs -o size=2m none /srv/full && "
        "head -c 1990000 /dev/zero >/srv/full/x; "
        "echo libc6 >/run/reboot-required.pkgs; touch /run/reboot-required"
    )
    write(host, "/etc/cron.d/probe", f"1 2 * * * daemon /bin/probe --token={SECRET}\n")
    write(host, "/etc/cron.d/probe.conf", "1 2 * * * root /bin/never\n")
    write(host, "/var/spool/cron/crontabs/daemon", "*/10 * * * * /bin/poll\n")
    host.sh("chmod 700 /var/spool/cron/crontabs")
    until(lambda: host.sh("systemctl show --value -p SubState flaps") == "auto-restart")
    until(lambda: SECRET in host.sh("journalctl -q -u says -o cat"))
    return host


@pytest.fixture(scope="module")
def wire(planted: OwnHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A client of a server whose writes are off."""
    state = tmp_path_factory.mktemp("looks")
    state.chmod(0o700)
    servers = {NAME: planted.entry(), PLAIN: {**planted.entry(), "user": "plain"}}
    with connected(environment(state, servers, ENABLE_WRITE_OPERATIONS="0")) as made:
        yield made


def names(found: dict[str, Any]) -> list[str]:
    return [one["unit"] for group in found["units"].values() for one in group]


def listed(host: OwnHost, words: str) -> list[str]:
    out = host.sh(f"systemctl {words} --plain --no-legend --full --no-pager")
    return sorted(line.split()[0] for line in out.splitlines())


def test_what_failed_comes_first_and_all_that_runs_is_told(wire: Wire, planted: OwnHost) -> None:
    found = wire.report("list_units", server=NAME)

    assert list(found["units"])[:3] == ["failed", "auto-restart", "running"]
    (failed,) = found["units"]["failed"]
    assert (failed["unit"], failed["result"], failed["exit_code"]) == (
        "fails.service",
        "exit-code",
        3,
    )
    running = wire.report("list_units", server=NAME, type="service", state="active", limit=200)
    assert sorted(names(running)) == listed(planted, "list-units --type=service --state=active")
    assert "idle.service" in names(found)
    assert found["system_state"] == "degraded"
    assert len(json.dumps(found)) <= 4300  # with blanks, which an answer has not


@pytest.mark.parametrize("state", ["enabled", "masked"])
def test_what_starts_at_boot_is_told(wire: Wire, planted: OwnHost, state: str) -> None:
    found = wire.report("list_units", server=NAME, type="service", state=state, limit=500)
    out = listed(planted, f"list-unit-files --type=service --state={state},{state}-runtime")

    units = sorted(name for name in names(found) if "@" not in name)
    assert units == [name for name in out if "@" not in name]


def test_timers_are_due_when_systemd_says(wire: Wire, planted: OwnHost) -> None:
    found = wire.report("list_units", server=NAME, type="timer")
    told = {one["unit"]: one for group in found["units"].values() for one in group}
    shown = json.loads(planted.sh("systemctl list-timers --all --output=json"))

    due = {one["unit"]: one["next"] / 1e6 for one in shown if one["next"]}
    assert due.keys() == {unit for unit, one in told.items() if "next_run" in one}
    for name, moment in due.items():
        assert abs(datetime.fromisoformat(told[name]["next_run"]).timestamp() - moment) < 3
    assert told["nightly.timer"]["next_run"].endswith("T03:07:00Z")
    assert told["nightly.timer"]["triggers"] == ["fails.service"]


def test_a_look_at_a_service_hides_what_is_secret(wire: Wire, planted: OwnHost) -> None:
    found = wire.report("check_service_status", server=NAME, name="says")

    assert SECRET not in json.dumps({**found, "command": ""})
    assert found["command"].endswith("sh --password=***")
    assert found["user"] == "daemon"
    assert found["tasks"] == int(planted.sh("systemctl show --value -p TasksCurrent says"))
    assert "messages" not in found
    with_lines = wire.report("check_service_status", server=NAME, name="says", messages=True)
    assert any(SECRET in line for line in with_lines["messages"])


def test_a_timer_says_what_it_starts_and_when(wire: Wire) -> None:
    found = wire.report("check_service_status", server=NAME, name="nightly.timer")

    assert found["triggers"] == ["fails.service"]
    assert found["next_run"].endswith("T03:07:00Z")


def test_schedules(wire: Wire, planted: OwnHost) -> None:
    found = wire.report("list_schedules", server=NAME)
    told = {one["source"]: one for one in found["schedules"]}

    assert found["schedules"][0]["source"] == "/etc/cron.d/probe.conf:1"
    probe = told["/etc/cron.d/probe:1"]
    assert (probe["user"], probe["command"]) == ("daemon", "/bin/probe --token=***")
    at = planted.sh("date -u -d \"$(date -d '02:01' +%s | sed 's/^/@/')\" +%H:%M")
    assert probe["next_run"][11:16] == at
    assert told["/var/spool/cron/crontabs/daemon:1"]["user"] == "daemon"
    assert told["nightly.timer"]["unit"] == "fails.service"
    assert found["cron_runs"] is False  # it is not installed
    assert len(json.dumps(found)) <= 4300


def test_what_is_wrong_is_told_in_one_call(wire: Wire, planted: OwnHost) -> None:
    found = wire.report("triage", server=NAME)

    assert {one["unit"] for one in found["failed_units"]} == {"fails.service", "flaps.service"}
    busiest = found["processes"][0]
    assert busiest["unit"] == "burns.service"
    assert busiest["pid"] == int(planted.sh("systemctl show --value -p MainPID burns"))
    assert found["file_systems"][0]["mount_point"] == "/srv/full"
    assert found["file_systems"][0]["used_percent"] > 90
    assert found["reboot_reasons"] == ["packages: libc6"]
    errors = {one["unit"]: one["entries"] for one in found["errors"]}
    assert errors["says.service"] == 1
    assert found["load"]["cpu_threads"] == int(planted.sh("nproc"))
    assert SECRET not in json.dumps(found)
    assert len(json.dumps(found)) <= 4300
    said = wire.report("triage", server=NAME, messages=True)
    examples = {one["unit"]: one["example"] for one in said["errors"]}
    assert examples["says.service"] == f"cannot open {SECRET}"


def test_a_plain_user_is_told_what_it_could_not_see(wire: Wire) -> None:
    triage = wire.report("triage", server=PLAIN)
    assert {"errors", "oom_killed"} <= set(triage["not_known"])
    assert not {"errors", "oom_killed"} & set(triage)
    assert triage["failed_units"]
    schedules = wire.report("list_schedules", server=PLAIN)
    assert "/var/spool/cron/crontabs" in schedules["not_known"]
    service = wire.report("check_service_status", server=PLAIN, name="says", messages=True)
    assert service["messages_known"] is False


def test_looks_change_nothing(wire: Wire, planted: OwnHost) -> None:
    places = "/etc /usr /var/lib /srv /root /home"
    for tool in ("triage", "list_units", "list_schedules"):  # what comes with the first login
        wire.report(tool, server=NAME)
    planted.sh("sleep 0.1; touch /run/before; sleep 0.1")
    active = listed(planted, "list-units --state=active --type=service,socket")

    for tool, arguments in (
        *(("triage", {"messages": True}), ("list_units", {"state": "disabled"})),
        *(("list_schedules", {}), ("check_service_status", {"name": "says", "messages": True})),
    ):
        wire.report(tool, server=NAME, **arguments)

    assert planted.sh(f"find {places} -xdev -newer /run/before -not -path '*/.cache/*'") == ""
    assert listed(planted, "list-units --state=active --type=service,socket") == active


def test_a_place_without_such_a_unit_has_a_code(wire: Wire) -> None:
    answer = wire.call("check_service_status", server=NAME, name="no-such", messages=True)

    assert (answer["success"], answer["code"]) == (False, "service_not_found")
    assert re.search(r"[a-z_]{5,}", answer["hint"])
