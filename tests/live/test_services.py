"""check_service_status on real hosts: what it tells is what systemctl says, seen past
Playrail.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from .conftest import Wire, on_host

pytestmark = [pytest.mark.lab, pytest.mark.over_ssh]
UNIT = """[Unit]
Description=A probe
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""


@pytest.fixture(params=["deb12", "deb13"])
def host(request: pytest.FixtureRequest) -> Iterator[str]:
    """A host with the unit status-probe."""
    name = str(request.param)
    on_host(
        name,
        "sh",
        "-c",
        (
            f"cat > /etc/systemd/system/status-probe.service <<'EOF'\n{UNIT}EOF\nsystemctl "
            "daemon-reload"
        ),
    )
    yield name
    on_host(name, "systemctl", "disable", "--now", "status-probe")
    on_host(name, "systemctl", "disable", "--runtime", "status-probe")
    on_host(name, "systemctl", "reset-failed", "status-probe", check=False)
    on_host(
        name, "sh", "-c", "rm /etc/systemd/system/status-probe.service; systemctl daemon-reload"
    )


def systemctl(host: str, *words: str) -> str:
    return on_host(host, "systemctl", *words, check=False).strip()


def test_active_and_enabled(wire: Wire, host: str) -> None:
    """Whether it is enabled is the unit file's state; the vendor's preset on Debian is to
    enable all.
    """
    assert (
        systemctl(host, "show", "--property=UnitFilePreset", "--value", "status-probe") == "enabled"
    )
    stopped = wire.report("check_service_status", server=host, name="status-probe")
    assert (stopped["active"], stopped["enabled"], stopped.get("main_pid")) == (False, False, None)

    on_host(host, "systemctl", "enable", "--now", "status-probe")
    running = wire.report("check_service_status", server=host, name="status-probe.service")
    assert (running["active"], running["enabled"], running["description"]) == (
        True,
        True,
        "A probe",
    )
    assert running["main_pid"] == int(
        systemctl(host, "show", "--property=MainPID", "--value", "status-probe")
    )
    assert running["memory_bytes"] > 0
    assert abs((datetime.now(UTC) - datetime.fromisoformat(running["since"])).total_seconds()) < 60

    on_host(host, "systemctl", "kill", "--signal=KILL", "status-probe")
    for _ in range(50):
        if systemctl(host, "is-active", "status-probe") == "failed":
            break
        time.sleep(0.1)
    failed = wire.report("check_service_status", server=host, name="status-probe")
    assert (failed["active"], failed["enabled"], failed["result"], failed["exit_signal"]) == (
        False,
        True,
        "signal",
        9,
    )


def test_enabled_at_runtime_is_not_known_to_last(wire: Wire, host: str) -> None:
    on_host(host, "systemctl", "enable", "--runtime", "status-probe")
    assert systemctl(host, "is-enabled", "status-probe") == "enabled-runtime"
    found = wire.report("check_service_status", server=host, name="status-probe")
    assert (found["unit_file_state"], found.get("enabled")) == ("enabled-runtime", None)


def test_it_changes_nothing(wire: Wire, host: str) -> None:
    answer = wire.call("check_service_status", server=host, name="status-probe")
    assert answer["data"].get("changed", []) == []
    assert systemctl(host, "is-active", "status-probe") == "inactive"


def test_no_such_unit(wire: Wire) -> None:
    answer = wire.call("check_service_status", server="deb12", name="no-such-unit")
    assert (answer["success"], answer["code"]) == (False, "service_not_found")
