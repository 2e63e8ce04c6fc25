"""Read tools on real hosts: what they report is what the host says when asked past
Playrail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from .conftest import Wire, connected, entry, environment, on_host

pytestmark = pytest.mark.lab
BOTH = pytest.mark.parametrize("host", ["deb12", "deb13"])


@BOTH
def test_system_info(wire: Wire, host: str) -> None:
    found = wire.report("get_system_info", server=host)
    release = dict(
        re.findall(r'^(\w+)="?([^"\n]*)"?$', on_host(host, "cat", "/etc/os-release"), re.MULTILINE)
    )
    assert found["hostname"] == on_host(host, "hostname").strip()
    assert found["kernel"] == on_host(host, "uname", "-r").strip()
    assert found["architecture"] == on_host(host, "uname", "-m").strip()
    assert (found["os_name"], found["os_codename"]) == ("Debian", release["VERSION_CODENAME"])
    assert found["os_version"].partition(".")[0] == release["VERSION_ID"]
    assert abs(found["uptime_s"] - float(on_host(host, "cat", "/proc/uptime").split()[0])) < 30


@BOTH
def test_memory_info(wire: Wire, host: str) -> None:
    found = wire.report("get_memory_info", server=host)
    meminfo = dict(
        re.findall(r"^(\w+):\s+(\d+) kB$", on_host(host, "cat", "/proc/meminfo"), re.MULTILINE)
    )
    assert found["total_bytes"] == int(meminfo["MemTotal"]) * 1024
    assert (
        abs(found["available_bytes"] - int(meminfo["MemAvailable"]) * 1024)
        < 0.2 * found["total_bytes"]
    )
    assert found["swap_total_bytes"] == int(meminfo["SwapTotal"]) * 1024


def test_disk(wire: Wire) -> None:
    on_host(
        "deb12",
        "sh",
        "-c",
        "mkdir -p /srv/disk/big && head -c 3000000 /dev/zero > /srv/disk/big/file",
    )
    found = wire.report("analyze_disk", server="deb12", path="/srv/disk")
    size, used, target = (
        on_host("deb12", "df", "-B1", "--output=size,used,target", "/srv/disk")
        .splitlines()[1]
        .split()
    )
    assert found["file_system"]["size_bytes"] == int(size)
    assert found["file_system"]["mount_point"] == target
    assert abs(found["file_system"]["used_bytes"] - int(used)) < 0.1 * int(size)
    assert found["entries"][0]["path"] == "/srv/disk/big"
    assert found["entries"][0]["size_bytes"] >= 3_000_000


@BOTH
def test_list_directory(wire: Wire, host: str) -> None:
    names = sorted(on_host(host, "ls", "-A", "/etc").split())
    short = wire.report("list_directory", server=host, path="/etc")
    assert sorted([*short["directories"], *short["files"], *short.get("links", {})]) == names
    assert len(json.dumps(short)) < 4000
    found = wire.report("list_directory", server=host, path="/etc", details=True)
    assert [item["name"] for item in found["entries"]] == names
    passwd = next(item for item in found["entries"] if item["name"] == "passwd")
    mode, size, owner = on_host(host, "stat", "-c", "%a %s %U", "/etc/passwd").split()
    assert (passwd["mode"], passwd["size_bytes"], passwd["owner"]) == (f"0{mode}", int(size), owner)


def test_list_directory_in_pages(wire: Wire) -> None:
    names: list[str] = []
    offset: int | None = 0
    while offset is not None:
        page = wire.report(
            "list_directory", server="deb12", path="/etc", offset=offset, limit=50, details=True
        )
        names += [item["name"] for item in page["entries"]]
        assert page.get("truncated", False) is ("next_offset" in page)
        offset = page.get("next_offset")
    assert names == sorted(on_host("deb12", "ls", "-A", "/etc").split())


@BOTH
def test_read_file(wire: Wire, host: str) -> None:
    found = wire.report("read_file", server=host, path="/etc/passwd")
    assert found["content"] == on_host(host, "cat", "/etc/passwd")
    assert found.get("truncated", False) is False


def test_read_a_file_of_50_mb_in_part(wire: Wire) -> None:
    on_host("deb12", "sh", "-c", "seq 1 7000000 | head -c 52428800 > /srv/long")
    answer = wire.call("read_file", server="deb12", path="/srv/long", offset=6_000_000, limit=3)
    found = answer["data"]["hosts"]["deb12"]
    assert found["content"] == "6000000\n6000001\n6000002\n"
    assert found["size_bytes"] == 52428800
    assert found["truncated"] is True
    assert answer["_meta"]["truncated"] is True


def test_journal(wire: Wire) -> None:
    on_host(
        "deb12",
        "systemd-run",
        "--unit=journal-probe",
        "--wait",
        "--quiet",
        "echo",
        "žluťoučký {{ 7 * 7 }}",
    )
    found = wire.report("get_journal_logs", server="deb12", unit="journal-probe", lines=10)
    raw = on_host("deb12", "journalctl", "-u", "journal-probe", "-o", "json", "--no-pager")
    expected = [json.loads(line) for line in raw.splitlines()][-10:]
    assert [item["message"] for item in found["entries"]] == [item["MESSAGE"] for item in expected]
    assert "žluťoučký {{ 7 * 7 }}" in [item["message"] for item in found["entries"]]


def test_containers(wire: Wire) -> None:
    found = wire.report("list_docker_containers", server="deb12")
    listed = [
        json.loads(line)
        for line in on_host("deb12", "docker", "ps", "-a", "--format", "{{json .}}").splitlines()
    ]
    assert sorted(item["name"] for item in found["containers"]) == sorted(
        item["Names"] for item in listed
    )
    hello = next(item for item in found["containers"] if item["name"] == "hello")
    assert (hello["state"], hello["image"]) == (
        "running",
        next(i["Image"] for i in listed if i["Names"] == "hello"),
    )


def test_service_status(wire: Wire) -> None:
    found = wire.report("manage_service", server="deb12", name="ssh", action="status")
    shown = dict(
        line.split("=", 1)
        for line in on_host(
            "deb12", "systemctl", "show", "ssh", "-p", "MainPID,ActiveState,SubState"
        ).splitlines()
    )
    assert found["main_pid"] == int(shown["MainPID"])
    assert (found["active_state"], found["sub_state"]) == (shown["ActiveState"], shown["SubState"])


def test_several_hosts_at_once(wire: Wire) -> None:
    """One host's failure is not the others'."""
    answer = wire.call("read_file", path="/etc/hostname", server=["deb12", "closed", "deb13"])
    assert answer["success"] is False
    assert answer["code"] == "some_hosts_failed"
    assert set(answer["data"]["hosts"]) == {"deb12", "deb13"}
    assert {host: why["code"] for host, why in answer["data"]["failed"].items()} == {
        "closed": "host_unreachable"
    }
    for host in ("deb12", "deb13"):
        assert answer["data"]["hosts"][host]["content"] == on_host(host, "cat", "/etc/hostname")


def test_a_group_is_its_hosts(wire: Wire) -> None:
    answer = wire.call("read_file", path="/etc/hostname", server="playrail_servers")
    assert set(answer["data"]["hosts"]) | set(answer["data"]["failed"]) == {
        "deb12",
        "deb13",
        "nopython",
        "closed",
    }


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("read_file", {"path": "/no/such/file"}, "not_found"),
        ("read_file", {"path": "/etc"}, "is_a_directory"),
        ("read_file", {"path": "/bin/ls"}, "binary_file"),
        ("read_file", {"path": "/etc/shadow"}, "protected_path"),
        ("list_directory", {"path": "/no/such"}, "not_found"),
        ("list_directory", {"path": "/etc/passwd"}, "not_a_directory"),
        ("analyze_disk", {"path": "/no/such"}, "not_found"),
        ("manage_service", {"name": "no-such-unit", "action": "status"}, "service_not_found"),
        ("manage_service", {"name": "no-such-unit", "action": "restart"}, "service_not_found"),
        ("get_journal_logs", {"unit": "no-such-unit"}, "service_not_found"),
        ("execute_command", {"cmd": "no-such-program --now"}, "command_not_found"),
        ("execute_command", {"cmd": "cat /no/such/file"}, "not_found"),
        ("execute_command", {"cmd": "stat /no/such/file"}, "command_failed"),
        ("write_file", {"path": "/no/such/dir/file", "content": "x"}, "not_found"),
        ("write_file", {"path": "/etc", "content": "x"}, "is_a_directory"),
        ("write_file", {"path": "/etc/sudoers.d/x", "content": "x"}, "protected_path"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value.values())),
)
def test_what_cannot_be_done(wire: Wire, tool: str, arguments: dict[str, Any], code: str) -> None:
    answer = wire.call(tool, server="deb12", **arguments)
    assert (answer["success"], answer["code"]) == (False, code)
    assert answer["hint"]
    assert answer["error"].startswith("deb12: ")


def test_progress_tells_the_tasks(wire: Wire) -> None:
    told: list[tuple[float, str | None]] = []

    async def progress(done: float, _total: float | None, message: str | None) -> None:
        told.append((done, message))

    calling = partial(
        wire.client.call_tool, "read_file", {"server": "deb12", "path": "/etc/hostname"}
    )
    wire.portal.call(partial(calling, progress_callback=progress))
    assert told == [(1.0, "Read the file")]


@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
def test_both_protocol_eras(
    hosts: Mapping[str, Any], tmp_path: Path, mode: str, version: str
) -> None:
    tmp_path.chmod(0o700)
    with connected(environment(tmp_path, {"deb12": entry(hosts, "deb12")}), mode=mode) as other:
        assert other.client.protocol_version == version
        names = [tool.name for tool in other.portal.call(other.client.list_tools).tools]
        assert names == sorted(names)
        assert other.report("read_file", server="deb12", path="/etc/hostname")["content"]
        assert other.call("no_such_tool")["code"] == "unknown_tool"
