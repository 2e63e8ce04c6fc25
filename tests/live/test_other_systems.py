"""Every look at a host without systemd whose tools are busybox's: what it tells is what the host
says past Playrail, and what cannot be known there is said so. First with a `sleep` as its first
process, then with services that OpenRC started.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from playrail import catalog
from playrail.tools.tool import PlaybookTool, Risk

from .conftest import Wire, connected, environment
from .own_host import NAME, OwnHost, docker, own_host
from .waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.over_ssh]

IMAGE = "playrail-lab:busybox"
FIRST = ("sh", "-c", "mkdir -p /run/sshd; ssh-keygen -A; /usr/sbin/sshd; exec sleep infinity")
PLAIN = "plain"  # the same host, by a user who is not root
MOST_BYTES = 4096
PLANT = r"""
set -e
useradd -m plain
mkdir -p /home/plain/.ssh && cp /root/.ssh/authorized_keys /home/plain/.ssh/
chown -R plain /home/plain/.ssh
mkdir -p /srv/full /srv/big/below /srv/www /etc/crontabs
mount -t tmpfs -o size=2m none /srv/full && head -c 1990000 /dev/zero >/srv/full/x
head -c 3000000 /dev/zero >/srv/big/below/y && head -c 10000 /dev/zero >/srv/big/z
echo all is well >/srv/www/page && busybox httpd -p 8088 -h /srv/www
echo '7 3 * * * /usr/bin/poll' >/etc/crontabs/root
echo '7 4 * * * root /usr/bin/poll' >/etc/cron.d/own
busybox crond -c /etc/crontabs
echo '/dev/none-such /mnt/gone ext4 defaults 0 2' >>/etc/fstab
echo 192.0.2.7 planted.test >>/etc/hosts
cd /srv && openssl req -x509 -newkey rsa:2048 -nodes -keyout /srv/key -out /srv/page.pem -days 5 \
  -subj /CN=planted.test 2>/dev/null
sleep 60606 >/dev/null 2>&1 &
"""
START_OPENRC = r"""
printf '#!/sbin/openrc-run\ncommand=/usr/bin/sleep\ncommand_args=70707\ncommand_background=yes\n' \
  >/etc/init.d/own-nap
echo 'pidfile=/run/own-nap.pid' >>/etc/init.d/own-nap
sed s/own-nap/own-gone/ /etc/init.d/own-nap >/etc/init.d/own-gone
chmod 755 /etc/init.d/own-nap /etc/init.d/own-gone
mkdir -p /run/openrc && openrc default
rc-update add own-nap default
rc-service own-nap start && rc-service own-gone start
kill -9 $(cat /run/own-gone.pid)
busybox syslogd
until [ -S /dev/log ]; do sleep 0.1; done
ssh -o BatchMode=yes -o StrictHostKeyChecking=no eve@127.0.0.1 true
until grep -q eve /var/log/messages; do sleep 0.1; done
"""


@pytest.fixture(scope="module")
def host(raised: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnHost]:
    """The host, with things to find."""
    with own_host(raised, tmp_path_factory.mktemp("own"), image=IMAGE, first=FIRST) as made:
        made.sh(PLANT)
        yield made


@pytest.fixture(scope="module")
def wire(host: OwnHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A client of a server whose writes are off."""
    state = tmp_path_factory.mktemp("looks")
    state.chmod(0o700)
    servers = {NAME: host.entry(), PLAIN: {**host.entry(), "user": PLAIN}}
    with connected(environment(state, servers, ENABLE_WRITE_OPERATIONS="0")) as made:
        yield made


@dataclass(frozen=True)
class Look:
    """A call and, by a command of the host's own, what has to be in its answer."""

    tool: str
    given: dict[str, Any] = field(default_factory=dict)
    said: str = "true"
    holds: Callable[[dict[str, Any], str], bool] = lambda found, said: said in json.dumps(found)

    def __str__(self) -> str:
        return "-".join([self.tool, *(str(value) for value in self.given.values())])


def kib(text: str) -> int:
    return int(text.split(maxsplit=1)[0]) * 1024


