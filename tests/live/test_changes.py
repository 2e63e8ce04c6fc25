"""Changing tools on real hosts: what they report is what the host has become, seen past
Playrail.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable

import pytest

from .conftest import Wire, on_host

pytestmark = pytest.mark.lab
BOTH = pytest.mark.parametrize("host", ["deb12", "deb13"])

CONTENTS = {
    "a template": "{{ lookup('pipe', 'touch /tmp/was-run') }} {% raw %}\n",
    "JSON": '{"a": [1, true, null], "b": "é"}',
    "no newline at the end": "one\ntwo",
    "Windows lines": "one\r\ntwo\r\n",
    "nothing": "",
    "quotes and dollars": "'\"`$(id)$HOME\\\n!unsafe x\n",
    "a megabyte": "0123456789abcde\n" * 65536,
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_write_file_byte_for_byte(wire: Wire, content: str) -> None:
    path = f"/srv/written-{uuid.uuid4()}"
    found = wire.report("write_file", server="deb12", path=path, content=content)
    assert (
        on_host("deb12", "sha256sum", path).split()[0]
        == hashlib.sha256(content.encode()).hexdigest()
    )
    assert (
        found["size_bytes"]
        == len(content.encode())
        == int(on_host("deb12", "stat", "-c", "%s", path))
    )
    assert found["changed"] is True


@BOTH
def test_write_file_again(wire: Wire, host: str) -> None:
    """Owner, group and mode are as asked; the same again changes nothing; a backup is the
    old file.
    """
    path = f"/srv/again-{uuid.uuid4()}"
    asked = {"server": host, "path": path, "mode": "0640", "owner": "games", "group": "mail"}
    wire.report("write_file", content="old\n", **asked)
    assert on_host(host, "stat", "-c", "%a %U %G", path) == "640 games mail\n"
    again = wire.call("write_file", content="old\n", **asked)
    assert again["data"].get("changed", []) == []
    changed = wire.call("write_file", content="new\n", backup=True, **asked)
    assert changed["data"]["changed"] == [host]
    assert on_host(host, "cat", changed["data"]["hosts"][host]["backup_file"]) == "old\n"
    assert on_host(host, "cat", path) == "new\n"


def test_write_through_a_link_to_a_protected_file(wire: Wire) -> None:
    on_host("deb12", "ln", "-sf", "/etc/sudoers", "/srv/innocent")
    before = on_host("deb12", "md5sum", "/etc/sudoers")
    answer = wire.call(
        "write_file", server="deb12", path="/srv/innocent", content="ALL ALL=NOPASSWD: ALL\n"
    )
    assert answer["code"] == "protected_path"
    assert on_host("deb12", "md5sum", "/etc/sudoers") == before


def test_no_space_left(wire: Wire) -> None:
    on_host(
        "deb12",
        "sh",
        "-c",
        ("mkdir -p /srv/full && mountpoint -q /srv/full || mount -t tmpfs -o size=64k t /srv/full"),
    )
    answer = wire.call("write_file", server="deb12", path="/srv/full/big", content="x" * 500_000)
    assert answer["code"] == "disk_full"
    assert on_host("deb12", "ls", "/srv/full") == ""


UNIT = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"


@BOTH
def test_manage_service(wire: Wire, host: str) -> None:
    def systemctl(*words: str) -> str:
        return on_host(host, "systemctl", *words, "probe.service", check=False).strip()

    def manage(action: str) -> dict[str, object]:
        return wire.report("manage_service", server=host, name="probe", action=action)

    wire.report("write_file", server=host, path="/etc/systemd/system/probe.service", content=UNIT)
    on_host(host, "systemctl", "daemon-reload")
    assert manage("start")["active_state"] == systemctl("is-active") == "active"
    first = manage("status")["main_pid"]
    assert manage("restart")["main_pid"] != first
    assert manage("enable")["unit_file_state"] == systemctl("is-enabled") == "enabled"
    assert manage("disable")["unit_file_state"] == systemctl("is-enabled") == "disabled"
    assert manage("stop")["active_state"] == systemctl("is-active") == "inactive"


def test_a_service_that_does_not_stay_up(wire: Wire) -> None:
    """Systemd accepts the start; the answer still says that the service failed."""
    unit = "[Service]\nType=oneshot\nExecStart=/bin/false\n"
    wire.report(
        "write_file", server="deb12", path="/etc/systemd/system/broken.service", content=unit
    )
    on_host("deb12", "systemctl", "daemon-reload")
    answer = wire.call("manage_service", server="deb12", name="broken", action="start")
    assert answer["success"] is False
    assert on_host("deb12", "systemctl", "is-failed", "broken") == "failed\n"


@BOTH
def test_execute_command(wire: Wire, host: str) -> None:
    path = f"/srv/made by {{{{ 7 * 7 }}}} {uuid.uuid4()}"
    found = wire.report("execute_command", server=host, cmd=f'mkdir -v "{path}"')
    assert (found["exit_code"], found.get("stderr", "")) == (0, "")
    assert on_host(host, "stat", "-c", "%F", path) == "directory\n"


def test_a_command_that_fails_is_not_a_success(wire: Wire) -> None:
    answer = wire.call("execute_command", server="deb12", cmd="ls /no/such/file", shell=True)
    assert (answer["success"], answer["code"]) == (False, "command_failed")
    report = answer["data"]["hosts"]["deb12"]
    assert report["exit_code"] == 2
    assert "No such file" in report["stderr"]
    assert answer["_meta"]["retry_safe"] is False


PACKAGE = """set -e
rm -rf /srv/repo && mkdir -p /srv/repo && cd /srv/repo
for version in 1.0 2.0; do
  mkdir -p build/DEBIAN
  printf 'Package: playrail-probe\\nVersion: %s\\n' $version > build/DEBIAN/control
  printf 'Architecture: all\\n' >> build/DEBIAN/control
  printf 'Maintainer: t <t@t>\\nDescription: t\\n' >> build/DEBIAN/control
  dpkg-deb -b build probe-$version.deb > /dev/null
