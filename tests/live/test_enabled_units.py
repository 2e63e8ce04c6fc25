"""Units that are enabled and disabled on a host of the tests' own: what systemd then says."""

from __future__ import annotations

import pytest

from .own_host import Operator, OwnHost, reported
from .units import SLEEPS, STATIC, manage, shows, succeeded, unit, write

pytestmark = [pytest.mark.lab, pytest.mark.over_ssh]


def test_what_cannot_be_enabled_is_not_said_to_be(living: Operator, host: OwnHost) -> None:
    unit(host, "static.service", STATIC)
    failed = manage(living, "static", "enable")
    assert failed.code == "service_not_enabled"
    assert failed.problem is not None
    assert "[Install]" in failed.problem.error
    assert failed.data is not None
    assert "changed" not in failed.data
    assert "no installation config" in reported(failed)["said"]
    assert manage(living, "static", "enable", preview=True).code == "service_not_enabled"
    unit(host, "hidden.service")
    host.sh("mv /etc/systemd/system/hidden.service /usr/lib/systemd/system; systemctl mask hidden")
    failed = manage(living, "hidden", "enable")
    assert failed.code == "service_not_enabled"
    assert "masked" in str(failed.problem)
    failed = manage(living, "hidden", "start")
    assert failed.code == "service_failed"
    assert "masked" in str(failed.problem)
    host.sh("systemd-run --unit=fleeting sleep infinity")
    assert manage(living, "fleeting", "enable").code == "service_not_enabled"


def test_what_is_enabled_by_what_comes_with_it(living: Operator, host: OwnHost) -> None:
    """Its [Install] only names the socket: systemd calls it indirect."""
    unit(
        host,
        "door.socket",
        "[Socket]\nListenStream=/run/d.sock\n[Install]\nWantedBy=sockets.target\n",
        reload=False,
    )
    unit(host, "door.service", f"{STATIC}[Install]\nAlso=door.socket\n")
    done = succeeded(manage(living, "door", "enable"))
    assert (done["unit_file_state"], shows(host, "door.socket", "UnitFileState")) == (
        "indirect",
        ["enabled"],
    )
    assert succeeded(manage(living, "door", "disable"))["unit_file_state"] == "indirect"
    assert shows(host, "door.socket", "UnitFileState") == ["disabled"]


def test_what_stays_enabled_is_not_said_to_be_disabled(living: Operator, host: OwnHost) -> None:
    unit(host, "wanted.service", STATIC)
    host.sh("mkdir -p /etc/systemd/system/multi-user.target.wants")
    host.sh(
        "ln -s ../wanted.service /etc/systemd/system/multi-user.target.wants/; systemctl "
        "daemon-reload"
    )
    state = shows(host, "wanted.service", "UnitFileState")
    answer = manage(living, "wanted", "disable")
    boots = host.sh("systemctl show --value -p WantedBy wanted.service")
    assert (answer.code == "ok") is (boots == ""), (state, answer)
    unit(host, "helper.service", STATIC)
    host.sh("mkdir -p /usr/lib/systemd/system/multi-user.target.wants")
    host.sh("mv /etc/systemd/system/helper.service /usr/lib/systemd/system/")
    host.sh(
        "ln -s ../helper.service /usr/lib/systemd/system/multi-user.target.wants/; systemctl "
        "daemon-reload"
    )
    failed = manage(living, "helper", "disable")
    assert failed.code == "service_not_disabled"
    assert "multi-user.target" in str(failed.problem)


def test_enable_and_disable_by_another_name(living: Operator, host: OwnHost) -> None:
    unit(host, "real.service", SLEEPS + "Alias=nick.service\n")
    assert succeeded(manage(living, "real", "enable"))["enabled"] is True
    for action, enabled in (("enable", True), ("disable", False)):
        done = succeeded(manage(living, "nick", action))
        assert (done["name"], done["enabled"]) == ("real.service", enabled)


def test_disable_that_removes_the_unit(living: Operator, host: OwnHost) -> None:
    write(host, "/srv/linked.service", SLEEPS)
    host.sh("systemctl enable /srv/linked.service")
    done = succeeded(manage(living, "linked", "disable"))
    assert (done["load_state"], host.sh("ls /etc/systemd/system/linked.service || true")) == (
        "not-found",
        "",
    )


def test_what_is_enabled_by_nothing(living: Operator, host: OwnHost) -> None:
    """systemd makes the link, says that the target is not there, and exits with 0."""
    unit(host, "adrift.service", f"{STATIC}[Install]\nWantedBy=multi-users.target\n")
    for _ in range(2):  # the second time there is nothing to do
        failed = manage(living, "adrift", "enable")
        assert failed.code == "service_not_enabled"
        assert failed.problem is not None
        assert "multi-users.target" in failed.problem.error
    unit(
        host,
        "adrift.service",
        f"{STATIC}[Install]\nWantedBy=multi-users.target multi-user.target\n",
    )
    host.sh("systemctl disable adrift")
    assert succeeded(manage(living, "adrift", "enable"))["enabled"] is True