def mount_points(found: dict[str, Any]) -> dict[str, Any]:
    return {one["mount_point"]: one for one in found["file_systems"]}


def times(found: dict[str, Any]) -> dict[str, str]:
    return {one["source"]: one.get("next_run") or one["problem"] for one in found["schedules"]}


def unknown(*words: str) -> Callable[[dict[str, Any], str], bool]:
    return lambda found, _said: all(
        any(word in one for one in found["not_known"]) and word not in found for word in words
    )


AWAKE = "ps -o pid,args | sed -n 's/^ *\\([0-9]*\\) sleep 60606$/\\1/p'"
LISTENER = "ps -o pid,args | sed -n 's/^ *\\([0-9]*\\) busybox httpd .*/\\1/p'"
FULL = "df -k /srv/full | tail -n 1 | awk '{print $4}'"
TOTAL = "sed -n 's/MemTotal: *//p' /proc/meminfo"
LOOKS = [
    Look(
        "triage",
        {},
        TOTAL,
        lambda found, said: (
            found["memory"]["total_bytes"] == kib(said)
            and found["file_systems"][0]["mount_point"] == "/srv/full"
        ),
    ),
    Look("triage", {"messages": True}, holds=unknown("errors", "oom_killed", "failed_units")),
    Look(
        "get_disk_usage",
        {},
        FULL,
        lambda found, said: mount_points(found)["/srv/full"]["available_bytes"] == kib(said),
    ),
    Look(
        "get_mounts",
        {},
        holds=lambda found, _said: (
            [(one["mount_point"], one["problem"]) for one in found["fstab"]]
            == [("/mnt/gone", "device_missing")]
        ),
    ),
    Look(
        "analyze_disk",
        {"path": "/srv/big"},
        "du -s -k /srv/big",
        lambda found, said: (
            found["total_bytes"] == kib(said)
            and found["entries"][0]["path"] == "/srv/big/below"
            and found["entries_total"] == 2
        ),
    ),
    Look(
        "get_sysctl",
        {"name": ["vm.swappiness"]},
        "cat /proc/sys/vm/swappiness",
        lambda found, said: found["settings"] == [{"name": "vm.swappiness", "value": said}],
    ),
    Look(
        "list_logins",
        {},
        "ssh-keygen -lf /root/.ssh/authorized_keys | cut -d' ' -f2",
        lambda found, said: (
            found["accounts"][0]["keys"][0]["fingerprint"] == said
            and unknown("failed logins", "latest logins")(found, "")
        ),
    ),
    Look(
        "get_firewall",
        {},
        holds=lambda found, _said: (
            {one["port"]: one["reachable"] for one in found["services"]}.items()
            >= {22: "anywhere", 8088: "anywhere"}.items()
        ),
    ),
    Look(
        "list_packages",
        {"name": "busybox-static"},
        "dpkg-query -W -f '${Version}' busybox-static",
        lambda found, said: found["packages"][0]["version"] == said,
    ),
    Look("list_packages", {"owner_of": "/usr/sbin/sshd"}, "echo openssh-server"),
    Look(
        "check_certificate",
        {"path": "/srv/page.pem"},
        "date -u -d @$(($(date +%s) + 5 * 86400)) +%Y-%m-%d",
        lambda found, said: found["not_after"].startswith(said) and found["days_left"] in (4, 5),
    ),
    Look("check_dns", {"name": "planted.test"}, "getent hosts planted.test | cut -d' ' -f1"),
    Look(
        "check_http",
        {"url": "http://127.0.0.1:8088/page"},
        "cat /srv/www/page",
        lambda found, said: (found["status"], found["body"].strip()) == (200, said),
    ),
    Look(
        "check_port",
        {"port": 8088},
        LISTENER,
        lambda found, said: str(found["sockets"][0]["process"]["pid"]) == said,
    ),
    Look(
        "inspect_process",
        {"pid": AWAKE},
        f"cat /proc/$({AWAKE})/status",
        lambda found, said: (
            found["folder"] == "/srv" and f"\nPPid:\t{found['parent_pid']}\n" in said
        ),
    ),
    Look(
        "get_process_tree",
        {},
        AWAKE,
        lambda found, said: said in [str(one["pid"]) for one in found["processes"]],
    ),
    Look(
        "manage_process",
        {"action": "list"},
        AWAKE,
        lambda found, said: said in [str(one["pid"]) for one in found["processes"]],
    ),
    Look("get_memory_info", {}, TOTAL, lambda found, said: found["total_bytes"] == kib(said)),
    Look("get_network_info", {}, "ip -o -4 addr show eth0 | awk '{print $4}'"),
    Look("get_system_info", {}, "uname -r", lambda found, said: found["kernel"] == said),
    Look(
        "list_schedules",
        {},
        holds=lambda found, _said: (
            found["cron_runs"] is True
            and times(found)["/etc/crontabs/root:1"][11:] == "03:07:00Z"
            and times(found)["/etc/cron.d/own:1"] == "busybox's crond does not read this file"
        ),
    ),
    Look(
        "list_directory",
        {"path": "/srv/big"},
        holds=lambda found, _said: (found["files"], found["directories"]) == (["z"], ["below"]),
    ),
    Look("read_file", {"path": "/etc/fstab"}, "sha256sum /etc/fstab | cut -d' ' -f1"),
    Look("tail_file", {"path": "/etc/fstab"}, "tail -n 1 /etc/fstab"),
    Look("search_in_files", {"path": "/etc/crontabs", "pattern": "poll"}, "cat /etc/crontabs/root"),
    Look("execute_command", {"cmd": "df -k /srv/full"}, FULL),
    Look("execute_command", {"cmd": "ps aux"}, "echo 'sleep 60606'"),
    Look("execute_command", {"cmd": "mount"}, "mount | grep -o 'none on /srv/full type tmpfs'"),
    Look("execute_command", {"cmd": "ip addr"}, "ip -o -4 addr show eth0 | awk '{print $4}'"),
    Look("execute_command", {"cmd": "free -m"}, "echo buff/cache"),
    Look("execute_command", {"cmd": "id"}, "id"),
    Look("execute_command", {"cmd": "du -s /srv/big"}, "du -s /srv/big | cut -f1"),
    Look("execute_command", {"cmd": "top -bn1"}, "echo 'sleep 60606'"),
]
NOT_KNOWN = [
    ("list_units", {}, "no_systemd"),
    ("list_units", {"state": "failed"}, "no_systemd"),
    ("check_service_status", {"name": "ssh"}, "no_systemd"),
    ("manage_service", {"name": "ssh", "action": "status"}, "no_systemd"),
    ("get_journal_logs", {}, "no_journal"),
    ("get_journal_logs", {"unit": "ssh"}, "no_journal"),
    ("search_journal_logs", {"term": "sshd"}, "no_journal"),
    ("find_system_errors", {}, "no_journal"),
    ("list_docker_containers", {}, "no_docker"),
    ("inspect_container", {"container": "web"}, "no_docker"),
    ("get_docker_stats", {}, "no_docker"),
    ("get_docker_logs", {"container": "web"}, "no_docker"),
    *(
        ("execute_command", {"cmd": cmd}, "command_not_found")
        for cmd in ("ss -tln", "lsof -i", "systemctl status ssh", "journalctl -n 5", "lsblk")
    ),
]


