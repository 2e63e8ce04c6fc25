"""Programs and scripts on real hosts, one and several."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from .conftest import BASE_NAMES, Wire, entry, on_host

pytestmark = pytest.mark.lab
BOTH = pytest.mark.parametrize("host", ["deb12", "deb13"])
LOCAL = (
    "[here]\nlocal ansible_connection=local ansible_become=false ansible_python_interpreter={}\n"
)


@BOTH
def test_a_script_arrives_as_it_is(wire: Wire, host: str) -> None:
    path = f"/srv/script-{uuid.uuid4()}"
    script = f"""set -e
printf '%s|' "a  b" 'c"d' "$((6*7))" {{{{ 7 * 7 }}}} > {path}
for word in one two; do
\techo "$word" | tr a-z A-Z
done >> {path}
"""
    found = wire.report("execute_command", server=host, cmd=script, shell=True)
    assert found["argv"] == ["/bin/sh", "-c", script]
    assert on_host(host, "cat", path) == 'a  b|c"d|42|{{|7|*|7|}}|ONE\nTWO\n'
    on_host(host, "rm", path)


def test_a_script_that_fails_is_not_a_success(wire: Wire) -> None:
    answer = wire.call(
        "execute_command", server="deb12", cmd="echo out; echo err >&2; true | exit 3", shell=True
    )
    assert (answer["success"], answer["code"]) == (False, "command_failed")
    report = answer["data"]["hosts"]["deb12"]
    assert (report["exit_code"], report["stdout"], report["stderr"]) == (3, "out\n", "err\n")


@pytest.mark.parametrize("cmd", ["cd / && rm -rf .", "r''m -rf /", "> /dev/sda", ":(){ :|:& };:"])
def test_a_disaster_reaches_no_host(wire: Wire, cmd: str) -> None:
    for tool in ("execute_command", "execute_on_multiple"):
        answer = wire.call(tool, server=["deb12", "deb13"], cmd=cmd, shell=True)
        assert (answer["success"], answer["code"]) == (False, "invalid_argument")


def test_each_server_tells_its_own(wire: Wire) -> None:
    """One host's failure is not the others'."""
    answer = wire.call(
        "execute_on_multiple", server=["deb12", "deb13"], cmd="test deb12 = $(hostname)", shell=True
    )
    assert (answer["success"], answer["code"]) == (False, "some_hosts_failed")
    assert {host: report["exit_code"] for host, report in answer["data"]["hosts"].items()} == {
        "deb12": 0,
        "deb13": 1,
    }
    assert {host: why["code"] for host, why in answer["data"]["failed"].items()} == {
        "deb13": "command_failed"
    }


def test_servers_have_to_be_named(wire: Wire) -> None:
    answer = wire.call("execute_on_multiple", cmd="true")
    assert (answer["success"], answer["code"]) == (False, "invalid_argument")
    assert "server" in answer["error"]


def test_several_servers_at_once(
    hosts: Mapping[str, Any], wired: Callable[..., Wire], tmp_path: Path
) -> None:
    """Two hosts, this machine and one that is not reachable are at work together, not one
    after the other.
    """
    inventory = tmp_path / "hosts.ini"
    inventory.write_text(LOCAL.format(sys.executable))
    here = wired(
        {name: entry(hosts, name) for name in BASE_NAMES}, PLAYRAIL_INVENTORY=str(inventory)
    )
    servers = ["deb12", "deb13", "local"]
    here.call("execute_on_multiple", server=servers, cmd="true")  # connects

    script = "date +%s.%N; sleep 8; date +%s.%N"  # the lab's hosts and this machine have one clock
    answer = here.call("execute_on_multiple", server=[*servers, "closed"], cmd=script, shell=True)

    assert {
        host: report["exit_code"] for host, report in answer["data"]["hosts"].items()
    } == dict.fromkeys(servers, 0)
    assert {host: why["code"] for host, why in answer["data"]["failed"].items()} == {
        "closed": "host_unreachable"
    }
    assert all(report["duration_s"] >= 8 for report in answer["data"]["hosts"].values())
    moments = [report["stdout"].split() for report in answer["data"]["hosts"].values()]
    assert max(float(began) for began, _ in moments) < min(float(ended) for _, ended in moments)


WAYS_OUT = {
    "another user": "su nobody -s /bin/sh -c 'sleep {}'",
    "a session": "setsid -w sleep {}",
    "forked": "setsid -f sleep {}; sleep {}",
    "no environment": "env -i setsid -f sleep {}; sleep {}",
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_what_left_the_programs_group_is_ended_in_time(wire: Wire, way: str) -> None:
    """Over SSH by an interpreter that stays, over mikr.us by a new one."""
    seconds = f"7{uuid.uuid4().int % 10**9}"
    script = WAYS_OUT[way].replace("{}", seconds)
    answer = wire.call("execute_command", server="deb12", cmd=script, shell=True, timeout_s=2)

    assert (answer["success"], answer["code"]) == (False, "command_timed_out")
    report = answer["data"]["hosts"]["deb12"]
    assert (report["timed_out"], report["left_running"]) == (True, False)
    assert on_host("deb12", "pgrep", "-f", f"sleep {seconds}", check=False) == ""


@BOTH
def test_background_work_is_told_and_left_alone(wire: Wire, host: str) -> None:
    seconds = f"7{uuid.uuid4().int % 10**9}"
    script = f"nohup sleep {seconds} >/dev/null 2>&1 &"
    found = wire.report("execute_command", server=host, cmd=script, shell=True)

    pid = int(on_host(host, "pgrep", "-f", f"^sleep {seconds}"))
    on_host(host, "kill", str(pid))
    assert (found["exit_code"], found["left_running"], found["left"]) == (
        0,
        True,
        [{"pid": pid, "name": "sleep"}],
    )