done
dpkg -i probe-1.0.deb > /dev/null
{ dpkg-deb -f probe-2.0.deb; echo "Filename: ./probe-2.0.deb"
  echo "Size: $(stat -c %s probe-2.0.deb)"
  echo "SHA256: $(sha256sum probe-2.0.deb | cut -d' ' -f1)"; echo; } > Packages
echo 'deb [trusted=yes] file:/srv/repo ./' > /etc/apt/sources.list.d/probe.list
"""


@BOTH
def test_update_system(wire: Wire, host: str) -> None:
    """A package with a newer version in a repository of the host's own is upgraded, and
    told with both versions.
    """
    on_host(host, "sh", "-c", PACKAGE)
    found = wire.report("update_system", server=host)
    probe = next(item for item in found["upgraded"] if item["name"] == "playrail-probe")
    assert (probe["old_version"], probe["new_version"]) == ("1.0", "2.0")
    assert on_host(host, "dpkg-query", "-W", "-f", "${Version}", "playrail-probe") == "2.0"
    again = wire.call("update_system", server=host)
    assert again["data"].get("changed", []) == []


def test_writes_off(wired: Callable[..., Wire]) -> None:
    """Without the operator's switch no changing tool reaches a host."""
    other = wired({}, ENABLE_WRITE_OPERATIONS="0")
    capabilities = other.call("describe_capabilities")["data"]["tools"]
    arguments = {
        "write_file": {"path": "/tmp/x", "content": "x"},
        "remove_file": {"path": "/tmp/x"},
        "manage_service": {"name": "ssh", "action": "stop"},
        "update_system": {},
        "execute_command": {"cmd": "true"},
        "execute_on_multiple": {"server": "localhost", "cmd": "true"},
        "install_package": {"name": "jq"},
        "manage_process": {"action": "kill", "target": "1"},
    }
    changing = {
        tool["name"] for tool in capabilities if tool.get("changes") and tool.get("playbook")
    }
    assert changing == set(arguments)
    for tool in changing:
        assert other.call(tool, **arguments[tool])["code"] == "writes_disabled"
    assert all(tool["allowed"] is not tool["changes"] for tool in capabilities)