def test_every_look_is_looked_at_here() -> None:
    tried = {look.tool for look in LOOKS} | {tool for tool, *_ in NOT_KNOWN} | {"compare_hosts"}
    looks = {
        tool.name
        for tool in catalog.load().values()
        if isinstance(tool, PlaybookTool) and tool.risk in (Risk.READ, Risk.SENSITIVE)
    }
    assert looks <= tried


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_a_look(wire: Wire, host: OwnHost, look: Look) -> None:
    given = {**look.given, **({"pid": int(host.sh(AWAKE))} if "pid" in look.given else {})}
    found = wire.report(look.tool, server=NAME, **given)

    assert look.holds(found, host.sh(look.said)), found
    assert len(json.dumps(found, separators=(",", ":"))) <= MOST_BYTES


@pytest.mark.parametrize(("tool", "given", "code"), NOT_KNOWN)
def test_what_is_not_known(wire: Wire, tool: str, given: dict[str, Any], code: str) -> None:
    answer = wire.call(tool, server=NAME, **given)

    assert (answer["success"], answer["code"]) == (False, code)
    assert re.search(r"[a-z_]{5,}", answer["hint"])


def test_rules_that_no_program_there_reads_are_not_known(wire: Wire, host: OwnHost) -> None:
    pid = docker("inspect", "--format", "{{.State.Pid}}", host.container)
    rule = ["nsenter", "--net", "--target", pid, "iptables", "--append", "INPUT", "!", "-i", "lo"]
    subprocess.run([*rule, "-p", "tcp", "--dport", "8088", "-j", "DROP"], check=True)
    found = wire.report("get_firewall", server=NAME)
    assert found["not_known"]
    reachable = {one["port"]: one["reachable"] for one in found["services"]}
    assert {reachable[22], reachable[8088]} == {"not_known"}, found


def test_two_hosts_are_compared(wire: Wire) -> None:
    together = wire.call("compare_hosts", server=[NAME, PLAIN])["data"]["together"]

    assert together["areas"]["packages"].keys() == {"same"}
    assert "units" not in together["areas"]
    assert all("units" in why for why in together["not_known"].values())


def test_a_plain_user_is_told_what_it_could_not_see(wire: Wire) -> None:
    triage = wire.report("triage", server=PLAIN)
    assert {"errors", "failed_units"} <= set(triage["not_known"])
    logins = wire.report("list_logins", server=PLAIN)
    assert any(one.startswith("failed logins") for one in logins["not_known"])
    disk = wire.report("analyze_disk", server=PLAIN, path="/root")
    assert disk["unreadable"] == 1


@pytest.fixture(scope="module")
def openrc(host: OwnHost) -> OwnHost:
    """The host, whose services OpenRC started and whose log busybox's syslogd writes."""
    docker("exec", host.container, "sh", "-c", f"({START_OPENRC}) >/dev/null 2>&1 || true")
    until(lambda: "own-nap" in host.sh("rc-status default"))
    return host


def test_services_of_openrc(wire: Wire, openrc: OwnHost) -> None:
    found = wire.report("list_units", server=NAME)
    assert found["manager"] == "openrc"
    assert [one["unit"] for one in found["units"]["crashed"]] == ["own-gone"]
    started = {one["unit"] for one in found["units"]["started"]}
    assert started == {*openrc.sh("ls /run/openrc/started").split()} - {"own-gone"}
    triage = wire.report("triage", server=NAME)
    assert triage["failed_units"] == [{"unit": "own-gone", "result": "crashed"}]


def test_a_service_of_openrc(wire: Wire, openrc: OwnHost) -> None:
    found = wire.report("check_service_status", server=NAME, name="own-nap", messages=True)
    assert (found["active"], found["enabled"]) == (True, True)
    assert found["main_pid"] == int(openrc.sh("cat /run/own-nap.pid"))
    assert found["messages_known"] is False
    gone = wire.report("check_service_status", server=NAME, name="own-gone")
    assert (gone["active"], gone["enabled"]) == (False, False)


def test_failed_logins_in_busyboxs_log(wire: Wire, openrc: OwnHost) -> None:
    assert "eve" in openrc.sh("cat /var/log/messages")
    found = wire.report("list_logins", server=NAME)
    (origin,) = found["failed_logins"]["origins"]
    assert (origin["address"], origin["users"]) == ("127.0.0.1", ["eve"])
    assert not any(one.startswith("failed logins") for one in found.get("not_known", ()))


def test_units_of_openrc_are_compared(wire: Wire, openrc: OwnHost) -> None:
    together = wire.call("compare_hosts", server=[NAME, PLAIN], areas=["units"])["data"]["together"]
    scripts = openrc.sh("ls /etc/init.d").split()
    assert 0 < together["areas"]["units"]["same"] <= len(scripts)
